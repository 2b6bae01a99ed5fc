"""A ranker reads: it has no method that learns, and needs no more of a state than a way to look things up."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from types import MappingProxyType
from typing import Any

import numpy as np
import pytest

from models.recommender.prequential import CONTENDERS, best_source
from models.recommender.ranker import Ranker, ReadableState
from models.recommender.recommender import Recommender, new_state
from models.recommender.types import RecommenderOptions
from models.state.keys import Keys
from models.state.state import State
from tests.support.streams.shop import START, facts, stream

SETTINGS = RecommenderOptions(items=100, users=50, categories=8, brands=8)

PAST = (["i7", "nobody knows", "i13"], [START + 90, START + 80, START + 70], [3, 0, 0])


class LookUp:
    """Ids that can be looked up and nothing else; asking for `add` is an AttributeError."""

    def __init__(self, keys: Keys) -> None:
        self.rows, self.ids = MappingProxyType(keys.rows), tuple(keys.ids)
        self.find: Callable[[Sequence[str]], np.ndarray] = keys.find


class Columns:
    """Columns that cannot be written to."""

    def __init__(self, columns: dict[str, np.ndarray]) -> None:
        self.columns = MappingProxyType({name: values.view() for name, values in columns.items()})
        for values in self.columns.values():
            values.flags.writeable = False


class ReadOnlyState:
    """Exactly what `ReadableState` names."""

    def __init__(self, state: State) -> None:
        self.keys = MappingProxyType({name: LookUp(keys) for name, keys in state.keys.items()})
        self.tables = MappingProxyType({name: Columns(data.columns) for name, data in state.tables.items()})
        self.served, self.lent_served = state.served, state.lent_served


READS: dict[str, Callable[[Ranker], Any]] = {
    "rank": lambda ranker: [
        ranker.rank(*PAST, START + 100, extra=["never seen", "i2"], query="never asked", explain=True),
        ranker.rank(*PAST, START + 100, extra=["never seen"] * 40, only=True),
        ranker.rank([], [], [], START + 100, by="window"),
    ],
    "similar": lambda ranker: [ranker.similar("i3"), ranker.similar("never seen")],
    "popular": lambda ranker: [ranker.popular(5), ranker.popular(5, "no such category"), ranker.popular(5, "c1")],
    "scores": lambda ranker: ranker.scores(),
    "chosen": lambda ranker: ranker.chosen,
    "counters": lambda ranker: ranker.counters(),
}
"""Calls of every public member of a ranker, each with ids that the state does not know."""


@pytest.fixture(scope="module")
def learned() -> State:
    recommender, events = Recommender(new_state(SETTINGS), SETTINGS), stream(500, 6)
    recommender.learn_events(events, [event.timestamp for event in events], facts())
    recommender.state.cut()
    return recommender.state


def public(which: type) -> set[str]:
    return {name for name in dir(which) if not name.startswith("_")}


def test_the_list_of_reads_names_everything_a_ranker_offers() -> None:
    assert public(Ranker) == READS.keys()


def test_what_makes_and_removes_rows_is_the_recommenders_alone() -> None:
    assert public(Recommender) - public(Ranker) == {
        "rows",
        "learn",
        "learn_events",
        "describe",
        "complete",
        "remove",
        "borrow",
        "join",
        "settle",
    }


def test_a_ranker_sees_no_way_to_add_a_row() -> None:
    assert public(ReadableState) == {"keys", "tables", "served", "lent_served"}
    assert not hasattr(ReadOnlyState(new_state(SETTINGS)), "add")


@pytest.mark.parametrize("name", READS)
def test_reading_needs_no_write_access_and_makes_no_row(learned: State, name: str) -> None:
    before = learned.digest()
    found = READS[name](Ranker(ReadOnlyState(learned)))
    assert repr(found) == repr(READS[name](Recommender(learned, SETTINGS)))
    assert learned.digest() == before
    changes = learned.cut()
    assert [table for table, part in changes.tables.items() if len(part.rows)] == []
    assert [space for space, part in changes.keys.items() if len(part.rows)] == []


@pytest.mark.parametrize("seed", range(5))
def test_the_best_source_is_the_one_with_the_highest_sum_and_never_a_ranker(seed: int) -> None:
    state, rng = new_state(SETTINGS), np.random.default_rng(seed)
    race = state.tables["race"].columns
    for name in ("fading_hits", "fading_reciprocal"):
        race[name][:] = rng.integers(0, 5, len(race[name]))  # few values, so that some are equal
    race["fading_hits"][CONTENDERS.index("ranker")] = 100.0
    sums = [race["fading_hits"][at] + race["fading_reciprocal"][at] for at in range(8)]
    assert best_source(state.served.race) == sums.index(max(sums))
