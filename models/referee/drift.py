"""Tested events, their kinds and their rate in; the names of what has changed abruptly out. Stage 3.

River's detectors: ADWIN (Bifet and Gavalda, "Learning from time-changing data with adaptive windowing", SDM 2007) on
shares, Page-Hinkley (Page, "Continuous inspection schemes", Biometrika 1954) where a fall must be seen at once. An
alarm says that something changed, not that it is bad: it never promotes, and holds back only where hits fall.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable
from typing import Any, Final

NAMES: Final = ("hit_rate", "event_mix", "unknown_items", "event_rate")
"""Closed: metric labels are made from it."""

HELD: Final = 2_000
"""Tested events for which an alarm stays raised: long enough for what learns on to show that it is better than what
stood still, if it was tastes that changed."""

DELTA: Final = 0.002
"""ADWIN's chance of a false alarm for each look; River's own default."""

DROP: Final = 0.05
"""Fall of the hit rate that Page-Hinkley lets pass: hours of the day move it by that much."""

SUM: Final = 30.0
"""Hits missed beyond it, in sum, that raise the alarm. 20 raised it twice in 50,000 events without any change."""

RATE_SUM: Final = 25.0
"""The same for the logarithm of events a second: a rate ten times what it was for ten batches, say."""

APART: Final = 50
"""Tested events between two that count of one user. On MovieLens, whose users rate a hundred films in a row, counting
each event raised the alarm in 205 of 500 versions of a stream without any fault."""

SAMPLE: Final = 16
"""Kinds of one batch that are looked at: detectors cost two microseconds each."""


class Alarms:
    """For the learner's thread. Importing River takes a second: make it elsewhere.

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

    A user whose events follow one another is one observation, not many:

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
        self._lately: deque[int] = deque(maxlen=APART)
        self._left = dict.fromkeys(NAMES, 0)
        self.counts = dict.fromkeys(NAMES, 0)

    def tested(self, hits: Iterable[float], unknown: Iterable[int], users: Iterable[int]) -> None:
        """Tested events in order: 1 where the item was within the first 20; 1 where nobody knew the item; whose it was.

        One user's events are much alike, and detectors take what they see for independent: who was seen within the
        last APART tested events is passed over.
        """
        for hit, new, user in zip(hits, unknown, users, strict=True):
            self._age()
            apart = user not in self._lately
            self._lately.append(user)
            if not apart:
                continue
            if not new:
                self._watch_hit(hit)
            self._watch_share("unknown_items", new)

    def consumed(self, kinds: Iterable[int], rate: float) -> None:
        """A batch: whether each of a sample of its events is a click (1) or not, and its events a second."""
        for is_click in kinds:
            self._watch_share("event_mix", is_click)
        if rate > 0.0:
            self._rate.update(math.log10(rate))
            if self._rate.drift_detected:
                self._raise("event_rate")

    def raised(self) -> tuple[str, ...]:
        """Names of the alarms of the last tested events."""
        return tuple(name for name, left in self._left.items() if left > 0)

    def _watch_hit(self, hit: float) -> None:
        self._fall.update(hit)
        before = self._shares["hit_rate"].estimation
        self._shares["hit_rate"].update(hit)
        fell = self._shares["hit_rate"].drift_detected and self._shares["hit_rate"].estimation < before
        # More hits than before are no reason to wait.
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
