"""Learns the events of some partitions: one round after another, each of which ends in a part for the coordinator.

A worker does nothing by itself: the holder of the lease asks for each round, and between two rounds it waits. So a
coordinator that lost the lease cannot let it go on, and a merge is a cut of all shards at one moment.
"""

from __future__ import annotations

import logging
import os
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from typing import Final

import numpy as np

from models.ledger import RING, Arrivals, Progress
from models.merging import Shard, from_arrays, to_arrays
from models.recommender import EventBatch, Overwritten, Tested
from models.records import Rejection
from models.snapshot import Damaged, Incompatible, TooNew
from models.state import SCHEMA
from streaming import versions
from streaming.consumer import KafkaSource
from streaming.evidence import named
from streaming.intake import (
    ARRIVAL_SAMPLES,
    DeadLetterWriter,
    Intake,
    KnownItems,
    PreparedBatch,
    contents_by,
    intake_of,
    recommender_settings,
)
from streaming.intake.catalogue import Known
from streaming.kafka import BrokerAway, DataUnreadable, EventProducer, KafkaTrouble, Record
from streaming.learning import Model, advance, learn_batch
from streaming.live import LiveWriter
from streaming.settings import Settings, brief
from streaming.shards.crew_messages import (
    Ask,
    Began,
    Begin,
    Fact,
    Report,
    Rows,
    Told,
    packed,
    read,
    tell,
    unpacked,
    write,
)
from streaming.shards.ownership import owned_by
from streaming.shards.panel import Panel
from streaming.shards.seen import Seen
from streaming.store import Store, StoreUnavailable

log = logging.getLogger(__name__)

FLUSH: Final = 0.5
"""Seconds to wait for dead letters to be written before offering another one."""

SETTLING: Final = 0.05
"""Seconds that a round waits at its end for dead letters on their way."""

CLOSING: Final = 1.0
"""Seconds that each of a worker's threads gets to end."""

FULL: Final = 0.05
"""Seconds between attempts while so many histories wait for Redis that nothing more may be read."""


class Refused(Exception):
    """A call that belongs to another term, or that a worker without a model cannot answer."""


class Worker:
    """One shard. For one thread: a call begins when the one before it has ended.

    Args:
        settings: Every shard has the same.
        place: Where it runs, for those who have to end it.
        clock: Monotonic seconds.
    """

    def __init__(self, settings: Settings, place: str = "", clock: Callable[[], float] = time.monotonic) -> None:
        self._settings, self._place, self._clock = settings, place, clock
        self._stack = ExitStack()
        self._term = ""
        self._learning: _Learning | None = None

    def begin(self, raw: bytes) -> bytes:
        """Load the version that the coordinator names and open the log; `Begin` in, `Began` out."""
        started = self._clock()
        ask = read(raw, Begin)
        self.close()
        try:
            self._learning = _Learning(self._settings, ask, self._stack, self._clock)
        except (KafkaTrouble, StoreUnavailable, OSError, Damaged, TooNew, Incompatible, Refused) as error:
            self.close()
            return write(Began(trouble=str(error) or type(error).__name__))
        except versions.NoSoundVersion as error:
            self.close()
            return write(Began(trouble=str(error)))
        self._term = ask.term
        return write(Began(os.getpid(), self._place, self._clock() - started))

    def round(self, raw: bytes, merges: Sequence[Rows]) -> tuple[bytes, Rows]:
        """Take over merges, then learn; `Ask` in, `Report` and rows out. Raises Refused."""
        ask = read(raw, Ask)
        report, rows = self._of(ask.term).round(ask, merges)
        return write(report), rows

    def go_on(self, raw: bytes, excerpts: Rows) -> tuple[bytes, Rows]:
        """Take over what the excerpts of all shards became, then learn the round's next piece. Raises Refused."""
        ask = read(raw, Ask)
        report, rows = self._of(ask.term).go_on(ask, excerpts)
        return write(report), rows

    def settle(self, term: str) -> tuple[bytes, Rows]:
        """The report of the last round once more, which was not settled then. Raises Refused."""
        report, rows = self._of(term).settle()
        return write(report), rows

    def close(self) -> None:
        """Let go of the model, the log and Redis."""
        self._term, self._learning = "", None
        stack, self._stack = self._stack, ExitStack()
        stack.close()

    def _of(self, term: str) -> _Learning:
        if self._learning is None or self._term != term:
            raise Refused(f"this shard is not in term {term}")
        return self._learning


