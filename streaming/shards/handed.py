"""Rows that the shards were given since the last version: a version has all of them, and each shard gets them once."""

from __future__ import annotations

import numpy as np

from models.arrays import Array
from models.state import Changes, Marks, State


class Handed:
    """For the coordinator's thread. Where several merges come before a version, each hands back what it changed itself.

    Args:
        state: The coordinator's.
    """

    def __init__(self, state: State) -> None:
        self._state = state
        self._marks: dict[str, tuple[int, Marks]] = {}
        self._keys: dict[str, list[Array]] = {}
        self._any = False

    def __bool__(self) -> bool:
        return self._any

    def put_aside(self, changes: Changes) -> None:
        """Note what the shards were given, which is all that is marked, and clear the marks."""
        for name, part in changes.tables.items():
            if len(part.rows):
                self._of(name).add(part.rows)
        for name, keys in changes.keys.items():
            if len(keys.rows):
                self._keys.setdefault(name, []).append(keys.rows)
        self._state.forget_changes()
        self._any = True

    def _of(self, name: str) -> Marks:
        """The marks of a table, for all rows that it has."""
        room = self._state.tables[name].room
        known, marks = self._marks.get(name) or (room, Marks(room))
        if known < room:
            marks.grow(room)
        self._marks[name] = room, marks
        return marks

    def mark_again(self) -> None:
        """Mark all of it again, for a version."""
        for name, (_, marks) in self._marks.items():
            if len(marks):
                self._state.tables[name].mark(marks.take())
        for name, rows in self._keys.items():
            self._state.keys[name].mark(np.concatenate(rows))
        self._keys, self._any = {}, False


__all__ = ["Handed"]
