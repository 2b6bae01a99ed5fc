"""In: the lease and a version. Out: one term as the learner: every record tested, learnt and versioned, in order.

Three threads: the intake polls and decodes; the second writes histories; the learner takes the batches whose histories
are written, learns, and cuts versions. None waits for the others' work: the compiled step releases the interpreter.
"""

from __future__ import annotations

import contextlib
import logging
import queue
import threading
from typing import Any

from models.ledger import Admission
from models.recommender import Recommender
from models.records import Erase, Rejection
from streaming.evidence import behind
from streaming.intake import ARRIVAL_SAMPLES, HistoryStage, Intake, Ordered, Passed, PreparedBatch
from streaming.kafka import BrokerAway, KafkaTrouble, Record, TopicMissing
from streaming.learner.batching import BatchTrainer
from streaming.learner.orders import QuarantineOrders, erase
from streaming.learner.parts import Model, Parts
from streaming.learner.stopping import Stop

log = logging.getLogger(__name__)

AHEAD = 2
"""Batches that may be decoded before they are learnt: enough to overlap, few enough to keep memory small."""

SOON = 0.05
"""Seconds until the next look at what a version waits for."""

LATER = 0.5
"""The same after a wait in vain for dead letters: with a broker away the learner waits a tenth of its time at most."""

REOPEN = 30.0
"""Seconds of the same unexplained trouble with Kafka after which the term ends and its client is made anew."""

HOUSEKEEPING = 2.0
"""Seconds between measurements of lag: one question to each broker, a few milliseconds."""

QUESTION = 0.5
"""Seconds that Kafka has to answer it; nothing is read meanwhile."""

SERVED_SAMPLES = 64
"""Record times a version carries, from which the service tells how long its events took to be served."""


class BatchGivenUp(Exception):
    """The term ends before this batch can be whole: it was not learnt, and is read again next time."""


class AdoptionDue(Exception):
    """Another model is to be learnt on from: a new term begins with it."""


class LeaseLost(Exception):
    """Another learner may have taken over: stop applying, load again, stand by."""


