"""Hits of tested events in; whether what comes is found at all, as it usually is, out. Stage 3.

Labels that are garbage testify to nothing: every model misses them alike, and their differences say that all are as
good. So what is learnt while hits are far below what is usual waits, and is not compared on such events.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from typing import Final

RECENT: Final = 500
"""Tested events that "of late" means: the standard error of a hit rate of one half is then .022."""

FALLEN: Final = 1 / 3
"""Share of the usual hit rate below which labels are no evidence. When half of all users change their tastes at once,
hits fall to one half; shuffled labels leave a tenth and less."""

RISEN: Final = 0.95
"""Share of it from which what has learnt such labels is trusted again."""

MEMORY: Final = 5_000
"""Tested events that the usual rate is of, about: hours of a busy day move it, a minute does not."""

PATIENCE: Final = 50_000
"""The same while in doubt: what lasts is the new normal, after about an hour of a busy shop's 50 tests a second."""

APART: Final = 50
"""Tested events between two that count of one user, as for the alarms: one user's long visit is one observation."""


class HitLevel:
    """For the learner's thread.

    >>> level = HitLevel()
    >>> level.tested([1, 0] * 2_500, range(5_000))
    >>> round(level.usual, 3), level.fallen, level.doubted
    (0.5, False, False)
    >>> level.tested([0] * 400, range(400))
    >>> level.fallen, level.doubted
    (True, True)

    What has learnt them goes on being doubted until it finds about as much as before:

    >>> level.tested([1, 0, 0] * 200, range(600))
    >>> level.fallen, level.doubted
    (False, True)
    >>> level.tested([1, 0] * 400, range(800))
    >>> level.doubted
    False
    """

    def __init__(self) -> None:
        self._hits: deque[int] = deque(maxlen=RECENT)
        self._lately: deque[int] = deque(maxlen=APART)
        self._sum = self._seen = 0
        self._full = False
        self.usual = 0.0
        self.doubted = False

    def tested(self, hits: Iterable[float], users: Iterable[int]) -> None:
        """Tested events in order: 1 where the item was within the first 20, and whose event it was."""
        for hit, user in zip(hits, users, strict=True):
            if user not in self._lately:
                self._count(int(hit))
            self._lately.append(user)

    @property
    def n(self) -> int:
        """Tested events of late, at most RECENT."""
        return len(self._hits)

    @property
    def recent(self) -> float:
        """Hit rate of late."""
        return self._sum / max(len(self._hits), 1)

    @property
    def fallen(self) -> bool:
        """Whether labels of late are no evidence."""
        return self._full and self.recent < FALLEN * self.usual

    def _count(self, hit: int) -> None:
        if len(self._hits) == RECENT:
            self._sum -= self._hits[0]
        self._hits.append(hit)
        self._sum += hit
        self._full = len(self._hits) == RECENT
        self.doubted = self.fallen or (self.doubted and self.recent < RISEN * self.usual)
        self._seen = min(self._seen + 1, MEMORY)
        self.usual += (hit - self.usual) / (PATIENCE if self.doubted else self._seen)


__all__ = ["FALLEN", "RECENT", "RISEN", "HitLevel"]
