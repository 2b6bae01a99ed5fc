"""Rows that several parts changed, in groups, with what each part made of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from models.arrays import Array
from models.kernels.merging.row_groups import group
from models.state import TableChanges


@dataclass(frozen=True, slots=True)
class Places:
    """Where one part holds the rows that it shares with others.

    Attributes:
        groups: The number of each one's row, (n,) i32.
        held: Its place in the part's rows, (n,) i64.
        values: Its place among the values of all parts, (n,) i64.
    """

    groups: Array
    held: Array
    values: Array


@dataclass(frozen=True, slots=True)
class Shared:
    """Rows of one table that more than one part changed: g rows, m values for all of them together, m >= 2 g.

    Attributes:
        rows: The rows, (g,) i32.
        starts: Where the values of each row begin, (g,) i64.
        sizes: How many parts changed each row, (g,) i64.
        parts: The place of the part that each value is from, (m,) i32 ascending within a row.
        values: By column, (m, ...).
        base: By column, what the row held before, (g, ...).
    """

    rows: Array
    starts: Array
    sizes: Array
    parts: Array
    values: Mapping[str, Array]
    base: Mapping[str, Array]

    def spread(self, per_row: Array) -> Array:
        """Repeat a number of each row for each of its values."""
        return np.repeat(per_row, self.sizes, axis=0)

    def total(self, values: Array) -> Array:
        """Sum the values of each row."""
        return np.asarray(np.add.reduceat(values, self.starts, axis=0))


@dataclass(frozen=True, slots=True)
class Split:
    """The rows of all parts, told apart.

    Attributes:
        alone: For each part, the places in its rows of those that no other part changed.
        rows: Rows that several parts changed, (g,) i32, in the order in which they first come.
        places: For each part, where it holds them.
        parts: The part of each of their values, (m,) i32.
        sizes: How many parts changed each row, (g,) i64.
    """

    alone: list[Array]
    rows: Array
    places: list[Places]
    parts: Array
    sizes: Array

    def shared(self, changes: Sequence[TableChanges], base: Mapping[str, Array]) -> Shared:
        """Gather what the parts made of the rows that they share, for the columns of `base`."""
        starts = np.concatenate([[0], np.cumsum(self.sizes)[:-1]]).astype(np.int64)
        values = {}
        for name, column in base.items():
            gathered = np.empty((len(self.parts), *column.shape[1:]), column.dtype)
            for part, places in zip(changes, self.places, strict=True):
                if len(places.held):
                    gathered[places.values] = part.columns[name][places.held]
            values[name] = gathered
        held = {name: column[self.rows] for name, column in base.items()}
        return Shared(self.rows, starts, self.sizes, self.parts, values, held)


def split(changes: Sequence[TableChanges], capacity: int) -> Split:
    """Tell rows that one part changed from rows that several did.

    Args:
        changes: Of each part, to one table.
        capacity: Rows of the table.
    """
    sizes = [len(part.rows) for part in changes]
    rows = np.concatenate([part.rows for part in changes])
    groups, alone = np.empty(len(rows), np.int32), np.zeros(len(rows), np.uint8)
    count = int(group(rows, np.zeros(capacity, np.int32), groups, alone))
    ends = np.cumsum(sizes)
    bounds = list(zip((ends - sizes).tolist(), ends.tolist(), strict=True))
    own = [np.flatnonzero(alone[start:stop]) for start, stop in bounds]
    together = np.flatnonzero(groups >= 0)
    order = np.argsort(groups[together], kind="stable")
    ordered = together[order]
    where = np.empty(len(rows), np.int64)
    where[ordered] = np.arange(len(ordered))
    parts = np.searchsorted(ends, ordered, side="right").astype(np.int32)
    several = np.bincount(groups[together], minlength=count).astype(np.int64)
    firsts = np.concatenate([[0], np.cumsum(several)[:-1]]).astype(np.int64) if count else np.zeros(0, np.int64)
    places = []
    for start, stop in bounds:
        held = np.flatnonzero(groups[start:stop] >= 0)
        places.append(Places(groups[start:stop][held], held, where[start:stop][held]))
    return Split(own, rows[ordered[firsts]], places, parts, several)


__all__ = ["Places", "Shared", "Split", "split"]
