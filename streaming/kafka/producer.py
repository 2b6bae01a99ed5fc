"""In: events, item facts and other records, one by one. Out: records in the topics, and an outcome for each. Stage 0.

The one way in: the API, `sluicegate send` and the dead letter all write through here.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Sequence
from typing import Any, Final, Self

from kafka import KafkaProducer
from kafka import errors as kafka_errors

from streaming.kafka.client import client_arguments, compression, open_client
from streaming.kafka.errors import BrokerAway, KafkaTrouble, NotAllowed, RecordRefused, TopicMissing, trouble
from streaming.kafka.internals import abandon, request_metadata
from streaming.kafka.records import BACKFILL
from streaming.kafka.stuck_producer import StuckProducerWatch
from streaming.kafka.topics import Role
from streaming.settings import Settings

log = logging.getLogger(__name__)

__all__ = ["BrokerAway", "Delivery", "EventProducer", "NotAllowed", "RecordRefused", "TopicMissing"]


# Bytes of one batch per partition, and milliseconds it waits to fill. Produced one by one a broker takes a few thousand
# records a second; the wait is part of the freshness of an event that comes over HTTP, so it stays at a few.
BATCH: Final = 256 << 10
LINGER_MS: Final = 5
# Seconds the first send to a topic may wait for its partitions.
BLOCK: Final = 5.0
# Seconds to end the thread when nothing waits any more: it takes milliseconds.
LEAVE: Final = 1.0
# Seconds a broker has to answer whether it is there, while records fail.
ANSWER: Final = 0.5
# Largest record: a dead letter holds 256 KiB of original bytes, in base64 and with its reasons.
MAX_REQUEST: Final = 1 << 20
# Bytes a record takes in the buffer beyond its key and value: headers, timestamps, the future.
OVERHEAD: Final = 256


class Delivery:
    """The outcome of one record, known later: `done()`, `wait(timeout)`, `error` (None when the broker has it)."""

    __slots__ = ("_future", "bootstrap", "topic")

    def __init__(self, future: Any, bootstrap: str, topic: str) -> None:
        self._future, self.bootstrap, self.topic = future, bootstrap, topic

    def done(self) -> bool:
        """Whether the outcome is known."""
        return bool(self._future.is_done)

    @property
    def error(self) -> KafkaTrouble | None:
        """Why the broker does not have the record, None when it has it or when that is not known yet."""
        failure = self._future.exception if self._future.is_done else None
        return trouble(failure, self.bootstrap, self.topic) if failure is not None else None

    def wait(self, timeout: float) -> tuple[int, int]:
        """(partition, offset) of the record. Raises BrokerAway or NotAllowed when the broker has not taken it."""
        try:
            metadata = self._future.get(timeout=timeout)
        except kafka_errors.KafkaError as error:
            raise trouble(error, self.bootstrap, self.topic) from error
        return metadata.partition, metadata.offset


class EventProducer:
    """Writes records: batched, compressed, acknowledged by all replicas, each once (idempotent).

    At most `kafka.producer_buffer` bytes wait in memory: a send above that raises BrokerAway (kind `full`) at once.
    Safe from several threads. Raises BrokerAway when no broker answers within `kafka.bootstrap_timeout`.
    """

    def __init__(self, settings: Settings, client_id: str = "sluicegate-producer") -> None:
        self._settings = settings
        self._bootstrap = settings.kafka.bootstrap
        self._limit = settings.kafka.producer_buffer
        self._waiting = 0
        self._lock = threading.Lock()
        self.failures = 0
        """Records the broker did not take, ever."""
        self.renewals = 0
        """Times that the client was stuck and made anew."""
        self._client_id = client_id
        # An outcome is known after the delivery timeout (see `_open`), and the look that finds it due.
        self._patience = 2 * settings.kafka.request_timeout + 1.0
        self._mending, self._mender = StuckProducerWatch(self._patience), threading.Lock()
        self._producer: Any = self._open()

    def _open(self) -> Any:
        kafka = self._settings.kafka
        timeout_ms = int(kafka.request_timeout * 1000)
        try:
            return open_client(
                KafkaProducer,
                **client_arguments(kafka, self._client_id),
                metrics_enabled=False,
                acks="all",
                enable_idempotence=True,
                allow_auto_create_topics=False,
                compression_type=compression(),
                batch_size=BATCH,
                linger_ms=LINGER_MS,
                max_request_size=MAX_REQUEST,
                max_block_ms=int(BLOCK * 1000),
                delivery_timeout_ms=2 * timeout_ms + LINGER_MS,
            )
        except kafka_errors.KafkaError as error:
            raise trouble(error, self._bootstrap) from error

    @property
    def waiting(self) -> int:
        """Bytes handed over and not acknowledged."""
        return self._waiting

    def send(
        self,
        role: Role,
        key: str | bytes | None,
        value: bytes | None,
        *,
        timestamp: float | None = None,
        backfill: bool = False,
        headers: Sequence[tuple[str, bytes]] = (),
    ) -> Delivery:
        """Hand one record over; its outcome comes later. Key of an event is its user_id, of item facts the item_id.

        `timestamp` in epoch seconds is the record's own, default now. `backfill` marks history. Raises BrokerAway when
        the buffer is full or the topic's partitions cannot be learnt, Refused for a record beyond 1 MiB.
        """
        self._mend()
        raw_key = key.encode() if isinstance(key, str) else key
        size = len(raw_key or b"") + len(value or b"") + OVERHEAD
        self._reserve(size)
        mending = self._mending
        mending.handed(time.monotonic())
        topic = self._settings.topic(role)
        marked = [*headers, (BACKFILL, b"1")] if backfill else list(headers)
        stamp = None if timestamp is None else int(timestamp * 1000)
        try:
            future = self._producer.send(topic, key=raw_key, value=value, headers=marked, timestamp_ms=stamp)
        except BaseException as error:
            self._release(size, mending, error)
            if isinstance(error, kafka_errors.KafkaTimeoutError):
                raise BrokerAway(
                    f"Kafka at {self._bootstrap} did not name the partitions of topic {topic!r} in {BLOCK:g} s: "
                    "is it running, does the topic exist?",
                    "timeout",
                ) from error
            if isinstance(error, kafka_errors.KafkaError):
                raise trouble(error, self._bootstrap, topic) from error
            raise
        future.add_callback(lambda _: self._release(size, mending))
        future.add_errback(lambda error: self._release(size, mending, error))
        return Delivery(future, self._bootstrap, topic)

    def _mend(self) -> None:
        """Make a stuck client anew; what waits in the old one fails, and its senders send it again."""
        if not self._mender.acquire(blocking=False):
            return
        try:
            if self._mending.due(time.monotonic(), lambda: self.answers(ANSWER)):
                stuck, self._producer = self._producer, self._open()
                self._mending = StuckProducerWatch(self._patience)
                self.renewals += 1
                log.warning("Kafka at %s answers, and takes no records from us: connected anew", self._bootstrap)
                abandon(stuck, LEAVE)
        finally:
            self._mender.release()

    def _reserve(self, size: int) -> None:
        with self._lock:
            if self._waiting + size > self._limit:
                raise BrokerAway(
                    f"{self._waiting} of at most {self._limit} bytes wait for Kafka at {self._bootstrap}: "
                    "send less, or look why the broker does not keep up",
                    "full",
                )
            self._waiting += size

    def _release(self, size: int, mending: StuckProducerWatch, error: BaseException | None = None) -> None:
        with self._lock:
            self._waiting -= size
            self.failures += error is not None
        # What is refused for its own sake says nothing of the client.
        mending.settled(time.monotonic(), failed=isinstance(error, kafka_errors.KafkaTimeoutError))

    def answers(self, timeout: float) -> bool:
        """Whether a broker names its topics now, asked anew; waits at most `timeout` seconds."""
        told = threading.Event()
        asked = request_metadata(self._producer)
        asked.add_both(lambda *_: told.set())
        if not told.wait(timeout):
            return False
        # A topic that is missing or forbidden is an answer too.
        return asked.exception is None or not isinstance(
            trouble(asked.exception, self._bootstrap, self._settings.topic("events")), BrokerAway
        )

    def flush(self, timeout: float) -> bool:
        """Wait until everything handed over has an outcome, at most `timeout` seconds; whether it has."""
        try:
            self._producer.flush(timeout=timeout)
        except kafka_errors.KafkaTimeoutError:
            return False
        return True

    def close(self, timeout: float = 5.0) -> bool:
        """Send what waits, within `timeout` seconds, and leave the broker; whether all of it was sent."""
        sent = self.flush(timeout)
        try:
            self._producer.close(timeout=LEAVE if sent else 0)
        except kafka_errors.KafkaTimeoutError:
            # Something still waits; kafka-python leaves it to its thread, which is a daemon and ends with the process.
            return False
        return sent

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
