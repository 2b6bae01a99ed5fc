"""Remembers which rows the last cuts changed, so that the next one can extend an older version. Stage 5.

A Redis that went back a few seconds, as after a failover, names a version of some cuts ago as its head. What changed
since is a few rows of each table; without this memory the next version had to be a base, hundreds of MiB at the moment
at which Redis copies itself to a replica and every service has to load it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from typing import Final, NamedTuple

import msgspec

from models.arrays import Array
from models.snapshot import Manifest
from models.state import Changes, State

KEPT_ROWS: Final = 4 << 20
"""Numbers of rows that are remembered, 16 MiB: half a minute at 5,000 events/s, longer than a failover takes."""
KEPT_CUTS: Final = 256


class Mark(NamedTuple):
    """What one cut changed, and the manifest of its version without evidence, chunks and erasures."""

    manifest: Manifest
    tables: dict[str, Array]
    keys: dict[str, Array]

    @property
    def rows(self) -> int:
        """Numbers of rows that it holds."""
        return sum(map(len, (*self.tables.values(), *self.keys.values())))


class Ancestry:
    """The last cuts of one state, oldest first. For the thread that cuts; `find` is safe to call from any.

    Args:
        start: The version that the state was loaded from, None for a new state.
    """

    def __init__(self, start: Manifest | None = None) -> None:
        self._marks: deque[Mark] = deque()
        self._rows = 0
        if start is not None:
            self.restart(start)

    def restart(self, manifest: Manifest) -> None:
        """Begin with a version that holds everything: no earlier one can be extended."""
        self._marks = deque([Mark(_bare(manifest), {}, {})])
        self._rows = 0

    def add(self, manifest: Manifest, changes: Changes) -> None:
        """Remember what a cut changed since the one before."""
        mark = Mark(
            _bare(manifest),
            {name: part.rows for name, part in changes.tables.items()},
            {name: part.rows for name, part in changes.keys.items()},
        )
        self._marks.append(mark)
        self._rows += mark.rows
        while len(self._marks) > 1 and (self._rows > KEPT_ROWS or len(self._marks) > KEPT_CUTS):
            self._marks.popleft()
            self._rows -= self._marks[0].rows  # what the new first one changed is no longer asked for

    def find(self, version: str) -> Manifest | None:
        """The manifest of a version that can be extended, None for one that is not remembered."""
        return next((mark.manifest for mark in list(self._marks) if mark.manifest.id == version), None)

    def take_after(self, version: str) -> list[Mark]:
        """Take out the cuts after a version, oldest first: they are to be cut once more, together.

        Nothing is taken for a version that is not remembered.
        """
        if self.find(version) is None:
            return []
        taken = []
        while self._marks[-1].manifest.id != version:
            taken.append(self._marks.pop())
            self._rows -= taken[-1].rows
        return taken[::-1]


def mark_again(state: State, marks: Iterable[Mark]) -> None:
    """Mark every row that these cuts changed, as if they had not been cut."""
    for mark in marks:
        for name, rows in mark.tables.items():
            state.tables[name].mark(rows)
        for name, rows in mark.keys.items():
            state.keys[name].mark(rows)


def _bare(manifest: Manifest) -> Manifest:
    return msgspec.structs.replace(manifest, evidence={}, chunks=[], erased=[], receipts=[])


__all__ = ["Ancestry", "mark_again"]
