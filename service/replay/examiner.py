"""Examines the tables of a version with the gate's mechanical guards, as a service would. Stage 6."""

from __future__ import annotations

from models.gate import Policy
from models.recommender import Ranker, new_scratch
from models.replay import Examined
from models.state import SCHEMA, State
from service.gate import contrast, inspect

REMEMBERED = 8
"""Tables whose recommender is kept: those that the gates of a replay serve, return to and examine."""


class CanaryExaminer:
    """Callable. Gates that face the same tables at the same moment share one examination."""

    def __init__(self) -> None:
        self._recommenders: dict[int, Ranker] = {}
        self._scratch = new_scratch()
        self._asked: tuple[object, ...] = ()
        self._found: Examined = ((), "", {})

    def __call__(self, candidate: State, served: State | None, policy: Policy, now: float) -> Examined:
        """Examine a challenger.

        Args:
            candidate: Tables of the challenger.
            served: Tables of the champion; None before the first.
            policy: Says how many canary queries to ask.
            now: Epoch seconds.

        Returns:
            Faults, a sentence about the first one, and numbers.
        """
        asked = (id(candidate), id(served), policy.canary_queries, now)
        if asked != self._asked:
            self._asked, self._found = asked, self._examine(candidate, served, policy.canary_queries, now)
        return self._found

    def _examine(self, candidate: State, served: State | None, queries: int, now: float) -> Examined:
        over = self._over(candidate)
        faults, detail, numbers = inspect(candidate, over, SCHEMA, queries, now)
        if not faults and served is not None:
            numbers = numbers | contrast(self._over(served), over, candidate, queries, now, self._scratch)
        return faults, detail, numbers

    def _over(self, state: State) -> Ranker:
        found = self._recommenders.pop(id(state), None)
        if found is None or found.state is not state:
            found = Ranker(state)
        self._recommenders[id(state)] = found
        if len(self._recommenders) > REMEMBERED:
            del self._recommenders[next(iter(self._recommenders))]
        return found


__all__ = ["CanaryExaminer"]
