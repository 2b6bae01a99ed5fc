"""Tells when a Kafka client hands out nothing although the broker holds records for it: then it has to be replaced.

kafka-python marks a broker as asked before it sends the fetch. When sending raises, the mark stays, and every later
poll answers with nothing, without an error. Nothing else notices: a stream without records looks the same.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

QUIET: Final = 30.0
"""Seconds without a record before the broker is asked whether it has some: one short question in a quiet stream."""

SURE: Final = 5.0
"""Seconds until it is asked again: a record that came at the moment of the first question was handed out by then."""


class StuckSourceWatch:
    """For the thread that polls.

    Args:
        unread: Asks the broker whether it holds records that were not handed out; False when it does not answer.
        clock: Monotonic seconds.

    >>> now, waiting = 0.0, True
    >>> watch = StuckSourceWatch(lambda: waiting, lambda: now)
    >>> found = []
    >>> for now in (0.0, 29.0, 30.0, 34.0, 35.0):
    ...     found.append(watch.polled(False))
    >>> found, watch.polled(True), watch.polled(False)
    ([False, False, False, False, True], False, False)
    >>> waiting = False
    >>> for now in (70.0, 75.0, 80.0):
    ...     found.append(watch.polled(False))
    >>> found[5:]
    [False, False, False]
    """

    def __init__(self, unread: Callable[[], bool], clock: Callable[[], float]) -> None:
        self._unread, self._clock = unread, clock
        self._quiet_since: float | None = None
        self._asked_at: float | None = None

    def polled(self, records: bool) -> bool:
        """Note whether a poll brought records; whether the client is stuck."""
        now = self._clock()
        if records or self._quiet_since is None:
            self._quiet_since, self._asked_at = (None if records else now), None
            return False
        if now - self._quiet_since < QUIET or (self._asked_at is not None and now - self._asked_at < SURE):
            return False
        if not self._unread():
            self._quiet_since, self._asked_at = now, None
            return False
        asked_before, self._asked_at = self._asked_at is not None, now
        return asked_before


__all__ = ["QUIET", "StuckSourceWatch"]
