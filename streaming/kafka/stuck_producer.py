"""Notices a producer that must be replaced: it is broken, or its broker answers and it still delivers nothing.

kafka-python's idempotent producer can stay that way after an outage in which batches under way expired.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Final

LOOK: Final = 1.0
"""Seconds between two looks at a producer that fails: each asks the broker something."""

STUCK: Final = 5.0
"""Seconds of failures while the broker answers, before the producer counts as stuck. A producer that recovers after an
outage needs less; replacing it without need fails the records that wait in it, and their senders send them again."""


class StuckProducerWatch:
    """Watches one producer. All times are monotonic seconds.

    Args:
        patience: Seconds within which the outcome of a record is known.
        not_before: When to look for the first time: the producer may be the successor of one that was replaced.

    >>> watch, answers = StuckProducerWatch(30.0), lambda: True
    >>> watch.handed(9.0)
    >>> watch.settled(10.0, failed=True)
    >>> watch.due(10.0, lambda: False), watch.due(12.0, answers), watch.due(16.0, answers), watch.due(18.0, answers)
    (False, False, False, True)
    >>> watch.handed(20.0)
    >>> watch.settled(20.1, failed=False)
    >>> watch.due(40.0, answers), watch.due(40.0, answers, broken=True), watch.due(40.1, answers, broken=True)
    (False, True, False)
    >>> watch.settled(42.0, failed=True)
    >>> watch.due(43.0, lambda: False), watch.due(44.0, lambda: False, renewed=lambda: True)
    (False, True)
    """

    def __init__(self, patience: float, not_before: float = 0.0) -> None:
        self._patience = patience
        self._failing = False
        self._under_way = 0
        self._moved_at, self._look_at = 0.0, not_before
        self._answering_since: float | None = None
        self._lock = threading.Lock()

    def handed(self, now: float) -> None:
        """A record was handed to the producer."""
        with self._lock:
            self._under_way += 1
            if self._under_way == 1:
                self._moved_at = now

    def settled(self, now: float, *, failed: bool) -> None:
        """The outcome of a record is known. `failed`: it ran out of time, as with a stuck producer, or of a login."""
        with self._lock:
            self._under_way -= 1
            self._moved_at = now
            self._failing = failed
            if not failed:
                self._answering_since = None

    def due(
        self,
        now: float,
        answers: Callable[[], bool],
        *,
        broken: bool = False,
        renewed: Callable[[], bool] = lambda: False,
    ) -> bool:
        """Whether the producer must be replaced.

        It is suspect when its last record failed, or when it reported no outcome for longer than `patience`.

        Args:
            now: The present.
            answers: Asks the broker whether it is there; called at most once in `LOOK` seconds.
            broken: The producer says itself that it can send nothing any more; it is replaced without further proof.
            renewed: Whether a new producer would log in otherwise than this one, which fails; asked as often.
        """
        silent = self._under_way > 0 and now - self._moved_at > self._patience
        if not (broken or self._failing or silent) or now < self._look_at:
            return False
        self._look_at = now + LOOK
        if broken or renewed():
            return True
        if not answers():
            self._answering_since = None
            return False
        if self._answering_since is None:
            self._answering_since = now
        return now - self._answering_since > STUCK


__all__ = ["STUCK", "StuckProducerWatch"]
