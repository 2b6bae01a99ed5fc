"""The index of a key space finds the same rows as the dict next to it, after any order of additions and removals."""

import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.kernels.core import hash_index as kernels
from models.recommender.recommender import Recommender, new_state
from models.recommender.types import RecommenderOptions
from models.state.copies import duplicate
from models.state.index import CHUNK, LEAST, Index
from models.state.keys import FEW_IDS, Keys
from models.state.merges import SUM
from models.state.schema import SCHEMA
from models.state.state import State
from models.state.tables import Column, Schema, Space, Table
from tests import naive

TINY = Schema(
    1,
    [Space("item", 100, asked=True)],
    [Table("seen", "item", (Column("times", "u4", merge=SUM),))],
    "tests.unit.models.test_state_index",
)
for name, made in TINY.classes.items():
    setattr(sys.modules[__name__], name, made)

STEPS = st.lists(st.tuples(st.booleans(), st.integers(0, 11), st.integers(0, 5)), max_size=60)


def found(keys: Keys, ids: list[str]) -> list[int]:
    return keys.find(ids).tolist()


@given(STEPS, st.sampled_from([3, 8, 64]))
@settings(deadline=None)
def test_slots_hold_the_same_pairs_as_a_plain_list(steps, spread):
    """Few slots and hashes that crowd on fewer: every chain wraps round, and every gap is closed within one."""
    slots, twin = np.zeros((16, 2), np.int64), naive.core.Pairs()
    for put, hashed, row in steps:
        key = (hashed % spread) * (1 << 40) - 7 * (hashed % 3)
        if put and twin.find(key) < 0 and len(twin.pairs) < 15:
            kernels.insert(slots, np.array([key], np.int64), np.array([row], np.int64))
            twin.insert(key, row)
        elif not put:
            kernels.remove(slots, np.array([key], np.int64), np.array([row], np.int64))
            twin.remove(key, row)
        asked = np.array([n * (1 << 40) - 7 * m for n in range(12) for m in range(3)], np.int64)
        out = np.empty(len(asked), np.int32)
        kernels.find_all(slots, asked, out)
        assert out.tolist() == [twin.find(each) for each in asked.tolist()]
        assert np.count_nonzero(slots[:, kernels.ROW]) == len(twin.pairs)


@pytest.mark.parametrize("indexed", [False, True])
@pytest.mark.parametrize("freed", [0, 3])
def test_ids_that_are_added_together_get_the_rows_of_ids_that_are_added_one_by_one(indexed, freed):
    one, together = (Keys(Space("item", 100), indexed=indexed) for _ in range(2))
    for keys in (one, together):
        for number in range(10):
            keys.add(f"i{number}")
        for number in range(freed):
            keys.remove(f"i{number}")
        keys.forget_changes()
    ids = [f"i{number}" for number in (5, 40, 9, *range(20, 20 + FEW_IDS), 7)]
    assert together.add_all(ids).tolist() == [one.add(key) for key in ids] == found(together, ids)
    assert (together.ids, together.rows) == (one.ids, one.rows)
    expected, changes = one.changes(), together.changes()
    assert (changes.rows.tolist(), changes.ids) == (expected.rows.tolist(), expected.ids)


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 60)), max_size=80))
@settings(deadline=None)
def test_an_index_follows_ids_that_go_and_rows_that_are_used_again(steps):
    learner, follower = State(TINY), State(TINY, served_only=True)
    everything = [f"i{number}" for number in range(61)]
    follower.apply(learner.full())
    for number, (add, which) in enumerate(steps):
        key = everything[which]
        if add:
            learner.add("item", key)
        elif key in learner.keys["item"].rows:
            learner.remove("item", [key])
        if number % 7 == 3:
            follower.apply(learner.cut())
            rows = learner.keys["item"].rows
            assert found(follower.keys["item"], everything) == [rows.get(each, -1) for each in everything]
    follower.apply(learner.cut())
    twin = duplicate(follower)
    for keys in (follower.keys["item"], twin.keys["item"]):
        assert keys.index is not None
        assert found(keys, everything) == [learner.keys["item"].rows.get(each, -1) for each in everything]


