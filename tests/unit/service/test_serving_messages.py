"""The sentences of reasons: complete in every language, and the language that a request gets."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from models.features import EXPLAINED_NAMES
from models.slate.vocabulary import FEATURES, SOURCES
from service.http import Problem
from service.serving.messages import FALLBACK, BadLanguage, Languages, read

SHIPPED = read()
VALUES = {
    "item": "Mug {x}", "category": "Tea", "query": "tea", "times": "3.2", "ago": "a week ago", "n": "3",
}  # fmt: skip


def test_every_language_has_every_sentence_and_each_language_is_its_own() -> None:
    assert {"en", "zh"} <= set(SHIPPED)
    names = set(SHIPPED["en"].shopper)
    for language, messages in SHIPPED.items():
        assert set(messages.shopper) == set(messages.operator) == names, language
        for audience in ("shopper", "operator"):
            for name in names:
                text = messages.sentence(audience, name, VALUES)
                assert text
                assert not re.search(r"[_}]|\{(?!x)", text.replace("{x}", "")), text
                named = SHIPPED["en"].operator[name] if audience == "operator" else SHIPPED["en"].shopper[name]
                assert (messages.operator if audience == "operator" else messages.shopper)[name].count(
                    "{"
                ) == named.count("{"), f"{language}: {name} leaves a value out"
    assert not set(SHIPPED["en"].shopper.values()) & set(SHIPPED["zh"].shopper.values())


def test_no_sentence_is_the_name_of_a_feature_or_a_source() -> None:
    names = {name for name in (*EXPLAINED_NAMES, *FEATURES, *SOURCES) if "_" in name}
    for messages in SHIPPED.values():
        for text in (*messages.shopper.values(), *messages.operator.values()):
            assert not any(name in text for name in names), text


@pytest.mark.parametrize(
    ("seconds", "english", "chinese"),
    [
        (0, "just now", "刚刚"),
        (59, "just now", "刚刚"),
        (60, "a minute ago", "1 分钟前"),
        (3_599, "59 minutes ago", "59 分钟前"),
        (7_200, "2 hours ago", "2 小时前"),
        (86_400, "yesterday", "昨天"),
        (6 * 86_400, "6 days ago", "6 天前"),
        (8 * 86_400, "a week ago", "1 周前"),
        (70 * 86_400, "2 months ago", "2 个月前"),
    ],
)
def test_how_long_ago_something_was(seconds: float, english: str, chinese: str) -> None:
    assert (SHIPPED["en"].ago(seconds), SHIPPED["zh"].ago(seconds)) == (english, chinese)


@pytest.mark.parametrize(
    ("accepted", "language"),
    [
        ("", "en"),
        ("zh", "zh"),
        ("de-DE, de;q=0.9", "en"),
        ("de, zh-Hant-TW;q=0.9, en;q=0.8", "zh"),
        ("zh;q=0.3, en-GB;q=0.8", "en"),
        ("zh;q=0, en;q=0.1", "en"),
        ("*", "en"),
        (";;;q=,zh;q=x", "en"),
    ],
)
def test_a_request_gets_the_language_that_it_prefers(accepted: str, language: str) -> None:
    assert Languages(SHIPPED).chosen(None, accepted) == language


def test_a_language_that_is_named_must_exist() -> None:
    known = Languages(SHIPPED, "zh")
    assert known.chosen("en_US", "zh") == "en"
    assert known.chosen(None, "fr") == "zh"
    with pytest.raises(Problem, match="en, zh"):
        known.chosen("fr", "en")
    with pytest.raises(BadLanguage, match="'fr' is no language"):
        Languages(SHIPPED, "fr")


def test_a_shop_adds_a_language_and_changes_words(tmp_path: Path) -> None:
    english = (Path(__file__).parents[3] / "service/serving/languages/en.toml").read_text(encoding="utf-8")
    (tmp_path / "de.toml").write_text(english.replace("You looked at it {ago}", "Angesehen: {ago}"), encoding="utf-8")
    (tmp_path / "en.toml").write_text(english.replace("You looked at it", "Seen by you"), encoding="utf-8")
    found = read(tmp_path)
    assert set(found) == {"en", "zh", "de"}
    assert found["de"].shopper["own_click"] == "Angesehen: {ago}"
    assert found[FALLBACK].shopper["own_click"] == "Seen by you {ago}"


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (("new = ", "newest = "), "lacks new in"),
        (("You looked at it {ago}", "You looked at it {when}"), r"own_click names \{when\}"),
        (("You looked at it {ago}", "You looked at it {ago"), "own_click is no sentence"),
        (("[shopper]", "[shopper"), "no file of sentences"),
        (("[ago]", "[since]"), "no file of sentences"),
    ],
)
def test_a_file_that_cannot_be_used_says_why(tmp_path: Path, change: tuple[str, str], complaint: str) -> None:
    english = (Path(__file__).parents[3] / "service/serving/languages/en.toml").read_text(encoding="utf-8")
    (tmp_path / "de.toml").write_text(english.replace(*change), encoding="utf-8")
    with pytest.raises(BadLanguage, match=complaint):
        read(tmp_path)
    with pytest.raises(BadLanguage, match="has no file"):
        read(tmp_path / "nowhere")
