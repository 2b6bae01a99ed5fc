"""The arrays of a declared table: they grow, lie on pages and cache lines of their own, and know which rows changed."""

from __future__ import annotations

import math
import mmap
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any, Final

import numpy as np

from models.arrays import Array, unbroken
from models.kernels.core.scatter import gather, gather_wide, scatter, scatter_wide
from models.looking import Look, unhurried
from models.state.marks import Marks
from models.state.tables import Column, Table

FEW_ROWS: Final = 64
"""Rows below which numpy's own assignment is quicker than a call of a kernel."""

WORD: Final = 4
"""Bytes that kernels copy at once. Of rows that are no multiple of it they copy only those of one number of two bytes,
of which there are many, and numpy copies the others."""

CACHE_LINE: Final = 64
"""Bytes a processor fetches at once. If the number differs, rows only take a little longer to arrive."""

MAPPED: Final = 1 << 18
"""Bytes from which an array gets pages of its own, which go back to the system when it grows and moves. Smaller ones
come from the heap, where a large array would leave a hole. If far lower, each small table would be a map of its own."""

_COPIED_AS: Final[Mapping[int, type[np.unsignedinteger[Any]]]] = {2: np.uint16, WORD: np.uint32}

COPIED: Final = 1 << 20
"""Bytes copied before another thread may have the interpreter: some 0.3 ms."""

SLICE: Final = 16 << 20
"""Bytes of a column copied between two looks: some ten milliseconds."""


class TableData:
    """The arrays of one table, with room to grow, and the marks of the rows that changed."""

    def __init__(self, table: Table) -> None:
        self.table = table
        self.columns = {column.name: _filled(column, 0) for column in table.columns}
        self.marks = Marks(0)

    @property
    def room(self) -> int:
        """Rows allocated."""
        return len(next(iter(self.columns.values())))

    @property
    def nbytes(self) -> int:
        """Bytes allocated, marks included."""
        return sum(array.nbytes for array in (*self.columns.values(), self.marks.array))

    def grow(self, rows: int) -> None:
        """Allocate at least `rows` rows; new ones hold the columns' defaults."""
        for column in self.table.columns:
            wider = _filled(column, rows)
            old = self.columns[column.name]
            wider[: len(old)] = old
            self.columns[column.name] = wider
        self.marks.grow(rows)

    def mark(self, rows: Array) -> None:
        """Remember that `rows` changed, from Python."""
        self.marks.add(rows)

    def read(self, rows: Array | slice, look: Look = unhurried) -> dict[str, Array]:
        """Copies of those rows, column by column and slice by slice, so that other threads go on meanwhile."""
        if isinstance(rows, slice):
            return {name: _copied(values[rows], look) for name, values in self.columns.items()}
        if not len(rows):  # most tables of a merge that nobody touched
            return {name: np.empty((0, *values.shape[1:]), values.dtype) for name, values in self.columns.items()}
        return {name: read_rows(values, rows, look) for name, values in self.columns.items()}

    def clear(self, rows: Array) -> None:
        """Set rows to the columns' defaults."""
        for column in self.table.columns:
            self.columns[column.name][rows] = column.default


def _filled(column: Column, rows: int) -> Array:
    shape, dtype = (rows, *column.shape), np.dtype(column.dtype)
    array = _zeros(math.prod(shape) * dtype.itemsize).view(dtype).reshape(shape)
    # Zeros are not written, so that a column nobody fills (contents, where the shop gives none) takes no memory.
    if column.default != 0:
        array[...] = column.default
    return array


def _zeros(size: int) -> Array:
    """`size` zero bytes that begin at a cache line: a vector of 128 bytes then lies in two of them, not three."""
    if size >= MAPPED:
        pages = mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
        with suppress(OSError, AttributeError):  # where there are no huge pages, rows only take longer to arrive
            pages.madvise(mmap.MADV_HUGEPAGE)
        return np.frombuffer(pages, np.uint8)
    raw = np.zeros(size + CACHE_LINE, np.uint8)
    start = -raw.ctypes.data % CACHE_LINE
    return raw[start : start + size]


def copy_rows(target: Array, values: Array) -> None:
    """target[:len(values)] = values, `COPIED` bytes at a time: numpy keeps the interpreter while it copies."""
    if not len(values):
        return
    step = max(1, COPIED // (values.nbytes // len(values)))
    for start in range(0, len(values), step):
        target[start : min(start + step, len(values))] = values[start : start + step]


def slices(rows: int, nbytes: int) -> Iterator[slice]:
    """Those parts of so many rows, which have so many bytes, that are copied between two looks.

    >>> list(slices(5, 3 * SLICE))
    [slice(0, 1, None), slice(1, 2, None), slice(2, 3, None), slice(3, 4, None), slice(4, 5, None)]
    """
    step = max(1, SLICE * rows // max(nbytes, 1))
    return (slice(start, min(start + step, rows)) for start in range(0, rows, step))


def _copied(values: Array, look: Look) -> Array:
    target = np.empty_like(values)
    for part in slices(len(values), values.nbytes):
        copy_rows(target[part], values[part])
        look()
    return target


def read_rows(table: Array, rows: Array, look: Look = unhurried) -> Array:
    """table[rows], a copy. Releases the interpreter lock where there is much to copy."""
    values = np.empty((len(rows), *table.shape[1:]), table.dtype)
    if values.nbytes <= SLICE:
        _gather(table, rows, values)
        look()
        return values
    for part in slices(len(rows), values.nbytes):
        _gather(table, rows[part], values[part])
        look()
    return values


def _gather(table: Array, rows: Array, into: Array) -> None:
    kind = one_number(table)
    if len(rows) < FEW_ROWS or (kind is None and not of_words(table)):
        np.take(table, rows, axis=0, out=into, mode="clip")  # other modes copy once more
    elif kind is not None:
        gather(table.view(kind), rows, into.view(kind))
    else:
        gather_wide(words(table), rows, words(into))


def write_rows(target: Array, rows: Array, values: Array) -> None:
    """target[rows] = values. Releases the interpreter lock where there is much to copy."""
    if len(rows) < FEW_ROWS or not target.flags.c_contiguous:
        target[rows] = values
    elif unbroken(rows):  # as in a base
        target[rows[0] : rows[-1] + 1] = values
    elif (kind := one_number(target)) is None and not of_words(target):
        target[rows] = values
    else:
        given = np.require(values, requirements=["C_CONTIGUOUS", "ALIGNED"])
        if kind is not None:
            scatter(target.view(kind), _fixed(rows), _fixed(given.view(kind)))
        else:
            scatter_wide(words(target), _fixed(rows), _fixed(words(given)))


def of_words(table: Array) -> bool:
    """Whether rows can be copied in words of four bytes."""
    return table.itemsize * math.prod(table.shape[1:]) % WORD == 0


def one_number(table: Array) -> type[np.unsignedinteger[Any]] | None:
    """The type as which kernels copy rows of one number, of four bytes or two; None for all others."""
    return _COPIED_AS.get(table.itemsize) if table.ndim == 1 else None


def words(array: Array) -> Array:
    """(rows, words of a row) u4, the same memory."""
    return array.reshape(len(array), -1).view(np.uint32)


def _fixed(array: Array) -> Array:
    # Arrays read from a version are read-only: when all are, one compiled signature serves.
    view = array.view()
    view.flags.writeable = False
    return view


__all__ = ["TableData", "copy_rows", "of_words", "one_number", "read_rows", "slices", "words", "write_rows"]
