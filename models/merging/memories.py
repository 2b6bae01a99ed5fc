"""Memories of neighbours, and their totals: what several parts made of them in, one memory out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from models.arrays import Array
from models.kernels.merging import neighbours
from models.merging.touched import Shared
from models.state import Column, State, TableChanges

HALF_OF = 0.75
"""A total below this share of the base's, where the base was near the limit, has been halved: nothing else takes so
much."""


@dataclass(frozen=True, slots=True)
class Halvings:
    """Memories that were halved since the base.

    Attributes:
        parts: The part that halved, (h,) i32, and `keys`, the row of the memory's owner, (h,) i32.
        keys: See parts.
        merged: Rows that are to be halved in the merge, (n,) i32, and `times`, how often.
        times: See merged.
    """

    parts: Array
    keys: Array
    merged: Array
    times: Array

    @property
    def none(self) -> bool:
        """Whether nobody halved anything, which is the rule."""
        return not len(self.parts) and not len(self.merged)


def counted(shared: Shared, column: Column) -> tuple[Array, Halvings]:
    """A memory's total: differences add up as if nobody had halved, then it is halved while it exceeds the limit."""
    base, values = shared.base[column.name].astype(np.float64), shared.values[column.name].astype(np.float64)
    limit, spread = column.merge.number, shared.spread(base)
    fell = (spread >= 0.5 * limit) & (values < HALF_OF * spread)
    total = np.maximum(base + shared.total(np.where(fell, 2.0, 1.0) * values - spread), 0.0)
    times = np.ceil(np.log2(np.maximum(total / limit, 1.0))).astype(np.int32)
    halves = times > 0
    done = Halvings(shared.parts[fell], shared.spread(shared.rows)[fell], shared.rows[halves], times[halves])
    return (total * 0.5**times).astype(np.float32), done


def merge(state: State, name: str, changes: Sequence[TableChanges], halvings: Halvings | None) -> None:
    """Merge the slots of the memory `name` in the base's table."""
    data = state.tables[name]
    width = data.table.width
    rows = np.concatenate([part.rows for part in changes])
    if not len(rows):
        return
    parts = np.repeat(np.arange(len(changes), dtype=np.int32), [len(part.rows) for part in changes])
    keys = rows // width
    alone = _owned_by_one(keys, parts, state.keys[data.table.keys].capacity)
    others, counts = data.columns["other"], data.columns["count"]
    named, held = (_joined(changes, column) for column in ("other", "count"))
    single = alone[keys]
    others[rows[single]], counts[rows[single]] = named[single], held[single]
    several = np.flatnonzero(~single)
    if not len(several):
        return
    several = several[np.argsort(keys[several], kind="stable")]
    ordered = keys[several]
    starts = np.flatnonzero(np.concatenate([[True], ordered[1:] != ordered[:-1], [True]]))
    factors = _factors(halvings, ordered, parts[several])
    room = int(np.diff(starts).max()) + width
    neighbours.merge(
        others,
        counts,
        data.marks.array,
        width,
        starts,
        rows[several].astype(np.int64),
        named[several],
        held[several],
        factors,
        np.empty(room, np.int32),
        np.empty(room, np.float64),
    )
    if halvings is not None and len(halvings.merged):
        slots = halvings.merged.astype(np.int64)[:, None] * width + np.arange(width)
        counts[slots] *= (0.5**halvings.times).astype(np.float32)[:, None]
        data.mark(slots.ravel())


def _owned_by_one(keys: Array, parts: Array, capacity: int) -> Array:
    """(capacity,) bool: whether only one part touched that memory."""
    first = np.full(capacity, -1, np.int32)
    first[keys] = parts
    several = np.zeros(capacity, bool)
    several[keys[first[keys] != parts]] = True
    return ~several


def _joined(changes: Sequence[TableChanges], column: str) -> Array:
    return np.concatenate([part.columns[column] for part in changes if len(part.rows)])


def _factors(halvings: Halvings | None, keys: Array, parts: Array) -> Array:
    if halvings is None or not len(halvings.parts):
        return np.ones(len(keys), np.float32)
    known = set(zip(halvings.parts.tolist(), halvings.keys.tolist(), strict=True))
    pairs = zip(parts.tolist(), keys.tolist(), strict=True)
    return np.fromiter((2.0 if pair in known else 1.0 for pair in pairs), np.float32, len(keys))


__all__ = ["Halvings", "counted", "merge"]
