"""Two users whose ids are joined in; one user, with the rows of both added up, out. Stage 4."""

from __future__ import annotations

import heapq
from itertools import islice

import msgspec
import numpy as np

from models import dimensions as dim
from models.state import State, rings
from models.structs import Prepared

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
    ring = rings.read(state, row)
    return UserRows(
        int(user["pushed"][row]),
        int(user["events"][row]),
        int(user["last"][row]),
        int(query["query"][row]),
        int(query["time"][row]),
        list(zip(*(column[::-1].tolist() for column in ring), strict=True)),
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
    columns = np.array([*islice(newest, dim.RING)], np.int64).reshape(-1, 3).T
    user, query = state.tables["user"], state.tables["user_query"]
    user.columns["events"][row] = own.events + more.events
    user.columns["last"][row] = max(own.last, more.last)
    if more.query >= 0 and (own.query < 0 or more.query_time > own.query_time):
        query.columns["query"][row], query.columns["time"][row] = more.query, more.query_time
    rings.write(state, row, pushed, rings.Interactions(columns[0], columns[1], columns[2]))
    query.mark(np.array([row], np.int32))


__all__ = ["UserRows", "add", "past"]
