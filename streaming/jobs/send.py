"""Sends a file of events, and the facts of their items, to the topics; every line is sent or refused.

The file is read twice: once to say what is in it before anything is sent, and once to send it. A small state file keeps
how far the broker has everything, so that a run that was stopped goes on where it was, and a file that has grown is
sent from where it ended.
"""

from __future__ import annotations

import hashlib
import itertools
import math
import operator
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import msgspec
import xxhash

from models.records import KINDS, ItemFacts, encode, encode_item
from models.structs import Prepared
from streaming.files import (
    FileError,
    Layout,
    Outcome,
    Passed,
    RowFile,
    RowRefused,
    Shown,
    Survey,
    identity,
    read_events,
)
from streaming.kafka import BrokerAway, Delivery, EventProducer, KafkaTrouble, RecordRefused
from streaming.settings import Settings

NOTE_INTERVAL: Final = 1.0
"""Seconds between two writes of the state file. After a crash the lines since are sent again; their event_ids make that
harmless."""

PATIENCE: Final = 60.0
"""Seconds without one acknowledged record after which the broker counts as gone."""

IN_FLIGHT: Final = 20_000
"""Records in flight; it bounds memory when the broker takes nothing."""

_TICK: Final = 4096

SHOWN_REFUSALS: Final = 20
"""Refused lines that are reported one by one; the rest is counted."""

SORTED_AT_MOST: Final = 1_000_000
"""Rows of a file that are sorted by time before they are sent; they are all in memory then."""


class SendProgress(msgspec.Struct, metaclass=Prepared):
    """How far a file has been sent.

    Attributes:
        rows: Events and lines from its beginning that the broker has or that were refused.
        complete: Whether that was the whole file.
        digest: Of what these rows say, by which a file that has grown is told from another one.
    """

    rows: int = 0
    complete: bool = False
    digest: int = 0


class Report(msgspec.Struct, metaclass=Prepared):
    """What one run did.

    Attributes:
        file: Path of the file.
        sent: Events sent.
        items: Item facts sent.
        refused: Rows that hold no usable event.
        passed: Rows that were left out on purpose.
        resumed_at: Rows that earlier runs had done.
        seconds: How long the run took.
        complete: Whether the whole file was read.
        dry_run: Whether nothing was sent.
        by_type: Events sent, by event type.
        refusals: The first SHOWN_REFUSALS refused rows.
        file_report: What was found in the file.
    """

    file: str
    sent: int = 0
    items: int = 0
    refused: int = 0
    passed: int = 0
    resumed_at: int = 0
    seconds: float = 0.0
    complete: bool = False
    dry_run: bool = False
    by_type: dict[str, int] = msgspec.field(default_factory=dict)
    refusals: list[RowRefused] = msgspec.field(default_factory=list)
    file_report: dict[str, Any] = msgspec.field(default_factory=dict)


class Options(msgspec.Struct, metaclass=Prepared, frozen=True):
    """How to send a file.

    Attributes:
        layout: How its columns and types are named.
        limit: Events to send in this run at most.
        rate: Events per second at most.
        restart: Forget how far earlier runs came.
        dry_run: Check and count only; send nothing.
    """

    layout: Layout = Layout()
    limit: int | None = None
    rate: float | None = None
    restart: bool = False
    dry_run: bool = False


def state_path(settings: Settings, file: Path, layout: Layout) -> Path:
    """Path of the state of this file, read with this layout into this topic. Raises FileError."""
    words = msgspec.to_builtins(layout)
    words.pop("flagged", None)  # says nothing that `types` does not say
    target = repr((settings.kafka.bootstrap, settings.topic("events"), msgspec.json.encode(words, order="sorted")))
    name = f"{identity(file, layout.encoding)}-{hashlib.sha256(target.encode()).hexdigest()[:8]}.json"
    return settings.data_dir / "send" / name


def _digested(before: int, outcome: Outcome) -> int:
    """The digest of rows up to this one, from that of the rows before it."""
    said = f"{outcome.event.event_id} {outcome.event.timestamp}" if isinstance(outcome, Shown) else "-"
    return xxhash.xxh64_intdigest(said.encode(), before)


