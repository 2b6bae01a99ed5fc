"""Memories of neighbours, and their totals: what several parts made of them in, one memory out."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from models.arrays import Array
from models.kernels.merging import neighbours
from models.kernels.merging.row_sums import add_totals
from models.merging.touched import AllParts, Split
from models.state import Column, State
from models.state.number_codes import codes, numbers


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


def counted(target: Array, column: Column, changes: AllParts, rows: Split) -> Halvings:
    """Merge a column of memories' totals, in place, for rows that several parts changed.

    Differences add up as if nobody had halved, then a total is halved while it exceeds the limit.

    Returns:
        Which memories were or are to be halved.
    """
    values, limit = changes.columns[column.name], column.merge.number
    fell, times = np.empty(len(rows.order), np.bool_), np.empty(len(rows.rows), np.int32)
    add_totals(target, rows.rows, rows.starts, rows.order, values, limit, fell, times)
    places, halves = np.flatnonzero(fell), times > 0
    owners = rows.rows[rows.starts.searchsorted(places, side="right") - 1]
    return Halvings(rows.parts[places], owners, rows.rows[halves], times[halves])


def merge(state: State, name: str, changes: AllParts, halvings: Halvings | None) -> None:
    """Merge the slots of the memory `name` in the base's table."""
    data = state.tables[name]
    width, room = data.table.width, data.table.width * len(changes.bounds)
    neighbours.merge(
        data.columns["other"],
        data.columns["count"],
        data.marks.array,
        width,
        changes.rows,
        changes.bounds,
        changes.columns["other"],
        changes.columns["count"],
        _factors(halvings, changes, width),
        *changes.cursors(),
        np.empty(room, np.int32),
        np.empty(room, np.float64),
    )
    if halvings is not None and len(halvings.merged):
        slots = halvings.merged.astype(np.int64)[:, None] * width + np.arange(width)
        counts, shares = data.columns["count"], (0.5**halvings.times)[:, None]
        counts[slots] = codes(numbers(counts[slots]) * shares)
        data.mark(slots.ravel())


def _factors(halvings: Halvings | None, changes: AllParts, width: int) -> Array:
    """(m,) f4: 2 for each slot of a memory that its part has halved; empty where none has."""
    if halvings is None or not len(halvings.parts):
        return np.empty(0, np.float32)
    halved = np.isin(_pairs(changes.parts(), changes.rows // width), _pairs(halvings.parts, halvings.keys))
    return np.where(halved, np.float32(2.0), np.float32(1.0))


def _pairs(parts: Array, keys: Array) -> Array:
    return parts.astype(np.int64) << 32 | keys


__all__ = ["Halvings", "counted", "merge"]
