"""Nothing in, declarations out: what a table, a column, a key space is, and how kernels see all of them.

All learnt state is tables of numpy columns. One declaration drives allocation, ceilings, deltas, loading, erasure and
finite checks, so a new column is one line here and no migration elsewhere.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np

from models.arrays import Array

Owner = Literal["user", "item", "model"]
Merge = Literal["sum", "max", "min", "latest", "logaddexp"]

MODEL = "model"
"""The key space with exactly one key, for tables that belong to the model as a whole."""


@dataclass(frozen=True, slots=True)
class Column:
    """One array of a table: `shape` is per row, `refers` names the key space its row numbers point into.

    `merge` is how two learners' values, which started from a common base, become one.
    """

    name: str
    dtype: str
    shape: tuple[int, ...] = ()
    default: float = 0
    refers: str | None = None
    merge: Merge = "latest"


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of columns: key number k owns rows k*width to (k+1)*width - 1.

    `served`: part of what the service loads. `live`: facts and histories, which never roll back. `owner`: whose
    erasure or removal clears the rows.
    """

    name: str
    keys: str
    columns: tuple[Column, ...]
    width: int = 1
    served: bool = True
    live: bool = False
    owner: Owner = "model"

    def column(self, name: str) -> Column:
        """The column of that name; KeyError when there is none."""
        for column in self.columns:
            if column.name == name:
                return column
        raise KeyError(f"table {self.name} has no column {name}")


@dataclass(frozen=True, slots=True)
class Space:
    """A key space: string ids of one kind, at most `ceiling` of them at a time.

    `asked`: requests name many of its ids at once, so who serves it keeps an index of them (models/state/index.py).
    """

    name: str
    ceiling: int
    served: bool = True
    asked: bool = False


class Schema:
    """All tables and key spaces, and the named tuples through which kernels see them.

    `module` is where those named tuples can be imported from, which numba's cache needs to recognise them:
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
        """The key spaces with some ceilings set anew; KeyError for a space that does not exist."""
        spaces = dict(self.spaces)
        for name, ceiling in ceilings.items():
            spaces[name] = replace(spaces[name], ceiling=ceiling)
        return spaces

    def fingerprint(self) -> str:
        """A hash of every declaration: two states with the same one have the same bytes per row."""
        text = repr((self.version, [(t.name, t.keys, t.width, t.columns) for t in self.tables.values()]))
        return hashlib.sha256(text.encode()).hexdigest()[:16]


def merge(rule: Merge, base: Array, mine: Array, theirs: Array) -> Array:
    """One column of two learners that started from `base`: element by element, by the column's rule.

    >>> merge("sum", np.array([2]), np.array([5]), np.array([3]))
    array([6])
    """
    return MERGES[rule](base, mine, theirs)


MERGES: dict[Merge, Callable[[Array, Array, Array], Array]] = {
    "sum": lambda base, mine, theirs: mine + theirs - base,
    "max": lambda _, mine, theirs: np.maximum(mine, theirs),
    "min": lambda _, mine, theirs: np.minimum(mine, theirs),
    "latest": lambda base, mine, theirs: np.where(mine == base, theirs, mine),
    "logaddexp": lambda base, mine, theirs: np.logaddexp(
        mine, theirs + np.log1p(-np.exp(np.minimum(base - theirs, 0)))
    ),
}


def _camel(name: str) -> str:
    return "".join(part.title() for part in name.split("_"))


__all__ = ["MODEL", "Column", "Schema", "Space", "Table", "merge"]
