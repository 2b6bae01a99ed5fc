"""Detects abrupt changes in tested events, their kinds and their rate. Stage 3.

River's detectors: ADWIN (Bifet and Gavalda, "Learning from time-changing data with adaptive windowing", SDM 2007) on
shares, Page-Hinkley (Page, "Continuous inspection schemes", Biometrika 1954) where a fall must be seen at once. An
alarm says that something changed, not that it is bad: it never promotes, and holds back only when hits fall.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable
from typing import Any, Final

NAMES: Final = ("hit_rate", "event_mix", "unknown_items", "event_rate")
"""Names of the alarms: a closed list, because they become metric labels."""

HELD: Final = 2_000
"""Tested events for which an alarm stays raised: long enough for the learning model to show that it is better than a
frozen one, if tastes have changed."""

DELTA: Final = 0.002
"""ADWIN's chance of a false alarm at each check; River's own default."""

DROP: Final = 0.05
"""Fall of the hit rate that Page-Hinkley tolerates: the time of day moves it by that much."""

SUM: Final = 30.0
"""Sum of hits missed beyond DROP that raises the alarm. 20 raised it twice in 50,000 events without a change."""

RATE_SUM: Final = 25.0
"""The same for the logarithm of events a second: for example ten times the usual rate over ten batches."""

APART: Final = 50
"""Tested events between two of the same user that count. On MovieLens, whose users rate a hundred films in a row,
counting every event raised the alarm in 205 of 500 versions of a stream without any fault."""

SAMPLE: Final = 16
"""Event kinds of a batch that detectors see; each costs 2 µs."""


class Alarms:
    """Raises alarms about a stream. For the learner's thread.

    Making one imports River, which takes a second: make it in another thread.

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
        from river import drift

        self._fall: Any = drift.PageHinkley(delta=DROP, threshold=SUM, mode="down")
        adwin: Any = drift.ADWIN
        self._shares = {name: adwin(delta=DELTA) for name in NAMES[:3]}
        self._rate: Any = drift.PageHinkley(delta=0.5, threshold=RATE_SUM, mode="both")
        self._recent_users: deque[int] = deque(maxlen=APART)
        self._left = dict.fromkeys(NAMES, 0)
        self.counts = dict.fromkeys(NAMES, 0)

    def tested(self, hits: Iterable[float], unknown: Iterable[int], users: Iterable[int]) -> None:
        """Watch tested events, in order.

        Events of one user are much alike, and detectors assume independence: a user who was seen within the last APART
        tested events is skipped.

        Args:
            hits: 1 where the item was within the first 20.
            unknown: 1 where nobody had touched the item.
            users: Row of each event's user.
        """
        for hit, new, user in zip(hits, unknown, users, strict=True):
            self._age()
            apart = user not in self._recent_users
            self._recent_users.append(user)
            if not apart:
                continue
            if not new:
                self._watch_hit(hit)
            self._watch_share("unknown_items", new)

    def consumed(self, kinds: Iterable[int], rate: float) -> None:
        """Watch a batch: for a sample of its events whether each is a click (1 or 0), and its events a second."""
        for is_click in kinds:
            self._watch_share("event_mix", is_click)
        if rate > 0.0:
            self._rate.update(math.log10(rate))
            if self._rate.drift_detected:
                self._raise("event_rate")

    def raised(self) -> tuple[str, ...]:
        """Return the names of the alarms that are raised."""
        return tuple(name for name, left in self._left.items() if left > 0)

    def _watch_hit(self, hit: float) -> None:
        self._fall.update(hit)
        before = self._shares["hit_rate"].estimation
        self._shares["hit_rate"].update(hit)
        fell = self._shares["hit_rate"].drift_detected and self._shares["hit_rate"].estimation < before
        # A rise of the hit rate is no reason to wait.
        if fell or self._fall.drift_detected:
            self._raise("hit_rate")

    def _watch_share(self, name: str, value: int) -> None:
        self._shares[name].update(value)
        if self._shares[name].drift_detected:
            self._raise(name)

    def _raise(self, name: str) -> None:
        self.counts[name] += 1
        self._left[name] = HELD

    def _age(self) -> None:
        for name, left in self._left.items():
            if left:
                self._left[name] = left - 1


__all__ = ["NAMES", "Alarms"]
