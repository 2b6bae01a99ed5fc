"""A shard's changes in, a part of named arrays out, and back: what travels between learners holds no object of ours."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import numpy as np

from models.arrays import Array
from models.state import Changes, KeyChanges, TableChanges

_SEPARATOR: Final = "\x00"
"""Between the ids of a key space. No id holds a control character (models/records/events.py)."""

_COLUMN: Final = "columns/"
"""Before the name of a column, among the fields of a table."""


@dataclass(frozen=True, slots=True)
class Part:
    """What one shard learned since the last merge.

    Attributes:
        shard: Number of the shard, from 0.
        shards: How many share the stream.
        changes: Rows that it touched, in its own numbering: the ids in `changes.keys` are those it proposes.
    """

    shard: int
    shards: int
    changes: Changes

    @property
    def empty(self) -> bool:
        """Whether nothing changed."""
        return not any(len(part.rows) for part in self.changes.tables.values())


def to_arrays(changes: Changes) -> dict[str, Array]:
    """Write changes as named arrays, which any transport can carry: "keys/SPACE/..." and "tables/TABLE/...".

    Tables in which nothing changed are left out.

    >>> from models.recommender import new_state
    >>> state = new_state()
    >>> row = state.add("item", "tea")
    >>> arrays = to_arrays(state.cut())
    >>> arrays["keys/item/rows"].tolist(), from_arrays(arrays).keys["item"].ids
    ([0], ['tea'])
    """
    arrays = {"base": np.array([changes.base])}
    for space, keys in changes.keys.items():
        arrays[f"keys/{space}/rows"] = keys.rows
        arrays[f"keys/{space}/free"] = keys.free
        arrays[f"keys/{space}/ids"] = np.frombuffer(_SEPARATOR.join(keys.ids).encode(), np.uint8)
    for table, part in changes.tables.items():
        if len(part.rows):
            arrays[f"tables/{table}/rows"] = part.rows
            for column, values in part.columns.items():
                arrays[f"tables/{table}/{_COLUMN}{column}"] = values
    return arrays


def from_arrays(arrays: Mapping[str, Array]) -> Changes:
    """Read what `to_arrays` wrote. The arrays are not copied."""
    spaces: dict[str, dict[str, Array]] = {}
    columns: dict[str, dict[str, Array]] = {}
    rows: dict[str, Array] = {}
    for name, array in arrays.items():
        kind, owner, field = _parsed(name)
        if kind == "keys":
            spaces.setdefault(owner, {})[field] = array
        elif field == "rows":
            rows[owner] = array
        elif kind == "tables":
            columns.setdefault(owner, {})[field.removeprefix(_COLUMN)] = array
    keys = {}
    for space, own in spaces.items():
        text = own["ids"].tobytes().decode()
        keys[space] = KeyChanges(own["rows"], text.split(_SEPARATOR) if len(own["rows"]) else [], own["free"])
    tables = {table: TableChanges(own, columns.get(table, {})) for table, own in rows.items()}
    return Changes(bool(arrays["base"][0]), keys, tables)


@lru_cache(maxsize=1024)
def _parsed(name: str) -> tuple[str, str, str]:
    """The kind, the owner and the field in a name. Every message has the same ones, some hundred."""
    kind, _, rest = name.partition("/")
    owner, _, field = rest.partition("/")
    return kind, owner, field


__all__ = ["Part", "from_arrays", "to_arrays"]
