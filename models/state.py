"""Declarations in, growable arrays out: which row an id has, what the rows hold, what changed since the last cut."""

from __future__ import annotations

import hashlib
import math
import mmap
from collections.abc import Iterable, Sequence
from contextlib import suppress
from itertools import repeat
from typing import Any, Final, NamedTuple, cast

import numpy as np

from models.index import Index
from models.kernels.scatter import scatter
from models.marks import Marks
from models.tables import MODEL, Array, Column, Schema, Space, Table

FEW_ROWS: Final = 64
"""Rows below which numpy's own assignment is quicker than a call of a kernel."""

CACHE_LINE: Final = 64
"""Bytes a processor fetches at once. Where it is another number, rows only take a little longer to arrive."""

MAPPED: Final = 1 << 18
"""Bytes from which an array gets pages of its own, which go back to the system when it grows and moves; smaller ones
come from the heap, where what a larger array left behind would stay as a hole. Far lower, each small table is a map."""

GROWTH: Final = 1.5
"""Factor by which arrays grow: each row is copied less than three times over the life of a table."""

FEW_IDS: Final = 16
"""Ids below which the dict is asked and not the index, whose call alone takes as long."""


class Keys:
    """String ids of one space and their rows. A freed row is used again only after it was cleared.

    `indexed`: with an index beside the dict, for who is asked for many ids at once.
    """

    def __init__(self, space: Space, *, indexed: bool = False) -> None:
        self.space = space
        self.index = Index() if indexed else None
        self.rows: dict[str, int] = {}
        self.ids: list[str | None] = []
        self._free: list[int] = []
        self._changed: dict[int, None] = {}

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def capacity(self) -> int:
        """Rows ever handed out, free ones included: what the arrays must hold."""
        return len(self.ids)

    @property
    def full(self) -> bool:
        """Whether one more id would exceed the ceiling."""
        return len(self.rows) >= self.space.ceiling

    def add(self, key: str) -> int:
        """The row of `key`, a new one when it has none. The caller has made room (see `full`)."""
        row = self.rows.get(key, -1)
        if row >= 0:
            return row
        if self._free:
            row = self._free.pop()
            self.ids[row] = key
        else:
            row = len(self.ids)
            self.ids.append(key)
        self.rows[key] = row
        self._changed[row] = None
        if self.index is not None:
            self.index.put([key], [row])
        return row

    def find(self, keys: Sequence[str]) -> Array:
        """(n,) i32 rows of ids, -1 for one that has none. No row is added."""
        if self.index is not None and len(keys) >= FEW_IDS:
            return self.index.find(keys)
        return np.fromiter(map(self.rows.get, keys, repeat(-1)), np.int32, len(keys))

    def remove(self, key: str) -> int:
        """Free the row of `key` and return it; KeyError when it has none. References must be swept first."""
        row = self.rows.pop(key)
        self.ids[row] = None
        self._free.append(row)
        self._changed[row] = None
        if self.index is not None:
            self.index.remove([key], [row])
        return row

    def take_changes(self) -> KeyChanges:
        """The rows whose id changed since the last call, in row order."""
        rows = np.fromiter(sorted(self._changed), np.int32, len(self._changed))
        self._changed = {}
        return KeyChanges(rows, [self.ids[row] or "" for row in rows], np.array(self._free, np.int32))

    def everything(self) -> KeyChanges:
        """Every row and its id ("" for a free one)."""
        ids = [key or "" for key in self.ids]
        return KeyChanges(np.arange(len(ids), dtype=np.int32), ids, np.array(self._free, np.int32))

    def put(self, changes: KeyChanges) -> None:
        """Take over ids from another process: afterwards both hand out the same rows in the same order."""
        gone = {} if self._append(changes) else self._replace(changes)
        self._free = changes.free.tolist()
        if self.index is not None:
            self.index.remove([*gone], [*gone.values()])
            new = [key for key in changes.ids if key]
            self.index.put(new, [self.rows[key] for key in new])

    def _append(self, changes: KeyChanges) -> bool:
        """Whether the rows are those after the last one, as all of a base are: they are then taken over together."""
        first, stop = len(self.ids), len(self.ids) + len(changes.ids)
        if not len(changes.rows) or (changes.rows[0], changes.rows[-1]) != (first, stop - 1):
            return False
        self.ids += [key or None for key in changes.ids]
        self.rows.update(zip(changes.ids, range(first, stop), strict=True))
        self.rows.pop("", None)
        return True

    def _replace(self, changes: KeyChanges) -> dict[str, int]:
        """Take the rows over one by one; returns the ids that lost theirs, with the rows."""
        gone: dict[str, int] = {}
        for row in changes.rows.tolist():
            while len(self.ids) <= row:
                self.ids.append(None)
            old = self.ids[row]
            if old is not None:
                gone[old] = self.rows.pop(old)
                self.ids[row] = None
        for row, key in zip(changes.rows.tolist(), changes.ids, strict=True):
            if key:
                self.ids[row] = key
                self.rows[key] = row
        return gone


