"""What is trending: growth against an item's own past, not size."""

from __future__ import annotations

import numpy as np
import pytest

from models import dimensions as dim
from models.recommender import Ranker, RecommenderOptions, growth, new_state, trending

OPTIONS = RecommenderOptions(items=400, users=400, categories=4, brands=4)


def touched(past: int, recent: int, seed: int = 1) -> Ranker:
    """A past in which item 0 has a tenth of all events and item 1 one in 500; then item 1 has one in 20.

    The popularities are what so many touches leave (tests of the retrieval's kernels compare those with learning); to
    learn the events would take seconds.
    """
    random = np.random.default_rng(seed)
    state = new_state(OPTIONS)
    rows = [state.add("item", f"i{item}") for item in range(300)]
    keys, rates = state.served.item_stats.key, np.log(2) / np.array(dim.HALF_LIVES)
    for number in range(past + recent):
        drawn = random.random()
        small = 0.002 if number < past else 0.05
        item = 0 if drawn < 0.1 else 1 if drawn < 0.1 + small else int(random.integers(2, 300))
        keys[rows[item]] = np.logaddexp(keys[rows[item]], rates * number)
    state.served.pool.item[: len(rows)] = rows
    state.served.clock.applied[0] = past + recent
    return Ranker(state)


@pytest.fixture(scope="module")
def grown() -> Ranker:
    return touched(20_000, 2_000)


def test_a_small_item_that_grows_stands_above_a_large_one_that_does_not(grown: Ranker) -> None:
    found = trending(grown.state, 50)
    assert found.items[0] == "i1"
    assert "i0" not in found.items
    assert len(found.items) < 20  # chance makes few of 300 steady items look as if they grew
    assert set(found.sources) <= {"trending"}
    assert 3.0 < np.exp(found.scores[0]) < 25.0
    assert (np.diff(found.scores) <= 0).all()


def test_what_is_expected_is_the_share_of_the_past_times_the_recent_events(grown: Ranker) -> None:
    rows = np.array([grown.state.keys["item"].rows[item] for item in ("i0", "i1")], np.int32)
    recent, expected = growth(grown.state, rows)
    # 22,000 events: those of half-life 5,000 weigh as much as 6,872 (of 7,213 in the long run) of the present.
    assert recent[0] == pytest.approx(0.1 * 6_872, rel=0.1)
    assert expected[0] == pytest.approx(recent[0], rel=0.1)
    assert expected[1] == pytest.approx(0.002 * 6_872, rel=0.5)
    assert recent[1] > 4 * expected[1]


def test_nothing_trends_while_nothing_has_a_past() -> None:
    assert trending(new_state(OPTIONS), 10).items == []
    young = touched(300, 0)
    assert trending(young.state, 10, "no such category", ["i1", "nobody knows"]).items == []
