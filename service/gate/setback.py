"""Notices that Redis, and the gate in it, went back to a moment that this service has passed. Stage 6.

After a failover the pointers are those of some seconds ago. Whoever followed them would load a whole version, to serve
what is older, and load another one a second later, when the learner has written again what was lost. Until then this
service serves on: what it serves went live by decisions that were right.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

REPAIR_SECONDS: Final = 15.0
"""So long the learner has to write a version again: three times what it takes. After that the pointers are followed."""


class Setback:
    """From the moment at which the gate's revision goes back to the next decision, or to the end of the patience.

    Args:
        clock: Monotonic seconds.

    >>> setback = Setback(clock=lambda: 0.0)
    >>> [setback.note(before, now) for before, now in [(7, 8), (8, 5), (5, 5), (5, 6)]]
    [False, True, True, False]
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._revision: int | None = None
        self._until = 0.0

    def note(self, before: int, now: int) -> bool:
        """Take the revision known so far and the one that Redis has now; whether Redis still is where it went back."""
        if now < before:
            self._revision, self._until = now, self._clock() + REPAIR_SECONDS
        elif now != self._revision:
            self._revision = None
        return self.lasts

    @property
    def lasts(self) -> bool:
        """Whether nobody has decided anything since Redis went back, and the patience is not over."""
        return self._revision is not None and self._clock() < self._until


__all__ = ["Setback"]