class Term:
    """`run` until `stop` is set (then everything polled is learnt and versioned), or this is not our model any more."""

    def __init__(self, model: Model, parts: Parts, stop: Stop) -> None:
        self._model, self._parts, self._stop = model, parts, stop
        self._batches: queue.Queue[Passed] = queue.Queue(AHEAD)
        self._over = threading.Event()
        self._mirroring = HistoryStage(parts.mirror, self._hand_over, self._over, stop.is_set)
        rules = parts.settings.events.rules()
        mappings = parts.settings.mappings()
        self._intake = Intake(rules, model.admission, parts.topics, self._refuse, parts.contents, mappings)
        self._quarantining = QuarantineOrders(
            parts.settings, parts.store, model.recommender.settings, self._reread, stop.is_set
        )
        self._cut_at = parts.monotonic()
        self._served_times: list[float] = []
        self._mirrored = self._letters = 0
        self._measure_at = self._cut_at
        self._full = False
        self._refresh_at = self._cut_at + parts.settings.kafka.refresh_interval
        update = parts.settings.update
        self._batching = BatchTrainer(update, parts.telemetry, parts.monotonic) if update.mode == "batch" else None
        self._ended = False
        self._trained: dict[str, Any] = {}

    def run(self) -> None:
        """Learn until told to stop. Raises LeaseLost, AdoptionDue, and what the intake met that waiting cannot mend."""
        thread = threading.Thread(target=self._take_in, name="intake", daemon=True)
        self._mirroring.start()
        thread.start()
        try:
            while self._step():
                pass
        finally:
            self._over.set()
            self._drain()
            thread.join(self._stop.share(10.0))
            self._mirroring.join(self._stop.share(10.0))

    def _step(self) -> bool:
        if not self._parts.leadership.held():
            raise LeaseLost
        if self._parts.adoption.due(self._model.progress):
            raise AdoptionDue
        batch = self._next(0.05)
        if self._ended:
            return False
        if batch is None:
            self._parts.evidence.idle()
        elif self._batching is None:
            self._learn(batch)
        else:
            self._batching.add(batch)
        if self._batching is not None and self._batching.due:
            self._train(self._batching)
        if self._parts.monotonic() - self._cut_at >= self._parts.settings.learner.version_interval:
            self.cut()
        return True

    def _next(self, timeout: float) -> PreparedBatch | None:
        """The next batch, None when there is none in time, or none any more. Raises what ended the intake."""
        try:
            batch = self._batches.get(timeout=timeout) if timeout else self._batches.get_nowait()
        except queue.Empty:
            return None
        if isinstance(batch, BaseException):
            raise batch
        self._ended = batch is None
        return batch

    def _train(self, batching: BatchTrainer) -> None:
        """Learn what was collected; a version of it is due at once."""

        def alive() -> bool:
            # Histories are written by whoever fills the queue: it is emptied while we train, so that they do not wait.
            if not self._parts.leadership.held():
                raise LeaseLost
            while not batching.full and not self._ended and (batch := self._next(0.0)) is not None:
                batching.add(batch)
            return not self._stop.is_set()

        self._trained = batching.train(self._learn, self._model.recommender, alive)
        self._cut_at = float("-inf")

    def _drain(self) -> None:
        """Let an intake that waits for room in the queue see that the term is over."""
        while True:
            try:
                self._batches.get_nowait()
            except queue.Empty:
                return

    def _learn(self, batch: PreparedBatch) -> None:
        for ordered in batch.orders:
            self._carry_out(ordered)
        recommender, progress, telemetry = self._model.recommender, self._model.progress, self._parts.telemetry
        if batch.facts:
            self._model.catalogue.take(recommender, batch.facts, batch.contents)
        if batch.events:
            with telemetry.step.time():
                self._learn_events(batch)
            batch.outcomes["learnt"] = len(batch.events)
            self._parts.witnessing.offer(batch.events, self._model.state, progress.consumed)
            self._parts.attributing.offer(batch.events)
        self._full = sum(len(part[2]) for part in batch.offsets) >= self._parts.settings.learner.batch_size
        for topic, partition, offsets, record_time in batch.offsets:
            progress.advance(topic, partition, offsets, record_time)
        for outcome, count in batch.outcomes.items():
            progress.count(outcome, count)
        progress.arrivals, progress.erasures = batch.arrivals, batch.erasures
        self._mirrored, self._letters = batch.mirrored, batch.letters
        self._served_times.extend(batch.sampled_times(ARRIVAL_SAMPLES)[: SERVED_SAMPLES - len(self._served_times)])
        self._report(batch)

    def _carry_out(self, ordered: Ordered) -> None:
        order, parts = ordered.order, self._parts
        if isinstance(order, Erase):
            receipt = erase(order, ordered.at, ordered.dedupe_entries, self._model.recommender)
            parts.receipts.note(receipt)
            log.info("erasure %s: %s", receipt.id, receipt)
        elif self._quarantining.carry_out(order, ordered.at, self._model):
            parts.checkpointer.rebase()
            parts.evidence.renew()
        parts.telemetry.orders.labels(type(order).__struct_config__.tag).inc()

    def _reread(self, admission: Admission) -> Intake:
        """What reads records a second time: those that are refused are in the dead letter already."""
        parts = self._parts
        rules, mappings = parts.settings.events.rules(), parts.settings.mappings()
        return Intake(rules, admission, parts.topics, lambda *_: None, parts.contents, mappings)

    def _learn_events(self, batch: PreparedBatch) -> None:
        evidence, started = self._parts.evidence, self._parts.monotonic()
        spent, watch = evidence.spent, evidence.watcher(self._model.state)
        facts = self._model.catalogue.facts
        self._model.recommender.learn_events(batch.events, batch.record_times, facts, watch)
        seconds = self._parts.monotonic() - started - (evidence.spent - spent)
        evidence.note(seconds, {**batch.outcomes, "learnt": len(batch.events)})

    def _report(self, batch: PreparedBatch) -> None:
        telemetry = self._parts.telemetry
        for outcome, count in batch.outcomes.items():
            telemetry.events.labels(outcome).inc(count)
        for reason, count in batch.refused.items():
            telemetry.deadletters.labels(reason).inc(count)
        for topic, partition, offsets, record_time in batch.offsets:
            telemetry.consumed.labels(topic).inc(len(offsets))
            telemetry.record_time.labels(topic, str(partition)).set(record_time)
        telemetry.watermark.set(self._model.progress.watermark)

    def cut(self, *, last: bool = False) -> bool:
        """Hand what changed to the uploader; False when Redis or Kafka must first take what belongs before it.

        last: regardless of intervals.
        """
        parts, model = self._parts, self._model
        self._cut_at = parts.monotonic()
        if parts.checkpointer.fenced:
            parts.leadership.lose()
            return False
        if last:
            parts.deadletter.flush(self._stop.share(1.0))
        if parts.mirror.flushed < self._mirrored:
            # What belongs before this version is not yet in Redis: look again soon.
            self._cut_at += SOON - parts.settings.learner.version_interval
            return False
        # Waited for here: where bad records keep coming, some are on their way to Kafka at almost any moment.
        if not parts.deadletter.wait_settled(self._letters, SOON):
            self._cut_at += LATER - parts.settings.learner.version_interval
            return False
        recommender = model.recommender
        applied = recommender.counters()["applied"]
        lag = behind(self._full, parts.wall(), model.progress)
        # What is collected on purpose is not late: of batches the way to what is served is not timed.
        times = self._served_times if self._batching is None else []
        evidence = {"record_times": times, "standing": parts.evidence.standing(lag, applied, parts.attributing.exposed)}
        evidence["asked"] = parts.evidence.asked()
        if self._trained:
            evidence["batch"] = self._trained
        if parts.checkpointer.cut(
            model.state,
            model.progress,
            model.admission,
            evidence,
            served_by=recommender.chosen,
            receipts=parts.receipts.waiting,
            force=last,
        ):
            self._served_times = []
        self._show(recommender)
        return True

    def _show(self, recommender: Recommender) -> None:
        telemetry = self._parts.telemetry
        telemetry.scores(recommender.scores())
        telemetry.ceilings(recommender.counters())
        for name, keys in self._model.state.keys.items():
            telemetry.keys.labels(name).set(len(keys))
        telemetry.memory.set(self._model.state.nbytes())
        progress = self._model.progress
        held = sum(each.events for each in progress.quarantines if each.state == "held")
        telemetry.quarantined.labels("quarantined").set(held)
        telemetry.quarantined.labels("dropped").set(progress.outcomes.get("dropped", 0))

    # The intake's side

    def _take_in(self) -> None:
        try:
            said, since = "", 0.0
            while not (self._stop.is_set() or self._over.is_set()):
                try:
                    self._poll()
                    self._housekeeping(self._parts.monotonic())
                    said = ""
                except (BrokerAway, TopicMissing) as error:
                    if str(error) != said:
                        said, since = str(error), self._parts.monotonic()
                        log.warning("learning waits: %s", error)
                        self._parts.telemetry.kafka_away.set(isinstance(error, BrokerAway))
                    elif unexplained(error) and self._parts.monotonic() > since + REOPEN:
                        raise  # the client itself may have died: a new term opens a new one
                    self._over.wait(0.5)
            self._mirroring.put(None)
        except BatchGivenUp:
            self._mirroring.put(None)
        except BaseException as error:
            self._mirroring.put(error)

    def _hand_over(self, batch: Passed) -> None:
        while not self._over.is_set():
            with contextlib.suppress(queue.Full):
                self._batches.put(batch, timeout=0.1)
                return

    def _poll(self) -> None:
        parts = self._parts
        learner = parts.settings.learner
        polled = parts.source.poll(learner.poll_timeout, learner.batch_size)
        now = parts.wall()
        parts.telemetry.polled.set(now)
        if polled:
            parts.telemetry.kafka_away.set(0)
            batch = self._intake.prepare(polled)
            batch.letters = parts.deadletter.accepted
            self._mirroring.put(batch)

    def _refuse(self, record: Record, rejection: Rejection) -> None:
        while not self._parts.deadletter.write(record, rejection):
            # Too many wait for Kafka already: the stream waits with them, nothing is dropped.
            self._parts.deadletter.flush(0.5)
            if self._over.is_set() or self._stop.is_set():
                raise BatchGivenUp

    def _housekeeping(self, now: float) -> None:
        if now >= self._measure_at:
            self._measure_at = now + HOUSEKEEPING
            self._measure_lag()
        if now >= self._refresh_at:
            self._refresh_at = now + self._parts.settings.kafka.refresh_interval
            self._look_at_log()

    def _measure_lag(self) -> None:
        telemetry = self._parts.telemetry
        measured = self._parts.source.backlog(QUESTION)
        if measured is None:
            # Where one of several brokers is away, the partitions of the others must not wait for it each time.
            self._measure_at += self._parts.settings.kafka.refresh_interval
            return
        for topic, lags in measured.items():
            for partition, lag in lags.items():
                telemetry.lag.labels(topic, str(partition)).set(lag)

    def _look_at_log(self) -> None:
        source = self._parts.source
        for topic, partition in source.refresh_partitions():
            log.info("new partition %s[%d], read from its beginning", topic, partition)
        first, positions = source.beginning_offsets(), source.positions()
        self._parts.telemetry.kafka_away.set(0)
        for topic, offsets in positions.items():
            for partition, offset in offsets.items():
                room = self._parts.telemetry.headroom.labels(topic, str(partition))
                room.set(offset - first[topic][partition])


def unexplained(error: KafkaTrouble) -> bool:
    """Whether the trouble is none that waiting is known to mend."""
    return isinstance(error, BrokerAway) and error.kind == "other"
