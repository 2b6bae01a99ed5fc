"""Writes histories, item facts and erasures to Redis, where `/recommend` reads them at once.

No event is lost while Redis is away: entries wait here, up to a bound, and go first when it is back. At the bound the
intake waits too, and Kafka keeps the rest.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Sequence
from typing import NamedTuple, TypeAlias

from streaming.live import erasures, facts, histories
from streaming.live.facts import FactChange
from streaming.live.histories import Entry
from streaming.store import Store, StoreUnavailable

log = logging.getLogger(__name__)


class Erased(NamedTuple):
    """A user to forget, ordered by the record of topic `control` at that place. The counts go to `receipt`."""

    partition: int
    offset: int
    user_id: str
    receipt: str


class Mapped(NamedTuple):
    """Entries by user from a topic of another shape; the offsets of each topic have their own watermarks."""

    topic: str
    entries: dict[str, list[Entry]]


Part: TypeAlias = "dict[str, list[Entry]] | Erased | Mapped"
"""What one script writes: entries by user, or one erasure."""

WAITING_LIMIT = 200_000
"""Entries kept while Redis is away, some 60 MB. Beyond it the intake stops reading, and Kafka is the buffer."""

TIMED = 10_000
"""Record times kept while Redis is away, so that the freshness histogram shows the outage."""

PAUSE = 0.5
"""Seconds without an attempt after a failure: a dead Redis then costs the intake one time-out, not one per batch."""


class LiveWriter:
    """Writes histories and facts in order. The scripts check watermarks, so writing again has no further effect.

    Args:
        store: Where they are kept.
        topics: Id of each topic, by its role or, for a topic of another shape, by its name.
        clock: Monotonic seconds.
        failed: Called after each failed attempt.
        arrived: Called with the record times of what has reached Redis.
    """

    def __init__(
        self,
        store: Store,
        topics: dict[str, str],
        clock: Callable[[], float],
        failed: Callable[[], None],
        arrived: Callable[[Sequence[float]], None] = lambda _: None,
    ) -> None:
        self._store, self._topics, self._clock, self._failed = store, topics, clock, failed
        self._arrived = arrived
        self._times: list[float] = []
        self._added = self.flushed = 0
        """Batches added, and how many of them are in Redis."""
        self._entries: deque[Part] = deque()
        self._facts: list[FactChange] = []
        self._count = 0
        self._next_attempt = 0.0
        self._last_message = ""

    @property
    def waiting(self) -> int:
        """Entries and changes that Redis has not taken yet."""
        return self._count + len(self._facts)

    @property
    def full(self) -> bool:
        """Whether the intake must wait."""
        return self.waiting >= WAITING_LIMIT

    def add(self, entries: Sequence[Part], changes: list[FactChange], record_times: Sequence[float] = ()) -> int:
        """Queue one batch.

        Args:
            entries: Events by user, in parts small enough for one script each and in the order of their offsets, and
                erasures between them in the order in which everything was read.
            changes: Changes of facts.
            record_times: A sample of record times, reported when the batch has reached Redis.

        Returns:
            The number of the batch; it is in Redis once `flushed` has reached it.
        """
        self._times.extend(record_times[: TIMED - len(self._times)])
        self._added += 1
        self._entries.extend(entries)
        self._count += sum(_size(part) for part in entries)
        self._facts.extend(changes)
        return self._added

    def flush(self) -> bool:
        """Try to write what waits; whether everything is written."""
        if not self.waiting:
            self.flushed = self._added
            return True
        if self._clock() < self._next_attempt:
            return False
        try:
            if self._facts:
                facts.write(self._store, self._facts, self._topics["items"])
                self._facts = []
            while self._entries:
                self._write(self._entries[0])
                self._count -= _size(self._entries.popleft())
        except StoreUnavailable as error:
            self._next_attempt = self._clock() + PAUSE
            self._failed()
            if str(error) != self._last_message:
                self._last_message = str(error)
                log.warning("histories wait for Redis: %s", error)
            return False
        self._last_message = ""
        self.flushed = self._added
        times, self._times = self._times, []
        self._arrived(times)
        return True

    def _write(self, part: Part) -> None:
        if isinstance(part, Erased):
            place = part.partition, part.offset
            erasures.forget_history(self._store, part.user_id, self._topics["control"], place, part.receipt)
        elif isinstance(part, Mapped):
            histories.write(self._store, part.entries, self._topics[part.topic])
        else:
            histories.write(self._store, part, self._topics["events"])


def _size(part: Part) -> int:
    if isinstance(part, Erased):
        return 1
    return sum(map(len, (part.entries if isinstance(part, Mapped) else part).values()))
