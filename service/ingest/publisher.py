"""Writes events and item facts from HTTP to the topics, and reports an outcome for each.

The connection to Kafka is made in the background, and tried again when it was refused: the service starts and answers
/recommend whether or not there is a broker.
"""

from __future__ import annotations

import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Sequence
from typing import Final, NamedTuple, TypeAlias

import msgspec

from models.records import IMPRESSION, Event, EventRules, Rejection, decode, decode_many
from models.slate import Showing, impression
from service.http import EventOutcome
from service.ingest.forecast import Forecast
from service.runtime import Breaker, logs
from streaming.kafka import PUBLIC, Delivery, EventProducer, KafkaTrouble, RecordRefused, Role
from streaming.settings import Settings
from streaming.tracing import Tracer

PATIENCE: Final = 5.0
"""Seconds a request waits for Kafka to have its records; a healthy broker takes milliseconds."""
IN_FLIGHT: Final = 28
"""Requests that may wait for Kafka at once; each holds one of the 40 threads of the server's pool."""
PUBLIC_IN_FLIGHT: Final = 6
"""Those with a public key, which are counted apart so that they cannot take the shop's places."""
PARTING: Final = 3.0
"""Seconds that Kafka has at the end for records that were handed over. Requests have waited for theirs already."""
RETRY: Final = 2.0
"""Seconds between attempts to find a broker."""
LOOK: Final = 5.0
"""Seconds between checks whether the broker still answers, and for its answer. Only observers see the result."""

IMPRESSIONS: Final = 10_000
"""Impressions that may wait for the next request with rotation; the oldest are forgotten first."""

Headers: TypeAlias = Sequence[tuple[str, bytes]]
"""Name and value of each header of a record."""

MARKED: Final = ((PUBLIC, b"1"),)
"""Headers of a record that was sent with a public key."""

UNSENT: Final = "unavailable"


class KafkaUnavailable(Exception):
    """Kafka did not confirm a record in time. It may still arrive later: send it again with the same event_id."""


class Outgoing(NamedTuple):
    """A record for a topic."""

    key: str
    value: bytes | None
    public: bool = False
    """Whether it was sent with a public key."""


