"""Writes events, item facts and other records to the topics, and tells the outcome of each. Stage 0.

This is the only way in: the API, `sluicegate send` and the dead letters write through it.
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
from streaming.kafka.errors import (
    NOT_APPENDED,
    OF_SINGLE_RECORDS,
    BrokerAway,
    ClockRefused,
    KafkaTrouble,
    RecordRefused,
    login_refused,
    trouble,
)
from streaming.kafka.internals import abandon, fail_refused_records_alone, is_broken, request_metadata
from streaming.kafka.records import BACKFILL
from streaming.kafka.stuck_producer import LOOK, StuckProducerWatch
from streaming.kafka.topics import Role
from streaming.settings import Settings

log = logging.getLogger(__name__)

BATCH: Final = 256 << 10
"""Bytes of one batch of a partition."""

LINGER_MS: Final = 5
"""Milliseconds a batch waits to fill. One by one, a broker takes a few thousand records a second; but the wait delays
every event that comes over HTTP."""

BLOCK: Final = 5.0
"""Seconds the first send to a topic may wait for its partitions."""

LEAVE: Final = 1.0
"""Seconds for the thread to end when nothing waits any more; it takes milliseconds."""

ANSWER: Final = 0.5
"""Seconds a broker has to answer whether it is there, while records fail."""

REOPEN: Final = 2.0
"""Seconds to find a broker for the client that replaces an unusable one: the sender of a record waits for it."""

MAX_REQUEST: Final = 1 << 20
"""Bytes of the largest record. A dead letter holds up to 256 KiB of the original, and its reasons in headers."""

OVERHEAD: Final = 256
"""Bytes a record takes in the buffer beyond its key and value: headers, timestamps, the future."""


class Delivery:
    """The outcome of one record, which is known later."""

    __slots__ = ("_future", "_our_time", "bootstrap", "topic")

    def __init__(self, future: Any, bootstrap: str, topic: str, *, our_time: bool = False) -> None:
        self._future, self.bootstrap, self.topic = future, bootstrap, topic
        self._our_time = our_time

    def done(self) -> bool:
        """Whether the outcome is known."""
        return bool(self._future.is_done)

    @property
    def error(self) -> KafkaTrouble | None:
        """Why the broker does not have the record; None when it has it, or when the outcome is not known yet."""
        failure = self._future.exception if self._future.is_done else None
        return self._trouble(failure) if failure is not None else None

    def _trouble(self, failure: Exception) -> KafkaTrouble:
        found = trouble(failure, self.bootstrap, self.topic)
        if self._our_time and isinstance(found, RecordRefused) and found.kind == "timestamp":
            return ClockRefused(f"{found}. It is the time of this machine's clock: is that right?")
        return found

    def wait(self, timeout: float) -> tuple[int, int]:
        """Wait for the outcome, at most `timeout` seconds.

        Returns:
            (partition, offset) of the record.

        Raises:
            BrokerAway: The broker has not taken it in time.
            NotAllowed: The broker refuses us.
            RecordRefused: The broker will never take this record.
            ClockRefused: The broker does not take the time of our clock.
            TopicMissing: The topic does not exist.
        """
        try:
            metadata = self._future.get(timeout=timeout)
        except kafka_errors.KafkaError as error:
            raise self._trouble(error) from error
        return metadata.partition, metadata.offset


class EventProducer:
    """Writes records: batched, compressed, acknowledged by all replicas, each once (idempotent). Thread-safe.

    A record that the broker refuses fails alone. A client that cannot be used any more is replaced at the next send.
    At most `kafka.producer_buffer` bytes wait in memory.

    Args:
        settings: Brokers, topics and limits.
        client_id: Name of this client in the broker's logs and quotas.

    Raises:
        BrokerAway: No broker answers within `kafka.bootstrap_timeout`.
        NotAllowed: The broker refuses the login.
    """

    def __init__(self, settings: Settings, client_id: str = "sluicegate-producer") -> None:
        self._settings = settings
        self._bootstrap = settings.kafka.bootstrap
        self._limit = settings.kafka.producer_buffer
        self._waiting = 0
        self._lock = threading.Lock()
        self.failures = 0
        """Records that the broker did not take, since the start."""
        self.renewals = 0
        """Times that the client could not be used any more and was replaced."""
        self._client_id = client_id
        # Every outcome is known after the delivery time-out (see `_open`) and the look that finds it due.
        self._patience = 2 * settings.kafka.request_timeout + 1.0
        self._watch = StuckProducerWatch(self._patience)
        self._replacing = threading.Lock()
        self._producer: Any = self._open(settings.kafka.bootstrap_timeout)

    def _open(self, bootstrap_timeout: float) -> Any:
        kafka = self._settings.kafka
        timeout_ms = int(kafka.request_timeout * 1000)
        arguments = client_arguments(kafka, self._client_id) | {"bootstrap_timeout_ms": int(bootstrap_timeout * 1000)}
        try:
            opened = open_client(
                KafkaProducer,
                **arguments,
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
        self._password = arguments.get("sasl_plain_password")
        fail_refused_records_alone(opened, NOT_APPENDED, OF_SINGLE_RECORDS)
        return opened

    @property
    def waiting(self) -> int:
        """Bytes that were handed over and have no outcome yet."""
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
        """Hand one record over; its outcome comes later.

        Args:
            role: Topic to write to.
            key: user_id of an event, item_id of item facts.
            value: The record; None deletes its key in a compacted topic.
            timestamp: Time of the record in epoch seconds; default: now.
            backfill: Mark the record as history, which is never late.
            headers: Names and values to send along.

        Returns:
            Where to wait for the outcome.

        Raises:
            BrokerAway: The buffer is full (kind `full`), or Kafka does not tell the topic's partitions.
            RecordRefused: The record is larger than 1 MiB.
        """
        self._replace_when_unusable()
        raw_key = key.encode() if isinstance(key, str) else key
        size = len(raw_key or b"") + len(value or b"") + OVERHEAD
        self._reserve(size)
        watch = self._watch
        watch.handed(time.monotonic())
        topic = self._settings.topic(role)
        marked = [*headers, (BACKFILL, b"1")] if backfill else list(headers)
        stamp = None if timestamp is None else int(timestamp * 1000)
        try:
            future = self._producer.send(topic, key=raw_key, value=value, headers=marked, timestamp_ms=stamp)
        except BaseException as error:
            self._release(size, watch, error)
            if isinstance(error, kafka_errors.KafkaTimeoutError):
                raise BrokerAway(
                    f"Kafka at {self._bootstrap} did not name the partitions of topic {topic!r} in {BLOCK:g} s: "
                    "is it running, does the topic exist?",
                    "timeout",
                ) from error
            if isinstance(error, kafka_errors.KafkaError):
                raise trouble(error, self._bootstrap, topic) from error
            raise
        future.add_callback(lambda _: self._release(size, watch))
        future.add_errback(lambda error: self._release(size, watch, error))
        return Delivery(future, self._bootstrap, topic, our_time=timestamp is None)

    def _replace_when_unusable(self) -> None:
        """Replace a broken or stuck client. What waits in the old one fails, and its senders send it again."""
        if not self._replacing.acquire(blocking=False):
            return
        try:
            broken = is_broken(self._producer)
            if self._watch.due(
                time.monotonic(), lambda: self.answers(ANSWER), broken=broken, renewed=self._has_new_password
            ):
                unusable, self._producer = (
                    self._producer,
                    self._open(min(REOPEN, self._settings.kafka.bootstrap_timeout)),
                )
                self._watch = StuckProducerWatch(self._patience, time.monotonic() + LOOK)
                self.renewals += 1
                reason = (
                    "this client had failed for good" if broken else "the broker answers but took no records from us"
                )
                log.warning("connected to Kafka at %s again: %s", self._bootstrap, reason)
                abandon(unusable, LEAVE)
        finally:
            self._replacing.release()

    def _has_new_password(self) -> bool:
        """Whether `kafka.password_file` has another password than this client logs in with."""
        try:
            return self._password is not None and self._settings.kafka.secret() != self._password
        except (OSError, UnicodeDecodeError):
            return False  # somebody is writing it

    def _reserve(self, size: int) -> None:
        with self._lock:
            if self._waiting + size > self._limit:
                raise BrokerAway(
                    f"{self._waiting} of at most {self._limit} bytes wait for Kafka at {self._bootstrap}: "
                    "send less, or find out why the broker does not keep up",
                    "full",
                )
            self._waiting += size

    def _release(self, size: int, watch: StuckProducerWatch, error: BaseException | None = None) -> None:
        with self._lock:
            self._waiting -= size
            self.failures += error is not None
        # A record that is refused for what it is says nothing of the client.
        failed = isinstance(error, kafka_errors.KafkaTimeoutError) or login_refused(error)
        watch.settled(time.monotonic(), failed=failed)

    def answers(self, timeout: float) -> bool:
        """Ask a broker for its topics, and wait at most `timeout` seconds; whether it answered."""
        answered = threading.Event()
        asked = request_metadata(self._producer)
        asked.add_both(lambda *_: answered.set())
        if not answered.wait(timeout):
            return False
        # That a topic is missing or forbidden is an answer too.
        return asked.exception is None or not isinstance(
            trouble(asked.exception, self._bootstrap, self._settings.topic("events")), BrokerAway
        )

    def flush(self, timeout: float) -> bool:
        """Wait until every record has an outcome, at most `timeout` seconds; whether all have."""
        try:
            self._producer.flush(timeout=timeout)
        except kafka_errors.KafkaTimeoutError:
            return False
        return True

    def close(self, timeout: float = 5.0) -> bool:
        """Send what waits, within `timeout` seconds, and disconnect; whether all of it was sent."""
        sent = self.flush(timeout)
        try:
            self._producer.close(timeout=LEAVE if sent else 0)
        except kafka_errors.KafkaTimeoutError:
            # Something still waits: kafka-python leaves it to its thread, a daemon that ends with the process.
            return False
        return sent

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
