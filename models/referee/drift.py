"""Detects abrupt changes in tested events, their kinds and their rate. Stage 3.

ADWIN watches shares, Page-Hinkley what must be seen to fall at once (models/referee/detectors.py). An alarm says that
something changed, not that it is bad: it never promotes, and holds back only when hits fall.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable
from itertools import repeat
from typing import Final

import msgspec

from models.referee.detectors import AdaptiveWindow, PageHinkley
from models.structs import Prepared

NAMES: Final = ("hit_rate", "event_mix", "unknown_items", "event_rate")
"""Names of the alarms: a closed list, because they become metric labels."""

HELD: Final = 2_000
"""Tested events for which an alarm stays raised: long enough for the learning model to show that it is better than a
frozen one, if tastes have changed."""

DROP: Final = 0.05
"""Fall of the hit rate that Page-Hinkley tolerates: the time of day moves it by that much."""

SUM: Final = 30.0
"""Sum of hits missed beyond DROP that raises the alarm. 20 raised it twice in 50,000 events without a change."""

RATE_DROP: Final = 0.5
"""Change of the logarithm of events a second that is tolerated."""

RATE_SUM: Final = 25.0
"""Sum of such changes beyond RATE_DROP that raises the alarm: for example ten times the usual rate over ten batches."""

APART: Final = 50
"""Tested events between two of the same user that count. On MovieLens, whose users rate a hundred films in a row,
counting every event raised the alarm in 205 of 500 versions of a stream without any fault."""

SAMPLE: Final = 16
"""Event kinds of a batch that detectors see; each costs 2 µs."""


class AlarmsMemory(msgspec.Struct, metaclass=Prepared):
    """What the alarms of one term hand to those of the next.

    Attributes:
        fall: Watches hits for a fall.
        rate: Watches the logarithm of events a second.
        shares: Watch shares, by name.
        recent_users: Rows of the users of the last APART tested events.
        left: Tested events for which an alarm stays raised, by name.
    """

    fall: PageHinkley
    rate: PageHinkley
    shares: dict[str, AdaptiveWindow]
    recent_users: list[int]
    left: dict[str, int]


class Alarms:
    """Raises alarms about a stream. For the learner's thread.

    >>> alarms = Alarms()
    >>> alarms.tested([1, 0] * 500, [0] * 1_000, range(1_000))
    >>> alarms.raised()
    ()
    >>> alarms.tested([0] * 300, [0] * 300, range(300))
    >>> alarms.raised(), alarms.counts["hit_rate"] > 0
    (('hit_rate',), True)
    >>> alarms.tested([0] * HELD, [0] * HELD, range(HELD))
    >>> alarms.raised()
    ()

    Many events of one user in a row are one observation:

    >>> patient = Alarms()
    >>> patient.tested([1] * 1_000 + [0] * 1_000, [0] * 2_000, [1] * 1_000 + [2] * 1_000)
    >>> patient.raised()
    ()
    """

    def __init__(self) -> None:
        self._fall = PageHinkley(DROP, SUM)
        self._rate = PageHinkley(RATE_DROP, RATE_SUM, rises=True)
        self._shares = {name: AdaptiveWindow() for name in NAMES[:3]}
        self._recent_users: deque[int] = deque(maxlen=APART)
        self._left = dict.fromkeys(NAMES, 0)
        self.counts = dict.fromkeys(NAMES, 0)

    def memory(self) -> AlarmsMemory:
        """Return what the next term must know; it shares the detectors, so store it before the next event."""
        return AlarmsMemory(self._fall, self._rate, self._shares, list(self._recent_users), self._left)

    def take_up(self, memory: AlarmsMemory) -> None:
        """Go on where the alarms of another term stopped. Names that are not known here are left out."""
        # The thresholds are those of this release.
        self._fall = msgspec.structs.replace(memory.fall, tolerated=DROP, threshold=SUM, rises=False)
        self._rate = msgspec.structs.replace(memory.rate, tolerated=RATE_DROP, threshold=RATE_SUM, rises=True)
        self._shares |= {name: window for name, window in memory.shares.items() if name in self._shares}
        self._recent_users.extend(memory.recent_users)
        self._left |= {name: left for name, left in memory.left.items() if name in self._left}

    def tested(
        self, hits: Iterable[float], unknown: Iterable[int], users: Iterable[int], old: Iterable[int] = repeat(1)
    ) -> None:
        """Watch tested events, in order.

        Events of one user are much alike, and detectors assume independence: a user who was seen within the last APART
        tested events is skipped.

        Args:
            hits: 1 where the item was within the first 20.
            unknown: 1 where nobody had touched the item.
            users: Row of each event's user.
            old: 1 where a hit says something: the item has been known for a while.
        """
        for hit, new, user, said in zip(hits, unknown, users, old, strict=False):
            self._age()
            apart = user not in self._recent_users
            self._recent_users.append(user)
            if not apart:
                continue
            if said and not new:
                self._watch_hit(int(hit))
            self._watch_share("unknown_items", int(new))

    def consumed(self, kinds: Iterable[int], rate: float) -> None:
        """Watch a batch: for a sample of its events whether each is a click (1 or 0), and its events a second."""
        for is_click in kinds:
            self._watch_share("event_mix", int(is_click))
        if rate > 0.0 and self._rate.add(math.log10(rate)):
            self._raise("event_rate")

    def raised(self) -> tuple[str, ...]:
        """Return the names of the alarms that are raised."""
        return tuple(name for name, left in self._left.items() if left > 0)

    def _watch_hit(self, hit: int) -> None:
        fall, window = self._fall.add(hit), self._shares["hit_rate"]
        before = window.mean
        # A rise of the hit rate is no reason to wait.
        if (window.add(hit) and window.mean < before) or fall:
            self._raise("hit_rate")

    def _watch_share(self, name: str, bit: int) -> None:
        if self._shares[name].add(bit):
            self._raise(name)

    def _raise(self, name: str) -> None:
        self.counts[name] += 1
        self._left[name] = HELD

    def _age(self) -> None:
        for name, left in self._left.items():
            if left:
                self._left[name] = left - 1


__all__ = ["NAMES", "Alarms", "AlarmsMemory"]
