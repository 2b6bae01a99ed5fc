"""Buckets of pairs that several parts changed hold what a slow twin says, whatever the order of the parts."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from models import dimensions as dim
from models.merging.pairs import merge
from models.recommender import RecommenderOptions, new_state
from models.state import State, TableChanges
from tests import naive

FEW = RecommenderOptions(items=48, users=64, categories=6, brands=4, queries=16)
Pairs = Mapping[tuple[int, int], float]

OWNERS = st.sampled_from([0, 1, dim.BASKETS, 2 * dim.BASKETS + 1])
"""Two owners in each of two buckets."""
BUCKETS = st.dictionaries(st.tuples(OWNERS, st.integers(0, 9)), st.integers(1, 9).map(float), max_size=12)


def written(state: State, held: Pairs) -> None:
    """Put pairs into their buckets."""
    columns, used = state.tables["baskets"].columns, defaultdict(int)
    columns["owner"][:], columns["other"][:], columns["count"][:] = -1, -1, 0.0
    for (owner, other), count in held.items():
        bucket = owner % dim.BASKETS
        at = bucket * dim.BASKET_SLOTS + used[bucket]
        used[bucket] += 1
        columns["owner"][at], columns["other"][at], columns["count"][at] = owner, other, count


def read(state: State) -> dict[tuple[int, int], float]:
    """All pairs; each must stand in the bucket of its owner, and once."""
    columns = state.tables["baskets"].columns
    places = np.flatnonzero(columns["owner"] >= 0)
    found = {}
    for at in places.tolist():
        pair = int(columns["owner"][at]), int(columns["other"][at])
        assert at // dim.BASKET_SLOTS == pair[0] % dim.BASKETS
        assert pair not in found
        found[pair] = float(columns["count"][at])
    return found


def changed(base: Pairs, held: Pairs) -> TableChanges:
    """What a part hands in that holds other pairs than the base: the slots that differ."""
    states = [new_state(FEW) for _ in range(2)]
    for state, pairs in zip(states, (base, held), strict=True):
        written(state, pairs)
    before, after = (state.tables["baskets"].columns for state in states)
    differs = np.zeros(len(before["owner"]), bool)
    for name in before:
        differs |= before[name] != after[name]
    rows = np.flatnonzero(differs).astype(np.int32)
    return TableChanges(rows, {name: values[rows] for name, values in after.items()})


def merged(base: Pairs, parts: Sequence[TableChanges]) -> dict[tuple[int, int], float]:
    state = new_state(FEW)
    written(state, base)
    merge(state, "baskets", parts)
    return read(state)


@given(base=BUCKETS, parts=st.lists(BUCKETS, min_size=1, max_size=4))
@settings(max_examples=25, deadline=None)
def test_buckets_hold_what_the_slow_twin_says_in_any_order_of_the_parts(base: Pairs, parts: list[Pairs]) -> None:
    changes = [changed(base, part) for part in parts]
    found = merged(base, changes)
    wanted: dict[tuple[int, int], float] = {}
    for bucket in range(2):
        own = [{pair: n for pair, n in each.items() if pair[0] % dim.BASKETS == bucket} for each in (base, *parts)]
        wanted |= naive.merging.pairs(own[0], own[1:], dim.BASKET_SLOTS)
    assert found == wanted
    assert merged(base, changes[::-1]) == found


def test_a_pair_whose_owner_got_another_row_moves_to_its_bucket() -> None:
    """A shard proposed row 5 for a new item, and the merge gave it row 7."""
    written(state := new_state(FEW), {(7, 1): 2.0})
    slot = 5 * dim.BASKET_SLOTS
    renumbered = TableChanges(
        np.array([slot], np.int32),
        {"owner": np.array([7], np.int32), "other": np.array([3], np.int32), "count": np.array([1.0], np.float32)},
    )
    merge(state, "baskets", [renumbered])
    assert read(state) == {(7, 1): 2.0, (7, 3): 1.0}
