"""Buckets of pairs, such as items bought together: what several parts made of them in, one set of buckets out.

A pair's bucket follows from the row of its owner, so a pair whose owner was given another row by the merge moves to
another bucket.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np

from models import dimensions as dim
from models.arrays import Array
from models.kernels.merging.pair_buckets import keep_largest
from models.state import State, TableChanges

WIDTH: Final = dim.BASKET_SLOTS
NAMES: Final = ("owner", "other", "count")


class _Pairs(NamedTuple):
    """Pairs, one element each."""

    owners: Array  # (n,) i32
    others: Array  # (n,) i32
    counts: Array  # (n,) f8


def merge(state: State, table: str, changes: Sequence[TableChanges]) -> None:
    """Merge a table: differences of a pair's count add up, and each bucket keeps its largest pairs."""
    data = state.tables[table]
    columns = [data.columns[name] for name in NAMES]
    touched, mixed = _touched(changes)
    alone = (touched.sum(axis=0) == 1) & ~mixed
    for part in changes:
        own = alone[part.rows // WIDTH]
        for column, name in zip(columns, NAMES, strict=True):
            column[part.rows[own]] = part.columns[name][own]
    several = touched.any(axis=0) & ~alone
    if not several.any():
        return
    slots = _slots(np.flatnonzero(several))
    base = _Pairs(*(column[slots] for column in columns))
    found = [base, *(_differences(columns, part, several) for part in changes)]
    pairs = _Pairs(*map(np.concatenate, zip(*found, strict=True)))
    bounds, order = np.zeros(dim.BASKETS + 1, np.int64), np.empty(len(pairs.owners), np.int64)
    keep_largest(*pairs, several, bounds, order, np.empty(WIDTH), *columns)
    data.mark(slots)


def _touched(changes: Sequence[TableChanges]) -> tuple[Array, Array]:
    """(parts, buckets) bool, whether a part changed a bucket; (buckets,) bool, whether pairs move from or to it."""
    touched = np.zeros((len(changes), dim.BASKETS), bool)
    mixed = np.zeros(dim.BASKETS, bool)
    for own, part in zip(touched, changes, strict=True):
        held, owners = part.rows // WIDTH, part.columns["owner"]
        moves = (owners >= 0) & (owners % dim.BASKETS != held)
        for buckets in (held[moves], owners[moves] % dim.BASKETS):
            own[buckets] = mixed[buckets] = True
        own[held] = True
    return touched, mixed


def _differences(columns: Sequence[Array], part: TableChanges, buckets: Array) -> _Pairs:
    """What a part changed in some buckets, (BASKETS,) bool: what it has in a slot, less what the base has there."""
    own = buckets[part.rows // WIDTH]
    before = _Pairs(*(column[part.rows[own]] for column in columns))
    after = _Pairs(*(part.columns[name][own] for name in NAMES))
    counts = np.concatenate([after.counts, -before.counts.astype(np.float64)])
    return _Pairs(np.concatenate([after.owners, before.owners]), np.concatenate([after.others, before.others]), counts)


def _slots(buckets: Array) -> Array:
    return (buckets.astype(np.int64)[:, None] * WIDTH + np.arange(WIDTH)).ravel()


__all__ = ["merge"]
