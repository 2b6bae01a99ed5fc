"""Lists the letters of topic `events.deadletter`, or sends them again to the topic each came from. Stage 1.

How far letters were sent again is kept as the offsets of one Kafka group per reason, so that a second run goes on where
the first ended, also when the two were for different reasons. A run reads them once, so two at once would send the same
letters: a lease in Redis lets one run at a time, from the command and the page alike.
"""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing
from typing import Final, TypeAlias

import msgspec

from models.records import Event, ItemFacts, Mentioned, completed, completion_key, encode_item
from models.records import encode as encode_event
from models.structs import Prepared
from streaming.consumer import KafkaSource
from streaming.formats import Formats, SchemaWaits
from streaming.intake import DeadLetter, decode
from streaming.jobs.lease import lease_of
from streaming.kafka import PUBLIC, Delivery, EventProducer, KafkaTrouble, Record, RecordRefused, Role, TopicMissing
from streaming.settings import Settings
from streaming.store import Leadership

log = logging.getLogger(__name__)

REDRIVEN: Final = "sluicegate-redriven"
"""Header of a record that was sent again: topic/partition/offset of the original."""

STEP: Final = 500
"""Records between two commits of how far we are. A crash repeats at most these; an event_id makes that harmless."""

Sendable: TypeAlias = tuple[Role, bytes | None, bytes | None]
"""The role of a topic, a key and a value."""

OUTCOME: Final = 30.0
"""Seconds after which a record that Kafka has not confirmed counts as not taken."""


PART: Final = "redrive"
"""Part of Redis's keys that holds the lease."""


class RedriveRunsError(Exception):
    """Another run holds the lease, or has taken it from this one."""

    def __init__(
        self,
        message: str = "dead letters are being sent again by another command, or from the page: try again when that "
        "has ended. One that was killed is out of the way within seconds",
    ) -> None:
        super().__init__(message)


class Redriven(msgspec.Struct, metaclass=Prepared):
    """What one run did.

    Attributes:
        sent: Letters that were sent again.
        cut: Letters that were passed over: only their head was kept, their topic is no longer read, or its mapping
            still refuses them.
        refused: Letters that Kafka refuses for good, such as one beyond `max.message.bytes` of its topic.
        by_reason: Letters that were sent again, by reason.
        done: Whether none is left; False when `limit` ended the run.
    """

    sent: int = 0
    cut: int = 0
    refused: int = 0
    by_reason: dict[str, int] = msgspec.field(default_factory=dict)
    done: bool = True


