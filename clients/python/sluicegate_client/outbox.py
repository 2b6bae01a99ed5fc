"""Holds events until the service has taken them: in batches, within a bound, repeated after an outage.

It keeps no time and sends nothing itself; `now` is monotonic seconds.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import msgspec

from sluicegate_client.calls import Call, send_encoded
from sluicegate_client.errors import Refused, SluicegateError
from sluicegate_client.retry import Retry
from sluicegate_client.types import EventsAnswer, SentEvent

log = logging.getLogger("sluicegate_client")

NEVER = frozenset({400, 413, 415, 422})
"""Statuses after which the same events can never be taken. Others, such as 401, end when somebody puts them right."""


@dataclass(frozen=True, slots=True)
class Batching:
    """When events are sent, and how many may wait.

    Attributes:
        events: events of one request at most; as many are sent at once.
        seconds: longest that an event waits for others.
        waiting: events that wait at most, while the service is away; beyond it the oldest are dropped. At 300 bytes an
            event, the default is 3 MB.
    """

    events: int = 500
    seconds: float = 0.5
    waiting: int = 10_000


BATCHING: Final = Batching()


class Outbox:
    """Events that wait, oldest first, by their `event_id`."""

    def __init__(self, batching: Batching, retry: Retry, random: Callable[[], float]) -> None:
        self._batching, self._retry, self._random = batching, retry, random
        self._waiting: dict[str, bytes] = {}
        self._sent: list[str] = []
        self._most = batching.events
        self._failures = 0
        self._due = float("inf")
        self._urgent = False
        self.dropped = 0
        """Events that were dropped because too many waited."""
        self.refused = 0
        """Events that the service will never take."""
        self.trouble: SluicegateError | None = None
        """Why the last request failed; None after one that was answered."""

    def __len__(self) -> int:
        return len(self._waiting)

    def add(self, event_id: str, event: SentEvent, now: float) -> None:
        """Put an event in. Raises TypeError for one that is no JSON."""
        self._waiting[event_id] = msgspec.json.encode(event)
        while len(self._waiting) > self._batching.waiting:
            del self._waiting[next(iter(self._waiting))]
            self.dropped += 1
        if self._failures == 0:
            self._due = min(self._due, self._next(now))

    def hurry(self, now: float) -> None:
        """Send what waits now, without waiting for more."""
        if self._waiting:
            self._urgent = True
            self._due = now

    def wait(self, now: float) -> float | None:
        """Seconds until there is something to send, 0 for now; None while nothing waits."""
        return max(0.0, self._due - now) if self._waiting else None

    def batch(self) -> Call[EventsAnswer]:
        """The oldest events, as a call. They stay until `answered` or `failed` says what became of them."""
        self._sent = list(self._waiting)[: self._most]
        return send_encoded([self._waiting[each] for each in self._sent])

    def answered(self, answer: EventsAnswer, now: float) -> None:
        """Take out what the service has taken, or will never take."""
        kept = False
        self.trouble = None
        for outcome in answer.outcomes:
            if outcome.outcome == "unavailable":
                kept = True
                continue
            self._waiting.pop(self._sent[outcome.index], None)
            if outcome.outcome == "rejected":
                self._refuse(1, f"at {outcome.path}: expected {outcome.expected}, found {outcome.found}")
        self._settle(now, again=kept)

    def failed(self, error: SluicegateError, now: float) -> None:
        """Note that the request failed, and when to send it again."""
        self.trouble = error
        status = error.status if isinstance(error, Refused) else 0
        if status == 413 and len(self._sent) > 1:
            self._most = len(self._sent) // 2
            self._due = now
        elif status in NEVER:
            for each in self._sent:
                self._waiting.pop(each, None)
            self._refuse(len(self._sent), str(error))
            self._settle(now, again=False)
        else:
            if self._failures == 0:
                log.warning("%d events wait: %s", len(self._waiting), error)
            self._settle(now, again=True)

    def _settle(self, now: float, *, again: bool) -> None:
        self._sent = []
        self._failures = self._failures + 1 if again else 0
        self._urgent = self._urgent and bool(self._waiting)
        self._due = now + self._retry.delay(self._failures, self._random) if again else self._next(now)

    def _next(self, now: float) -> float:
        """When the next batch is due, while the service answers."""
        if not self._waiting:
            return float("inf")
        enough = self._urgent or len(self._waiting) >= self._most
        return now if enough else now + self._batching.seconds

    def _refuse(self, count: int, why: str) -> None:
        self.refused += count
        log.error("%d events are refused for good: %s", count, why)
