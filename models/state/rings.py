"""Rings of users in; their interactions with times out, and back.

A ring holds of each interaction its item and, in two bytes, what was done and the pause before it: that is 6 bytes
where the time itself would make 9 (models/kernels/retrieval/history.py has the format). Times follow from the newest
one, which the table `user` has.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import ArrayLike

from models.arrays import Array
from models.dimensions import KIND_BITS, PAUSE_BITS, RING
from models.state.number_codes import packed, unpacked
from models.state.state import State


class _Table(Protocol):
    @property
    def columns(self) -> Mapping[str, Array]: ...


class Held(Protocol):
    """The part of a `State` that is read here."""

    @property
    def tables(self) -> Mapping[str, _Table]:
        """Tables by name."""


class Interactions(NamedTuple):
    """What a user did, newest first."""

    items: Array  # (n,) i32 row, -1 for an item that was removed
    times: Array  # (n,) i64 epoch seconds
    kinds: Array  # (n,) u1


def pauses(dids: Array) -> Array:
    """The pause before each of some entries of a ring, seconds, i64."""
    return unpacked(dids >> KIND_BITS, PAUSE_BITS)


def kinds(dids: Array) -> Array:
    """What was done, u1."""
    return (dids & ((1 << KIND_BITS) - 1)).astype(np.uint8)


def times(newest: ArrayLike, gaps: Array) -> Array:
    """Epoch seconds of interactions.

    Args:
        newest: Time of the newest one, (...) i64.
        gaps: The pause before each, newest first, (..., n) i64.

    >>> times(1_000, np.array([5, 0, 60])).tolist()
    [1000, 995, 995]
    """
    found = np.empty(gaps.shape, np.int64)
    found[..., :1] = newest = np.asarray(newest, np.int64)[..., None]
    np.subtract(newest, np.cumsum(gaps[..., :-1], axis=-1), out=found[..., 1:])
    return found


def dids(oldest_first: Array, done: Array) -> Array:
    """The entries of interactions in a ring, u2.

    An interaction that is older than the one before it counts as done with it: times in a ring do not fall.

    Args:
        oldest_first: Epoch seconds, (..., n).
        done: Codes of the kinds, (..., n).

    >>> found = dids(np.array([100, 160, 150, 150]), np.array([0, 3, 0, 0]))
    >>> pauses(found).tolist(), kinds(found).tolist()
    ([0, 60, 0, 0], [0, 3, 0, 0])
    """
    moments = np.maximum.accumulate(oldest_first.astype(np.int64), axis=-1)
    gaps = np.diff(moments, axis=-1, prepend=moments[..., :1])
    return (packed(gaps, PAUSE_BITS) << KIND_BITS | done).astype(np.uint16)


def slots(rows: Array, pushed: Array, count: int) -> Array:
    """(users, count) slots of the ring, newest first, of the users in some rows who have pushed so many interactions.

    Entries before a user's first are slots of that user all the same.
    """
    back = np.arange(count)
    found: Array = rows.astype(np.int64)[:, None] * RING + (pushed.astype(np.int64)[:, None] - 1 - back) % RING
    return found


def read(state: Held, row: int) -> Interactions:
    """What the ring of the user in a row holds."""
    users, ring = state.tables["user"].columns, state.tables["user_ring"].columns
    pushed = int(users["pushed"][row])
    places = slots(np.array([row]), np.array([pushed]), min(pushed, RING))[0]
    done = ring["did"][places]
    return Interactions(ring["item"][places], times(users["newest"][row], pauses(done)), kinds(done))


def write(state: State, row: int, pushed: int, did: Interactions) -> None:
    """Give the user in a row these interactions alone, the last ones of `pushed`; the ring and the user are marked."""
    users, ring = state.tables["user"], state.tables["user_ring"]
    whole = np.arange(row * RING, (row + 1) * RING, dtype=np.int32)
    places = slots(np.array([row]), np.array([pushed]), len(did.items))[0]
    ring.clear(whole)
    ring.columns["item"][places] = did.items
    ring.columns["did"][places] = dids(did.times[::-1], did.kinds[::-1])[::-1]
    users.columns["pushed"][row] = pushed
    users.columns["newest"][row] = did.times.max(initial=0)
    users.mark(np.array([row], np.int32))
    ring.mark(whole)


__all__ = ["Interactions", "dids", "kinds", "pauses", "read", "slots", "times", "write"]
