"""Lets one anchor after the other be compared with, so that they cost the time and the memory of one. Stage 3."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

TURN: Final = 60.0
"""Seconds of one turn: 3,000 tested events of a busy shop."""

SHORTEST: Final = 0.25
"""Longest turn as a share of the youngest anchor's age: a shop that tries anchors of a minute has each asked."""

LOADING: Final = 0.02
"""Largest share of a turn that loading its anchor may take. A large model is loaded seldom, and asked longer."""


class AnchorTurns:
    """Says whose turn it is. For one thread.

    Args:
        clock: Monotonic seconds.
        turn: Seconds of a turn, at least.

    >>> now = [0.0]
    >>> turns = AnchorTurns(lambda: now[0])
    >>> turns.whose(["b", "a"]), turns.whose(["b", "a"])
    ('b', 'b')
    >>> now[0] = 61.0
    >>> turns.whose(["b", "a"]), turns.whose([])
    ('a', '')

    An anchor that took three seconds to load keeps its turn for 150:

    >>> turns.whose(["b", "a"])
    'b'
    >>> turns.loaded(3.0)
    >>> now[0] = 200.0
    >>> turns.whose(["b", "a"])
    'b'
    >>> now[0] = 212.0
    >>> turns.whose(["b", "a"])
    'a'
    """

    def __init__(self, clock: Callable[[], float], turn: float = TURN) -> None:
        self._clock, self._turn = clock, turn
        self._whose, self._since, self._lasts = "", 0.0, 0.0

    def whose(self, anchors: Sequence[str]) -> str:
        """The id whose turn it is, of the anchors that are named now, each once; "" for none."""
        now = self._clock()
        if self._whose not in anchors or now - self._since >= self._lasts:
            at = anchors.index(self._whose) + 1 if self._whose in anchors else 0
            self._whose = anchors[at % len(anchors)] if anchors else ""
            self._since, self._lasts = now, self._turn
        return self._whose

    def loaded(self, seconds: float) -> None:
        """Prolong the turn for an anchor that took so many seconds to load."""
        self._lasts = max(self._lasts, seconds / LOADING)


def turn_of(ages: Sequence[float]) -> float:
    """Seconds of a turn with anchors of these ages.

    >>> turn_of((3_600.0, 86_400.0)), turn_of((20.0,)), turn_of(())
    (60.0, 5.0, 60.0)
    """
    return min(TURN, SHORTEST * min(ages, default=TURN / SHORTEST))


__all__ = ["LOADING", "TURN", "AnchorTurns", "turn_of"]
