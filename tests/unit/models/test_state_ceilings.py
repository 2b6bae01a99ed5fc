"""How items without a row are counted: new ones are rarely taken for known ones, however many ids there were."""

from __future__ import annotations

import numpy as np
import pytest

from models import dimensions as dim
from models.recommender import RecommenderOptions, new_state
from models.state import Ceilings, Limits, State
from models.state import ceilings as under_test

ROOMY = RecommenderOptions(items=1_000, users=1_000)


def state_after(ids: int) -> State:
    """The state after so many ids were deferred, each once: their cells are drawn, as a hash draws them.

    Between two halvings the order of additions does not matter, so each stretch is added at once.
    """
    state, rng = new_state(ROOMY), np.random.default_rng(5)
    counts = state.tables["sightings"].columns["count"]
    for start in range(0, ids, dim.SIGHTED):
        number = min(dim.SIGHTED, ids - start)
        drawn = np.bincount(rng.integers(0, dim.SIGHTINGS, under_test.CELLS * number), minlength=dim.SIGHTINGS)
        counts[:] = np.minimum(counts + drawn, under_test.LONGEST_WAIT)
        if number == dim.SIGHTED:
            counts >>= 1
    state.tables["progress"].columns["deferred"][0] = ids
    return state


@pytest.mark.parametrize("ids", [dim.SIGHTED - 1, 10_000_000, 10_000_000 // dim.SIGHTED * dim.SIGHTED - 1])
def test_after_ten_million_ids_at_most_one_new_item_in_200_is_taken_for_a_known_one(ids: int) -> None:
    ceilings = Ceilings(state_after(ids), Limits(admit_after=2))
    assert np.mean([ceilings.ready(f"new{number}") for number in range(20_000)]) <= 0.005


def test_an_item_that_is_named_again_soon_gets_its_row_however_many_ids_there_were() -> None:
    ceilings = Ceilings(state_after(10_000_000), Limits(admit_after=3))
    for _ in range(2):
        assert not ceilings.ready("tea")
        ceilings.defer("tea")
    assert ceilings.ready("tea")


def test_counts_are_halved_in_time_and_the_next_version_carries_that() -> None:
    state = state_after(dim.SIGHTED - 1)
    ceilings, follower = Ceilings(state, Limits(admit_after=9)), new_state(ROOMY)
    follower.apply(state.full())
    state.cut()
    before = state.tables["sightings"].columns["count"].copy()
    ceilings.defer("tea")
    counts = state.tables["sightings"].columns["count"]
    others = np.setdiff1d(np.arange(dim.SIGHTINGS), under_test._cells("tea"))
    assert (counts[others] == before[others] // 2).all()
    follower.apply(state.cut())
    assert follower.digest() == state.digest()


@pytest.mark.parametrize("seed", range(4))
def test_those_are_evicted_that_come_first_when_all_are_sorted(seed: int) -> None:
    """Also where many are equally popular: then the one that arrived first goes, and of those the lowest row."""
    state, rng = new_state(RecommenderOptions(items=320, users=10)), np.random.default_rng(seed)
    for number in range(320):
        state.add("item", f"item{number}")
    state.tables["item_stats"].columns["key"][:320, 2] = rng.integers(0, 4, 320)
    state.tables["item_fresh"].columns["arrived"][:320] = rng.integers(0, 3, 320)
    key, arrived = state.tables["item_stats"].columns["key"][:320, 2], state.tables["item_fresh"].columns["arrived"]
    expected = sorted(range(320), key=lambda row: (key[row], arrived[row], row))[:20]
    assert Ceilings(state, Limits()).room("ann", "new", pending=False)
    assert [f"item{row}" for row in range(320) if f"item{row}" not in state.keys["item"].rows] == [
        f"item{row}" for row in sorted(expected)
    ]


def test_a_few_untouched_items_make_no_room_for_each_item_that_a_catalogue_brings() -> None:
    """Each would evict the one before it, with a sweep of all references for each."""
    state = new_state(RecommenderOptions(items=4 * under_test.FEW, users=10))
    ceilings = Ceilings(state, Limits())
    for number in range(4 * under_test.FEW):
        state.add("item", f"item{number}")
    listed = state.tables["item_fresh"].columns["listed"]
    listed[:3] = 1
    assert not ceilings.room_untouched()
    listed[:4] = 1
    assert ceilings.room_untouched()
    assert len(state.keys["item"]) == 4 * under_test.FEW - 4
