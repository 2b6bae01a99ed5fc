"""Rows that several parts changed, in groups, with what each part made of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from models.arrays import Array
from models.state import TableChanges


@dataclass(frozen=True, slots=True)
class Shared:
    """Rows of one table that more than one part changed: g rows, m values for all of them together, m >= 2 g.

    Attributes:
        rows: The rows, (g,) i32 ascending.
        starts: Where the values of each row begin, (g,) i64.
        sizes: How many parts changed each row, (g,) i64.
        parts: The place of the part that each value is from, (m,) i32.
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


def split(changes: Sequence[TableChanges], base: Mapping[str, Array]) -> tuple[list[Array], Shared | None]:
    """Tell rows that one part changed from rows that several did.

    Args:
        changes: Of each part, to one table.
        base: The columns of that table.

    Returns:
        For each part, the places in its rows of those that no other part changed; and the rest, None without any.
    """
    rows = np.concatenate([part.rows for part in changes])
    order = np.argsort(rows, kind="stable")
    ordered = rows[order]
    first = np.ones(len(ordered), bool)
    np.not_equal(ordered[1:], ordered[:-1], out=first[1:])
    alone = first.copy()
    alone[:-1] &= first[1:]
    ends = np.cumsum([len(part.rows) for part in changes])
    single = np.sort(order[alone])
    cuts = np.searchsorted(single, ends)
    own = [
        single[start:stop] - (end - len(part.rows))
        for start, stop, end, part in zip([0, *cuts[:-1]], cuts, ends, changes, strict=True)
    ]
    if alone.all():
        return own, None
    places = order[~alone]
    parts = np.searchsorted(ends, places, side="right").astype(np.int32)
    starts = np.flatnonzero(first[~alone])
    shared = ordered[~alone][starts]
    return own, Shared(
        shared,
        starts,
        np.diff([*starts, len(places)]),
        parts,
        {name: _picked(changes, name, places, parts, ends) for name in base},
        {name: values[shared] for name, values in base.items()},
    )


def _picked(changes: Sequence[TableChanges], name: str, places: Array, parts: Array, ends: Array) -> Array:
    """The values at `places` of the parts' rows one after another, without copying those that nobody wants."""
    first = next(part.columns[name] for part in changes if len(part.rows))
    values = np.empty((len(places), *first.shape[1:]), first.dtype)
    for at, part in enumerate(changes):
        mine = parts == at
        if mine.any():
            values[mine] = part.columns[name][places[mine] - (ends[at] - len(part.rows))]
    return values


__all__ = ["Shared", "split"]
