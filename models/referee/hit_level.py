"""Watches whether hits are far below their usual level: then the labels are no evidence. Stage 3.

Every model misses garbage labels alike, and their differences would say that all models are equally good. So no models
are compared on such events, and a model that learned them waits.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from typing import Final

import msgspec

RECENT: Final = 500
"""Tested events of the recent hit rate. The standard error of a rate of one half is then 0.022."""

LATELY: Final = 100
"""Tested events of the hit rate that is looked at while an alarm is raised: two seconds of a busy shop's tests."""

FALLEN: Final = 1 / 3
"""Share of the usual hit rate below which labels are no evidence. When half of all users change their tastes at once,
hits fall to one half; shuffled labels leave a tenth or less."""

RISEN: Final = 0.95
"""Share of the usual hit rate from which a model that learned such labels is trusted again."""

MEMORY: Final = 5_000
"""Tested events of the usual hit rate, about: hours of a busy day move it, a minute does not."""

PATIENCE: Final = 50_000
"""The same while in doubt: a lasting change becomes usual after about an hour of a busy shop's 50 tests a second."""

APART: Final = 50
"""Tested events between two of the same user that count, as for the alarms: a long visit is one observation."""


class LevelMemory(msgspec.Struct):
    """What the hit level of one term hands to that of the next.

    Attributes:
        hits: 0 or 1 for each of the last RECENT tested events, oldest first.
        recent_users: Rows of the users of the last APART tested events.
        seen: Tested events behind `usual`, at most MEMORY.
        usual: Usual hit rate.
        doubted: Whether hits fell and have not come back.
    """

    hits: bytes = b""
    recent_users: list[int] = []
    seen: int = 0
    usual: float = 0.0
    doubted: bool = False


class HitLevel:
    """The recent and the usual hit rate. For the learner's thread.

    >>> level = HitLevel()
    >>> level.tested([1, 0] * 2_500, range(5_000))
    >>> round(level.usual, 3), level.fallen, level.doubted
    (0.5, False, False)
    >>> level.tested([0] * 400, range(400))
    >>> level.fallen, level.doubted
    (True, True)

    A model that learned such labels stays in doubt until it finds about as much as before:

    >>> level.tested([1, 0, 0] * 200, range(600))
    >>> level.fallen, level.doubted
    (False, True)
    >>> level.tested([1, 0] * 400, range(800))
    >>> level.doubted
    False
    """

    def __init__(self) -> None:
        self._hits: deque[int] = deque(maxlen=RECENT)
        self._recent_users: deque[int] = deque(maxlen=APART)
        self._sum = self._seen = 0
        self._full = False
        self.usual = 0.0
        self.doubted = False

    def memory(self) -> LevelMemory:
        """Return what the next term must know."""
        return LevelMemory(bytes(self._hits), list(self._recent_users), self._seen, self.usual, self.doubted)

    def take_up(self, memory: LevelMemory) -> None:
        """Go on where the hit level of another term stopped."""
        self._hits.extend(memory.hits)
        self._sum, self._full = sum(self._hits), len(self._hits) == RECENT
        self._recent_users.extend(memory.recent_users)
        self._seen, self.usual, self.doubted = memory.seen, memory.usual, memory.doubted

    def tested(self, hits: Iterable[float], users: Iterable[int]) -> None:
        """Count tested events, in order: 1 where the item was within the first 20, and the row of the event's user."""
        for hit, user in zip(hits, users, strict=True):
            if user not in self._recent_users:
                self._count(int(hit))
            self._recent_users.append(user)

    @property
    def n(self) -> int:
        """Tested events in the recent hit rate, at most RECENT."""
        return len(self._hits)

    @property
    def recent(self) -> float:
        """Recent hit rate."""
        return self._sum / max(len(self._hits), 1)

    @property
    def lately(self) -> float:
        """Hit rate of the last LATELY tested events."""
        last = list(self._hits)[-LATELY:]
        return sum(last) / max(len(last), 1)

    @property
    def fallen(self) -> bool:
        """Whether recent labels are no evidence."""
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


__all__ = ["FALLEN", "RECENT", "RISEN", "HitLevel", "LevelMemory"]