def load_state(path: Path) -> SendProgress:
    """The state of an earlier run; an empty one when there is none or it cannot be read."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=SendProgress)
    except (OSError, msgspec.MsgspecError):
        return SendProgress()


def _save(path: Path, state: SendProgress) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    new = path.with_suffix(".new")
    new.write_bytes(msgspec.json.encode(state))
    new.replace(path)


class Sender:
    """Sends one file. `report` is up to date at any moment.

    Args:
        settings: The topics, the rules of events and where state files are.
        file: A file that `streaming.files` reads.
        options: How to send it.
        items: Facts of items that are known before the first line.
    """

    def __init__(
        self, settings: Settings, file: Path, options: Options, items: dict[str, ItemFacts] | None = None
    ) -> None:
        self._settings, self._file, self._options, self._items = settings, file, options, items or {}
        self._path = state_path(settings, file, options.layout)
        self.state = SendProgress() if options.restart or options.dry_run else load_state(self._path)
        self.report = Report(str(file), dry_run=options.dry_run)
        self.survey = Survey(str(file))
        self._types: Counter[str] = Counter()
        self._flying: deque[tuple[SendProgress, Outcome, list[Delivery | RecordRefused]]] = deque()
        self._rows: RowFile | None = None
        self._noted = self._acknowledged = time.monotonic()

    def done(self) -> float:
        """Share of the file's bytes that were read, from 0 to 1."""
        return self._rows.done() if self._rows is not None else 0.0

    def look(self, tick: Callable[[], None] = lambda: None, now: float = math.inf) -> Survey:
        """Read the file and say what is in it. Finds out which of its rows were sent before.

        Args:
            tick: Called now and then.
            now: Later events are counted as ahead, epoch seconds.

        Raises:
            FileError: The file or its layout cannot be used, or times have no zone and are to be sent.
        """
        digest, same, rows = 0, self.state.rows == 0, 0
        most = None if self._options.limit is None else self.state.rows + self._options.limit
        with RowFile(self._file, self._options.layout.encoding) as self._rows:
            for rows, outcome in enumerate(self._outcomes(self.survey, now), 1):
                digest = _digested(digest, outcome)
                if rows == self.state.rows:
                    same = digest == self.state.digest
                if rows % _TICK == 0:
                    tick()
                if most is not None and rows >= most:
                    break
        if not same:
            self.state = SendProgress()
        elif self.state.complete and rows > self.state.rows:
            self.state.complete = False
        self.report.resumed_at = self.state.rows
        if self._options.limit is not None and self.survey.moved and not self._options.dry_run:
            raise FileError(
                f"{self._file} is not in the order of time, and its rows are sorted: a part of them (--limit) would "
                "be sent again by the next run. Sort the file, or leave out --limit"
            )
        if not self._options.dry_run and not self.state.complete and self.survey.zoneless:
            raise FileError(
                f"{self._file}: times such as {self.survey.zoneless} name no zone: add --zone UTC, or the shop's, for "
                "example --zone Europe/Berlin (--dry-run reads them as UTC)"
            )
        return self.survey

    def dry_run(self) -> Report:
        """What `look` has found, as the report of a run that sent nothing."""
        survey, report = self.survey, self.report
        report.sent, report.items, report.refused, report.passed = (
            survey.events,
            survey.items,
            survey.refused,
            survey.passed,
        )
        report.by_type = dict(sorted(survey.by_type.items()))
        report.refusals, report.complete = survey.refusals[:SHOWN_REFUSALS], True
        return report

    def _outcomes(self, survey: Survey, now: float = math.inf) -> Iterator[Outcome]:
        assert self._rows is not None
        options, rules = self._options, self._settings.events.rules()
        return read_events(self._rows, options.layout, rules, self._items, survey, now, event_ids=True)

    def run(self, producer: EventProducer | None, tick: Callable[[], None] = lambda: None) -> Report:
        """Send the rows that are left. The state is kept after an error and after Ctrl-C as well.

        Args:
            producer: Sends to Kafka; None for a dry run.
            tick: Called now and then.

        Raises:
            FileError: The file or its layout cannot be used.
            KafkaTrouble: The broker went away or refuses a record.
        """
        began = time.monotonic()
        if not self.survey.form:
            self.look(tick)
        if self.state.complete:
            self.report.complete = True
            return self.report
        with RowFile(self._file, self._options.layout.encoding) as self._rows:
            try:
                self._through(self._left(self._outcomes(Survey(str(self._file)))), producer, began, tick)
                self._land(producer, wait=True)
            finally:
                self.report.seconds = time.monotonic() - began
                self.report.by_type = dict(sorted((+self._types).items()))
                if producer is not None:
                    _save(self._path, self.state)
        return self.report

    def _left(self, outcomes: Iterator[Outcome]) -> Iterator[tuple[SendProgress, Outcome]]:
        """The rows that are left in order of time, each with how far the file is sent once the broker has it."""
        digest = 0
        # Rows done by an earlier run are read all the same, so that the facts of their items count as sent.
        for outcome in itertools.islice(outcomes, self.state.rows):
            digest = _digested(digest, outcome)
        rows = enumerate(outcomes, self.state.rows + 1)
        if not self.survey.moved:
            for row, outcome in rows:
                digest = _digested(digest, outcome)
                yield SendProgress(row, digest=digest), outcome
            return
        # Sorted rows are not those from the beginning of the file: only the end of all of them is kept.
        held: list[tuple[float, Outcome]] = []
        moment = -math.inf
        for _, outcome in rows:
            digest = _digested(digest, outcome)
            moment = outcome.event.timestamp if isinstance(outcome, Shown) else moment
            held.append((moment, outcome))
            if len(held) > SORTED_AT_MOST:
                raise FileError(
                    f"{self._file} is not in the order of time, and more than {SORTED_AT_MOST:,} rows are left: sort "
                    "it by its times before it is sent"
                )
        held.sort(key=operator.itemgetter(0))
        now, end = self.state, SendProgress(self.state.rows + len(held), digest=digest)
        for place, (_, outcome) in enumerate(held, 1):
            yield (end if place == len(held) else now), outcome

    def _through(
        self,
        outcomes: Iterator[tuple[SendProgress, Outcome]],
        producer: EventProducer | None,
        began: float,
        tick: Callable[[], None],
    ) -> None:
        for progress, outcome in outcomes:
            self._flying.append((progress, outcome, self._one(outcome, producer)))
            if len(self._flying) % 256 == 0 or self._options.rate is not None:
                self._land(producer)
                tick()
            self._pace(began)
            if self._options.limit is not None and self.report.sent >= self._options.limit:
                return
        self.report.complete = True

    def _one(self, outcome: Outcome, producer: EventProducer | None) -> list[Delivery | RecordRefused]:
        if isinstance(outcome, Passed):
            self.report.passed += 1
            return []
        if isinstance(outcome, RowRefused):
            self._refuse(outcome)
            return []
        event = outcome.event
        self.report.sent += 1
        self.report.items += outcome.facts is not None
        self._types[KINDS[event.kind]] += 1
        if producer is None:
            return []
        deliveries: list[Delivery | RecordRefused] = []
        if outcome.facts is not None and event.item_id is not None:
            item_id, facts = event.item_id, encode_item(outcome.facts)
            deliveries.append(self._patiently(lambda: producer.send("items", item_id, facts), producer))
        value = encode(event)
        deliveries.append(
            self._patiently(lambda: producer.send("events", event.user_id, value, backfill=True), producer)
        )
        return deliveries

    def _refuse(self, row: RowRefused) -> None:
        self.report.refused += 1
        if len(self.report.refusals) < SHOWN_REFUSALS:
            self.report.refusals.append(row)

    def _patiently(self, send: Callable[[], Delivery], producer: EventProducer) -> Delivery | RecordRefused:
        """Send, waiting while the buffer is full and the broker still takes something."""
        while True:
            try:
                return send()
            except RecordRefused as refused:
                return refused
            except BrokerAway as away:
                if away.kind != "full":
                    raise
                self._land(producer)
                time.sleep(0.005)

    def _land(self, producer: EventProducer | None, *, wait: bool = False) -> None:
        """Take the rows that the broker has from the front, and save how far that is."""
        while self._flying:
            progress, outcome, deliveries = self._flying[0]
            under_way = [each for each in deliveries if isinstance(each, Delivery) and not each.done()]
            if under_way:
                if not (wait or len(self._flying) > IN_FLIGHT):
                    break
                self._await(under_way)
                continue
            errors = [each.error if isinstance(each, Delivery) else each for each in deliveries]
            for error in errors:
                if error is not None and not isinstance(error, RecordRefused):
                    raise error
            self._flying.popleft()
            self._count_refused(outcome, errors)
            self.state.rows, self.state.digest = progress.rows, progress.digest
            self._acknowledged = time.monotonic()
        if time.monotonic() - self._acknowledged > PATIENCE:
            raise BrokerAway(f"Kafka took nothing for {PATIENCE:g} s", "timeout")
        self.state.complete = wait and self.report.complete and not self._flying
        if producer is not None and time.monotonic() - self._noted > NOTE_INTERVAL:
            _save(self._path, self.state)
            self._noted = time.monotonic()

    def _count_refused(self, outcome: Outcome, errors: Sequence[KafkaTrouble | None]) -> None:
        """Count a row as refused where Kafka refuses its event, or the facts sent before it, for good."""
        refused = next((error for error in errors if error is not None), None)
        if refused is None or not isinstance(outcome, Shown):
            return
        self._refuse(RowRefused(outcome.line, str(refused)))
        if errors[-1] is not None:  # the event; facts go before it
            self.report.sent -= 1
            self._types[KINDS[outcome.event.kind]] -= 1

    @staticmethod
    def _await(deliveries: Sequence[Delivery]) -> None:
        for delivery in deliveries:
            with suppress(RecordRefused):
                delivery.wait(PATIENCE)

    def _pace(self, began: float) -> None:
        if self._options.rate is not None:
            ahead = self.report.sent / self._options.rate - (time.monotonic() - began)
            if ahead > 0:
                time.sleep(ahead)
