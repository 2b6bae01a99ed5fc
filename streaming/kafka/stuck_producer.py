"""In: how records fared, and whether the broker answers. Out: when a client of Kafka must be made anew. Stage 0.

kafka-python's idempotent producer can stay stuck after an outage in which batches that were under way expired:
the broker is back and answers, and no record is ever taken again.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Final

LOOK: Final = 1.0
"""Seconds between looks at a producer that fails: each asks the broker something."""
STUCK: Final = 5.0
"""Seconds of failures while the broker answers. One that merely comes back after an outage needs less; one that is made
anew for nothing costs the records that wait in it, which their senders send again."""


class StuckProducerWatch:
    """Watches one client. Times are monotonic seconds; `patience`: those in which a record's outcome is known.

    >>> watch, well = StuckProducerWatch(30.0), lambda: True
    >>> watch.handed(9.0)
    >>> watch.settled(10.0, failed=True)
    >>> watch.due(10.0, lambda: False), watch.due(12.0, well), watch.due(16.0, well), watch.due(18.0, well)
    (False, False, False, True)
    >>> watch.handed(20.0)
    >>> watch.settled(20.1, failed=False)
    >>> watch.due(40.0, well)
    False
    """

    def __init__(self, patience: float) -> None:
        self._patience = patience
        self._failing = False
        self._under_way = 0
        self._moved_at = self._look_at = 0.0
        self._answering_since: float | None = None
        self._lock = threading.Lock()

    def handed(self, now: float) -> None:
        """A record is under way."""
        with self._lock:
            self._under_way += 1
            if self._under_way == 1:
                self._moved_at = now

    def settled(self, now: float, *, failed: bool) -> None:
        """The outcome of a record is known."""
        with self._lock:
            self._under_way -= 1
            self._moved_at = now
            self._failing = failed
            if not failed:
                self._answering_since = None

    def due(self, now: float, answers: Callable[[], bool]) -> bool:
        """Whether to make the client anew; `answers()` asks the broker, and is called once in `LOOK` at most.

        Suspicious is one whose last record failed, or from which nothing was heard of any for longer than `patience`.
        """
        silent = self._under_way > 0 and now - self._moved_at > self._patience
        if not (self._failing or silent) or now < self._look_at:
            return False
        self._look_at = now + LOOK
        if not answers():
            self._answering_since = None
            return False
        if self._answering_since is None:
            self._answering_since = now
        return now - self._answering_since > STUCK


__all__ = ["STUCK", "StuckProducerWatch"]
