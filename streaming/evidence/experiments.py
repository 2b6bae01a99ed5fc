"""Slates and events of users in experiments in; counts by arm, which a version carries with their own offsets, out.

Slates are counted on the thread that follows topic `slates`, events on the learner's. Both add to one record under one
lock, and the record holds the next offset of every partition of both topics. A version takes a copy of all of it: after
a kill, both threads go on at the offsets of the newest version, and what is read again is counted again from the sums
before it. What a learner reads twice for another reason, as after it adopted a rebuilt model, is passed over by offset.

Where attributes of users decide who takes part, or who is counted apart, an event counts for a user who has them when
it is counted. While Redis does not say which those are, the event waits: no more of them wait than histories do,
because the intake then stops. A slate's record names the segments of its user itself.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from models.experiments import (
    MEASURE_OF,
    Assignments,
    CannotRun,
    Counts,
    ExperimentResults,
    Kept,
    decoded,
    results,
    segment_of,
)
from models.records import Attributes, Event, SlateRecord
from models.snapshot import Manifest
from models.statistics import CannotUnpack
from streaming.intake import PreparedBatch
from streaming.live import attributes
from streaming.store import Commands, GateRecord, Store, StoreUnavailable

log = logging.getLogger(__name__)

KEY = "experiments"
"""Name of the counts in the evidence of a version."""

PAUSE: Final = 2.0
"""Seconds between attempts to read attributes while Redis is away: each holds the learner up for half a second."""

TOGETHER: Final = 1_000
"""Users whose attributes are read in one round trip, some 0.3 ms of Redis's single thread."""


class ExperimentCounter:
    """Counts for one term of the learner. Thread-safe.

    Args:
        store: Where the service keeps the experiments.
        topics: Id of each topic that is learned from, by name.
        before: The newest version, whose counts go on; None for none.
        live: Where attributes of users are; None for the same store.
        clock: Monotonic seconds.
        segments: Of users, that are counted apart.

    Raises:
        StoreUnavailable: Redis is away.
    """

    def __init__(
        self,
        store: Store,
        topics: Mapping[str, str],
        before: Manifest | None = None,
        live: Commands | None = None,
        clock: Callable[[], float] = time.monotonic,
        segments: Sequence[str] = (),
    ) -> None:
        self._store, self._lock = store, threading.Lock()
        self._named, self._segments = tuple(segments), tuple(map(segment_of, segments))
        self._live, self._clock = live or store, clock
        self._waiting: list[Event] = []
        self._next_attempt = float("-inf")
        self._raw, self._everybody = b"", Assignments()
        self._take(store.gate())
        self._counts = _taken_up(before)
        for topic, known in self._counts.topics.items():
            if topics.get(topic, known) != known:  # the log was replaced: its offsets begin again
                self._counts.events.pop(topic, None)
        self._counts.topics = dict(topics)

    def look(self) -> None:
        """Read the experiments again. Without Redis those that are known go on."""
        try:
            self._take(self._store.gate())
        except StoreUnavailable as error:
            log.warning("experiments are not looked for: %s", error)

    def _take(self, record: GateRecord) -> None:
        raw, emptied = record.experiments, record.revision == 0
        if raw == self._raw or emptied:  # the service writes its experiments again
            return
        self._raw = raw
        try:
            self._everybody = Assignments(decoded(raw))
        except CannotRun as error:  # of another release
            log.warning("%s", error)

    @property
    def experiments(self) -> Kept:
        """The experiments, those that are over included."""
        return self._everybody.experiments

    def running(self, now: float) -> bool:
        """Whether one runs at this moment, epoch seconds."""
        return self._everybody.running(now)

    def next_slates(self) -> dict[int, int]:
        """The next offset of topic slates to count, by partition."""
        with self._lock:
            return dict(self._counts.slates)

    def slates_begin(self, offsets: Mapping[int, int]) -> None:
        """Count each partition from an offset on, if it was never counted, or its log is another one."""
        with self._lock:
            self._counts.slates.update(offsets)

    def slate(self, slate: SlateRecord | None, partition: int, offset: int) -> None:
        """Count a record of topic slates, None for one that is no slate; one that was counted is passed over."""
        with self._lock:
            if offset < self._counts.slates.get(partition, 0):
                return
            if slate is not None and self._everybody:
                self._counts.slate(slate, self._everybody, self._named)
            self._counts.slates[partition] = offset + 1

    def learned(self, batch: PreparedBatch) -> None:
        """Count the events of a batch; those that were counted are passed over."""
        everybody, counts = self._everybody, self._counts
        with self._lock:
            if everybody:
                for topic, partition, offset, event in batch.attributed:
                    if offset < counts.events.get(topic, {}).get(partition, 0):
                        continue
                    if not self._needs_attributes(event.timestamp):
                        counts.event(event, everybody)
                    elif event.kind in MEASURE_OF:
                        self._waiting.append(event)
            for topic, partition, offsets, _ in batch.offsets:
                places = counts.events.setdefault(topic, {})
                places[partition] = max(places.get(partition, 0), offsets[-1] + 1)
        if self._clock() >= self._next_attempt:
            self._count_waiting()

    def _needs_attributes(self, at: float) -> bool:
        """Whether attributes of users decide how an event of this moment counts."""
        everybody = self._everybody
        return everybody.by_attributes(at) or (bool(self._segments) and everybody.running(at))

    def _count_waiting(self) -> None:
        """Count the events that wait, if Redis says which attributes their users have. On the learner's thread."""
        waiting, everybody = self._waiting, self._everybody
        if not waiting:
            return
        known = self._attributes(waiting)
        if known is None:
            self._next_attempt = self._clock() + PAUSE
            return
        with self._lock:
            for event in waiting:
                self._counts.event(event, everybody, known.get(event.user_id), self._segments)
        self._waiting = []

    def _attributes(self, events: Sequence[Event]) -> dict[str, Attributes] | None:
        """The attributes of those of the events' users who have some; None while Redis cannot say."""
        users, found = list(dict.fromkeys(event.user_id for event in events)), {}
        try:
            for start in range(0, len(users), TOGETHER):
                part = attributes.of_users(self._live, users[start : start + TOGETHER])
                if part is None:
                    return None
                found.update(part)
        except StoreUnavailable as error:
            log.warning("events of experiments by segment wait for Redis: %s", error)
            return None
        return found

    def carried(self) -> dict[str, str]:
        """What a version carries, without experiments that were deleted and segments that are no longer counted.

        Versions are cut once the histories of their events are in Redis; then nothing waits here for it either.
        """
        self._count_waiting()
        with self._lock:
            self._counts.keep(self.experiments, self._named)
            return {KEY: self._counts.packed()}

    def results(self, now: float) -> list[ExperimentResults]:
        """How the arms of all experiments do at this moment, epoch seconds."""
        with self._lock:
            return [results(each, self._counts.tallies.get(each.id), now) for each in self.experiments]


def _taken_up(before: Manifest | None) -> Counts:
    text = before.evidence.get(KEY) if before is not None else None
    if text is None:
        return Counts()
    try:
        return Counts.unpacked(text)
    except CannotUnpack as error:
        log.warning("the counts of experiments begin again: %s", error)
        return Counts()


__all__ = ["KEY", "ExperimentCounter"]
