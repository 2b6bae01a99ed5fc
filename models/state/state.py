"""The whole state of a model: its key spaces and tables together, its changes, and those it takes over from another."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from typing import Any, Final, NamedTuple, cast

import numpy as np

from models.arrays import Array
from models.kernels.core.lending import Lent, lend
from models.kernels.core.sweep import sweep
from models.looking import Look, unhurried
from models.state.keys import KeyChanges, Keys
from models.state.table_data import TableData, write_rows
from models.state.tables import MODEL, Schema

GROWTH: Final = 1.5
"""Factor by which arrays grow: each row is copied less than three times over the life of a table."""


class TableChanges(NamedTuple):
    """Rows of a table and, per column, their values: `columns[name][i]` belongs to row `rows[i]`."""

    rows: Array  # (n,) i32, ascending
    columns: dict[str, Array]


class Changes(NamedTuple):
    """The content of one version: a whole state (`base`), or the changes since the version before."""

    base: bool
    keys: dict[str, KeyChanges]
    tables: dict[str, TableChanges]

    def not_finite(self, look: Look = unhurried) -> list[str]:
        """The columns, as "table.column", that hold a NaN or an infinity."""
        found = []
        for table, changes in self.tables.items():
            for name, values in changes.columns.items():
                if values.dtype.kind == "f" and not np.isfinite(values).all():
                    found.append(f"{table}.{name}")
                look()
        return found


class State:
    """Every key space and table of a model, in the process that learns it or in one that follows its served part.

    >>> from models.state.merges import SUM
    >>> from models.state.tables import Column, Schema, Space, Table
    >>> schema = Schema(1, [Space("item", 9)], [Table("seen", "item", (Column("times", "u4", merge=SUM),))], __name__)
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
        self._lent: tuple[Lent, Lent | None] | None = None
        self.keys[MODEL].add(MODEL)
        self.keys[MODEL].forget_changes()
        self.reserve(MODEL)

    def add(self, space: str, key: str) -> int:
        """The row of `key`, with room for it in every table of the space. The caller has made room in the ceiling."""
        row = self.keys[space].add(key)
        self.reserve(space)
        return row

    def reserve(self, space: str, look: Look = unhurried) -> None:
        """Make every table of the space large enough for all rows handed out."""
        capacity = self.keys[space].capacity
        for data in self.tables.values():
            needed = capacity * data.table.width
            if data.table.keys == space and data.room < needed:
                ceiling = self.keys[space].space.ceiling * data.table.width
                data.grow(max(needed, min(int(needed * GROWTH) + 64, ceiling)))
                self._views = self._lent = None
                look()

    def remove(self, space: str, keys: Iterable[str]) -> Array:
        """Remove every reference to `keys`, free their rows and set them to defaults. Returns the rows."""
        rows = np.array([self.keys[space].rows[key] for key in keys], np.int32)
        self._sweep(space, rows)
        for row in rows:
            self.keys[space].remove(cast("str", self.keys[space].ids[row]))
        self._clear(space, rows)
        return rows

    def _sweep(self, space: str, rows: Array) -> None:
        removed = np.zeros(self.keys[space].capacity, np.uint8)
        removed[rows] = 1
        for data in self.tables.values():
            used = self.keys[data.table.keys].capacity * data.table.width
            for column in data.table.columns:
                if column.refers == space and used:
                    values = data.columns[column.name][:used]
                    sweep(values.reshape(-1), removed, data.marks.array, values.size // used)

    def _clear(self, space: str, rows: Array) -> None:
        for data in self.tables.values():
            if data.table.keys == space:
                data.clear(_slots(rows, data.table.width))

    @property
    def served(self) -> Any:
        """The served tables as nested named tuples. Do not keep it across `add`."""
        return self._view()[0]

    @property
    def private(self) -> Any:
        """The learner's own tables as nested named tuples. Do not keep it across `add`."""
        return self._view()[1]

    @property
    def lent_served(self) -> Lent:
        """The served tables, lent to kernels that rank. Do not keep it across `add`."""
        return self._lend()[0]

    @property
    def lent_private(self) -> Lent | None:
        """The learner's own tables, lent to kernels that learn; None in a state without them."""
        return self._lend()[1]

    def _lend(self) -> tuple[Lent, Lent | None]:
        lent = self._lent
        if lent is None:
            served, private = self._view()
            lent = self._lent = lend(served), None if private is None else lend(private)
        return lent

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

    def cut(self, look: Look = unhurried) -> Changes:
        """Copies of all changes since the last cut. Clears their marks, unless a look leaves it half done."""
        changes = self.changed(look)
        self.forget_changes()
        return changes

    def forget_changes(self) -> None:
        """Clear the marks of all changes, as after a copy of everything."""
        for space in self.keys.values():
            space.forget_changes()
        for data in self.tables.values():
            data.marks.clear()

    def changed(self, look: Look = unhurried) -> Changes:
        """Copies of all changes since the last cut; marks stay as they are."""
        keys = self._ids(Keys.changes, look)
        tables = {}
        for name, data in self.tables.items():
            rows = data.marks.rows()
            look()
            tables[name] = TableChanges(rows, data.read(rows, look))
        return Changes(False, keys, tables)

    def _ids(self, of: Callable[[Keys], KeyChanges], look: Look) -> dict[str, KeyChanges]:
        keys = {}
        for name, space in self.keys.items():
            if name != MODEL:
                keys[name] = of(space)
                look()
        return keys

    def withdraw(self, space: str, rows: Array, capacity: int) -> None:
        """Take back ids that were added since the space had `capacity` rows, with all that their rows hold.

        The next changes applied must bring the list of free rows.
        """
        self._clear(space, rows)
        self.keys[space].withdraw(rows, capacity)

    def full(self, look: Look = unhurried) -> Changes:
        """Copies of everything; marks stay as they are."""
        keys = self._ids(Keys.everything, look)
        tables = {}
        for name, data in self.tables.items():
            rows = self.keys[data.table.keys].capacity * data.table.width
            tables[name] = TableChanges(np.arange(rows, dtype=np.int32), data.read(slice(0, rows), look))
        return Changes(True, keys, tables)

    def apply(self, changes: Changes, look: Look = unhurried) -> None:
        """Take over the cuts of another state, in their order. Skips tables that this state does not have.

        A look that leaves it half done leaves the state so.
        """
        for name, fresh in changes.keys.items():
            if name in self.keys:
                known = self.keys[name].capacity
                self.keys[name].put(fresh)
                look()
                self.reserve(name, look)
                # Rows after the last one hold the defaults already; of a base all are.
                self._clear(name, fresh.rows[: np.searchsorted(fresh.rows, known)])
        for name, part in changes.tables.items():
            if name in self.tables:
                for column, values in part.columns.items():
                    write_rows(self.tables[name].columns[column], part.rows, values)
                    look()

    def nbytes(self) -> int:
        """Bytes allocated for tables and indexes; ids do not count."""
        indexes = sum(keys.index.nbytes for keys in self.keys.values() if keys.index is not None)
        return indexes + sum(data.nbytes for data in self.tables.values())

    def digest(self) -> str:
        """SHA-256 over every id and every used row: equal if and only if the bytes of two states are."""
        sha = hashlib.sha256()
        for name, keys in sorted(self.keys.items()):
            sha.update(repr((name, keys.ids)).encode())
        for name, data in sorted(self.tables.items()):
            rows = self.keys[data.table.keys].capacity * data.table.width
            for column, values in data.columns.items():
                sha.update(f"{name}.{column}".encode())
                sha.update(np.ascontiguousarray(values[:rows]).tobytes())
        return sha.hexdigest()


def _slots(rows: Array, width: int) -> Array:
    if width == 1:
        return rows
    return (rows.astype(np.int64)[:, None] * width + np.arange(width)).ravel()


__all__ = ["Changes", "State", "TableChanges"]