def test_ids_that_are_added_and_removed_one_by_one_are_found_as_they_stand():
    state = State(TINY, served_only=True)
    everything = [f"i{number}" for number in range(40)]
    for each in everything[:30]:
        state.add("item", each)
    state.remove("item", everything[5:20])
    state.add("item", everything[35])
    rows = state.keys["item"].rows
    assert found(state.keys["item"], everything) == [rows.get(each, -1) for each in everything]
    assert rows[everything[35]] < 20, "a freed row was used again"


def test_an_index_grows_with_its_ids_and_forgets_none():
    index, count = Index(), 3 * CHUNK
    ids = [f"item-{number}" for number in range(count)]
    index.put(ids[:LEAST], range(LEAST))
    index.put(ids[LEAST:], range(LEAST, count))
    assert index.find(ids).tolist() == list(range(count))
    assert (index.find([f"other-{number}" for number in range(count)]) == -1).all()
    assert index.nbytes <= 52 * count
    index.remove(ids[::2], range(0, count, 2))
    assert index.find(ids).tolist() == [-1 if number % 2 == 0 else number for number in range(count)]


def test_only_a_service_keeps_an_index_and_only_of_items():
    served, learning = State(SCHEMA, served_only=True), State(SCHEMA)
    assert [name for name, keys in served.keys.items() if keys.index is not None] == ["item"]
    assert all(keys.index is None for keys in learning.keys.values())
    assert served.nbytes() >= LEAST * 16


class Event:
    def __init__(self, item: str, at: float) -> None:
        self.kind, self.user_id, self.item_id, self.timestamp, self.price = 0, "ann", item, at, None


@pytest.fixture
def both() -> tuple[Recommender, Recommender]:
    """A recommender that has learned fifty items, and a service's one over its served state."""
    settings_ = RecommenderOptions(items=200)
    learner = Recommender(new_state(settings_), settings_)
    events = [Event(f"i{number % 50}", 1e9 + number) for number in range(150)]
    learner.learn_events(events, [event.timestamp for event in events])
    state = State(SCHEMA, settings_.ceilings(), served_only=True)
    state.apply(learner.state.full())
    return learner, Recommender(state, settings_)


@pytest.mark.parametrize("only", [True, False])
def test_given_items_are_ranked_by_an_index_as_they_are_by_a_dict(both, only):
    learner, served = both
    history = [f"i{number}" for number in range(FEW_IDS + 4)]
    given_ = [f"i{number}" for number in range(20, 45)] + ["nobody knows it", "i21"]
    asked = (history, [1e9 + 200.0 - at for at in range(len(history))], [0] * len(history), 1e9 + 300.0)
    ids = list(served.state.keys["item"].ids)
    of_dict, of_index = (each.rank(*asked, extra=given_, only=only) for each in (learner, served))
    assert of_dict.items == of_index.items
    assert of_dict.sources == of_index.sources
    assert of_dict.scores.tolist() == of_index.scores.tolist()
    assert len(of_dict.items) == len(set(of_dict.items))
    assert (set(of_dict.items) == set(given_) - {"nobody knows it"}) is only
    assert served.state.keys["item"].ids == ids, "asking added a row"


def test_ranked_items_bear_the_ids_of_their_rows(both):
    """Names come from the request where it names an item: they must be those that the rows bear."""
    _, served = both
    given_ = [f"i{number}" for number in (33, 7, 48, 2, 19)]
    ranking = served.rank(["i4"], [1e9 + 150.0], [0], 1e9 + 151.0, 400, extra=given_)
    scratch, count = served._scratch, len(ranking.items)
    order = (-scratch.listed.scores[-1, : scratch.listed.counts[3]]).argsort(kind="stable")[:count]
    ids = served.state.keys["item"].ids
    assert ranking.items == [ids[row] for row in scratch.listed.items[order].tolist()]