class _Learning:
    """A worker from one version on."""

    def __init__(self, settings: Settings, ask: Begin, stack: ExitStack, clock: Callable[[], float]) -> None:
        self._settings, self._number, self._clock = settings, ask.shard, clock
        store, histories = Store.for_learner(settings), Store.for_histories(settings)
        stack.callback(store.close)
        stack.callback(histories.close)
        self._model = _load(settings, store, ask)
        self._merging: Shard | None = None
        self._source = KafkaSource(brief(settings), [settings.topic("events")], owned=owned_by(settings, ask.shard))
        stack.callback(self._source.close)
        topic = settings.topic("events")
        self._source.assign({topic: ask.offsets})
        self._model.progress = Progress(offsets={topic: dict(ask.offsets)}, arrivals=self._model.admission.position)
        producer = EventProducer(brief(settings), "sluicegate-deadletter")
        stack.callback(lambda: producer.close(CLOSING))
        self._failures = 0
        self._letters = DeadLetterWriter(producer)
        stack.callback(lambda: self._letters.close(CLOSING))
        self._went_back = False
        topics = {"events": self._source.topic_ids()[topic]}
        self._live = LiveWriter(histories, topics, clock, lambda: None, went_back=self._lost)
        self._intake: Intake = intake_of(settings, self._model.admission, contents_by("words"), self._refuse)
        self._arrivals = self._model.admission.position
        self._live_number = 0
        self._refresh_at = clock() + settings.kafka.refresh_interval
        self._report: Report | None = None
        self._seen = Seen()
        self._panel = Panel(settings, store, clock)
        stack.callback(self._panel.close)

    def _lost(self) -> None:
        self._went_back = True

    def _refuse(self, record: Record, rejection: Rejection) -> None:
        while not self._letters.write(record, rejection):
            self._letters.flush(FLUSH)

    def round(self, ask: Ask, merges: Sequence[Rows]) -> tuple[Report, Rows]:
        """Take over merges, learn until the time or the events are used up, and hand in what was learned.

        What is handed in is an excerpt where the round has another piece.
        """
        started = self._clock()
        self._take_over(merges, ask.told)
        report = Report(ask.number, began={t: dict(places) for t, places in self._model.progress.offsets.items()})
        report.applying = self._clock() - started
        self._arrivals = self._model.progress.arrivals
        self._report = report
        return self._piece(report, ask, started)

    def go_on(self, ask: Ask, excerpts: Rows) -> tuple[Report, Rows]:
        """Take over the excerpts of all shards, and learn the next piece of the round."""
        started, report = self._clock(), self._report
        if report is None or report.number != ask.number:
            raise Refused(f"round {ask.number} is not under way")
        if self._merging is not None:
            self._merging.take_over(from_arrays(excerpts))
        report.applying += self._clock() - started
        return self._piece(report, ask, started)

    def _piece(self, report: Report, ask: Ask, started: float) -> tuple[Report, Rows]:
        try:
            self._learn(report, started + ask.seconds, ask.events)
        except BrokerAway as error:
            log.warning("shard %d waits: %s", self._number, error)  # what was read until now is handed in
        except KafkaTrouble as error:
            report.trouble = str(error) or type(error).__name__
        if ask.last or report.trouble or self._went_back or self._merging is None:
            return self.settle()
        began = self._clock()
        rows = to_arrays(self._merging.excerpt().changes)
        report.taking += self._clock() - began
        return Report(ask.number, excerpt=True), rows

    def settle(self) -> tuple[Report, Rows]:
        """The report, with rows once histories and dead letters are written."""
        report = self._report
        if report is None:
            raise Refused("there is no round to settle")
        if self._went_back:
            report.trouble = "Redis holds less than was written to it"
        if report.trouble:
            return report, {}
        self._live.flush()
        report.settled = self._live.flushed >= self._live_number and self._letters.wait_settled(
            self._letters.accepted, SETTLING
        )
        if self._went_back or not report.settled or self._merging is None:
            time.sleep(SETTLING)  # the coordinator asks again at once
            return report, {}
        self._report = None
        started = self._clock()
        progress, admission = self._model.progress, self._model.admission
        report.progress = progress.copy()
        report.window = packed(admission.since(self._arrivals, progress.arrivals))
        progress.consumed = progress.digest = progress.spread = 0
        progress.outcomes = {}
        report.answers, report.questions = self._panel.take()
        rows = to_arrays(self._merging.take().changes) | self._seen.take()
        report.taking += self._clock() - started
        return report, rows

    def _take_over(self, merges: Sequence[Rows], told: Sequence[Told]) -> None:
        model = self._model
        for rows, done in zip(merges, told, strict=True):
            changes = from_arrays(rows)
            if self._merging is None:
                model.state.apply(changes)
            else:
                self._merging.apply(changes)
            tell(model.admission, done.people)
            for fact in done.facts:
                self._describe(fact)
        if self._merging is None:
            self._merging = Shard(model.state, self._number, self._settings.learner.shards)

    def _describe(self, fact: Fact) -> None:
        known = Known(fact.category, fact.brand, fact.price, fact.available, fact.content, fact.group_id)
        self._model.catalogue.follow(fact.item, known if fact.listed else None)

    def _learn(self, report: Report, limit: float, events: int) -> None:
        source, learner = self._source, self._settings.learner
        if self._clock() >= self._refresh_at:
            self._refresh_at = self._clock() + self._settings.kafka.refresh_interval
            for topic, partition in source.refresh_partitions():
                log.info("shard %d reads new partition %s[%d]", self._number, topic, partition)
        left_out = Counter(report.left_out)
        left = min(events, self._merging.left() if self._merging is not None else 0)
        while left > 0 and not self._went_back and (seconds := limit - self._clock()) > 0:
            if self._live.full and not self._live.flush():
                time.sleep(min(FULL, seconds))
                continue
            most = min(left, learner.batch_size)
            try:
                polled = source.poll(min(learner.poll_timeout, seconds), most)
            except DataUnreadable:
                continue  # the others go on; the report names it
            report.full = sum(map(len, polled)) >= most
            for records in self._intake.steps(polled):
                left -= self._learn_batch(records, report, left_out)
        report.left_out = dict(left_out)
        report.unreadable = sorted((each.kind, str(each)) for each in source.unreadable)
        report.lag = source.lag().get(self._settings.topic("events"), {})

    def _learn_batch(self, records: Sequence[Sequence[Record]], report: Report, left_out: Counter[str]) -> int:
        batch = self._intake.prepare(records)
        self._live_number = self._live.add(batch.histories, batch.facts)
        self._live.flush()
        started, spent = self._clock(), self._panel.spent
        with self._panel.learning():
            learn_batch(self._model, batch, learn_events=self._learn_events)
        report.learning += self._clock() - started - (self._panel.spent - spent)
        advance(self._model.progress, batch)
        left_out.update(batch.left_out)
        for counts, more in ((report.refused, batch.refused), (report.public, batch.public)):
            for name, count in more.items():
                counts[name] = counts.get(name, 0) + count
        for _, partition, offsets, taken in batch.offsets:
            report.counts[partition] = report.counts.get(partition, 0) + len(offsets)
            if taken:
                report.record_times[partition] = taken
        report.times += batch.sampled_times(ARRIVAL_SAMPLES)[: max(0, 64 - len(report.times))]
        report.named += named(batch.events)
        return sum(map(len, records))

    def _learn_events(self, batch: PreparedBatch, model: Model) -> None:
        catalogue = model.catalogue

        def watch(events: EventBatch, tested: Tested, found: Overwritten) -> None:
            self._seen.watch(events, tested, found)
            self._panel.ask(model.state, events, tested, found)

        model.recommender.learn_events(batch.events, batch.record_times, catalogue.facts, watch, catalogue.groups)


def _load(settings: Settings, store: Store, ask: Begin) -> Model:
    """The model of the version, with what the coordinator has accepted, erased and joined since."""
    ceilings = recommender_settings(settings).ceilings()
    loaded = versions.load(store, ask.version, SCHEMA, served_only=False, ceilings=ceilings)
    if loaded is None or loaded.manifest.id != ask.version:
        raise Refused(f"version {ask.version} is damaged or gone")
    loaded.arrivals = followed(loaded.arrivals, unpacked(ask.window), loaded.manifest.progress.arrivals)
    model = Model.of_version(settings, loaded, KnownItems.of(store), settings.learner.shards)
    model.admission.erase_all(ask.erased)
    for join in ask.joins:
        if join.anonymous:
            model.admission.identities.join(join.anonymous, join.user)
    return model


def followed(window: Arrivals | None, more: Arrivals, position: int) -> Arrivals:
    """A dedupe window that ends at `position`, and the events accepted after it."""
    stop = position + len(more.time)
    if window is None:
        return more._replace(stop=stop)
    events, users, times = (np.concatenate(pair)[-RING:] for pair in zip(window[:3], more[:3], strict=True))
    return Arrivals(events, users, times, stop)


__all__ = ["Refused", "Worker"]
