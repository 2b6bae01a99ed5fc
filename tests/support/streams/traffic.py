"""Writes planned records to Kafka, and keeps a ledger of those that it acknowledged. Uses kafka-python directly.

Nothing here goes through our own producer, so that the ledger is independent of it.
"""

from __future__ import annotations

import json
import threading
import time
import uuid
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer, TopicPartition

from models.records import Identify, encode_control
from streaming.settings.loading import Settings
from tests.support.oracles.ledger import Ledger
from tests.support.processes.processes import wait_until
from tests.support.processes.roles import PATIENCE
from tests.support.streams.streams import LEARNT, Planned


class Feed(threading.Thread):
    """Sends records at a steady rate while the test runs. `finish` waits for the last acknowledgement."""

    def __init__(self, traffic: Traffic, planned: Iterable[Planned], rate: float) -> None:
        super().__init__(name="feed", daemon=True)
        self._traffic, self._planned, self._rate = traffic, planned, rate
        self._enough = threading.Event()
        self._error: BaseException | None = None

    def run(self) -> None:
        """Runs the thread: sends until the plan is used up or `finish` is called."""
        begun = time.monotonic()
        try:
            for number, each in enumerate(self._planned):
                if self._enough.wait(max(0.0, begun + number / self._rate - time.monotonic())):
                    break
                self._traffic.post(each)
        except BaseException as error:  # raised again by `finish`
            self._error = error

    def finish(self) -> None:
        """Stops sending. When this returns, everything sent is acknowledged and in the ledger."""
        self._enough.set()
        self.join()
        if self._error is not None:
            raise self._error
        self._traffic.flush()


