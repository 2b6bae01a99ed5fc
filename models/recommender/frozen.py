"""A version that stands still, and a moment of the stream, in; the rank it would have given what came, out. Stage 3.

Champion and reference learn nothing. They are asked as a request would ask them: their own candidates, their own order,
the history of that moment. What they never proposed is a miss, as it would have been for the user.
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
    """What was known of a user when an event came, newest first, and the event. Rows are the learner's."""

    items: Array  # (n,) i32
    times: Array  # (n,) i64
    kinds: Array  # (n,) u8
    now: int
    item: int
    query: int = -1  # row of the search that was in force


class FrozenModel:
    """Served tables of one version, which nobody changes while it is asked."""

    def __init__(self, version: str, state: State) -> None:
        self.version, self.state = version, state

    def rank(self, moment: AskedAt, learnt: State, scratch: Scratch, by: int = -1) -> int:
        """Rank of the moment's item as this version would serve it, ties against it; 0 when it is not proposed.

        `learnt`: the state the rows of the moment belong to. A row may have been handed to another id since.
        `by`: number of the contender that orders; -1 for the one in charge.
        """
        rows = self._rows(np.append(moment.items, moment.item), learnt)
        if rows[-1] < 0:
            return 0
        count = answer(
            self.state.served,
            scratch,
            rows[:-1],
            moment.times,
            moment.kinds,
            moment.now,
            NONE,
            False,
            self._query(moment.query, learnt),
            by,
        )
        places = np.flatnonzero(scratch.listed.items[:count] == rows[-1])
        if not len(places):
            return 0
        scores = scratch.listed.scores[dim.SERVED, :count]
        return int((scores >= scores[places[0]]).sum())

    def _query(self, row: int, learnt: State) -> int:
        return self.state.keys["query"].rows.get(learnt.keys["query"].ids[row] or "", -1) if row >= 0 else -1

    def _rows(self, rows: Array, learnt: State) -> Array:
        ids, known = learnt.keys["item"].ids, self.state.keys["item"].rows
        return np.array([known.get(ids[row] or "", -1) if row >= 0 else -1 for row in rows.tolist()], np.int32)


def recall(state: State, users: Array, items: Array, kinds: Array, times: Array, place: int) -> AskedAt:
    """The moment before event `place` of a batch that has just been learnt, from the user's ring.

    The ring holds the later events of the batch too: they are passed over. What they overwrote, at the far end of 128
    events, is gone.
    """
    user = int(users[place])
    mine = (users[place:] == user) & (items[place:] >= 0)
    later = int((mine & (kinds[place:] != dim.SEARCH) & (kinds[place:] != dim.IMPRESSION)).sum())
    pushed = int(state.private.user.pushed[user]) - later
    back = np.arange(max(0, min(pushed, dim.RING - later)))
    at = user * dim.RING + (pushed - 1 - back) % dim.RING
    ring = state.private.user_ring
    # Copies: the ring goes on being written, and indexing by an array makes them. The types are those of a request: for
    # any other the kernel would be compiled once more, half a minute in which the learner stands still.
    seconds = ring.time[at].astype(np.int64)
    return AskedAt(ring.item[at], seconds, ring.kind[at], int(times[place]), int(items[place]))


__all__ = ["AskedAt", "FrozenModel", "recall"]
