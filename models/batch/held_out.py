"""In: a recommender and the most recent events, which it has not learnt. Out: how it would rank what came. Stage 3.

Asked as a request would ask: with the history each user had at that moment, for the list that would be shown.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

import numpy as np

from models import dimensions as dim
from models.recommender import (
    DEPTH,
    EventLike,
    Recommender,
    hits,
    is_history,
    is_positive,
    new_scratch,
    reciprocal_ranks,
)
from models.state import State

ASKED: Final = 1_000
"""Events that are asked about, evenly spread: a standard error of .015, and half a second."""

Told = tuple[str, float, int]
"""Item, time in epoch seconds, kind."""


class Score(NamedTuple):
    """Hit rate and mean reciprocal rank within 20 over `n` events, by the list that would be served."""

    hit_rate: float
    reciprocal: float
    n: int

    @property
    def total(self) -> float:
        """What must grow from pass to pass."""
        return self.hit_rate + self.reciprocal


class HeldOutQuestion(NamedTuple):
    """One event and what its user had done before, newest first."""

    past: list[Told]
    item: str
    now: float


class HeldOut:
    """Ask as often as you like; what is asked stays the same."""

    def __init__(self, recommender: Recommender, events: Sequence[EventLike]) -> None:
        self._recommender, self._scratch = recommender, new_scratch()
        self._questions = _questions(recommender.state, events)

    def __len__(self) -> int:
        return len(self._questions)

    def score(self, alive: Callable[[], bool]) -> Score | None:
        """How what is learnt now would have served them; None when `alive`, asked between questions, said no."""
        ranks = []
        for question in self._questions:
            ranks.append(self._rank(question))
            if not alive():
                return None
        found = np.array(ranks, np.int64)
        if not len(found):
            return Score(0.0, 0.0, 0)
        return Score(float(hits(found).mean()), float(reciprocal_ranks(found).mean()), len(found))

    def _rank(self, question: HeldOutQuestion) -> int:
        items, times = [item for item, _, _ in question.past], [when for _, when, _ in question.past]
        kinds = [kind for _, _, kind in question.past]
        shown = self._recommender.rank(items, times, kinds, question.now, DEPTH, scratch=self._scratch).items
        return shown.index(question.item) + 1 if question.item in shown else 0


def _questions(state: State, events: Sequence[EventLike]) -> list[HeldOutQuestion]:
    """About events whose item somebody had touched before."""
    good = [at for at, event in enumerate(events) if is_positive(event) and _touched(state, event.item_id or "")]
    asked = set(good[:: max(1, -(-len(good) // ASKED))])
    users = {events[at].user_id for at in asked}
    pasts = {user: deque(_past(state, user), dim.RING) for user in users}
    found = []
    for at, event in enumerate(events):
        if at in asked:
            found.append(HeldOutQuestion(list(pasts[event.user_id]), event.item_id or "", event.timestamp))
        if event.user_id in users and is_history(event):
            pasts[event.user_id].appendleft((event.item_id or "", event.timestamp, event.kind))
    return found


def _touched(state: State, item: str) -> bool:
    row = state.keys["item"].rows.get(item, -1)
    return row >= 0 and bool(state.tables["item_stats"].columns["events"][row])


def _past(state: State, user: str) -> list[Told]:
    """What the model knows of a user, newest first."""
    row = state.keys["user"].rows.get(user, -1)
    if row < 0:
        return []
    ring, ids = state.tables["user_ring"].columns, state.keys["item"].ids
    pushed = int(state.tables["user"].columns["pushed"][row])
    places = [row * dim.RING + (pushed - 1 - back) % dim.RING for back in range(min(pushed, dim.RING))]
    told = [(ids[int(ring["item"][at])] if ring["item"][at] >= 0 else None, at) for at in places]
    return [(item, float(ring["time"][at]), int(ring["kind"][at])) for item, at in told if item is not None]


__all__ = ["HeldOut", "Score"]
