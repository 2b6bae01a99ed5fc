"""Learnt tables of one state and the users of another in, one state with both out. Stage 5.

What a model learnt can be put back or replaced; what users did is live and cannot. Each state has rows of its own for
the same items, so references are carried over by id.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from models.state.keys import KeyChanges
from models.state.state import Changes, State, TableChanges
from models.state.tables import Array

USER: Final = "user"


def combined(learnt: State, live: State | None) -> State:
    """A new state: everything but users from `learnt`, users from `live` (none: it has no users).

    Items that `live` knows and `learnt` does not get a row while the ceiling leaves room. Neither is changed; for a
    moment all three are in memory. No row is marked: the next version must be a base.

    >>> from models.recommender.recommender import new_state
    >>> one, other = new_state(), new_state()
    >>> _ = one.add("item", "mug"), one.add("user", "bob"), other.add("item", "tea"), other.add("user", "ann")
    >>> state = combined(one, other)
    >>> list(state.keys["item"].rows), list(state.keys["user"].rows)
    (['mug', 'tea'], ['ann'])
    """
    ceilings = {name: keys.space.ceiling for name, keys in learnt.keys.items()}
    state = State(learnt.schema, ceilings)
    whole = learnt.full()
    mine = {name for name, data in learnt.tables.items() if data.table.keys == USER}
    keys = {name: changes for name, changes in whole.keys.items() if name != USER}
    state.apply(Changes(True, keys, {name: part for name, part in whole.tables.items() if name not in mine}))
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


__all__ = ["combined"]
