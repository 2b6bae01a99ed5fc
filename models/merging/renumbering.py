"""Parts with rows of the shards' own in, the same in the coordinator's rows out; new ids get their rows here."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from models.arrays import Array
from models.merging.transport import Part
from models.state import State, TableChanges

Tables = Mapping[str, TableChanges]
"""Changes by table; rows ascending, in the coordinator's numbering."""


def renumbered(state: State, part: Part) -> Tables:
    """Give the ids that a part proposes their rows in the coordinator's state, and write its changes in them.

    An id that another shard proposed before it has its row already. The ceilings are not looked at: see `make_room`.
    """
    maps = {name: _rows(state, name, part) for name, keys in part.changes.keys.items() if len(keys.rows)}
    nothing = np.zeros(0, np.int32)
    found = {}
    for name, data in state.tables.items():
        changes = part.changes.tables.get(name)  # a table in which nothing changed does not travel
        found[name] = (
            TableChanges(nothing, data.read(nothing)) if changes is None else _table(state, name, changes, maps)
        )
    return found


def _rows(state: State, space: str, part: Part) -> Array:
    """(capacity of the shard + 1,) i32: the row here of each row there; the last entry answers for "no reference"."""
    proposed = part.changes.keys[space]
    given = np.array([state.keys[space].add(key) for key in proposed.ids], np.int32)
    state.reserve(space)
    capacity = max(state.keys[space].capacity, int(proposed.rows[-1]) + 1)
    found = np.arange(capacity + 1, dtype=np.int32)
    found[proposed.rows] = given
    found[-1] = -1
    return found


def _table(state: State, name: str, changes: TableChanges, maps: Mapping[str, Array]) -> TableChanges:
    table = state.tables[name].table
    rows, columns = changes.rows, changes.columns
    referring = {each.name: maps[each.refers] for each in table.columns if each.refers and each.refers in maps}
    if referring and len(rows):
        columns = {key: referring[key][values] if key in referring else values for key, values in columns.items()}
    if table.keys in maps and len(rows):
        rows = _moved(rows, maps[table.keys], table.width)
        order = np.argsort(rows, kind="stable")
        if (order[1:] < order[:-1]).any():
            rows, columns = rows[order], {key: values[order] for key, values in columns.items()}
    return TableChanges(rows, columns)


def _moved(rows: Array, found: Array, width: int) -> Array:
    if width == 1:
        return found[rows]
    keys = rows // width
    return np.asarray(found[keys] * width + (rows - keys * width), np.int32)


__all__ = ["Tables", "renumbered"]
