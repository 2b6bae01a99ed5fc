"""Copies states: one whole, or one assembled from the model of one and the users of another. Stage 7."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from types import MappingProxyType
from typing import Final

import numpy as np

from models.arrays import Array
from models.looking import Look, unhurried
from models.state.state import State
from models.state.table_data import copy_rows, slices
from models.state.tables import MODEL

USER: Final = "user"

TOGETHER: Final = 1_000
"""Items that get a row between two looks."""


def duplicate(state: State) -> State:
    """A second state that hands out the same rows and shares no memory. No row of it is marked as changed.

    Everything is copied slice by slice, so that other threads go on meanwhile.

    >>> from models.state.merges import SUM
    >>> from models.state.tables import Column, Schema, Space, Table
    >>> schema = Schema(1, [Space("item", 9)], [Table("seen", "item", (Column("times", "u4", merge=SUM),))], __name__)
    >>> state = State(schema)
    >>> _ = state.add("item", "tea"), state.add("item", "mug"), state.remove("item", ["tea"])
    >>> twin = duplicate(state)
    >>> twin.digest() == state.digest(), twin.add("item", "pot"), state.keys["item"].capacity
    (True, 0, 2)
    """
    ceilings = {name: keys.space.ceiling for name, keys in state.keys.items()}
    twin = State(state.schema, ceilings, served_only=state.served_only)
    _copy(state, twin, list(state.keys))
    return twin


def combined(model: State, live: State | None, look: Look = unhurried) -> State:
    """A new state from the model of one and the users of another.

    Items that only `live` knows get a row while the ceiling leaves room. Neither state is changed; for a moment all
    three are in memory. No row is marked: the next version must be a base.

    Args:
        model: Gives everything but users.
        live: Gives the users; None for a state without users.
        look: Called after each slice.

    >>> from models.recommender.recommender import new_state
    >>> one, other = new_state(), new_state()
    >>> _ = one.add("item", "mug"), one.add("user", "bob"), other.add("item", "tea"), other.add("user", "ann")
    >>> state = combined(one, other)
    >>> list(state.keys["item"].rows), list(state.keys["user"].rows)
    (['mug', 'tea'], ['ann'])
    """
    ceilings = {name: keys.space.ceiling for name, keys in model.keys.items()}
    state = State(model.schema, ceilings)
    _copy(model, state, [name for name in model.keys if name != USER], look)
    if live is not None:
        for number, item in enumerate(live.keys["item"].rows):
            if item not in state.keys["item"].rows and not state.keys["item"].full:
                state.add("item", item)
            if number % TOGETHER == 0:
                look()
        tables = [table for table in live.schema.tables.values() if table.keys == USER]
        referred = {column.refers for table in tables for column in table.columns if column.refers is not None}
        _copy(live, state, [USER], look, {space: _rows(live, state, space) for space in referred - {USER}})
    return state


def _copy(
    source: State,
    into: State,
    spaces: Collection[str],
    look: Look = unhurried,
    places: Mapping[str, Array] = MappingProxyType({}),
) -> None:
    """Copy ids of some spaces, and all rows of their tables, to a state that has none of them.

    Args:
        source: Stays as it is.
        into: Gets the same rows.
        spaces: Names of the spaces.
        look: Called after each slice.
        places: The row in `into` of each row of other spaces, where references lead elsewhere.
    """
    for name in spaces:
        if name != MODEL:
            into.keys[name].take_over(source.keys[name], look)
            into.reserve(name, look)
    for name, data in source.tables.items():
        if data.table.keys not in spaces:
            continue
        rows = source.keys[data.table.keys].capacity * data.table.width
        for column in data.table.columns:
            values, target = data.columns[column.name][:rows], into.tables[name].columns[column.name]
            place = places.get(column.refers or "")
            for part in slices(rows, values.nbytes):
                if place is None:
                    copy_rows(target[part], values[part])
                else:
                    target[part] = place[values[part]]
                look()


def _rows(live: State, into: State, space: str) -> Array:
    """(capacity + 1,) i32: the row here of each row there, -1 for none; the last entry answers for "no reference"."""
    known = into.keys[space].rows
    found = [known.get(key, -1) if key is not None else -1 for key in live.keys[space].ids]
    return np.array([*found, -1], np.int32)


__all__ = ["combined", "duplicate"]
