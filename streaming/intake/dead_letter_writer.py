"""Writes refused records to topic `events.deadletter` without holding up the stream. Stage 1.

The value of a dead letter is the original value, whole up to 256 KiB, otherwise its first 64 KiB; the key is the
original key. Everything else is in headers, so that any Kafka tool shows both.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Final

import msgspec

from models.records import Rejection
from streaming.intake.dead_letter import DeadLetter, dead_letter, encode
from streaming.kafka import Delivery, EventProducer, KafkaTrouble, Record, RecordRefused

CAPACITY: Final = 10_000
"""Letters that may wait for the broker. Beyond it `write` returns False and the stream has to wait."""

CAPACITY_BYTES: Final = 64 << 20
"""Bytes of the values that may wait, 64 MiB; beyond it the same."""

LAST_RESORT: Final = 1 << 10
"""Bytes of the value in a letter that the broker refused for good, because its size limit is below ours."""

RETRY: Final = 0.5
"""Seconds between attempts while the broker does not take letters."""

OUTCOME: Final = 60.0
"""Seconds the outcomes of one batch may take; beyond the producer's own delivery timeout, so that it decides."""

BATCH: Final = 500
"""Letters handed to the producer before their outcomes are looked at."""

log = logging.getLogger(__name__)


class DeadLetterWriter:
    """Writes dead letters on a thread of its own, so that a bad record never holds up the stream.

    Nothing is dropped: a letter that the broker does not take is tried again. A version may commit the offset of a
    refused record only when its letter is settled, otherwise a crash would lose the letter.

    Args:
        producer: Writes to Kafka.
        failed: Called for each attempt that failed.
    """

    def __init__(self, producer: EventProducer, failed: Callable[[], None] = lambda: None) -> None:
        self._producer, self._failed = producer, failed
        self._queue: deque[tuple[int, DeadLetter]] = deque()
        self._flying = 0
        self._last_message = ""
        self.accepted = 0
        """Letters ever queued. A letter is known by its number, from 1."""
        self._unwritten = self._bytes = 0
        self._changed = threading.Condition()
        self._closing = False
        self._thread = threading.Thread(target=self._run, name="deadletter", daemon=True)
        self._thread.start()

    @property
    def settled(self) -> int:
        """The number up to which the broker has every letter."""
        with self._changed:
            if self._flying:
                return self._flying - 1
            return self._queue[0][0] - 1 if self._queue else self.accepted

    def wait_settled(self, number: int, timeout: float) -> bool:
        """Wait at most `timeout` seconds until the broker has every letter up to `number`; whether it has."""
        with self._changed:
            return self._changed.wait_for(lambda: self.settled >= number, timeout)

    def write(self, record: Record, rejection: Rejection) -> bool:
        """Queue one letter; False when too many wait already. Then `flush`, and write it again before going on."""
        letter = dead_letter(record, rejection)
        with self._changed:
            size = len(letter.value or b"")
            if self._unwritten >= CAPACITY or self._bytes + size > CAPACITY_BYTES:
                return False
            self.accepted += 1
            self._queue.append((self.accepted, letter))
            self._unwritten += 1
            self._bytes += size
            self._changed.notify_all()
        return True

    def flush(self, timeout: float) -> bool:
        """Wait at most `timeout` seconds until the broker has every letter; whether it has."""
        with self._changed:
            return self._changed.wait_for(lambda: self._unwritten == 0, timeout)

    def close(self, timeout: float = 5.0) -> bool:
        """Flush, then end the thread; whether every letter was written."""
        complete = self.flush(timeout)
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        self._thread.join(timeout)
        return complete

    def _run(self) -> None:
        while (batch := self._take()) is not None:
            try:
                failed = self._deliver(batch)
            except Exception:
                # A defect must not end the thread: nothing would be committed any more, and nobody would know why.
                log.exception("writing dead letters failed")
                failed = batch
            with self._changed:
                self._queue.extendleft(reversed(failed))
                self._flying = 0
                self._unwritten -= len(batch) - len(failed)
                self._bytes += _bytes(failed) - _bytes(batch)
                self._changed.notify_all()
                if failed and not self._closing:
                    self._changed.wait(RETRY)

    def _take(self) -> list[tuple[int, DeadLetter]] | None:
        with self._changed:
            self._changed.wait_for(lambda: self._queue or self._closing)
            if self._closing:
                return None
            self._flying = self._queue[0][0]
            return [self._queue.popleft() for _ in range(min(BATCH, len(self._queue)))]

    def _deliver(self, batch: list[tuple[int, DeadLetter]]) -> list[tuple[int, DeadLetter]]:
        """Hand a batch to the producer and wait for its outcomes; the letters to write again."""
        deliveries: list[tuple[int, DeadLetter, Delivery | KafkaTrouble]] = []
        for number, letter in batch:
            value, headers = encode(letter)
            try:
                sent = self._producer.send("deadletter", letter.key, value, headers=headers)
            except KafkaTrouble as trouble:
                deliveries.append((number, letter, trouble))
            else:
                deliveries.append((number, letter, sent))
        limit = time.monotonic() + OUTCOME
        settled = ((number, self._settle(letter, outcome, limit)) for number, letter, outcome in deliveries)
        return [(number, again) for number, again in settled if again is not None]

    def _settle(self, letter: DeadLetter, outcome: Delivery | KafkaTrouble, limit: float) -> DeadLetter | None:
        """The letter to write again, None when it is written or can never be."""
        try:
            if isinstance(outcome, KafkaTrouble):
                raise outcome
            outcome.wait(max(0.001, limit - time.monotonic()))
        except RecordRefused:
            if len(letter.value or b"") > LAST_RESORT:
                return msgspec.structs.replace(letter, value=(letter.value or b"")[:LAST_RESORT])
            self._failed()
            log.error("the broker takes no letter of %s[%d] at %d", letter.topic, letter.partition, letter.offset)
            return None
        except KafkaTrouble as trouble:
            self._failed()
            if str(trouble) != self._last_message:
                self._last_message = str(trouble)
                log.warning("dead letters wait, and so do versions: %s", trouble)
            return letter
        self._last_message = ""
        return None


def _bytes(letters: list[tuple[int, DeadLetter]]) -> int:
    return sum(len(letter.value or b"") for _, letter in letters)
