"""Hands the rows that a merge changed to the shards at once, and to the next version when one is cut."""

from __future__ import annotations

import numpy as np

from models.arrays import Array
from models.state import MODEL, Changes, State


class Outbox:
    """Marks of changed rows are wanted twice: by each merge, and by each version, of which there are fewer.

    >>> from models.recommender import new_state
    >>> state, outbox = new_state(), Outbox()
    >>> row = state.add("item", "tea")
    >>> outbox.take(state).keys["item"].ids, state.cut().keys["item"].ids
    (['tea'], [])
    >>> outbox.restore(state)
    >>> state.cut().keys["item"].ids
    ['tea']
    """

    def __init__(self) -> None:
        self._rows: dict[str, list[Array]] = {}
        self._keys: dict[str, list[Array]] = {}

    def take(self, state: State) -> Changes:
        """Copies of all changes since the last call, for the shards."""
        changes = state.cut()
        self._keep(changes)
        return changes

    def restore(self, state: State) -> None:
        """Mark everything that was taken since the last version, right before one is cut."""
        for name, rows in self._rows.items():
            state.tables[name].mark(np.concatenate(rows))
        for name, rows in self._keys.items():
            state.keys[name].touch(np.concatenate(rows))
        self._rows, self._keys = {}, {}

    def reclaim(self, state: State) -> None:
        """Take the marks off again, if no version was cut after all."""
        for name, data in state.tables.items():
            self._add(self._rows, name, data.take_touched())
        for name, keys in state.keys.items():
            if name != MODEL:
                self._add(self._keys, name, keys.take_changes().rows)

    def _keep(self, changes: Changes) -> None:
        for name, part in changes.tables.items():
            self._add(self._rows, name, part.rows)
        for name, keys in changes.keys.items():
            self._add(self._keys, name, keys.rows)

    @staticmethod
    def _add(kept: dict[str, list[Array]], name: str, rows: Array) -> None:
        if len(rows):
            kept.setdefault(name, []).append(rows)


__all__ = ["Outbox"]
