"""Watches whether hits are far below their usual level: then the labels are no evidence. Stage 3.

Every model misses garbage labels alike, and their differences would say that all models are equally good. So no models
are compared on such events, and a model that learned them waits; unless a second look (models/referee/second_look.py)
shows that the labels are sound.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Final

import msgspec

from models.referee.second_look import SecondLook
from models.structs import Prepared

RECENT: Final = 500
"""Tested events of the recent hit rate. The standard error of a rate of one half is then 0.022."""

LATELY: Final = 100
"""Tested events of the hit rate that is looked at while an alarm is raised: two seconds of a busy shop's tests."""

FALLEN: Final = 1 / 3
"""Share of the usual hit rate below which labels are no evidence. When half of all users change their tastes at once,
hits fall to one half; shuffled labels leave a tenth or less."""

RISEN: Final = 0.95
"""Share of the usual hit rate from which a model that learned such labels is trusted again."""

LOW: Final = 1 / 2
"""Share of the usual hit rate below which the last LATELY tested events call for a second look."""

BACK: Final = 3 / 4
"""Share from which on the last RECENT ones end it."""

MEMORY: Final = 5_000
"""Tested events of the usual hit rate, about: hours of a busy day move it, a minute does not."""

PATIENCE: Final = 50_000
"""The same while in doubt: a lasting change becomes usual after about an hour of a busy shop's 50 tests a second."""

APART: Final = 50
"""Tested events between two of the same user that count, as for the alarms: a long visit is one observation."""


class LevelMemory(msgspec.Struct, metaclass=Prepared):
    """What the hit level of one term hands to that of the next.

    Attributes:
        hits: 0 or 1 for each of the last RECENT tested events, oldest first.
        recent_users: Rows of the users of the last APART tested events.
        seen: Tested events behind `usual`, at most MEMORY.
        usual: Usual hit rate.
        doubted: Whether hits fell and have not come back.
        second_look: What tells whether labels are garbage since hits fell.
    """

    hits: bytes = b""
    recent_users: list[int] = []
    seen: int = 0
    usual: float = 0.0
    doubted: bool = False
    second_look: SecondLook = msgspec.field(default_factory=SecondLook)


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

    Neither holds where people who all begin something new are missed, and found from their next event on:

    >>> level = HitLevel()
    >>> level.tested([1, 0] * 2_500, range(5_000))
    >>> for second in range(1, 100):
    ...     level.tested([0] * 7 + [1], range(8 * second, 8 * second + 8), [second] * 8, [-1] * 7 + [second - 1])
    >>> round(level.recent, 3), level.sound, level.fallen, level.doubted
    (0.126, True, False, False)
    """

    def __init__(self) -> None:
        self._hits: deque[int] = deque(maxlen=RECENT)
        self._recent_users: deque[int] = deque(maxlen=APART)
        self._sum = self._sum_lately = self._seen = 0
        self._full = False
        self.usual = 0.0
        self.doubted = False
        self._second_look = SecondLook()

    def memory(self) -> LevelMemory:
        """Return what the next term must know."""
        look = msgspec.structs.replace(self._second_look)
        return LevelMemory(bytes(self._hits), list(self._recent_users), self._seen, self.usual, self.doubted, look)

    def take_up(self, memory: LevelMemory) -> None:
        """Go on where the hit level of another term stopped."""
        self._hits.extend(memory.hits)
        self._sum, self._full = sum(self._hits), len(self._hits) == RECENT
        self._sum_lately = sum(list(self._hits)[-LATELY:])
        self._recent_users.extend(memory.recent_users)
        self._seen, self.usual, self.doubted = memory.seen, memory.usual, memory.doubted
        self._second_look = msgspec.structs.replace(memory.second_look)

    def tested(
        self,
        hits: Sequence[float],
        users: Sequence[int],
        seconds: Sequence[int] | None = None,
        before: Sequence[int] | None = None,
    ) -> None:
        """Count tested events, in order. Raises ValueError when there are more of one than of another.

        Args:
            hits: 1 where the item was within the first 20.
            users: Row of each event's user.
            seconds: Epoch second of each event; None counts as 0 for all.
            before: Epoch second of its user's event before, -1 for none; None where no user had one.
        """
        seconds = [0] * len(hits) if seconds is None else seconds
        before = [-1] * len(hits) if before is None else before
        for hit, user, second, earlier in zip(hits, users, seconds, before, strict=True):
            if user not in self._recent_users:
                self._count(int(hit))
                self._look_again(int(hit), second, earlier)
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
        return self._sum_lately / max(min(len(self._hits), LATELY), 1)

    @property
    def fallen(self) -> bool:
        """Whether recent labels are no evidence."""
        return self._far_below and not self.sound

    @property
    def _far_below(self) -> bool:
        return self._full and self.recent < FALLEN * self.usual

    @property
    def sound(self) -> bool:
        """Whether the labels are sound although hits fell."""
        return self._second_look.sound

    @property
    def further(self) -> int:
        """Tested events since hits fell of users who had had another one since then."""
        return self._second_look.further

    @property
    def further_hits(self) -> int:
        """Hits among these."""
        return self._second_look.hits

    def _look_again(self, hit: int, second: int, before: int) -> None:
        look, known = self._second_look, len(self._hits) >= LATELY
        if look.since >= 0:
            look.tested(bool(hit), self.usual, second, before)
            back = self.recent >= BACK * self.usual and self.lately >= LOW * self.usual
            if back and not self.doubted:
                look.end()
        elif known and not self.doubted and self.lately < LOW * self.usual:
            look.begin(second)

    def _count(self, hit: int) -> None:
        if len(self._hits) == RECENT:
            self._sum -= self._hits[0]
        if len(self._hits) >= LATELY:
            self._sum_lately -= self._hits[-LATELY]
        self._hits.append(hit)
        self._sum += hit
        self._sum_lately += hit
        self._full = len(self._hits) == RECENT
        low = self._far_below or (self.doubted and self.recent < RISEN * self.usual)
        self.doubted = low and not self.sound
        self._seen = min(self._seen + 1, MEMORY)
        self.usual += (hit - self.usual) / (PATIENCE if self.doubted else self._seen)


__all__ = ["FALLEN", "RECENT", "RISEN", "HitLevel", "LevelMemory"]
