"""In: what users did and what the shop says of items. Out: both in Redis, where `/recommend` reads them at once.

Redis being away costs no event: what it did not take waits here, bounded, and goes first when it is back. When the
bound is reached the intake waits too, and Kafka keeps the rest.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Sequence
from typing import NamedTuple, TypeAlias

from models.records import ItemFacts
from streaming.live import erasures as erasing
from streaming.live import facts, histories
from streaming.store import Store, StoreUnavailable

log = logging.getLogger(__name__)

Entry: TypeAlias = tuple[int, int, float, int, str]
"""One event of a user: partition, offset, event time in epoch seconds, kind, item id."""

FactChange: TypeAlias = tuple[int, int, str, ItemFacts | None]
"""One record of topic `items`: partition, offset, item id, facts or None for removed."""


class Erased(NamedTuple):
    """A user to be forgotten, by the record of topic `control` at that place. `receipt` is told what there was."""

    partition: int
    offset: int
    user_id: str
    receipt: str


class Mapped(NamedTuple):
    """Entries by user of a topic of another shape: offsets of each topic have their own watermarks."""

    topic: str
    entries: dict[str, list[Entry]]


Part: TypeAlias = "dict[str, list[Entry]] | Erased | Mapped"
"""What is written together: entries by user, or one erasure."""

WAITING_LIMIT = 200_000
"""Entries kept while Redis is away (some 60 MB); beyond it the intake stops reading, and Kafka is the buffer."""

TIMED = 10_000
"""Record times kept while Redis is away, so that an outage shows in the freshness histogram."""

PAUSE = 0.5
"""Seconds without a try after a failure, so that a dead Redis costs the intake one timeout and not one per batch."""


class LiveWriter:
    """Writes histories and facts, in order, each exactly once in effect (the scripts check a watermark)."""

    def __init__(
        self,
        store: Store,
        topics: dict[str, str],
        clock: Callable[[], float],
        failed: Callable[[], None],
        arrived: Callable[[Sequence[float]], None] = lambda _: None,
    ) -> None:
        """`topics`: id of each topic, by its role or, of another shape, by its name."""
        self._store, self._topics, self._clock, self._failed = store, topics, clock, failed
        self._arrived = arrived
        self._times: list[float] = []
        self._added = self.flushed = 0
        """Batches added, and how many of them are in Redis."""
        self._entries: deque[Part] = deque()
        self._facts: list[FactChange] = []
        self._count = 0
        self._again = 0.0
        self._said = ""

    @property
    def waiting(self) -> int:
        """Entries that Redis has not taken yet."""
        return self._count + len(self._facts)

    @property
    def full(self) -> bool:
        """Whether the intake should wait."""
        return self.waiting >= WAITING_LIMIT

    def add(self, entries: Sequence[Part], changes: list[FactChange], record_times: Sequence[float] = ()) -> int:
        """Queue one batch behind what waits; returns its number. `record_times`: a sample, timed when it arrives.

        entries: events by user, in parts small enough for one script each and in the order of their offsets; and
        erasures between them, in the order in which all of it was read.
        """
        self._times.extend(record_times[: TIMED - len(self._times)])
        self._added += 1
        self._entries.extend(entries)
        self._count += sum(_size(part) for part in entries)
        self._facts.extend(changes)
        return self._added

    def flush(self) -> bool:
        """Try to write what waits; whether nothing waits any more."""
        if not self.waiting:
            self.flushed = self._added
            return True
        if self._clock() < self._again:
            return False
        try:
            if self._facts:
                facts.write(self._store, self._facts, self._topics["items"])
                self._facts = []
            while self._entries:
                self._write(self._entries[0])
                self._count -= _size(self._entries.popleft())
        except StoreUnavailable as error:
            self._again = self._clock() + PAUSE
            self._failed()
            if str(error) != self._said:
                self._said = str(error)
                log.warning("histories wait for Redis: %s", error)
            return False
        self._said = ""
        self.flushed = self._added
        times, self._times = self._times, []
        self._arrived(times)
        return True

    def _write(self, part: Part) -> None:
        if isinstance(part, Erased):
            place = part.partition, part.offset
            erasing.forget_history(self._store, part.user_id, self._topics["control"], place, part.receipt)
        elif isinstance(part, Mapped):
            histories.write(self._store, part.entries, self._topics[part.topic])
        else:
            histories.write(self._store, part, self._topics["events"])


def _size(part: Part) -> int:
    if isinstance(part, Erased):
        return 1
    return sum(map(len, (part.entries if isinstance(part, Mapped) else part).values()))