class KeyChanges(NamedTuple):
    """Rows of a key space with their ids, "" for a freed row, and the whole list of free rows (last one first used)."""

    rows: Array  # (n,) i32
    ids: list[str]
    free: Array  # (f,) i32


class TableChanges(NamedTuple):
    """Rows of a table and, per column, their values: `columns[name][i]` belongs to row `rows[i]`."""

    rows: Array  # (n,) i32, ascending
    columns: dict[str, Array]


class Changes(NamedTuple):
    """What one version carries: a whole state (`base`) or what changed since the version before."""

    base: bool
    keys: dict[str, KeyChanges]
    tables: dict[str, TableChanges]

    def not_finite(self) -> list[str]:
        """The columns, as "table.column", that hold a NaN or an infinity."""
        return [
            f"{table}.{name}"
            for table, changes in self.tables.items()
            for name, values in changes.columns.items()
            if values.dtype.kind == "f" and not np.isfinite(values).all()
        ]


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

    def take_touched(self) -> Array:
        """The rows marked since the last call, ascending; their marks are cleared."""
        return self.marks.take()

    def read(self, rows: Array | slice) -> dict[str, Array]:
        """Copies of those rows, column by column."""
        whole = isinstance(rows, slice)  # of which numpy makes no copy by itself
        return {name: values[rows].copy() if whole else values[rows] for name, values in self.columns.items()}

    def clear(self, rows: Array) -> None:
        """Back to the columns' defaults."""
        for column in self.table.columns:
            self.columns[column.name][rows] = column.default


class State:
    """Every key space and table of a model: one process learns it, or follows its served part.

    >>> from models.tables import Column, Schema, Space, Table
    >>> schema = Schema(1, [Space("item", 9)], [Table("seen", "item", (Column("times", "u4"),))], __name__)
    >>> state = State(schema)
    >>> row = state.add("item", "tea")
    >>> state.tables["seen"].columns["times"][row] = 3
    >>> state.tables["seen"].mark(np.array([row]))
    >>> other = State(schema)
    >>> other.apply(state.cut())
    >>> other.tables["seen"].columns["times"][other.keys["item"].rows["tea"]]
    np.uint32(3)
    """

    def __init__(self, schema: Schema, ceilings: dict[str, int] | None = None, *, served_only: bool = False) -> None:
        self.schema = schema
        self.served_only = served_only
        spaces = schema.with_ceilings(ceilings or {})
        kept = [space for space in spaces.values() if space.served or not served_only]
        self.keys = {space.name: Keys(space, indexed=served_only and space.asked) for space in kept}
        self.tables = {t.name: TableData(t) for t in schema.tables.values() if t.served or not served_only}
        self._views: tuple[Any, Any] | None = None
        self.keys[MODEL].add(MODEL)
        self.keys[MODEL].take_changes()
        self.reserve(MODEL)

    def add(self, space: str, key: str) -> int:
        """The row of `key`, with room for it in every table of the space. The caller has made room in the ceiling."""
        row = self.keys[space].add(key)
        self.reserve(space)
        return row

    def reserve(self, space: str) -> None:
        """Let every table of the space hold all rows handed out."""
        capacity = self.keys[space].capacity
        for data in self.tables.values():
            needed = capacity * data.table.width
            if data.table.keys == space and data.room < needed:
                ceiling = self.keys[space].space.ceiling * data.table.width
                data.grow(max(needed, min(int(needed * GROWTH) + 64, ceiling)))
                self._views = None

    def remove(self, space: str, keys: Iterable[str]) -> Array:
        """Free the rows of `keys`, back to defaults, after every reference to them was removed. Returns the rows."""
        rows = np.array([self.keys[space].rows[key] for key in keys], np.int32)
        self._sweep(space, rows)
        for row in rows:
            self.keys[space].remove(cast("str", self.keys[space].ids[row]))
        self._clear(space, rows)
        return rows

    def _sweep(self, space: str, rows: Array) -> None:
        gone = np.zeros(self.keys[space].capacity + 1, bool)  # the last entry answers for -1, "no reference"
        gone[rows] = True
        for data in self.tables.values():
            for column in data.table.columns:
                if column.refers == space:
                    values = data.columns[column.name]
                    hits = gone[values]
                    if hits.any():
                        values[hits] = -1
                        data.mark(np.flatnonzero(hits.reshape(len(values), -1).any(axis=1)).astype(np.int32))

    def _clear(self, space: str, rows: Array) -> None:
        for data in self.tables.values():
            if data.table.keys == space:
                data.clear(_slots(rows, data.table.width))

    @property
    def served(self) -> Any:
        """The served tables as nested named tuples, for kernels that rank. Do not keep it across `add`."""
        return self._view()[0]

    @property
    def private(self) -> Any:
        """The learner's own tables as nested named tuples. Do not keep it across `add`."""
        return self._view()[1]

    def _view(self) -> tuple[Any, Any]:
        if self._views is None:
            self._views = (
                self._tuple("ServedView", True),
                None if self.served_only else self._tuple("PrivateView", False),
            )
        return self._views

    def _tuple(self, name: str, served: bool) -> Any:
        members = [
            self.schema.view(data.table.name)(*data.columns.values(), data.marks.array)
            for data in self.tables.values()
            if data.table.served == served
        ]
        return cast("Any", self.schema.classes[name])(*members)

    def cut(self) -> Changes:
        """Copies of all that changed since the last cut, whose marks are cleared."""
        keys = {name: space.take_changes() for name, space in self.keys.items() if name != MODEL}
        tables = {}
        for name, data in self.tables.items():
            rows = data.take_touched()
            tables[name] = TableChanges(rows, data.read(rows))
        return Changes(False, keys, tables)

    def full(self) -> Changes:
        """Copies of everything; marks stay as they are."""
        keys = {name: space.everything() for name, space in self.keys.items() if name != MODEL}
        tables = {}
        for name, data in self.tables.items():
            rows = self.keys[data.table.keys].capacity * data.table.width
            tables[name] = TableChanges(np.arange(rows, dtype=np.int32), data.read(slice(0, rows)))
        return Changes(True, keys, tables)

    def apply(self, changes: Changes) -> None:
        """Take over what another state cut, in the order in which it was cut. Tables unknown here are passed over."""
        for name, fresh in changes.keys.items():
            if name in self.keys:
                known = self.keys[name].capacity
                self.keys[name].put(fresh)
                self.reserve(name)
                # Rows after the last one hold the defaults already; of a base all are.
                self._clear(name, fresh.rows[: np.searchsorted(fresh.rows, known)])
        for name, part in changes.tables.items():
            if name in self.tables:
                for column, values in part.columns.items():
                    _write_rows(self.tables[name].columns[column], part.rows, values)

    def nbytes(self) -> int:
        """Bytes of every table and index as allocated; ids are not in it."""
        indexes = sum(keys.index.nbytes for keys in self.keys.values() if keys.index is not None)
        return indexes + sum(data.nbytes for data in self.tables.values())

    def digest(self) -> str:
        """SHA-256 over every id and every used row: equal for two states if and only if their bytes are."""
        sha = hashlib.sha256()
        for name, keys in sorted(self.keys.items()):
            sha.update(repr((name, keys.ids)).encode())
        for name, data in sorted(self.tables.items()):
            rows = self.keys[data.table.keys].capacity * data.table.width
            for column, values in data.columns.items():
                sha.update(f"{name}.{column}".encode())
                sha.update(np.ascontiguousarray(values[:rows]).tobytes())
        return sha.hexdigest()


