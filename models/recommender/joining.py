"""Two users whose ids are joined in; one user, with the rows of both added up, out. Stage 4."""

from __future__ import annotations

import heapq
from itertools import islice
from typing import Final

import msgspec
import numpy as np

from models import dimensions as dim
from models.arrays import Array
from models.state import State
from models.structs import Prepared

RING: Final = ("item", "time", "kind")
"""Columns of a ring of interactions."""

Interaction = tuple[int, int, int]
"""Item row (-1 for an item that was removed), epoch seconds, kind."""


class UserRows(msgspec.Struct, metaclass=Prepared, frozen=True):
    """What the tables hold of one user."""

    pushed: int
    events: int
    last: int
    query: int
    query_time: int
    ring: list[Interaction]
    """Oldest first, as they were learned."""


def past(state: State, row: int) -> UserRows:
    """Reads what the tables hold of the user in a row."""
    user, query = state.tables["user"].columns, state.tables["user_query"].columns
    pushed = int(user["pushed"][row])
    places = _places(row, pushed, min(pushed, dim.RING))
    ring = [state.tables["user_ring"].columns[name][places].tolist() for name in RING]
    return UserRows(
        pushed,
        int(user["events"][row]),
        int(user["last"][row]),
        int(query["query"][row]),
        int(query["time"][row]),
        list(zip(*ring, strict=True)),
    )


def add(state: State, row: int, more: UserRows) -> None:
    """Adds what another user did to the user in a row.

    Counts are added. Interactions are merged by time: each of the two keeps its own order, of two from the same second
    the user's own is the newer one, and the newest `RING` stay. The later search under way is kept.
    """
    own = past(state, row)
    pushed = own.pushed + more.pushed
    # From the newest on, as histories are read and as `identify.lua` merges them in Redis.
    newest = heapq.merge(own.ring[::-1], more.ring[::-1], key=lambda did: -did[1])
    merged = [*islice(newest, dim.RING)][::-1]
    user, query, ring = (state.tables[name] for name in ("user", "user_query", "user_ring"))
    user.columns["pushed"][row] = pushed
    user.columns["events"][row] = own.events + more.events
    user.columns["last"][row] = max(own.last, more.last)
    if more.query >= 0 and (own.query < 0 or more.query_time > own.query_time):
        query.columns["query"][row], query.columns["time"][row] = more.query, more.query_time
    whole = np.arange(row * dim.RING, (row + 1) * dim.RING, dtype=np.int32)
    ring.clear(whole)
    places = _places(row, pushed, len(merged))
    for name, values in zip(RING, zip(*merged, strict=True), strict=False):
        ring.columns[name][places] = values
    user.mark(np.array([row], np.int32))
    query.mark(np.array([row], np.int32))
    ring.mark(whole)


def _places(row: int, pushed: int, count: int) -> Array:
    """(count,) slots of the last `count` of the interactions ever pushed, oldest first."""
    return row * dim.RING + np.arange(pushed - count, pushed, dtype=np.int64) % dim.RING


__all__ = ["UserRows", "add", "past"]