class EventPublisher:
    """Writes to the topics for the HTTP routes. Thread-safe; `send` blocks and belongs on a worker thread."""

    def __init__(
        self,
        settings: Settings,
        connect: Callable[[], EventProducer] | None = None,
        away: Callable[[bool], object] = lambda _: None,
        clock: Callable[[], float] = time.time,
        tracer: Tracer | None = None,
    ) -> None:
        """Make a publisher; `start` begins to connect.

        Args:
            settings: Kafka, the topics, and the rules of events.
            connect: Makes the connection. Raises KafkaTrouble.
            away: Called every few seconds with whether Kafka fails to answer.
            clock: Epoch seconds; the time of arrival of events.
            tracer: Follows recorded requests into the topics; None where tracing is off.
        """
        self.rules: EventRules = settings.events.rules()
        self._clock, self._forecast = clock, Forecast(settings.admission)
        self._connect = connect or (lambda: EventProducer(settings, "sluicegate-service"))
        self._away, self._tracer, self._settings = away, tracer, settings
        self._producer: EventProducer | None = None
        self._breaker = Breaker()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._keep_connecting, name="intake", daemon=True)
        self.slots = threading.BoundedSemaphore(IN_FLIGHT)
        self.public_slots = threading.BoundedSemaphore(PUBLIC_IN_FLIGHT)
        self.impressions: deque[tuple[str, Showing]] = deque(maxlen=IMPRESSIONS)
        """(user, showing) of accepted impressions, for requests with rotation."""
        self.public_impressions: deque[tuple[str, Showing]] = deque(maxlen=IMPRESSIONS)
        """The same of impressions sent with a public key, which must not push out the shop's."""
        self.all_impressions = (self.impressions, self.public_impressions)
        self.error = "not connected yet"
        """What /readyz says about Kafka; no decision depends on it."""

    def start(self) -> None:
        """Start to connect in the background."""
        self._thread.start()

    def stop(self) -> None:
        """Send the records that wait, and disconnect."""
        self._stop.set()
        producer, self._producer = self._producer, None
        if producer is not None and not producer.close(PARTING):
            logs.warn("events left unsent", detail=f"Kafka did not confirm them within {PARTING:g} s of the end")

    @property
    def producer(self) -> EventProducer | None:
        """The connection to Kafka, None while there is none."""
        return self._producer

    def _keep_connecting(self) -> None:
        while not self._stop.is_set():
            try:
                producer = self._connect()
            except KafkaTrouble as error:
                if self.error != str(error):
                    logs.warn("kafka unavailable", detail=str(error))
                self.error = str(error)
                self._away(True)
                self._stop.wait(RETRY)
                continue
            self._producer, self.error = producer, ""
            if self._stop.is_set():
                producer.close()
            self._keep_looking(producer)
            return

    def _keep_looking(self, producer: EventProducer) -> None:
        while not self._stop.is_set():
            self._away(not producer.answers(LOOK))
            self._stop.wait(LOOK)

    def send(self, role: Role, records: Sequence[Outgoing]) -> list[KafkaTrouble | None]:
        """Write records and wait for their outcomes.

        Returns:
            For each record why Kafka does not have it; None when it has it.

        Raises:
            KafkaUnavailable: Kafka has none of them, and may take them later.
            RecordRefused: Kafka refuses all of them for good.
        """
        troubles = self.deliver(role, records)
        refused = [trouble for trouble in troubles if isinstance(trouble, RecordRefused)]
        if refused and len(refused) == len(troubles):
            raise refused[0]
        return troubles

    def deliver(self, role: Role, records: Sequence[Outgoing]) -> list[KafkaTrouble | None]:
        """As `send`, but that all are refused for good is no error."""
        producer = self._producer
        if producer is None:
            self._away(True)  # the first attempt to connect may take half a minute, and somebody was just refused
        if producer is None or not self._breaker.allows(time.monotonic()):
            raise KafkaUnavailable(self.error or "Kafka did not answer a moment ago")
        if self._tracer is None:
            troubles = _written(producer, role, records)
        else:
            with self._tracer.sending(self._settings.topic(role), len(records)) as headers:
                troubles = _written(producer, role, records, headers)
        taken = not all(troubles)
        refused = any(isinstance(trouble, RecordRefused) for trouble in troubles)
        later = [trouble for trouble in troubles if trouble is not None and not isinstance(trouble, RecordRefused)]
        if taken or refused:  # a record that is refused for what it is shows that Kafka is there
            self._breaker.succeeded()
            self.error = ""
        elif later:
            self._breaker.failed(time.monotonic())
            self.error = str(later[-1])
        if later and not taken:
            raise KafkaUnavailable(str(later[-1]))
        return troubles

    def send_events(
        self, raw: Sequence[bytes], rules: EventRules | None = None, *, public: bool = False
    ) -> list[EventOutcome]:
        """Decode events and send the valid ones. One without a timestamp happened now.

        Args:
            raw: One piece of JSON per event.
            rules: Rules for a caller who may send less than the shop itself.
            public: Whether they came with a public key. The records say so.

        Returns:
            The outcome of each event, in their order.

        Raises:
            KafkaUnavailable: Kafka has none of the valid events.
        """
        left_out: Counter[str] = Counter()
        now = self._clock()
        raw, decoded = _dated(raw, rules or self.rules, now, left_out)
        good = [
            (index, Outgoing(event.user_id, raw[index], public))
            for index, event in enumerate(decoded)
            if isinstance(event, Event)
        ]
        troubles = self.deliver("events", [record for _, record in good]) if good else []
        outcomes = [_refused(index, event) for index, event in enumerate(decoded)]
        if left_out:
            for index, _ in good:
                outcomes[index].left_out = _left_out(raw[index], rules or self.rules)
        for (index, record), trouble in zip(good, troubles, strict=True):
            if isinstance(trouble, RecordRefused):
                outcomes[index] = _refused(index, not_taken(record, trouble))
                continue
            outcomes[index].outcome = UNSENT if trouble else "accepted"
            event = decoded[index]
            if trouble is not None or not isinstance(event, Event):
                continue
            outcomes[index].warning = self._forecast.warning(event, now, public=public)
            if event.kind == IMPRESSION and event.item_id is not None:
                seen = impression(event.request_id, event.item_id, event.timestamp)
                (self.public_impressions if public else self.impressions).append((event.user_id, seen))
        return outcomes