def _filled(column: Column, rows: int) -> Array:
    shape, dtype = (rows, *column.shape), np.dtype(column.dtype)
    array = _zeros(math.prod(shape) * dtype.itemsize).view(dtype).reshape(shape)
    # Zeros are not written: what nobody fills (contents where no shop says a word) then takes no memory.
    if column.default != 0:
        array[...] = column.default
    return array


def _zeros(size: int) -> Array:
    """`size` bytes from the beginning of a cache line on: a vector of 128 bytes then lies in two of them, not three."""
    if size >= MAPPED:
        pages = mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
        with suppress(OSError, AttributeError):  # where there are no huge pages, rows only take longer to arrive
            pages.madvise(mmap.MADV_HUGEPAGE)
        return np.frombuffer(pages, np.uint8)
    raw = np.zeros(size + CACHE_LINE, np.uint8)
    start = -raw.ctypes.data % CACHE_LINE
    return raw[start : start + size]


def _slots(rows: Array, width: int) -> Array:
    if width == 1:
        return rows
    return (rows.astype(np.int64)[:, None] * width + np.arange(width)).ravel()


def _write_rows(target: Array, rows: Array, values: Array) -> None:
    """target[rows] = values, without holding the interpreter where there is much to copy."""
    if len(rows) < FEW_ROWS or not target.flags.c_contiguous:
        target[rows] = values
        return
    if int(rows[-1]) - int(rows[0]) + 1 == len(rows):  # they ascend: an unbroken run, as in a base
        target[rows[0] : rows[-1] + 1] = values
        return
    into = target.view(np.uint8).reshape(len(target), -1)
    scatter(into, _fixed(rows), _fixed(np.ascontiguousarray(values)).view(np.uint8).reshape(len(rows), -1))


def _fixed(array: Array) -> Array:
    # What was read from a version is read-only: one compiled signature serves all when everything is.
    view = array.view()
    view.flags.writeable = False
    return view


__all__ = ["Changes", "KeyChanges", "Keys", "State", "TableChanges", "TableData"]
