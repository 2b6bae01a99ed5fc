"""Polled records in; a `PreparedBatch` out: valid, new, plausible events in order, and their histories. Stage 1.

It runs while the batch before is learned: it touches nothing of the model.
"""

from __future__ import annotations

import time
from collections import ChainMap, Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from operator import attrgetter
from typing import Final, NamedTuple, cast

import msgspec

from models.ledger import Admission, Joined, moved, order_time, user_hash
from models.ledger import Entry as ErasedUser
from models.records import (
    ATTRIBUTES,
    IMPRESSION,
    PURCHASE,
    SEARCH,
    Describe,
    Erase,
    Event,
    EventMapping,
    EventRules,
    Identify,
    ItemFacts,
    Mentioned,
    Order,
    Rejection,
    Removed,
    checked_attributes,
    completed_by,
    decode_control,
    decode_item,
    decode_many,
    item_key,
    only_completed,
)
from streaming.intake.text_vectors import Contents
from streaming.kafka import Cut, Record, epoch_of, is_backfill, is_public
from streaming.live import ENTRIES_TOGETHER, Completion, Described, Entry, Erased, FactChange, Identified, Mapped, Part

HISTORY_KINDS = frozenset(range(9)) - {SEARCH, IMPRESSION}
"""Kinds that enter a user's history: actions on an item, wanted or not."""


STEP: Final = 5_000
"""Records of one batch, at most, however many a poll brings: a batch is learned in one step, and the learner looks at
the stop flag, the lease and the clock between two steps."""

ORDER: Final = 5
"""Room that an order takes in a step: 5,000 joins at the ceilings take a second, and a step should take less."""

_HEADERS: Final = attrgetter("headers")

NOTHING: Final = ItemFacts()
"""Facts of a removed item."""


class Ordered(NamedTuple):
    """An order, and what the intake has found about it."""

    order: Order
    at: float
    """Time of its record, epoch seconds."""
    dedupe_entries: int = 0
    """Entries of the dedupe window that an erasure removed."""
    users: tuple[str, ...] = ()
    """All ids of the person whom an erasure names."""
    joined: Joined | None = None
    """What becomes of an order to identify."""


class Attributed(NamedTuple):
    """An event that experiments may count, and where its record is."""

    topic: str
    partition: int
    offset: int
    event: Event