def letters(settings: Settings, reason: str | None = None) -> Iterator[DeadLetter]:
    """Every letter that the topic still has, oldest first within a partition; none when there is no such topic.

    Args:
        settings: How to reach Kafka.
        reason: Only letters refused for this reason; None for all.

    Raises:
        BrokerAway, NotAllowed: Kafka cannot be used.
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


def group(settings: Settings, reason: str) -> str:
    """The Kafka group whose offsets say how far the letters of a reason were sent again."""
    return f"sluicegate.{settings.namespace}.redrive.{reason}"


def _until_now(source: KafkaSource, now: float) -> Iterator[Record]:
    """Records written until `now`, epoch seconds: a letter that is refused again does not appear in the same run."""
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
    """Send the letters that were not sent again yet, unchanged.

    Key, value, event_id and record time stay the same, so that rules about time decide as before.

    Args:
        settings: How to reach Kafka and Redis, and the topics and mappings.
        reason: Only letters refused for this reason; None for all.
        limit: Letters to send at most.
        dry_run: Count only. That needs no lease, nor Redis.

    Raises:
        RedriveRunsError: Another run sends letters; nothing was sent, unless the lease was lost on the way.
        KafkaTrouble: The broker is away or refuses us. Letters sent until then count as sent.
        StoreUnavailable: Redis, which holds the lease, is away.
    """
    done = Redriven()
    with ExitStack() as stack:
        lease = None if dry_run else stack.enter_context(lease_of(settings, "redrive", RedriveRunsError, PART))
        try:
            source = stack.enter_context(KafkaSource(settings, [settings.topic("deadletter")]))
            producer = stack.enter_context(EventProducer(settings))
            formats = stack.enter_context(closing(Formats(settings, list(settings.mappings()))))
            _Run(settings, source, producer, formats, lease, done).go(reason, limit, dry_run)
        except TopicMissing:  # made with the first letter
            pass
    return done


class _Run:
    def __init__(
        self,
        settings: Settings,
        source: KafkaSource,
        producer: EventProducer,
        formats: Formats,
        lease: Leadership | None,
        done: Redriven,
    ) -> None:
        self._settings, self._source, self._producer, self._done = settings, source, producer, done
        self._formats, self._lease = formats, lease
        self._roles: dict[str, Role] = {settings.topic(role): role for role in ("events", "items", "control", "slates")}
        self._mappings = settings.mappings()
        self._topic = settings.topic("deadletter")
        # Next offset of the dead-letter topic, by reason and partition.
        self._reached: dict[str, dict[int, int]] = {}
        self._pending: list[tuple[int, str, int, list[Delivery | RecordRefused]]] = []
        # A learner that crashed may have written a letter twice: the place of the original shows it.
        self._origins: set[tuple[str, int, int]] = set()
        self._facts: dict[str, ItemFacts] = {}

    def go(self, reason: str | None, limit: int | None, dry_run: bool) -> None:
        self._source.assign({})
        for record in _until_now(self._source, time.time()):
            letter = decode(record)
            if letter is None or reason not in {None, letter.reason} or self._sent_before(record, letter):
                continue
            if limit is not None and self._done.sent >= limit:
                self._done.done = False
                break
            if self._lease is not None and not self._lease.held():
                # How far we came is not written down: the other run may be further already.
                raise RedriveRunsError("another process took the lease during a long pause, and sends the rest")
            self._one(record, letter, dry_run)
            if len(self._pending) >= STEP:
                self._remember()
        self._remember()

    def _sent_before(self, record: Record, letter: DeadLetter) -> bool:
        if letter.reason not in self._reached:
            held = self._source.committed(group(self._settings, letter.reason))
            self._reached[letter.reason] = held.get(self._topic, {})
        return record.offset < self._reached[letter.reason].get(record.partition, 0)

    def _one(self, record: Record, letter: DeadLetter, dry_run: bool) -> None:
        origin = (letter.topic, letter.partition, letter.offset)
        if origin in self._origins:
            return
        self._origins.add(origin)
        sendable = self._sendable(letter) if letter.whole else []
        if not sendable:
            self._done.cut += 1
            return
        self._done.sent += 1
        self._done.by_reason[letter.reason] = self._done.by_reason.get(letter.reason, 0) + 1
        if dry_run:
            return
        headers = [
            (REDRIVEN, "/".join(map(str, origin)).encode()),
            *([(PUBLIC, b"1")] if letter.public else []),
            *(letter.envelope if letter.topic in self._roles else ()),
        ]
        at = letter.timestamp if 0 < letter.timestamp < math.inf else None  # its record had no time
        deliveries: list[Delivery | RecordRefused] = []
        for each in sendable:
            try:
                deliveries.append(self._producer.send(*each, timestamp=at, backfill=letter.backfill, headers=headers))
            except RecordRefused as refused:
                deliveries.append(refused)
        self._pending.append((record.partition, letter.reason, record.offset, deliveries))

    def _sendable(self, letter: DeadLetter) -> list[Sendable]:
        """The role of the topic to send to, key and value; none for a letter that still cannot be used.

        A letter from a topic of another shape is mapped again and goes to `events`: that topic belongs to others. Of a
        record that holds several events, those that were taken when it was read are not sent again. What the events say
        of their items goes to `items`, as completions.
        """
        if (mapping := self._mappings.get(letter.topic)) is not None:
            at = letter.timestamp * 1000
            try:
                key, value = self._formats.read(letter.topic, letter.key, letter.value, letter.envelope, at)
            except SchemaWaits as waits:
                raise KafkaTrouble(str(waits)) from waits
            mentioned = None if letter.public else Mentioned()  # a public key says nothing of items
            answers = mapping.events(value, key, at, mentioned=mentioned)
            if letter.lines:
                answers = [answers[line] for line in letter.lines if line < len(answers)]
            events = [answer for answer in answers if isinstance(answer, Event)]
            items = {event.item_id for event in events}
            said = mentioned.take_by_item() if mentioned is not None else {}
            return [
                *(("events", event.user_id.encode(), encode_event(event)) for event in events),
                *(self._completion(item, facts) for item, facts in said.items() if item in items),
            ]
        role = self._roles.get(letter.topic)
        key = letter.key if letter.key is not None or letter.value is not None else b""
        return [] if role is None else [(role, key, letter.value)]

    def _completion(self, item: str, facts: ItemFacts) -> Sendable:
        """Facts of an item, with those of the letters before: compaction keeps the newest record of a key alone."""
        self._facts[item] = completed(self._facts.get(item, facts), facts)
        return "items", completion_key(item).encode(), encode_item(self._facts[item])

    def _remember(self) -> None:
        """Commit how far each reason has come, up to the last letter that the broker confirmed or refused for good."""
        failure: KafkaTrouble | None = None
        changed: dict[str, dict[int, int]] = {}
        for partition, reason, offset, deliveries in self._pending:
            try:
                refused = [why for delivery in deliveries if (why := _refusal(delivery)) is not None]
            except KafkaTrouble as trouble:
                failure = trouble
                break
            if refused:
                self._count_refused(reason, offset, refused[0])
            changed.setdefault(reason, {})[partition] = offset + 1
        self._pending.clear()
        for reason, parts in changed.items():
            if not self._source.commit_mirror({self._topic: parts}, group(self._settings, reason)):
                raise KafkaTrouble("sent, but Kafka did not record how far: another run sends some of them twice")
        if failure is not None:
            raise failure

    def _count_refused(self, reason: str, offset: int, refused: RecordRefused) -> None:
        """Count a letter as refused: sending it again is useless, and those after it must not wait."""
        log.warning("the letter at offset %d of %s cannot be sent again: %s", offset, self._topic, refused)
        self._done.refused += 1
        self._done.sent -= 1
        self._done.by_reason[reason] -= 1
        if not self._done.by_reason[reason]:
            del self._done.by_reason[reason]


def _refusal(delivery: Delivery | RecordRefused) -> RecordRefused | None:
    """Why Kafka refuses a record for good; None when it has it. Raises KafkaTrouble when it may take it later."""
    try:
        if isinstance(delivery, RecordRefused):
            return delivery
        delivery.wait(OUTCOME)
    except RecordRefused as refused:
        return refused
    return None
