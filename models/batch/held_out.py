"""Scores a ranker on the most recent events, which it has not learned. Stage 3.

It is asked as a request would ask: with the history each user had at that moment, for the list they would be shown.
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
    Ranker,
    ReadableState,
    hits,
    is_history,
    is_positive,
    new_scratch,
    reciprocal_ranks,
)
from models.state import rings

ASKED: Final = 1_000
"""Events that are asked about, evenly spread. The standard error is 0.015, and asking takes half a second."""

Done = tuple[str, float, int]
"""An event of a history: item, time in epoch seconds, kind."""


class Score(NamedTuple):
    """Hit rate and mean reciprocal rank within the first 20, over `n` events, of the list that would be shown."""

    hit_rate: float
    reciprocal: float
    n: int

    @property
    def total(self) -> float:
        """The sum of both, which must grow from pass to pass."""
        return self.hit_rate + self.reciprocal


class HeldOutQuestion(NamedTuple):
    """One event, and the history of its user, newest first."""

    past: list[Done]
    item: str
    now: float


class HeldOut:
    """A fixed set of questions about held-out events, to be asked again after each pass.

    Args:
        ranker: The model that is asked, which has not learned the events.
        events: Held-out events in order.
    """

    def __init__(self, ranker: Ranker, events: Sequence[EventLike]) -> None:
        self._ranker, self._scratch = ranker, new_scratch()
        self._questions = _questions(ranker.state, events)

    def __len__(self) -> int:
        return len(self._questions)

    def score(self, alive: Callable[[], bool]) -> Score | None:
        """Score the model as it is now; None if `alive`, which is asked between questions, says no."""
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
        shown = self._ranker.rank(items, times, kinds, question.now, DEPTH, scratch=self._scratch).items
        return shown.index(question.item) + 1 if question.item in shown else 0


def _questions(state: ReadableState, events: Sequence[EventLike]) -> list[HeldOutQuestion]:
    """Make questions about positive events whose item somebody had touched before."""
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


def _touched(state: ReadableState, item: str) -> bool:
    row = state.keys["item"].rows.get(item, -1)
    return row >= 0 and bool(state.tables["item_stats"].columns["events"][row])


def _past(state: ReadableState, user: str) -> list[Done]:
    """Return the history of a user as the model knows it, newest first."""
    row = state.keys["user"].rows.get(user, -1)
    if row < 0:
        return []
    ids, did = state.keys["item"].ids, rings.read(state, row)
    found = zip(did.items.tolist(), did.times.tolist(), did.kinds.tolist(), strict=True)
    named = [(ids[item] if item >= 0 else None, float(time), kind) for item, time, kind in found]
    return [(item, time, kind) for item, time, kind in named if item is not None]


__all__ = ["HeldOut", "Score"]
