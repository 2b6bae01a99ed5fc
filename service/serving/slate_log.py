"""Writes the slates that were answered into topic `slates`, off the path of the request.

A request appends to a bounded queue and goes on; a thread writes. Slates for which the queue or Kafka has no room are
counted and dropped: they are statistics, and nothing depends on having all of them.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Final, NamedTuple

from models.records import SlateRecord, encode_slate
from models.slate import Shown
from service.http import PageAsk
from service.runtime import RateLimit
from service.runtime.telemetry import Telemetry
from service.serving.page import Page
from service.serving.visit import View, Visit
from streaming.kafka import EventProducer, KafkaTrouble
from streaming.settings import Settings

ROOM: Final = 2_000
"""Slates that may wait while Kafka is away or slow: twenty seconds at the highest rate that is written, some 4 MB."""
PAUSE: Final = 0.1
"""Seconds between looks at the queue."""
CLOSING: Final = 1.0
"""Seconds that the thread has to end."""


class _Waiting(NamedTuple):
    request_id: str
    timestamp: float
    ask: PageAsk
    version: str | None
    sequence: int
    shown: list[Shown]
    served_by: str


class SlateLog:
    """Queues slates and writes them from a thread of its own. `add` never blocks."""

    def __init__(self, settings: Settings, telemetry: Telemetry, producer: Callable[[], EventProducer | None]) -> None:
        """Make the log; `start` begins to write.

        Args:
            settings: The share of slates to write, and the most per second.
            telemetry: Where outcomes are counted.
            producer: Returns the connection to Kafka, None while there is none.
        """
        self._share = settings.service.slate_sample
        self._bucket = RateLimit(settings.service.slates_per_second)
        self._counts = telemetry.slates
        self._producer = producer
        self._queue: deque[_Waiting] = deque()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="slates", daemon=True)

    def start(self) -> None:
        """Start the thread that writes."""
        self._thread.start()

    def stop(self) -> None:
        """Hand over what waits and end the thread. The owner of the producer flushes it."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(CLOSING)

    def add(self, view: View, visit: Visit, page: Page, *, bulk: bool = False) -> None:
        """Queue a slate that was answered, if its request is in the sample. Request ids are random, so they decide.

        Pages of requests for many users (`bulk`) have an allowance of their own, so that they displace no others.
        """
        if not page.shown:
            return
        request_id = visit.moment.request_id
        if not sampled(request_id, self._share) or self._bucket.take("bulk" if bulk else "", 1.0, time.monotonic()):
            self._counts["left_out"].inc()
        elif len(self._queue) >= ROOM:
            self._counts["dropped"].inc()
        else:
            manifest = view.tables.manifest if view.tables is not None else None
            version, sequence = (manifest.id, manifest.seq) if manifest is not None else (None, 0)
            moment = visit.moment.now
            self._queue.append(_Waiting(request_id, moment, visit.ask, version, sequence, page.shown, page.served_by))

    def _run(self) -> None:
        while not self._stop.wait(PAUSE):
            self._write()
        self._write()

    def _write(self) -> None:
        producer = self._producer()
        while producer is not None and self._queue:
            waiting = self._queue.popleft()
            try:
                producer.send("slates", waiting.ask.user_id or waiting.request_id, encode_slate(record(waiting)))
            except KafkaTrouble:
                self._counts["dropped"].inc()
                return  # the rest waits: a broker that is away does not come back within this round
            self._counts["sent"].inc()


def sampled(request_id: str, share: float) -> bool:
    """Whether a request belongs to the share, by the first 32 random bits of its id.

    >>> sampled("80000000" + "0" * 8, 0.4), sampled("80000000" + "0" * 8, 0.6)
    (False, True)
    """
    return share >= 1.0 or int(request_id[:8], 16) < share * 2**32


def record(waiting: _Waiting) -> SlateRecord:
    """The record of a slate for the topic."""
    ask, shown = waiting.ask, waiting.shown
    return SlateRecord(
        waiting.request_id,
        waiting.timestamp,
        [each.item_id for each in shown],
        ask.user_id,
        waiting.version,
        waiting.sequence,
        waiting.served_by,
        [each.propensity for each in shown] if ask.explore else None,
        ask.explore,
        ask.context or None,
        ask.scenario,
        ask.arms,
        ask.segments,
    )


__all__ = ["SlateLog", "record", "sampled"]
