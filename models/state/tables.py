"""Declares tables, columns and key spaces, and the named tuples through which kernels see them.

All learned state is tables of numpy columns. One declaration drives allocation, ceilings, deltas, loading, erasure and
finite checks, so a new column is one line in schema.py and no migration elsewhere.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from models.state.merges import Merge

MODEL = "model"
"""The key space with exactly one key, for tables that belong to the model as a whole."""


@dataclass(frozen=True, slots=True)
class Column:
    """One array of a table.

    Attributes:
        name: Unique within the table.
        dtype: Of numpy.
        shape: Per row.
        default: The value of a row that nobody has written.
        refers: The key space whose row numbers it holds; None for values.
        merge: How the values of several learners from a common base become one (models/state/merges.py).
    """

    name: str
    dtype: str
    shape: tuple[int, ...] = ()
    default: float = 0
    refers: str | None = None
    merge: Merge = field(kw_only=True, repr=False)  # not in the hash of the declarations: no byte depends on it


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of columns: key number k owns rows k*width to (k+1)*width - 1.

    Attributes:
        name: Unique within a schema.
        keys: Its key space; to remove a key clears its rows.
        columns: What a row holds.
        width: Rows of one key.
        served: Whether the service loads it too.
    """

    name: str
    keys: str
    columns: tuple[Column, ...]
    width: int = 1
    served: bool = True

    def column(self, name: str) -> Column:
        """The column of that name; KeyError when there is none."""
        for column in self.columns:
            if column.name == name:
                return column
        raise KeyError(f"table {self.name} has no column {name}")


@dataclass(frozen=True, slots=True)
class Space:
    """A key space: string ids of one kind.

    Attributes:
        name: What its ids name.
        ceiling: Ids at a time, at most.
        served: Whether the service loads it too.
        asked: Whether requests name many of its ids at once; the service then keeps an index (models/state/index.py).
    """

    name: str
    ceiling: int
    served: bool = True
    asked: bool = False


class Schema:
    """All tables and key spaces, and the named tuples through which kernels see them.

    Args:
        version: Of the stored layout.
        spaces: Key spaces; MODEL is added.
        tables: In the order in which kernels see them.
        module: Where the named tuples can be imported from, by which numba's cache recognises them:
            ``SCHEMA = Schema(..., module=__name__); globals().update(SCHEMA.classes)``.
    """

    def __init__(self, version: int, spaces: Sequence[Space], tables: Sequence[Table], module: str) -> None:
        self.version = version
        self.spaces = {space.name: space for space in (*spaces, Space(MODEL, 1))}
        self.tables = {table.name: table for table in tables}
        self._check()
        self.classes: dict[str, type[tuple[Any, ...]]] = {}
        for table in tables:
            fields = [*(column.name for column in table.columns), "marks"]
            self._make(_camel(table.name), fields, module)
        self._make("ServedView", [table.name for table in tables if table.served], module)
        self._make("PrivateView", [table.name for table in tables if not table.served], module)

    def _make(self, name: str, fields: Sequence[str], module: str) -> None:
        from collections import namedtuple

        self.classes[name] = namedtuple(name, fields, module=module)

    def view(self, table: str) -> Any:
        """The named tuple through which kernels see a table: its columns, then the marks of its rows."""
        return self.classes[_camel(table)]

    def _check(self) -> None:
        for table in self.tables.values():
            assert table.keys in self.spaces, f"{table.name}: no key space {table.keys}"
            for column in table.columns:
                assert column.refers is None or column.refers in self.spaces, f"{table.name}.{column.name}"

    def with_ceilings(self, ceilings: dict[str, int]) -> dict[str, Space]:
        """The key spaces, some with another ceiling; KeyError for a space that does not exist."""
        spaces = dict(self.spaces)
        for name, ceiling in ceilings.items():
            spaces[name] = replace(spaces[name], ceiling=ceiling)
        return spaces

    def fingerprint(self) -> str:
        """A hash of every declaration: two states with the same one have the same bytes per row."""
        text = repr((self.version, [(t.name, t.keys, t.width, t.columns) for t in self.tables.values()]))
        return hashlib.sha256(text.encode()).hexdigest()[:16]


def _camel(name: str) -> str:
    return "".join(part.title() for part in name.split("_"))


__all__ = ["MODEL", "Column", "Schema", "Space", "Table"]
