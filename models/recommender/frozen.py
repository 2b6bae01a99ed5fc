"""Ranks an event with a frozen version's tables, as that version would have served it. Stage 3.

Champion and reference learn nothing. They are asked as a request would ask them: with their own candidates, their own
order and the history of that moment (models/recommender/histories.py). An item that they did not propose is a miss, as
it would have been for the user.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from models import dimensions as dim
from models.arrays import Array
from models.kernels.serving import answer
from models.recommender.histories import AskedAt
from models.recommender.scratch import Scratch
from models.state import State

NONE: Final = np.zeros(0, np.int32)


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


__all__ = ["FrozenModel"]
