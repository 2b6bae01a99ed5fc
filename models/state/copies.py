"""One state in, another with the same ids, rows and order of free rows out. Stage 7."""

from __future__ import annotations

from models.state.state import State
from models.state.tables import MODEL


def duplicate(state: State) -> State:
    """A second state that hands out the same rows and shares no memory. What was marked as changed is not marked there.

    >>> from models.state.tables import Column, Schema, Space, Table
    >>> schema = Schema(1, [Space("item", 9)], [Table("seen", "item", (Column("times", "u4"),))], __name__)
    >>> state = State(schema)
    >>> _ = state.add("item", "tea"), state.add("item", "mug"), state.remove("item", ["tea"])
    >>> twin = duplicate(state)
    >>> twin.digest() == state.digest(), twin.add("item", "pot"), state.keys["item"].capacity
    (True, 0, 2)
    """
    ceilings = {name: keys.space.ceiling for name, keys in state.keys.items()}
    twin = State(state.schema, ceilings, served_only=state.served_only)
    for name, keys in state.keys.items():
        if name != MODEL:
            twin.keys[name].put(keys.everything())
            twin.reserve(name)
    for name, data in state.tables.items():
        rows = state.keys[data.table.keys].capacity * data.table.width
        for column, values in data.columns.items():
            twin.tables[name].columns[column][:rows] = values[:rows]
    return twin


__all__ = ["duplicate"]