def _dated(
    raw: Sequence[bytes], rules: EventRules, now: float, left_out: Counter[str]
) -> tuple[list[bytes], list[Event | Rejection]]:
    """The events and what they are decoded to; those that lack a timestamp get one, epoch seconds."""
    sent = list(raw)
    decoded = decode_many(sent, rules, left_out)
    for index, event in enumerate(decoded):
        if isinstance(event, Rejection) and event.path == "$.timestamp" and event.found in {"nothing", "null"}:
            document: dict[str, msgspec.Raw | float] = {**msgspec.json.decode(sent[index], type=dict[str, msgspec.Raw])}
            sent[index] = msgspec.json.encode(document | {"timestamp": now})
            decoded[index] = decode(sent[index], rules, left_out)
    return sent, decoded


def _left_out(raw: bytes, rules: EventRules) -> tuple[str, ...]:
    """The optional fields of a valid event that cannot be used."""
    counted: Counter[str] = Counter()
    decode(raw, rules, counted)
    return tuple(counted)


def _written(
    producer: EventProducer, role: Role, records: Sequence[Outgoing], headers: Headers = ()
) -> list[KafkaTrouble | None]:
    """Hand over the records, and wait for the outcome of each."""
    limit = time.monotonic() + PATIENCE
    return [_wait(handed, limit) for handed in _hand_over(producer, role, records, headers)]


def _hand_over(
    producer: EventProducer, role: Role, records: Sequence[Outgoing], headers: Headers
) -> list[Delivery | KafkaTrouble]:
    """Hand over each record; once Kafka does not take one for now, the rest of them is not tried."""
    handed: list[Delivery | KafkaTrouble] = []
    for record in records:
        try:
            handed.append(
                producer.send(role, record.key, record.value, headers=(*MARKED, *headers) if record.public else headers)
            )
        except RecordRefused as error:
            handed.append(error)
        except KafkaTrouble as error:
            return handed + [error] * (len(records) - len(handed))
    return handed


def _wait(handed: Delivery | KafkaTrouble, limit: float) -> KafkaTrouble | None:
    """Why Kafka does not have it by `limit`, monotonic seconds; None when it has."""
    if isinstance(handed, KafkaTrouble):
        return handed
    try:
        handed.wait(max(0.0, limit - time.monotonic()))
    except KafkaTrouble as error:
        return error
    return None


def not_taken(record: Outgoing, trouble: RecordRefused) -> Rejection:
    """Why Kafka refuses a valid record for good."""
    size = f"{len(record.value or b'')} bytes"
    if trouble.kind == "too_large":
        return Rejection("oversize", "$", "at most max.message.bytes of its topic in Kafka", size)
    return Rejection("bad_value", "$", f"a record that Kafka takes ({trouble})", size)


def _refused(index: int, event: Event | Rejection) -> EventOutcome:
    if isinstance(event, Rejection):
        return EventOutcome(index, "rejected", event.reason, event.path, event.expected, event.found)
    return EventOutcome(index, UNSENT)


__all__ = ["PATIENCE", "EventPublisher", "KafkaUnavailable", "Outgoing"]
