"""What the shop says of items as small vectors: near texts are near, whatever they come from, and ranking uses it."""

import numpy as np
import pytest

from models import dimensions as dim
from models.features import CONTENT_LAST, FEATURE_NAMES
from models.kernels.ranking import item_features as features_facts
from models.recommender.recommender import Recommender, new_state
from models.recommender.scratch import new_scratch
from models.recommender.types import RecommenderOptions
from models.records.content import content_vector, projected
from tests import naive
from tests.support.oracles.contents import cosine
from tests.support.streams.shop import START, ShopEvent, ShopFacts

TITLES = ("WHITE HANGING HEART T-LIGHT HOLDER", "RED HANGING HEART T-LIGHT HOLDER", "USB CABLE CHARGER")


def test_titles_with_words_in_common_are_near():
    heart, red_heart, cable = (content_vector(title) for title in TITLES)
    assert cosine(heart, red_heart) > 0.6
    assert abs(cosine(heart, cable)) < 0.4
    assert cosine(heart, content_vector("  White hanging HEART t-light holder ")) == pytest.approx(1.0)


def test_tags_count_beside_a_title_and_alone():
    both = content_vector("Toy Story", ["Animation", "Comedy"])
    assert cosine(both, content_vector("Toy Story")) > 0.6
    tags, titled = content_vector(None, ["Animation", "Comedy"]), content_vector("Aladdin", ["animation", "comedy"])
    assert cosine(tags, titled) > 0.4
    assert content_vector(None) is None
    assert content_vector("", []) is None


def test_a_projection_keeps_cosines_of_vectors_of_any_length():
    rng = np.random.default_rng(3)
    for size in (2, 100, 256, 1536):
        errors = []
        for _ in range(200):
            one, other = rng.standard_normal(size), rng.standard_normal(size)
            other = 0.5 * one + other
            true = one @ other / np.linalg.norm(one) / np.linalg.norm(other)
            errors.append(cosine(content_vector(embedding=one), content_vector(embedding=other)) - true)
        assert np.std(errors) < 1.5 / np.sqrt(dim.CONTENT), size
    assert not projected([np.nan, 1.0]).any()
    assert content_vector(embedding=[0.0, 0.0]) is None


def test_the_features_are_cosines_with_the_last_item_and_with_the_last_ten():
    rng, scratch = np.random.default_rng(4), new_scratch()
    vectors = rng.integers(-60, 60, (20, dim.CONTENT)).astype(np.int8)
    vectors[3] = 0
    for items in ([], [5], [3, 4], [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]):
        scratch.history.items[: len(items)] = items
        scratch.history.counts[0] = len(items)
        features_facts.set_contents(scratch.history, vectors, scratch.work.contents)
        last, mean = naive.ranking.contents(vectors, items)
        assert scratch.work.contents == pytest.approx(np.array([last, mean]), abs=1e-5)
        for item in (0, 3, 19):
            expected = float(vectors[item].astype(float) @ mean) / 127
            assert features_facts.nearness(vectors, item, scratch.work.contents[1]) == pytest.approx(expected, abs=1e-4)


def test_an_untouched_item_that_is_described_like_the_last_one_comes_before_others():
    """Users go on to whatever is described alike: learned from old items, it holds for one nobody has touched."""
    settings = RecommenderOptions(items=2000, users=40, test_every=1)
    recommender, now = Recommender(new_state(settings), settings), START
    rng = np.random.default_rng(5)
    kinds = ["red heart holder", "usb cable charger", "oak garden bench"]
    for turn in range(600):
        kind = int(rng.integers(3))
        contents = {f"{k}-{turn}": content_vector(f"{kinds[k]} {turn}") for k in range(3)}
        facts = {item: ShopFacts(None, None, None, content=content) for item, content in contents.items()}
        recommender.describe(facts.items())
        for step, name in enumerate((f"{kind}-{max(0, turn - 1)}", f"{kind}-{turn}")):
            now += 20 + 4000 * (step == 0)
            recommender.learn_events([ShopEvent(0, f"u{turn % 40}", name, now)], [now], facts)
    recommender.describe(
        (f"{k}-new", ShopFacts(None, None, None, content=content_vector(f"{kinds[k]} new"))) for k in range(3)
    )
    for kind in range(3):
        ranking = recommender.rank([f"{kind}-500"], [now], [0], now + 20, limit=1000)
        fresh = [item for item in ranking.items if item.endswith("-new")]
        assert fresh[0] == f"{kind}-new"
    assert FEATURE_NAMES[CONTENT_LAST] == "content_last"
