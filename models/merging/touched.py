"""Rows that several parts changed, in groups, with what each part made of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from models.arrays import Array
from models.kernels.merging.row_groups import arrange
from models.state import TableChanges


@dataclass(frozen=True, slots=True)
class AllParts:
    """The changes of all parts to one table, one part after another.

    Attributes:
        rows: (m,) i32, ascending within a part.
        bounds: Where each part's rows begin, and where the last one's end, (parts + 1,) i64.
        columns: By name, (m, ...), in arrays of our own: what comes from another process is read-only, for which
            kernels would be compiled once more.
        apart: Columns that are too wide to be joined: by name, what each part has, (k, ...) and read-only.
    """

    rows: Array
    bounds: Array
    columns: Mapping[str, Array]
    apart: Mapping[str, Sequence[Array]]

    def cursors(self) -> tuple[Array, Array]:
        """Working memory for a kernel that walks the rows of all parts in their order."""
        parts = len(self.bounds) - 1
        return np.empty(parts, np.int64), np.empty(parts, np.int64)

    def parts(self) -> Array:
        """The part of each row, (m,) i32."""
        return np.repeat(np.arange(len(self.bounds) - 1, dtype=np.int32), np.diff(self.bounds))


def all_parts(changes: Sequence[TableChanges], names: Iterable[str], apart: Iterable[str] = ()) -> AllParts:
    """Join the changes of all parts to one table; of its columns those of `names`, and those of `apart` as they are."""
    bounds = np.zeros(len(changes) + 1, np.int64)
    np.cumsum([len(part.rows) for part in changes], out=bounds[1:])
    columns = {name: np.concatenate([part.columns[name] for part in changes]) for name in names}
    wide = {name: [_fixed(part.columns[name]) for part in changes] for name in apart}
    return AllParts(np.concatenate([part.rows for part in changes]), bounds, columns, wide)


def _fixed(values: Array) -> Array:
    """A view that nobody writes, so that what comes from another process is of the same type for a kernel."""
    view = np.require(values, requirements=["C_CONTIGUOUS", "ALIGNED"]).view()
    view.flags.writeable = False
    return view


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
        alone: Places in the joined rows of those that one part changed, (a,) i64.
        rows: Rows that several parts changed, (g,) i32, each once.
        starts: Where the places of each one begin in `order`, and where the last one's end, (g + 1,) i64.
        order: Their places in the joined rows, row after row, and within one in the order of the parts, (m,) i64.
        parts: The part of each place, (m,) i32.
    """

    alone: Array
    rows: Array
    starts: Array
    order: Array
    parts: Array

    def shared(self, changes: AllParts, base: Mapping[str, Array]) -> Shared:
        """Gather what the parts made of the rows that they share, for the columns of `base`."""
        values = {name: changes.columns[name][self.order] for name in base}
        held = {name: column[self.rows] for name, column in base.items()}
        return Shared(self.rows, self.starts[:-1], np.diff(self.starts), self.parts, values, held)


def distinct(rows: Array) -> Array:
    """Each of the rows once, ascending.

    >>> distinct(np.array([7, 3, 7], np.int32))
    array([3, 7], dtype=int32)
    """
    found = np.sort(rows)
    first = np.ones(len(found), np.bool_)
    np.not_equal(found[1:], found[:-1], out=first[1:])
    return found[first]


def split(changes: AllParts) -> Split:
    """Tell rows that one part changed from rows that several did."""
    size, room = len(changes.rows), int(changes.rows.max(initial=-1)) + 1
    alone, starts, order, slots = (np.empty(length, np.int64) for length in (size, size + 1, size, room))
    several, parts, counts = np.empty(size, np.int32), np.empty(size, np.int32), np.empty(2, np.int64)
    times = np.zeros(room, np.uint8)
    arrange(changes.rows, changes.bounds, times, slots, alone, several, starts, order, parts, counts)
    single, shared = counts.tolist()
    starts = starts[: shared + 1]
    return Split(alone[:single], several[:shared], starts, order[: starts[-1]], parts[: starts[-1]])


__all__ = ["AllParts", "Shared", "Split", "all_parts", "distinct", "split"]
