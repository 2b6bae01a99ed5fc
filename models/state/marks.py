"""Collects the rows that changed, for the next version.

Kernels mark them (models/kernels/core/marks.py has the layout) and Python does.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from models.arrays import Array
from models.kernels.core.marks import BITS, COUNT, LIST

CAPACITY: Final = 1 << 18
"""Rows remembered one by one between two cuts (1 MiB a table); beyond it a cut scans the bits instead."""


BLOCK: Final = 1 << 16
"""Bytes of bits looked through together."""


class Marks:
    """Which rows of a table changed since they were last taken.

    >>> marks = Marks(rows=100)
    >>> marks.add(np.array([7, 3, 7]))
    >>> marks.take(), marks.take()
    (array([3, 7], dtype=int32), array([], dtype=int32))
    """

    def __init__(self, rows: int, capacity: int = CAPACITY) -> None:
        self.array = np.zeros(0, np.uint32)
        self._capacity = capacity
        self._lay_out(rows)

    def _lay_out(self, rows: int) -> None:
        beginning = BITS + (rows + 31) // 32
        self.array = np.zeros(beginning + min(rows, self._capacity), np.uint32)
        self.array[LIST] = beginning

    @property
    def _bits(self) -> Array:
        return self.array[BITS : int(self.array[LIST])]

    @property
    def _listed(self) -> Array:
        return self.array[int(self.array[LIST]) :]

    def grow(self, rows: int) -> None:
        """Hold `rows` rows; marks are kept."""
        bits, listed, count = self._bits, self._listed, self.array[COUNT]
        self._lay_out(rows)
        self.array[COUNT] = count
        self._bits[: len(bits)] = bits
        self._listed[: len(listed)] = listed

    def add(self, rows: Array) -> None:
        """Mark `rows`, from Python."""
        rows = rows.astype(np.int64)
        if (rows[1:] <= rows[:-1]).any():  # most callers have them in order, and finding that out is far cheaper
            rows = np.unique(rows)
        fresh = rows[(self._bits[rows >> 5] >> (rows & 31).astype(np.uint32)) & 1 == 0]
        np.bitwise_or.at(self._bits, fresh >> 5, np.left_shift(np.uint32(1), (fresh & 31).astype(np.uint32)))
        start = int(self.array[COUNT])
        kept = fresh[: max(0, len(self._listed) - start)]
        self._listed[start : start + len(kept)] = kept
        self.array[COUNT] = start + len(fresh)

    def take(self) -> Array:
        """The rows marked since the last call, (n,) i32 ascending; their marks are cleared."""
        rows = self.rows()
        self.clear()
        return rows

    def clear(self) -> None:
        """Clear all marks."""
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
        return _set(self._bits.view(np.uint8))


def _set(bits: Array) -> Array:
    """Numbers of the set bits, (n,) i32 ascending. Memory grows with them, not with the rows of the table.

    Block by block: what lies between is then in the processor's cache, which takes a quarter of the time.

    bits: (n,) u8, lowest bit first.

    >>> _set(np.array([0, 5, 0, 128], np.uint8))
    array([ 8, 10, 31], dtype=int32)
    """
    starts = range(0, len(bits), BLOCK)
    return np.concatenate([np.zeros(0, np.int32), *(_set_in(bits[start : start + BLOCK], start) for start in starts)])


def _set_in(bits: Array, start: int) -> Array:
    places = np.flatnonzero(bits).astype(np.int32)
    each = (places[:, None] << 3) + np.arange(8, dtype=np.int32)  # (places, 8)
    found = each[np.unpackbits(bits[places], bitorder="little").view(bool).reshape(-1, 8)]
    return np.asarray(found + np.int32(8 * start), np.int32)


__all__ = ["Marks"]
