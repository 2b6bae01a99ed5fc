"""Collects the rows that changed, for the next version.

Kernels mark them (models/kernels/core/marks.py has the layout) and Python does.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from models.arrays import Array
from models.kernels.core.marks import BITS, COUNT, LIST, mark_all, marked

FEW: Final = 64
"""Rows that are remembered one by one whatever the size of the table: sorting so few takes about a microsecond."""

SPARSE: Final = 2_048
"""One over the share of a table's rows that is remembered besides. To sort one number takes some 25 ns, and so does a
look through the bits of so many rows: beyond that share the bits are the quicker way."""


class Marks:
    """Which rows of a table changed since they were last taken.

    Args:
        rows: Of the table.
        capacity: Rows that are remembered one by one; by default the number up to which that is the quicker way.

    >>> marks = Marks(rows=100)
    >>> marks.add(np.array([7, 3, 7]))
    >>> marks.take(), marks.take()
    (array([3, 7], dtype=int32), array([], dtype=int32))
    """

    def __init__(self, rows: int, capacity: int | None = None) -> None:
        self.array = np.zeros(0, np.uint32)
        self._capacity = capacity
        self._lay_out(rows)

    def _lay_out(self, rows: int) -> None:
        beginning = BITS + (rows + 31) // 32
        capacity = FEW + rows // SPARSE if self._capacity is None else self._capacity
        self.array = np.zeros(beginning + min(rows, capacity), np.uint32)
        self.array[LIST] = beginning

    @property
    def _bits(self) -> Array:
        return self.array[BITS : int(self.array[LIST])]

    @property
    def _listed(self) -> Array:
        return self.array[int(self.array[LIST]) :]

    def grow(self, rows: int) -> None:
        """Hold `rows` rows; marks are kept."""
        bits, known = self._bits, self.rows()
        self._lay_out(rows)
        self.array[COUNT] = len(known)
        self._bits[: len(bits)] = bits
        self._listed[: len(known)] = known[: len(self._listed)]  # the old list may have been too short for all

    def add(self, rows: Array) -> None:
        """Mark `rows`, from Python."""
        mark_all(self.array, rows.astype(np.int32))

    def __len__(self) -> int:
        return int(self.array[COUNT])

    def take(self) -> Array:
        """The rows marked since the last call, (n,) i32 ascending; their marks are cleared."""
        rows = self.rows()
        self.clear()
        return rows

    def clear(self) -> None:
        """Forget all marks."""
        count = int(self.array[COUNT])
        if count <= len(self._listed):
            self._bits[self._listed[:count] >> 5] = 0
        else:
            self._bits[:] = 0
        self.array[COUNT] = 0

    def rows(self) -> Array:
        """The rows marked since they were last taken, (n,) i32 ascending; their marks stay."""
        count = int(self.array[COUNT])
        if count <= len(self._listed):
            return np.sort(self._listed[:count]).astype(np.int32)
        rows = np.empty(count + 1, np.int32)
        marked(self.array, rows)
        return rows[:count]


__all__ = ["Marks"]
