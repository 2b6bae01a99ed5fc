"""Rings of users as schemas up to 6 held them: the time of each entry in, the pause before it out. Stage 5.

A pause depends on the entry before, which a delta need not have. So what a version holds of rings is taken out of it
when it is decoded, and becomes entries once the state has all of the version and of those before it.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np

from models.arrays import Array
from models.dimensions import KIND_BITS, RING
from models.snapshot.chunks import Damaged
from models.state import Changes, State, rings

LAST: Final = 6
"""The last schema that held times."""

USER_RING: Final = "user_ring"

TOGETHER: Final = 4_096
"""Users whose rings are converted in one go: 4 MB of times."""


class OldRings(NamedTuple):
    """What a version holds of rings, next to the items."""

    rows: Array  # (n,) i32 slots of the table `user_ring`, ascending
    times: Array  # (n,) u4 epoch seconds
    kinds: Array  # (n,) u1


def taken_out(changes: Changes) -> tuple[Changes, OldRings | None]:
    """Split changes of an old schema into those without the times of rings, and these; None where it has none.

    Raises Damaged when they are not what an old schema declared.
    """
    part = changes.tables.get(USER_RING)
    if part is None or not len(part.rows):
        return changes, None
    columns = dict(part.columns)
    times, kinds = columns.pop("time", None), columns.pop("kind", None)
    if times is None or kinds is None or times.dtype != np.uint32 or kinds.dtype != np.uint8:
        raise Damaged(f"{USER_RING}: no times and kinds")
    # A code of a newer program's stays one that this program does not know.
    known = np.minimum(kinds, np.uint8((1 << KIND_BITS) - 1))
    return _with_rings(changes, columns), OldRings(part.rows, times, known)


def _with_rings(changes: Changes, columns: dict[str, Array]) -> Changes:
    part = changes.tables[USER_RING]._replace(columns=columns)
    return changes._replace(tables={**changes.tables, USER_RING: part})


class Conversion:
    """Converts the rings of one version.

    Args:
        state: As it was before the version was applied: entries that the version does not have are read from it.
        old: What the version holds of rings.
    """

    def __init__(self, state: State, old: OldRings) -> None:
        self._old, self._users = old, np.unique(old.rows // RING)
        known = self._users[self._users < state.keys["user"].capacity]  # none for a base, a few for a delta
        places, done = _entries(state, known)
        newest, own = state.tables["user"].columns["newest"][known], np.arange(len(known))[:, None]
        self._times, self._kinds = (np.empty(places.shape, kind) for kind in (np.int64, np.uint8))
        self._times[own, places % RING] = rings.times(newest, rings.pauses(done))
        self._kinds[own, places % RING] = rings.kinds(done)

    def finish(self, state: State) -> None:
        """Write the entries, and the times of the newest ones, to the state, which now holds the version."""
        for start in range(0, len(self._users), TOGETHER):
            self._write(state, slice(start, start + TOGETHER))

    def _write(self, state: State, part: slice) -> None:
        some, columns = self._users[part], state.tables["user"].columns
        pushed = columns["pushed"][some].astype(np.int64)
        slots = rings.slots(some, pushed, RING)[:, ::-1]  # oldest first
        times, kinds = (np.take_along_axis(each, slots % RING, 1) for each in self._by_place(some, part))
        used = np.arange(RING) >= RING - pushed[:, None]
        earliest = np.where(used, times, np.iinfo(np.int64).max).min(axis=1, keepdims=True)
        times = np.where(used, times, np.where(pushed[:, None] > 0, earliest, 0))
        state.tables[USER_RING].columns["did"][slots] = np.where(used, rings.dids(times, kinds), 0)
        columns["newest"][some] = times.max(axis=1)

    def _by_place(self, some: Array, part: slice) -> tuple[Array, Array]:
        """Times and kinds of the rings of some users, (users, RING) each, by their place."""
        times, kinds = (np.zeros((len(some), RING), kind) for kind in (np.int64, np.uint8))
        times[: len(self._times[part])], kinds[: len(self._kinds[part])] = self._times[part], self._kinds[part]
        own = slice(*np.searchsorted(self._old.rows, [some[0] * RING, (some[-1] + 1) * RING]).tolist())
        rows = self._old.rows[own]
        at = np.searchsorted(some, rows // RING), rows % RING
        times[at], kinds[at] = self._old.times[own], self._old.kinds[own]
        return times, kinds


def _entries(state: State, users: Array) -> tuple[Array, Array]:
    """Slots and entries of the rings of some users, newest first, (users, RING) each."""
    places = rings.slots(users, state.tables["user"].columns["pushed"][users], RING)
    return places, state.tables[USER_RING].columns["did"][places]


__all__ = ["LAST", "USER_RING", "Conversion", "OldRings", "taken_out"]
