"""In: pages that were answered. Out: records in topic `slates`, off the request's path.

A request appends to a bounded queue and goes on; a thread writes. What the queue or Kafka has no room for is counted
and dropped: a slate is a figure, not an order.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Final, NamedTuple

from models.records import SlateRecord, encode_slate
from models.slate import Shown
from service.http import Ask
from service.runtime import RateLimit, Telemetry
from service.serving.page import Page
from service.serving.table_sets import TableSet
from streaming.kafka import EventProducer, KafkaTrouble
from streaming.settings import Settings

ROOM: Final = 2_000
"""Slates that may wait while Kafka is away or slow: twenty seconds at the most that is written. Some 4 MB."""
PAUSE: Final = 0.1
"""Seconds between looks at the queue."""
CLOSING: Final = 1.0


class _Waiting(NamedTuple):
    request_id: str
    timestamp: float
    ask: Ask
    version: str | None
    sequence: int
    shown: list[Shown]
    served_by: str


class SlateLog:
    """`shown` never blocks; a thread hands what it takes to the producer that `producer()` gives, None for none yet."""

    def __init__(self, settings: Settings, telemetry: Telemetry, producer: Callable[[], EventProducer | None]) -> None:
        self._share = settings.service.slate_sample
        self._bucket = RateLimit(settings.service.slates_per_second)
        self._counts = telemetry.slates
        self._producer = producer
        self._queue: deque[_Waiting] = deque()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="slates", daemon=True)

    def start(self) -> None:
        """Begin to write."""
        self._thread.start()

    def stop(self) -> None:
        """Hand over what waits, and end. The producer is flushed by its owner."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(CLOSING)

    def shown(self, request_id: str, ask: Ask, held: TableSet | None, page: Page, now: float) -> None:
        """A page was answered. `now` in epoch seconds; request_id is random, so it decides whether it is sampled."""
        if not page.shown:
            return
        if not sampled(request_id, self._share) or self._bucket.take("", 1.0, time.monotonic()):
            self._counts["left_out"].inc()
        elif len(self._queue) >= ROOM:
            self._counts["dropped"].inc()
        else:
            manifest = held.manifest if held is not None else None
            version, sequence = (manifest.id, manifest.seq) if manifest is not None else (None, 0)
            self._queue.append(_Waiting(request_id, now, ask, version, sequence, page.shown, page.served_by))

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
    """What the topic holds of a slate."""
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
    )


__all__ = ["SlateLog", "record", "sampled"]
