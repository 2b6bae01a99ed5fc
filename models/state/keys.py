"""Gives string ids their rows: one key space of a state, with its free rows and the changes since the last cut."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import repeat
from typing import Final, NamedTuple

import numpy as np

from models.arrays import Array, unbroken
from models.looking import Look, unhurried
from models.state.index import Index
from models.state.tables import Space

FEW_IDS: Final = 16
"""Below so many ids the dict is asked, because the call of the index alone takes as long."""

TOGETHER: Final = 4_096
"""Ids copied before another thread may have the interpreter: some 0.3 ms."""


class KeyChanges(NamedTuple):
    """Rows of a key space with their ids, "" for a freed row, and the whole list of free rows (last one first used)."""

    rows: Array  # (n,) i32
    ids: list[str]
    free: Array  # (f,) i32


class Keys:
    """String ids of one space and their rows. A freed row is used again only after it was cleared.

    Args:
        space: What the ids name, and how many there may be.
        indexed: Whether to keep an `Index` next to the dict, for a process that is asked for many ids at once.
    """

    def __init__(self, space: Space, *, indexed: bool = False) -> None:
        self.space = space
        self.index = Index() if indexed else None
        self.rows: dict[str, int] = {}
        self.ids: list[str | None] = []
        self._free: list[int] = []
        self._changed: dict[int, None] = {}

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def capacity(self) -> int:
        """Rows ever handed out, free ones included: the arrays must hold so many."""
        return len(self.ids)

    @property
    def full(self) -> bool:
        """Whether one more id would exceed the ceiling."""
        return len(self.rows) >= self.space.ceiling

    def add(self, key: str) -> int:
        """The row of `key`, a new one when it has none. The caller has made room (see `full`)."""
        row = self.rows.get(key, -1)
        if row >= 0:
            return row
        if self._free:
            row = self._free.pop()
            self.ids[row] = key
        else:
            row = len(self.ids)
            self.ids.append(key)
        self.rows[key] = row
        self._changed[row] = None
        if self.index is not None:
            self.index.put([key], [row])
        return row

    def add_all(self, keys: Sequence[str]) -> Array:
        """(n,) i32 rows of ids, each named once, as `add` would give them one after the other."""
        new = [key for key in keys if key not in self.rows]
        if self._free or len(new) < FEW_IDS:
            for key in new:
                self.add(key)
        else:
            rows = range(len(self.ids), len(self.ids) + len(new))
            self.ids += new
            self.rows.update(zip(new, rows, strict=True))
            self._changed.update(dict.fromkeys(rows))
            if self.index is not None:
                self.index.put(new, [*rows])
        return np.fromiter(map(self.rows.__getitem__, keys), np.int32, len(keys))

    def find(self, keys: Sequence[str]) -> Array:
        """(n,) i32 rows of ids, -1 for one that has none. No row is added."""
        if self.index is not None and len(keys) >= FEW_IDS:
            return self.index.find(keys)
        return np.fromiter(map(self.rows.get, keys, repeat(-1)), np.int32, len(keys))

    def remove(self, key: str) -> int:
        """Free the row of `key` and return it; KeyError when it has none. References must be swept first."""
        row = self.rows.pop(key)
        self.ids[row] = None
        self._free.append(row)
        self._changed[row] = None
        if self.index is not None:
            self.index.remove([key], [row])
        return row

    def changes(self) -> KeyChanges:
        """The rows whose id changed since `forget_changes`, in row order."""
        rows = sorted(self._changed)
        return KeyChanges(
            np.array(rows, np.int32), [self.ids[row] or "" for row in rows], np.array(self._free, np.int32)
        )

    def forget_changes(self) -> None:
        """Note changes from here on."""
        self._changed = {}

    def mark(self, rows: Array) -> None:
        """Remember that the ids of `rows` changed."""
        self._changed.update(dict.fromkeys(rows.tolist()))

    def withdraw(self, rows: Array, capacity: int) -> None:
        """Take back the ids of `rows`, as if they had never been added, and all rows from `capacity` on.

        The free rows are not restored: the changes that `put` takes over next bring them.
        """
        for row in rows.tolist():
            key = self.ids[row]
            if key is not None:
                del self.rows[key]
                self.ids[row] = None
                if self.index is not None:
                    self.index.remove([key], [row])
        del self.ids[capacity:]
        self._changed = {}

    def everything(self) -> KeyChanges:
        """Every row and its id ("" for a free one)."""
        ids = [key or "" for key in self.ids]
        return KeyChanges(np.arange(len(ids), dtype=np.int32), ids, np.array(self._free, np.int32))

    def put(self, changes: KeyChanges) -> None:
        """Take over ids from another process: afterwards both hand out the same rows in the same order."""
        gone = {} if self._append(changes) else self._replace(changes)
        self._free = changes.free.tolist()
        if self.index is not None:
            self.index.remove([*gone], [*gone.values()])
            new = [key for key in changes.ids if key]
            self.index.put(new, [self.rows[key] for key in new])

    def take_over(self, other: Keys, look: Look = unhurried) -> None:
        """Become a copy of another space, from an empty one: some ids at a time, so that other threads go on."""
        for start in range(0, len(other.ids), TOGETHER):
            ids = other.ids[start : start + TOGETHER]
            self.ids += ids
            used = {key: row for row, key in enumerate(ids, start) if key is not None}
            self.rows.update(used)
            if self.index is not None:
                self.index.put([*used], [*used.values()])
            look()
        self._free = other._free.copy()

    def _append(self, changes: KeyChanges) -> bool:
        """Whether the rows are those after the last one, as all of a base are: they are then taken over together."""
        if not len(changes.rows) or changes.rows[0] != len(self.ids) or not unbroken(changes.rows):
            return False
        self.ids += [key or None for key in changes.ids]
        self.rows.update(zip(changes.ids, changes.rows.tolist(), strict=True))
        self.rows.pop("", None)
        return True

    def _replace(self, changes: KeyChanges) -> dict[str, int]:
        """Take the rows over one by one; returns the ids that lost theirs, with the rows."""
        gone: dict[str, int] = {}
        for row in changes.rows.tolist():
            while len(self.ids) <= row:
                self.ids.append(None)
            old = self.ids[row]
            if old is not None:
                gone[old] = self.rows.pop(old)
                self.ids[row] = None
        for row, key in zip(changes.rows.tolist(), changes.ids, strict=True):
            if key:
                self.ids[row] = key
                self.rows[key] = row
        return gone


__all__ = ["FEW_IDS", "KeyChanges", "Keys"]
