"""Ranks an event with a frozen version's tables, as that version would have served it. Stage 3.

Champion and reference learn nothing. They are asked as a request would ask them: with their own candidates, their own
order and the history of that moment. An item that they did not propose is a miss, as it would have been for the user.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np

from models import dimensions as dim
from models.arrays import Array
from models.kernels.serving import answer
from models.recommender.scratch import Scratch
from models.state import State

NONE: Final = np.zeros(0, np.int32)


class AskedAt(NamedTuple):
    """An event, and the history of its user at that moment, newest first. Row numbers are the learner's."""

    items: Array  # (n,) i32
    times: Array  # (n,) i64
    kinds: Array  # (n,) u8
    now: int  # epoch seconds
    item: int  # row of the event's item
    query: int = -1  # row of the search in force, -1 for none


class FrozenModel:
    """The served tables of one version. Nobody may change them while it is asked."""

    def __init__(self, version: str, state: State) -> None:
        self.version, self.state = version, state

    def rank(self, moment: AskedAt, learned: State, scratch: Scratch, by: int = -1) -> int:
        """Rank the moment's item as this version would have served it.

        Args:
            moment: The event and what was known of its user.
            learned: The learner's state, to which the rows of the moment belong. In this version's tables the same row
                may belong to another id.
            scratch: Working memory of the calling thread.
            by: Number of the contender that orders; -1 for the one in charge.

        Returns:
            The rank, counting ties against the item; 0 when the item is not proposed.
        """
        rows = self._rows(np.append(moment.items, moment.item), learned)
        if rows[-1] < 0:
            return 0
        count = answer(
            self.state.lent_served,
            scratch.lent,
            rows[:-1],
            moment.times,
            moment.kinds,
            moment.now,
            NONE,
            False,
            self._query(moment.query, learned),
            by,
        )
        places = np.flatnonzero(scratch.listed.items[:count] == rows[-1])
        if not len(places):
            return 0
        scores = scratch.listed.scores[dim.SERVED, :count]
        return int((scores >= scores[places[0]]).sum())

    def _query(self, row: int, learned: State) -> int:
        return self.state.keys["query"].rows.get(learned.keys["query"].ids[row] or "", -1) if row >= 0 else -1

    def _rows(self, rows: Array, learned: State) -> Array:
        ids, known = learned.keys["item"].ids, self.state.keys["item"].rows
        return np.array([known.get(ids[row] or "", -1) if row >= 0 else -1 for row in rows.tolist()], np.int32)


def recall(state: State, users: Array, items: Array, kinds: Array, times: Array, place: int) -> AskedAt:
    """Recall the moment before an event of a batch that has just been learned, from the ring of its user.

    The ring also holds the later events of the batch: they are skipped. The oldest events that they overwrote, at the
    far end of the 128 that a ring holds, are lost.

    Args:
        state: The learner's state, right after it learned the batch.
        users: Row of each event's user, (n,).
        items: Row of each event's item, -1 for none, (n,).
        kinds: Code of each event's type, (n,).
        times: Epoch seconds of each event, (n,).
        place: Place of the event in the batch.
    """
    user = int(users[place])
    own = (users[place:] == user) & (items[place:] >= 0)
    later = int((own & (kinds[place:] != dim.SEARCH) & (kinds[place:] != dim.IMPRESSION)).sum())
    pushed = int(state.private.user.pushed[user]) - later
    back = np.arange(max(0, min(pushed, dim.RING - later)))
    at = user * dim.RING + (pushed - 1 - back) % dim.RING
    ring = state.private.user_ring
    # Indexing by an array copies, which is needed because learning goes on writing to the ring. The types are those of
    # a request: for any others the kernel would be compiled again, and the learner would stop for half a minute.
    seconds = ring.time[at].astype(np.int64)
    return AskedAt(ring.item[at], seconds, ring.kind[at], int(times[place]), int(items[place]))


__all__ = ["AskedAt", "FrozenModel", "recall"]
