"""Parts with rows of the shards' own in, the same in the coordinator's rows out; new ids get their rows here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from models.arrays import Array
from models.merging.transport import Part
from models.state import KeyChanges, State, TableChanges

Tables = Mapping[str, TableChanges]
"""Changes by table; rows ascending, in the coordinator's numbering."""


def renumbered(state: State, parts: Sequence[Part]) -> list[Tables]:
    """Give the ids that the parts propose their rows in the coordinator's state, and write their changes in them.

    An id that another shard proposed before it has its row already. The ceilings are not looked at: see `make_room`.
    """
    nothing = np.zeros(0, np.int32)
    unchanged = {
        name: TableChanges(nothing, {column: values[:0] for column, values in data.columns.items()})
        for name, data in state.tables.items()
    }
    spaces = {name: _Space(state, name, parts) for name in state.keys}
    return [_renumbered(state, part, spaces, unchanged) for part in parts]


def _renumbered(state: State, part: Part, spaces: Mapping[str, _Space], unchanged: Tables) -> Tables:
    maps = {name: own for name, keys in part.changes.keys.items() if (own := spaces[name].of(keys)) is not None}
    tables = {name: changes for name, changes in part.changes.tables.items() if len(changes.rows)}
    for name in _concerned(state, maps):
        if name in tables:
            tables[name] = _table(state, name, tables[name], maps)
    for name in maps:
        spaces[name].restore(part.changes.keys[name])
    return {name: tables.get(name, nothing) for name, nothing in unchanged.items()}


def _concerned(state: State, maps: Mapping[str, _Map]) -> list[str]:
    """Tables of these key spaces, and those that refer to them."""
    if not maps:
        return []
    return [
        name
        for name, data in state.tables.items()
        if data.table.keys in maps or any(column.refers in maps for column in data.table.columns)
    ]


class _Map(NamedTuple):
    """The rows here of the rows that a part gave its ids, which differ from `first` on at the earliest."""

    rows: Array  # (rows + 1,) i32; the last entry answers for "no reference"
    first: int

    def of(self, values: Array) -> Array:
        """References in rows of the part's -> in ours."""
        places = np.flatnonzero(values >= self.first)
        if not len(places):
            return values
        found = values.copy()
        flat = found.reshape(-1)
        flat[places] = self.rows[flat[places]]
        return found


class _Space:
    """The rows of a key space here, by those that a part gave its ids: one array for all parts, as long as the space.

    Args:
        state: The coordinator's.
        name: The key space.
        parts: Of all shards.
    """

    def __init__(self, state: State, name: str, parts: Sequence[Part]) -> None:
        self._state, self._name, self._rows = state, name, np.zeros(0, np.int32)
        proposed = [keys.rows for part in parts if (keys := part.changes.keys.get(name)) and len(keys.rows)]
        last = max((int(rows[-1]) for rows in proposed), default=-1)
        self._size = max(state.keys[name].capacity + sum(map(len, proposed)), last + 1)

    def of(self, proposed: KeyChanges) -> _Map | None:
        """The row here of each row there; None where all are the same. It is good until `restore`."""
        if not len(proposed.rows):
            return None
        given = self._state.keys[self._name].add_all(proposed.ids)
        self._state.reserve(self._name)
        if np.array_equal(given, proposed.rows):
            return None
        if not len(self._rows):
            self._rows = np.arange(self._size + 1, dtype=np.int32)
            self._rows[-1] = -1
        self._rows[proposed.rows] = given
        return _Map(self._rows, int(proposed.rows[0]))

    def restore(self, proposed: KeyChanges) -> None:
        """Forget the part whose map `of` returned."""
        self._rows[proposed.rows] = proposed.rows


def _table(state: State, name: str, changes: TableChanges, maps: Mapping[str, _Map]) -> TableChanges:
    table = state.tables[name].table
    rows, columns = changes.rows, changes.columns
    referring = {each.name: maps[each.refers] for each in table.columns if each.refers and each.refers in maps}
    if referring:
        columns = {key: referring[key].of(values) if key in referring else values for key, values in columns.items()}
    if table.keys in maps:
        return _moved(rows, columns, maps[table.keys], table.width)
    return TableChanges(rows, columns)


def _moved(rows: Array, columns: dict[str, Array], found: _Map, width: int) -> TableChanges:
    """Move the rows of new ids, which are the last ones but where ids were removed, and keep all of them ascending."""
    first = int(rows.searchsorted(found.first * width))
    moved = rows.copy()
    keys = rows[first:] // width
    moved[first:] = found.rows[keys] * width + (rows[first:] - keys * width)
    if first and first < len(rows) and moved[first:].min() < rows[first - 1]:
        first = 0
    order = np.argsort(moved[first:], kind="stable")
    if (order[1:] < order[:-1]).any():
        moved, *others = (_with_last(values, first, order) for values in (moved, *columns.values()))
        columns = dict(zip(columns, others, strict=True))
    return TableChanges(moved, columns)


def _with_last(values: Array, first: int, order: Array) -> Array:
    """Values whose last ones, from `first` on, are in another order."""
    last = values[first:][order]
    return np.concatenate([values[:first], last]) if first else last


__all__ = ["Tables", "renumbered"]
