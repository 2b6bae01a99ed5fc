"""Attributes learned events to the slates they came from, and records in Redis what each user was recently shown.

It runs on a thread with a consumer of its own: it holds up no learning, and nothing of it is in a version. At its start
it reads back as many slates as it remembers, so that events after a restart still find theirs; those slates are not
counted again.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from models.records import IMPRESSION, KINDS, Event, decode_slate
from models.statistics import VERSIONS, Attribution, Exposed, Exposure
from streaming.consumer import KafkaSource
from streaming.evidence.experiments import ExperimentCounter
from streaming.kafka import DataUnreadable, KafkaTrouble, Offsets, Record, RecordSource
from streaming.live import ShowingsWriter
from streaming.settings import Settings
from streaming.store import Commands
from streaming.telemetry import LearnerTelemetry
from streaming.waiting import until_there

log = logging.getLogger(__name__)

RETRY: Final = 2.0
"""Seconds between attempts to reach a broker that is away."""

POLL: Final = 0.5
"""Seconds one poll waits; also how often the events that wait here are taken."""

TOGETHER: Final = 2_000
"""Slates of one poll."""

AGE: Final = 30.0
"""An event waits for its slate for this many seconds at least, and for twice as many at most."""

SHOW: Final = 10.0
"""Seconds between two looks at how experiments do, for the metrics: each takes some milliseconds."""

OFFERED: Final = 100_000
"""Events that may wait for this thread, some 10 MB; beyond it the newest are dropped and counted."""

CLOSING: Final = 1.0
"""Seconds the thread gets to end."""

Named = tuple[str, int, str, str, float]
"""request_id, kind, item id, user id, epoch seconds."""


def named(events: Sequence[Event]) -> list[Named]:
    """What attribution needs of those events that name a request."""
    return [
        (e.request_id, e.kind, e.item_id, e.user_id, e.timestamp)
        for e in events
        if e.request_id is not None and e.item_id is not None
    ]


class SlateAttributor:
    """Attributes events to slates. `offer` is for the learner's thread; the rest runs on a thread of its own.

    Args:
        settings: Names of topics, and how many slates to remember; with 0 there is no attribution.
        telemetry: Shows the figures.
        connect: Opens the source; tried again until it succeeds.
        store: Where to keep what users were shown; None keeps nothing.
        exposed: How concentrated slates were when the term before this one ended.
        experiments: Counts the slates of users in experiments, each once, whatever dies; None counts none.
    """

    def __init__(
        self,
        settings: Settings,
        telemetry: LearnerTelemetry,
        connect: Callable[[], RecordSource] | None = None,
        store: Commands | None = None,
        exposed: Exposed | None = None,
        experiments: ExperimentCounter | None = None,
    ) -> None:
        self._topic = settings.topic("slates")
        self._window = settings.learner.slate_window
        self._connect = connect or (lambda: KafkaSource(settings, [self._topic]))
        self._telemetry = telemetry
        self._experiments, self._shown_next = experiments, 0.0
        # Nothing waits for a store that is away: a slate that was shown an hour ago counts half.
        self._showings = (
            ShowingsWriter(store, telemetry.shown_dropped.inc, time.time, time.monotonic) if store else None
        )
        self.attribution = Attribution(self._window, scenarios=settings.scenario, segments=settings.learner.segments)
        self._exposure = Exposure(before=exposed)
        self._offered: deque[Named] = deque()
        self._shown = {name: [0] * len(KINDS) for name in VERSIONS}
        self._next: dict[int, int] = {}
        self._last_unreadable = ""
        self._stop = threading.Event()
        self.following = threading.Event()
        """Set once slates are read: from then on none is missed."""
        self._thread = threading.Thread(target=self._run, name="attribution", daemon=True)
        if self._window:
            self._thread.start()

    def offer(self, events: Sequence[Event]) -> None:
        """Take the events of a batch that name a request."""
        self.offer_named(named(events))

    def offer_named(self, named: Sequence[Named]) -> None:
        """Take events that name a request, as `named` finds them."""
        if not self._window:
            return
        room = OFFERED - len(self._offered)
        self._offered.extend(named[: max(0, room)])
        if len(named) > room:
            self._telemetry.attribution_dropped.inc(len(named) - max(0, room))

    @property
    def exposed(self) -> Exposed:
        """How concentrated the recent slates are; for any thread."""
        return self._exposure.figures

    def close(self) -> None:
        """End the thread; it may be waiting for Kafka, and is then left to end by itself."""
        self._stop.set()
        if self._window:
            self._thread.join(CLOSING)

    def _run(self) -> None:
        until_there(self._follow, (KafkaTrouble,), self._stop.wait, RETRY, self._report)

    def _report(self, error: Exception) -> None:
        log.warning("slates are not followed: %s", error)

    def _follow(self) -> None:
        source = self._connect()
        try:
            counted_from = self._begin(source)
            aged = time.monotonic()
            self.following.set()
            while not self._stop.is_set():
                for records in self._polled(source):
                    self._take(records, counted_from)
                self._attribute()
                if self._showings is not None:
                    self._showings.flush()
                self._show_experiments()
                if time.monotonic() - aged >= AGE:
                    aged = time.monotonic()
                    self.attribution.age()
                    source.refresh_partitions()
                self._show()
        finally:
            source.close()

    def _polled(self, source: RecordSource) -> Sequence[Sequence[Record]]:
        try:
            return source.poll(POLL, TOGETHER)
        except DataUnreadable as error:  # the other partitions go on
            if str(error) != self._last_unreadable:
                self._last_unreadable = str(error)
                self._report(error)
            return []

    def _begin(self, source: RecordSource) -> dict[int, int]:
        """Go back by the window.

        Returns:
            The offset from which slates count, by partition: the log's end when the process started, and the offset
            where reading stopped after a loss of the broker.
        """
        first = source.assign({})
        ends = source.end_offsets().get(self._topic, {})
        back = -(-self._window // max(1, len(ends)))
        beginnings = first.get(self._topic, {})
        first_places = {part: max(beginnings.get(part, 0), end - back) for part, end in ends.items()}
        start: Offsets = {self._topic: self._not_after_counted(first_places, beginnings, ends)}
        source.assign(start)
        return {part: min(end, self._next.get(part, end)) for part, end in ends.items()}

    def _not_after_counted(
        self, places: dict[int, int], beginnings: Mapping[int, int], ends: Mapping[int, int]
    ) -> dict[int, int]:
        """Where to begin so that the experiments miss no slate that they have not counted."""
        if self._experiments is None:
            return places
        counted, anew = self._experiments.next_slates(), {}
        for part, end in ends.items():
            begins = beginnings.get(part, 0)
            if part not in counted:
                anew[part] = places[part]
            elif counted[part] > end:  # the topic was made again
                anew[part] = places[part] = begins
            else:
                places[part] = max(begins, min(places[part], counted[part]))
        self._experiments.slates_begin(anew)
        return places

    def _take(self, records: Sequence[Record], counted_from: dict[int, int]) -> None:
        for record in records:
            slate = decode_slate(record.value)
            if self._experiments is not None:
                self._experiments.slate(slate, record.partition, record.offset)
            if slate is None:
                self._telemetry.slates_unreadable.inc()
            else:
                live = record.offset >= counted_from.get(record.partition, 0)
                self._exposure.slate(slate.items, seen_before=not live)
                if self._showings is not None:
                    self._showings.page(slate)
                self.attribution.slate(slate, counted=live)
            self._next[record.partition] = record.offset + 1

    def _attribute(self) -> None:
        while self._offered:
            request_id, kind, item, user, at = self._offered.popleft()
            if kind == IMPRESSION and self._showings is not None:
                self._showings.seen(user, request_id, item, at)
            self.attribution.event(request_id, kind, item)

    def _show_experiments(self) -> None:
        if self._experiments is None:
            return
        self._experiments.look()
        if time.monotonic() >= self._shown_next:
            self._telemetry.experiments(self._experiments.results(time.time()))
            self._shown_next = time.monotonic() + SHOW

    def _show(self) -> None:
        found = self.attribution
        for version, counts in found.events.items():
            for kind, count in enumerate(counts):
                if count > self._shown[version][kind]:
                    more = count - self._shown[version][kind]
                    self._telemetry.attributed.labels(version, KINDS[kind]).inc(more)
            self._shown[version] = list(counts)
        self._telemetry.slates(found)
        self._telemetry.exposed(self._exposure.look())


__all__ = ["SlateAttributor"]