@dataclass(slots=True)
class PreparedBatch:
    """One batch, ready to be learned."""

    events: list[Event] = field(default_factory=list)
    record_times: list[float] = field(default_factory=list)
    """Time of each event's record, epoch seconds."""
    attributed: list[Attributed] = field(default_factory=list)
    """Events that experiments may count: those that name a slate, and purchases."""
    orders: list[Ordered] = field(default_factory=list)
    """Records of topic `control`: they take effect before the rest of the batch."""
    histories: list[Part] = field(default_factory=list)
    facts: list[FactChange] = field(default_factory=list)
    contents: list[bytes | None] = field(default_factory=list)
    """The content vector of each of `facts`."""
    offsets: list[tuple[str, int, list[int], float]] = field(default_factory=list)
    """Topic, partition and offsets of everything consumed, and the time (epoch seconds) of the last record among them
    that was taken, 0 when all were refused."""
    outcomes: dict[str, int] = field(default_factory=dict)
    """Events that are not learned, and records that are none, by outcome; `learnt` is added when they are learned."""
    public: dict[str, int] = field(default_factory=dict)
    """Those of `outcomes` that were sent with a public key. The gate judges the stream without them."""
    refused: dict[str, int] = field(default_factory=dict)
    """Unusable records, by reason: one dead letter each."""
    turned_away: Counter[tuple[int, str]] = field(default_factory=Counter)
    """Events that are not learned, by the code of their type and the outcome."""
    left_out: Counter[str] = field(default_factory=Counter)
    """Optional fields that could not be used, by name; their events, and items, count without them."""
    spread: int = 0
    """Events beyond the first of records that hold several: there are as many outcomes as records, and these."""
    arrivals: int = 0
    """Position of the dedupe window after this batch."""
    erasures: int = 0
    """Position of the list of erased users after this batch."""
    identities: int = 0
    """Position of the list of joined ids after this batch."""
    live_number: int = 0
    """Number of this batch in the live writer: a version waits until it is in Redis."""
    full: bool = False
    """Whether its poll brought as many records as it may: then more are waiting."""
    traces: Sequence[str] = ()
    """Contexts of recorded traces that reached it, where tracing is on."""
    letters: int = 0
    """Number of the last dead letter up to this batch: a version waits until it is settled."""

    def sampled_times(self, about: int) -> list[float]:
        """Record times of about that many of the events, evenly spread; all of them when there are fewer."""
        return self.record_times[:: max(1, len(self.record_times) // about)]

    def by_the_shop(self) -> dict[str, int]:
        """As `outcomes`, without what was sent with a public key: nobody must hold a version by sending junk."""
        return {outcome: count - self.public.get(outcome, 0) for outcome, count in self.outcomes.items()}

    def count(self, outcome: str, *, public: bool = False) -> None:
        """Count one more record with this outcome; `public`: it was sent with a public key."""
        self.outcomes[outcome] = self.outcomes.get(outcome, 0) + 1
        if public:
            self.public[outcome] = self.public.get(outcome, 0) + 1


class Intake:
    """Decodes records, refuses unusable ones, admits events, and sorts events, facts and orders into a batch.

    Args:
        rules: What a usable event is.
        admission: The dedupe window and the list of erased users, which the intake extends.
        topics: Name of each topic by its role.
        refuse: Takes each unusable record and why it is unusable.
        contents: Makes vectors of item facts.
        mappings: Reads the records of topics of another shape, by name of the topic.
        wall: Epoch seconds. Only an order from the far future is measured by it.
    """

    def __init__(
        self,
        rules: EventRules,
        admission: Admission,
        topics: dict[str, str],
        refuse: Callable[[Record, Rejection], object],
        contents: Contents,
        mappings: Mapping[str, EventMapping] = {},
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._mappings, self._wall = mappings, wall
        self._clock, self._mentioned = 0.0, Mentioned()
        self._rules, self._admission, self._refuse, self._contents = rules, admission, refuse, contents
        self._events_topic, self._items_topic, self._control_topic = (
            topics["events"],
            topics["items"],
            topics["control"],
        )

    def steps(self, polled: Sequence[Sequence[Record]]) -> Iterator[list[Sequence[Record]]]:
        """Divide what one poll brought into batches of at most `STEP` events, for `prepare`. Orders come first."""
        step: list[Sequence[Record]] = []
        room = STEP
        for records in sorted(polled, key=self._after_orders):
            start = 0
            while start < len(records):
                stop, size = self._fitting(records, start, room)
                if stop > start:
                    step.append(records[start:stop])
                start, room = stop, room - size
                if start < len(records) or not room:
                    yield step
                    step, room = [], STEP
        if step:
            yield step

    def at_most(self, records: Sequence[Sequence[Record]]) -> int:
        """A bound on how many events these records hold."""
        return sum(
            len(part)
            if (mapping := self._spreading(part)) is None
            else sum(mapping.at_most(each.value) for each in part)
            for part in records
        )

    def _fitting(self, records: Sequence[Record], start: int, room: int) -> tuple[int, int]:
        """The place after the last record that fits, and how much room those take."""
        mapping = self._spreading(records)
        if mapping is None:
            each = ORDER if records and records[0].topic == self._control_topic else 1
            stop = min(len(records), start + room // each)
            return stop, (stop - start) * each
        size, stop = 0, start
        while stop < len(records) and size + (more := mapping.at_most(records[stop].value)) <= room:
            size, stop = size + more, stop + 1
        return stop, size

    def _spreading(self, records: Sequence[Record]) -> EventMapping | None:
        """The mapping of records that may hold several events, None for others."""
        mapping = self._mappings.get(records[0].topic) if records else None
        return mapping if mapping is not None and mapping.lists else None

    def prepare(self, polled: Sequence[Sequence[Record]]) -> PreparedBatch:
        """Decode and admit records. Orders come first.

        Args:
            polled: The records of each partition, in the order of their offsets.
        """
        batch = PreparedBatch()
        for records in sorted(polled, key=self._after_orders):
            if not records:
                continue
            topic, partition = records[0].topic, records[0].partition
            offsets = [record.offset for record in records]
            taken = 0.0
            if topic == self._events_topic:
                taken = self._events(batch, partition, records)
            elif topic == self._items_topic:
                taken = self._items(batch, partition, records)
            elif topic == self._control_topic:
                taken = self._orders(batch, records)
            elif topic in self._mappings:
                taken = self._events(batch, partition, records, self._mappings[topic])
            self._clock = moved(self._clock, taken) if taken else self._clock
            batch.offsets.append((topic, partition, offsets, taken))
        batch.contents = self._contents([change[3] or NOTHING for change in batch.facts])
        batch.arrivals = self._admission.position
        batch.erasures = self._admission.erasures.position
        batch.identities = self._admission.identities.position
        return batch

    def _after_orders(self, records: Sequence[Record]) -> bool:
        return not records or records[0].topic != self._control_topic

    def _orders(self, batch: PreparedBatch, records: Sequence[Record]) -> float:
        """Take orders; the time of the last one, 0 without one. So do `_events` and `_items`."""
        taken, now = 0.0, max(self._wall(), self._clock)
        orders: list[Ordered] = []
        erased: list[ErasedUser] = []
        for record in records:
            order = decode_control(record.value)
            if isinstance(order, Rejection):
                self._reject_all(batch, record, order)
                continue
            taken = epoch_of(record) or taken
            ordered = Ordered(order, order_time(epoch_of(record) or now, now))
            if isinstance(order, Erase):
                ordered = ordered._replace(users=self._erase(batch, record, order, ordered.at, erased))
            elif isinstance(order, Identify):
                ordered = ordered._replace(joined=self._identify(batch, record, order, erased))
            elif isinstance(order, Describe):
                self._describe(batch, record, order)
            orders.append(ordered)
        forgotten = iter(self._admission.erase_all(erased) if erased else ())
        batch.orders += [each._replace(dedupe_entries=sum(next(forgotten) for _ in each.users)) for each in orders]
        return taken

    def _erase(
        self, batch: PreparedBatch, record: Record, order: Erase, at: float, erased: list[ErasedUser]
    ) -> tuple[str, ...]:
        """Find all ids of a person. They are added to `erased`, which takes effect after the last of the orders."""
        admission = self._admission
        count = len(admission.identities.ids(order.user))
        users = admission.identities.erase(order.user, admission.erasures.position + len(erased) + count)
        erased += [(user_hash(user), at) for user in users]
        batch.histories.append(Erased(record.partition, record.offset, users[0], order.id, users[1:]))
        return users

    def _identify(self, batch: PreparedBatch, record: Record, order: Identify, erased: list[ErasedUser]) -> Joined:
        """Join two ids, unless one of them is erased, by an order just before this one perhaps."""
        gone = ChainMap(self._admission.erasures.moments, dict(erased))
        joined = self._admission.identities.join(order.anonymous, order.user, gone)
        if joined.ids:
            moved = (joined.user, joined.ids, joined.forgotten)
            batch.histories.append(Identified(record.partition, record.offset, *moved))
        return joined

    def _describe(self, batch: PreparedBatch, record: Record, order: Describe) -> None:
        """Set the attributes of a user, in Redis alone: nothing is learned from them."""
        found, left_out = checked_attributes(order.attributes)
        if left_out:
            batch.left_out[ATTRIBUTES] += len(left_out)
        attributes = found.as_json() if found is not None else b""
        batch.histories.append(Described(record.partition, record.offset, order.user, attributes))

    def _events(
        self, batch: PreparedBatch, partition: int, records: Sequence[Record], mapping: EventMapping | None = None
    ) -> float:
        topic = records[0].topic
        if mapping is None:
            found = decode_many([record.value for record in records], self._rules, batch.left_out)
            records, events = self._usable(batch, records, found)
        else:
            mapped = [*self._mapped(batch, records, mapping)]
            records, events = [record for record, _ in mapped], [event for _, event in mapped]
        # Where nobody knows when a record was written, its event has to say it.
        times = [
            record.timestamp * 1e-3 if record.timestamp > 0 else event.timestamp
            for record, event in zip(records, events, strict=True)
        ]
        turned_away = self._turned_away(batch, records, events, times)
        if turned_away:
            kept = [at for at in range(len(events)) if at not in turned_away]
            records, events, times = ([column[at] for at in kept] for column in (records, events, times))  # type: ignore[assignment]
        if not events:
            return 0.0
        if self._admission.identities.joined_among(event.user_id for event in events):
            events = [*map(self._resolved, events)]
        batch.events += events
        batch.record_times += times
        batch.attributed += [
            Attributed(topic, partition, record.offset, event)
            for record, event in zip(records, events, strict=True)
            if event.request_id is not None or event.kind == PURCHASE
        ]
        named = topic if mapping is not None else ""
        for part in _histories(partition, records, events):
            batch.histories.append(Mapped(named, part) if named else part)
        return times[-1]

    def _usable(
        self, batch: PreparedBatch, records: Sequence[Record], found: list[Event | Rejection]
    ) -> tuple[Sequence[Record], list[Event]]:
        """The records that are events, with their events. The others are refused."""
        if Rejection not in map(type, found):
            return records, cast("list[Event]", found)
        usable: list[Record] = []
        events: list[Event] = []
        for record, event in zip(records, found, strict=True):
            if isinstance(event, Rejection):
                self._reject_all(batch, record, event)
            else:
                usable.append(record)
                events.append(event)
        return usable, events

    def _turned_away(
        self, batch: PreparedBatch, records: Sequence[Record], events: Sequence[Event], times: Sequence[float]
    ) -> dict[int, str]:
        """Place -> outcome of each event that is not admitted, counted."""
        marked = any(map(_HEADERS, records))
        public = {at for at, record in enumerate(records) if is_public(record)} if marked else set()
        backfill = {at for at, record in enumerate(records) if is_backfill(record)} if marked else set()
        if public or 0 < len(backfill) < len(events):
            turned_away = {
                at: outcome
                for at, (event, time) in enumerate(zip(events, times, strict=True))
                if (outcome := self._admission.admit(event, time, at in backfill, at in public))
            }
        else:
            turned_away = self._admission.admit_all(events, times, bool(backfill))
        for at, outcome in turned_away.items():
            batch.count(outcome, public=at in public)
            batch.turned_away[events[at].kind, outcome] += 1
        return turned_away

    def _resolved(self, event: Event) -> Event:
        """The event of the user that its id stands for."""
        user = self._admission.identities.resolve(event.user_id)
        return event if user is event.user_id else msgspec.structs.replace(event, user_id=user)

    def _mapped(
        self, batch: PreparedBatch, records: Sequence[Record], mapping: EventMapping
    ) -> Iterator[tuple[Record, Event]]:
        """The events of records of another shape. What is none is counted; a record has one dead letter at most."""
        for record in records:
            mentioned = None if bool(record.headers) and is_public(record) else self._mentioned
            answers = mapping.events(record.value, record.key, record.timestamp, batch.left_out, mentioned)
            if self._mentioned.found:
                partition, offset, topic = record.partition, record.offset, record.topic
                batch.facts += [Completion(partition, offset, *said, topic) for said in self._mentioned.take()]
            batch.spread += len(answers) - 1
            refused = [place for place, answer in enumerate(answers) if isinstance(answer, Rejection)]
            if refused:
                why = answers[refused[0]]
                assert isinstance(why, Rejection)
                public = bool(record.headers) and is_public(record)
                for _ in refused:
                    batch.count("rejected", public=public)
                lines = tuple(refused) if len(answers) > 1 else ()
                self._reject(batch, record, msgspec.structs.replace(why, lines=lines))
            for answer in answers:
                if answer is None:
                    batch.count("ignored")
                elif isinstance(answer, Event):
                    yield record, answer

    def _items(self, batch: PreparedBatch, partition: int, records: Sequence[Record]) -> float:
        taken = 0.0
        left_out: Counter[str] = Counter()
        for record in records:
            completes = completed_by(record.key)
            facts = decode_item(record.key if completes is None else completes, record.value, left_out)
            if isinstance(facts, Rejection):
                self._reject_all(batch, record, facts)
                continue
            taken = epoch_of(record) or taken
            item = str(item_key(record.key if completes is None else completes))
            if completes is None:
                known: ItemFacts | None = None if isinstance(facts, Removed) else facts
                batch.facts.append((partition, record.offset, item, known))
                (self._mentioned.close if known is None else self._mentioned.forget)(item)
            elif isinstance(facts, ItemFacts) and (said := only_completed(facts)) is not None:
                batch.facts.append(Completion(partition, record.offset, item, said))
        if left_out:  # one name for all: shops choose the names of attributes, and each would be a series of its own
            batch.left_out[ATTRIBUTES] += left_out.total()
        return taken

    def _reject_all(self, batch: PreparedBatch, record: Record, rejection: Rejection) -> None:
        batch.count("rejected", public=bool(record.headers) and is_public(record))
        self._reject(batch, record, rejection)

    def _reject(self, batch: PreparedBatch, record: Record, rejection: Rejection) -> None:
        batch.refused[rejection.reason] = batch.refused.get(rejection.reason, 0) + 1
        if isinstance(record.value, Cut) and rejection.reason == "oversize":
            rejection = msgspec.structs.replace(rejection, found=f"{record.value.length} bytes")
        self._refuse(record, rejection)


def _histories(partition: int, records: Sequence[Record], events: Sequence[Event]) -> Iterator[dict[str, list[Entry]]]:
    """The entries of users in order, in parts of one script each. What one record holds is in one part."""
    entries = [
        (event.user_id, (partition, record.offset, event.timestamp, event.kind, event.item_id))
        for record, event in zip(records, events, strict=True)
        if event.kind in HISTORY_KINDS and event.item_id is not None
    ]
    start = 0
    while start < len(entries):
        stop = min(start + ENTRIES_TOGETHER, len(entries))
        while stop < len(entries) and entries[stop][1][1] == entries[stop - 1][1][1]:
            stop += 1
        part: defaultdict[str, list[Entry]] = defaultdict(list)
        for user, entry in entries[start:stop]:
            part[user].append(entry)
        yield dict(part)
        start = stop
