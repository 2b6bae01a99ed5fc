"""A valid event in; a warning out when the learner will pass it over: too late, ahead of time, or one of too many.

The learner decides by the time of the Kafka record and by all that it has read. This is the same rule by the time of
arrival and by what this process was sent, so a replica may miss that others used up a user's minute.
"""

from __future__ import annotations

import threading
from collections import Counter
from typing import Final

from models.ledger import user_hash
from models.records import IMPRESSION, Event
from streaming.settings import AdmissionSettings

USERS: Final = 100_000
"""Users whose events are counted in one minute: some 10 MB. Beyond them no cap is foretold."""


class Forecast:
    """Foretells late, future and capped events. Thread-safe."""

    def __init__(self, admission: AdmissionSettings) -> None:
        self._admission = admission
        self._lock = threading.Lock()
        self._minute = 0
        self._counts: Counter[tuple[int, bool]] = Counter()

    def warning(self, event: Event, now: float, *, public: bool) -> str:
        """Why an accepted event will not be learned, "" when it will be.

        Args:
            event: The event.
            now: When it arrived, epoch seconds.
            public: Whether it came with a public key; those are counted apart, and so are impressions.
        """
        admission = self._admission
        age = now - event.timestamp
        if -age > admission.max_future:
            return (
                f"future: its timestamp is {_spell(-age)} ahead, more than admission.max_future "
                f"({_spell(admission.max_future)}), so it will not be learned"
            )
        if age > admission.max_lateness:
            return (
                f"late: its timestamp is {_spell(age)} old, more than admission.max_lateness "
                f"({_spell(admission.max_lateness)}), so it will not be learned; `sluicegate send` sends history"
            )
        if not self._fits(event, now, public):
            return (
                f"capped: its user has more than admission.cap_per_minute ({admission.cap_per_minute}) events in this "
                "minute, so it will not be learned"
            )
        return ""

    def _fits(self, event: Event, now: float, public: bool) -> bool:
        """Count the event; whether its user has room for it in this minute."""
        who = user_hash(event.user_id) ^ public, event.kind == IMPRESSION
        with self._lock:
            if int(now) // 60 != self._minute:
                self._minute = int(now) // 60
                self._counts.clear()
            if self._counts[who] >= self._admission.cap_per_minute:
                return False
            if who in self._counts or len(self._counts) < USERS:
                self._counts[who] += 1
            return True


def _spell(seconds: float) -> str:
    """A duration in the largest unit that it has two of.

    >>> _spell(90.0), _spell(86_400.0), _spell(300.0)
    ('90 s', '24 h', '5 min')
    """
    for size, unit in ((86_400.0, "days"), (3_600.0, "h"), (60.0, "min")):
        if seconds >= 2 * size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds:.3g} s"


__all__ = ["Forecast"]
