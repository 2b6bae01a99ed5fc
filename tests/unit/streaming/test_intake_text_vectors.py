"""Titles as vectors: of words without any package, by the pre-trained model where its package is installed."""

import sys

import pytest

from models.records.content import content_vector
from models.records.items import ItemFacts
from streaming.intake.text_vectors import MODELS, TextModelMissing, contents_by
from tests.support.oracles.contents import cosine

GLASS, GOBLET, CABLE = (
    ItemFacts(title=title) for title in ("red wine glass", "white wine goblet", "usb cable charger")
)


def test_vectors_of_words_find_titles_that_share_a_word():
    glass, goblet, cable = contents_by("words")([GLASS, GOBLET, CABLE])
    assert cosine(glass, goblet) > 0.15 > cosine(glass, cable)
    assert contents_by("words")([]) == []


def test_the_text_model_finds_titles_of_similar_meaning():
    pytest.importorskip("wordllama")
    glass, goblet, cable = contents_by("wordllama")([GLASS, GOBLET, CABLE])
    assert cosine(glass, goblet) > 0.35
    assert cosine(glass, cable) < 0.2


def test_an_embedding_of_the_shop_comes_before_the_text_model_and_tags_count_with_both():
    pytest.importorskip("wordllama")
    given = ItemFacts(title="red wine glass", embedding=(1.0, 0.0, 2.0))
    tagged = ItemFacts(title="red wine glass", tags=("kitchen",))
    nothing = ItemFacts()
    found = contents_by("wordllama")([given, tagged, nothing])
    assert found[0] == content_vector(embedding=(1.0, 0.0, 2.0))
    assert found[1] != contents_by("wordllama")([GLASS])[0]
    assert found[2] is None


def test_a_model_that_is_not_installed_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "wordllama", None)
    with pytest.raises(TextModelMissing, match=r"sluicegate\[text\]"):
        contents_by("wordllama")
    assert set(MODELS) == {"words", "wordllama"}
