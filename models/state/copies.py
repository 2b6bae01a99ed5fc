"""Copies states: one whole, its contents, or one assembled from the model of one and the users of another. Stage 7."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np

from models.arrays import Array
from models.state.keys import KeyChanges
from models.state.state import Changes, State, TableChanges
from models.state.table_data import copy_rows
from models.state.tables import MODEL

USER: Final = "user"

SLICE: Final = 64 << 20
"""Bytes of a column copied between two questions whether to go on: some tens of milliseconds."""


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
    for name, keys in state.keys.items():
        if name != MODEL:
            twin.keys[name].take_over(keys)
            twin.reserve(name)
    for name, data in state.tables.items():
        rows = state.keys[data.table.keys].capacity * data.table.width
        for column, values in data.columns.items():
            copy_rows(twin.tables[name].columns[column], values[:rows])
    return twin


def copied(state: State, stopped: Callable[[], bool]) -> Changes | None:
    """Copies of everything, as `State.full` makes them; None as soon as `stopped`, asked after each slice, says so.

    Other threads go on meanwhile.

    >>> from models.recommender.recommender import new_state
    >>> state = new_state()
    >>> _ = state.add("item", "mug")
    >>> found = copied(state, lambda: False)
    >>> found.keys["item"].ids, copied(state, lambda: True) is None
    (['mug'], True)
    """
    keys = {name: space.everything() for name, space in state.keys.items() if name != MODEL}
    tables = {}
    for name, data in state.tables.items():
        rows = state.keys[data.table.keys].capacity * data.table.width
        columns = {}
        for column, values in data.columns.items():
            columns[column] = target = np.empty_like(values[:rows])
            step = max(1, SLICE * rows // max(target.nbytes, 1))
            for start in range(0, rows, step):
                copy_rows(target[start : start + step], values[start : min(start + step, rows)])
                if stopped():
                    return None
        tables[name] = TableChanges(np.arange(rows, dtype=np.int32), columns)
    return Changes(True, keys, tables)


def combined(model: State, live: State | None) -> State:
    """A new state from the model of one and the users of another.

    Items that only `live` knows get a row while the ceiling leaves room. Neither state is changed; for a moment all
    three are in memory. No row is marked: the next version must be a base.

    Args:
        model: Gives everything but users.
        live: Gives the users; None for a state without users.

    >>> from models.recommender.recommender import new_state
    >>> one, other = new_state(), new_state()
    >>> _ = one.add("item", "mug"), one.add("user", "bob"), other.add("item", "tea"), other.add("user", "ann")
    >>> state = combined(one, other)
    >>> list(state.keys["item"].rows), list(state.keys["user"].rows)
    (['mug', 'tea'], ['ann'])
    """
    ceilings = {name: keys.space.ceiling for name, keys in model.keys.items()}
    state = State(model.schema, ceilings)
    whole = model.full()
    of_users = {name for name, data in model.tables.items() if data.table.keys == USER}
    keys = {name: changes for name, changes in whole.keys.items() if name != USER}
    state.apply(Changes(True, keys, {name: part for name, part in whole.tables.items() if name not in of_users}))
    if live is not None:
        for item in live.keys["item"].rows:
            if item not in state.keys["item"].rows and not state.keys["item"].full:
                state.add("item", item)
        state.apply(_users(live, state))
    return state


def _users(live: State, into: State) -> Changes:
    keys: dict[str, KeyChanges] = {USER: live.keys[USER].everything()}
    tables = {}
    for name, data in live.tables.items():
        if data.table.keys == USER:
            rows = live.keys[USER].capacity * data.table.width
            columns = data.read(slice(0, rows))
            for column in data.table.columns:
                if column.refers is not None:
                    columns[column.name] = _rows(live, into, column.refers)[columns[column.name]]
            tables[name] = TableChanges(np.arange(rows, dtype=np.int32), columns)
    return Changes(True, keys, tables)


def _rows(live: State, into: State, space: str) -> Array:
    """(capacity + 1,) i32: the row here of each row there, -1 for none; the last entry answers for "no reference"."""
    known = into.keys[space].rows
    found = [known.get(key, -1) if key is not None else -1 for key in live.keys[space].ids]
    return np.array([*found, -1], np.int32)


__all__ = ["combined", "copied", "duplicate"]