class Traffic:
    """The topics of one namespace, a producer for them, and the ledger."""

    def __init__(self, settings: Settings) -> None:
        self.settings, self.ledger = settings, Ledger()
        self.events, self.items = settings.topic("events"), settings.topic("items")
        self._bootstrap = settings.kafka.bootstrap
        self._producer: Any = None
        self._posted = self._acknowledged = 0
        self._failures: list[BaseException] = []

    def admin(self) -> Any:
        """Returns a Kafka admin client. The caller closes it."""
        return KafkaAdminClient(bootstrap_servers=self._bootstrap)

    def create_topics(self) -> None:
        """Creates all topics, kept forever: streams carry times of the past, which retention would remove."""
        kept = {"retention.ms": "-1"}
        admin = self.admin()
        try:
            admin.create_topics(
                {
                    self.settings.topic(role): {
                        "num_partitions": self.settings.kafka.partitions if role == "events" else 1,
                        "replication_factor": 1,
                        "configs": {"cleanup.policy": "compact"} if role == "items" else kept,
                    }
                    for role in ("events", "items", "control", "slates", "deadletter")
                },
                wait_for_metadata=True,
            )
        finally:
            admin.close()

    def post(self, planned: Planned) -> None:
        """Hands an event to the producer. The ledger gets it when the broker acknowledges it."""
        event = planned.event
        self.post_raw(
            json.dumps(event).encode(), event["user_id"].encode(), planned.record_time, event, planned.outcome
        )

    def post_raw(
        self, value: bytes | None, key: bytes, record_time: float, event: Mapping[str, Any] | None, outcome: str
    ) -> None:
        """Hands bytes to the producer as a record of topic events."""
        self._post(self.events, value, key, record_time, event, outcome)

    def post_fact(self, item: str, facts: Mapping[str, Any] | None, record_time: float) -> None:
        """Hands a record of topic items to the producer; without facts the item is removed."""
        value = None if facts is None else json.dumps(facts).encode()
        self._post(self.items, value, item.encode(), record_time, None, "fact")

    def post_order(self, value: bytes, record_time: float) -> None:
        """Hands a record of topic control to the producer."""
        self._post(self.settings.topic("control"), value, b"", record_time, None, "fact")

    def identify(self, anonymous: str, user: str) -> None:
        """Orders that an id be joined with a user, and waits for the acknowledgement."""
        order = Identify(uuid.uuid4().hex, anonymous, user)
        self.post_order(encode_control(order), time.time())
        self.flush()
        self.ledger.join(anonymous, user)

    def send_facts(self, facts: Mapping[str, Mapping[str, Any]], record_time: float) -> None:
        """Posts the facts of many items and waits for the acknowledgements."""
        for item, fields in facts.items():
            self.post_fact(item, fields, record_time)
        self.flush()

    def _post(
        self,
        topic: str,
        value: bytes | None,
        key: bytes,
        record_time: float,
        event: Mapping[str, Any] | None,
        outcome: str,
        further: Sequence[tuple[Mapping[str, Any] | None, str]] = (),
    ) -> None:
        if self._producer is None:
            self._producer = KafkaProducer(
                bootstrap_servers=self._bootstrap,
                linger_ms=5,
                max_request_size=2 << 20,
                # By default it waits ever longer, up to 30 s, before it looks for a killed broker that is back.
                reconnect_backoff_max_ms=500,
            )
        self._posted += 1
        future = self._producer.send(topic, value, key, timestamp_ms=int(record_time * 1000))
        future.add_callback(lambda at: self._acknowledge(at, event, outcome, further))
        future.add_errback(self._failures.append)

    def _acknowledge(
        self,
        at: Any,
        event: Mapping[str, Any] | None,
        outcome: str,
        further: Sequence[tuple[Mapping[str, Any] | None, str]],
    ) -> None:
        self.ledger.add(at.topic, at.partition, at.offset, event, outcome, further)
        self._acknowledged += 1  # only the producer's one thread counts

    def flush(self) -> None:
        """Waits until everything posted is acknowledged. Raises the producer's error."""
        if self._producer is not None:
            self._producer.flush(timeout=PATIENCE)
        # The last callbacks may run after `flush` has returned.
        wait_until(lambda: self._acknowledged + len(self._failures) >= self._posted, "every record acknowledged")
        if self._failures:
            raise self._failures[0]

    def send(self, planned: Iterable[Planned]) -> None:
        """Posts all of them and waits for the acknowledgements."""
        for each in planned:
            self.post(each)
        self.flush()

    def feed(self, planned: Iterable[Planned], rate: float) -> Feed:
        """Starts sending while the test runs, `rate` records per second."""
        feed = Feed(self, planned, rate)
        feed.start()
        return feed

    def enter_copies(self) -> int:
        """Adds records to the ledger that the log of events holds twice, and returns their number.

        A producer whose acknowledgement died with the broker sends its batch again, and a broker killed at that moment
        may keep both: the log decides what there is to consume, and each event still has to be learned once.
        """
        known = {(each.partition, each.offset) for each in self.ledger.records() if each.topic == self.events}
        outcomes = {each.event["event_id"]: each.outcome for each in self.ledger.records() if each.event is not None}
        copies = 0
        for record in self.read(self.events, self._length(self.events)):
            if (record.partition, record.offset) not in known:
                event = json.loads(record.value)
                outcome = outcomes[event["event_id"]]  # KeyError: a record that nobody sent
                again = "duplicate" if outcome == LEARNT else outcome
                self.ledger.add(self.events, record.partition, record.offset, event, again)
                copies += 1
        return copies

    def _length(self, topic: str) -> int:
        consumer = KafkaConsumer(bootstrap_servers=self._bootstrap, enable_auto_commit=False)
        try:
            parts = [TopicPartition(topic, number) for number in consumer.partitions_for_topic(topic) or ()]
            return sum(consumer.end_offsets(parts).values())
        finally:
            consumer.close()

    def read(self, topic: str, count: int, timeout: float = PATIENCE) -> list[Any]:
        """Returns the first `count` records of a topic, read by a bare consumer."""
        records: list[Any] = []
        consumer = KafkaConsumer(
            bootstrap_servers=self._bootstrap, auto_offset_reset="earliest", enable_auto_commit=False
        )
        try:
            partitions = [
                TopicPartition(topic, number) for number in sorted(consumer.partitions_for_topic(topic) or ())
            ]
            consumer.assign(partitions)
            consumer.seek_to_beginning(*partitions)
            limit = time.monotonic() + timeout
            while len(records) < count and time.monotonic() < limit:
                records += [record for batch in consumer.poll(200).values() for record in batch]
        finally:
            consumer.close()
        return records

    def renew_producer(self) -> None:
        """Makes the producer forget the topics, because they were changed."""
        self.close_producer()
        self._producer = None

    def close_producer(self) -> None:
        """Disconnects from the broker."""
        if self._producer is not None:
            self._producer.close(timeout=2)
