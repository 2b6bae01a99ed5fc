"""In: topic `events.deadletter`. Out: its letters as a list, or sent again to the topic each came from. Stage 1.

What was sent again is remembered as the offsets of one Kafka group per reason, so that a second run goes on where the
first ended, also when the two were for different reasons.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Final

import msgspec

from models.records import Event
from models.records import encode as encode_event
from streaming.consumer import KafkaSource
from streaming.intake import DeadLetter, decode
from streaming.kafka import Delivery, EventProducer, KafkaTrouble, Record, Role, TopicMissing
from streaming.settings import Settings

# Header of a record that was sent again: topic/partition/offset of the original.
REDRIVEN: Final = "sluicegate-redriven"
# Records between two notes of how far we are. A crash repeats at most these; an event_id makes the repeat harmless.
STEP: Final = 500
# Seconds until a record that was handed over counts as not taken.
OUTCOME: Final = 30.0


class Redriven(msgspec.Struct):
    """What one run did: letters sent again, and by reason; `cut`: passed over, because only their head was kept, their
    topic is not read any more, or its mapping still does not take them.
    """

    sent: int = 0
    cut: int = 0
    by_reason: dict[str, int] = msgspec.field(default_factory=dict)
    done: bool = True


def letters(settings: Settings, reason: str | None = None) -> Iterator[DeadLetter]:
    """Every letter the topic still has, oldest first within a partition. Nothing when there is no such topic yet.

    Raises BrokerAway, NotAllowed.
    """
    try:
        with KafkaSource(settings, [settings.topic("deadletter")]) as source:
            source.assign({})
            for record in _until_now(source, time.time()):
                letter = decode(record)
                if letter is not None and reason in {None, letter.reason}:
                    yield letter
    except TopicMissing:
        return


def _until_now(source: KafkaSource, now: float) -> Iterator[Record]:
    """Records written until `now`, in epoch seconds: a letter that comes back is not met again in the same run."""
    open_parts = {(topic, part) for topic, parts in source.positions().items() for part in parts}
    while open_parts:
        batches = source.poll(1.0, STEP)
        for batch in batches:
            for record in batch:
                if record.timestamp > now * 1000:
                    open_parts.discard((record.topic, record.partition))
                    break
                yield record
        if not batches:
            source.end_offsets()  # Raises when the broker is away, where an empty poll would look like the end.
        open_parts -= {
            (topic, part) for topic, parts in source.lag().items() for part, left in parts.items() if not left
        }


def redrive(
    settings: Settings, reason: str | None = None, limit: int | None = None, *, dry_run: bool = False
) -> Redriven:
    """Send letters again, unchanged: same key, value, event_id and record time, so that rules by time decide as before.

    Only those not sent again before. `limit` bounds how many; `dry_run` only counts. Raises KafkaTrouble when the
    broker is away or does not take one; what was sent until then is remembered.
    """
    done = Redriven()
    try:
        with (
            KafkaSource(settings, [settings.topic("deadletter")]) as source,
            EventProducer(settings) as producer,
        ):
            _Run(settings, source, producer, done).go(reason, limit, dry_run)
    except TopicMissing:
        return done
    return done


class _Run:
    def __init__(self, settings: Settings, source: KafkaSource, producer: EventProducer, done: Redriven) -> None:
        self._settings, self._source, self._producer, self._done = settings, source, producer, done
        self._roles: dict[str, Role] = {settings.topic(role): role for role in ("events", "items", "control", "slates")}
        self._mappings = settings.mappings()
        self._topic = settings.topic("deadletter")
        # reason -> partition -> next offset of the dead letter topic
        self._reached: dict[str, dict[int, int]] = {}
        self._pending: list[tuple[int, str, int, Delivery]] = []
        # A learner that died may have written a letter twice; the original's position tells.
        self._origins: set[tuple[str, int, int]] = set()

    def go(self, reason: str | None, limit: int | None, dry_run: bool) -> None:
        self._source.assign({})
        for record in _until_now(self._source, time.time()):
            letter = decode(record)
            if letter is None or reason not in {None, letter.reason} or self._sent_before(record, letter):
                continue
            if limit is not None and self._done.sent >= limit:
                self._done.done = False
                break
            self._one(record, letter, dry_run)
            if len(self._pending) >= STEP:
                self._remember()
        self._remember()

    def _group(self, reason: str) -> str:
        return f"sluicegate.{self._settings.namespace}.redrive.{reason}"

    def _sent_before(self, record: Record, letter: DeadLetter) -> bool:
        if letter.reason not in self._reached:
            held = self._source.committed(self._group(letter.reason))
            self._reached[letter.reason] = held.get(self._topic, {})
        return record.offset < self._reached[letter.reason].get(record.partition, 0)

    def _one(self, record: Record, letter: DeadLetter, dry_run: bool) -> None:
        origin = (letter.topic, letter.partition, letter.offset)
        if origin in self._origins:
            return
        self._origins.add(origin)
        sendable = self._sendable(letter) if letter.whole else None
        if sendable is None:
            self._done.cut += 1
            return
        self._done.sent += 1
        self._done.by_reason[letter.reason] = self._done.by_reason.get(letter.reason, 0) + 1
        if dry_run:
            return
        delivery = self._producer.send(
            *sendable,
            timestamp=letter.timestamp,
            backfill=letter.backfill,
            headers=[(REDRIVEN, "/".join(map(str, origin)).encode())],
        )
        self._pending.append((record.partition, letter.reason, record.offset, delivery))

    def _sendable(self, letter: DeadLetter) -> tuple[Role, bytes | None, bytes | None] | None:
        """Where to, key and value; None for what still cannot be used.

        A letter of a topic of another shape is mapped anew and goes to `events`: their topic is not ours to write to.
        """
        if (mapping := self._mappings.get(letter.topic)) is not None:
            event = mapping.event(letter.value, letter.key, letter.timestamp * 1000)
            return ("events", event.user_id.encode(), encode_event(event)) if isinstance(event, Event) else None
        role = self._roles.get(letter.topic)
        key = letter.key if letter.key is not None or letter.value is not None else b""
        return None if role is None else (role, key, letter.value)

    def _remember(self) -> None:
        """Note how far each reason has come, as far as the broker has everything up to there."""
        failure: KafkaTrouble | None = None
        changed: dict[str, dict[int, int]] = {}
        for partition, reason, offset, delivery in self._pending:
            try:
                delivery.wait(OUTCOME)
            except KafkaTrouble as trouble:
                failure = trouble
                break
            changed.setdefault(reason, {})[partition] = offset + 1
        self._pending.clear()
        for reason, parts in changed.items():
            if not self._source.commit_mirror({self._topic: parts}, self._group(reason)):
                raise KafkaTrouble("sent, but Kafka did not note how far: another run sends some of them twice")
        if failure is not None:
            raise failure
