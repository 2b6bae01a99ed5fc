"""Runs one term as the learner: tests and learns every record in order, and cuts versions. Stages 2 to 5.

The learner's thread takes prepared batches from the threads that poll and that write histories. None waits for the
others' work: the compiled step releases the interpreter.
"""

from __future__ import annotations

import logging
from collections.abc import Callable

from models.records import Describe, Erase, Identify
from models.state import Changes
from streaming.intake import Ordered, PreparedBatch
from streaming.learner.batching import BatchTrainer
from streaming.learner.cutting import VersionCutter
from streaming.learner.orders import QuarantineOrders
from streaming.learner.parts import Parts
from streaming.learner.polling import Poller
from streaming.learner.stopping import Stop
from streaming.learning import Model, advance, erase, join, learn_batch

log = logging.getLogger(__name__)

NEXT = 0.05
"""Seconds to wait for a batch before looking at the lease and the clock again."""


class TermOver(Exception):
    """The term ends with a version, and another one begins; the text says why."""


class TermVoid(Exception):
    """The term ends without another version: what was learned since its last one is learned again. It says why."""


class AdoptionDue(TermOver):
    """Another model is to be learned on from: a new term begins with it."""

    def __init__(self) -> None:
        super().__init__("another model is to be adopted")


class LeaseLost(Exception):
    """Another learner may have taken over: stop applying, load again, stand by."""


class Term:
    """One term of a model, from the version it was loaded from to the last one.

    Args:
        model: The model and its place in the stream; changed in place.
        parts: What the term works with. The caller closes it.
        stop: Set when the process is to end: then everything polled is learned, and `run` returns.
        over: Why another term is to begin, "" while this one goes on; asked between two batches.
    """

    def __init__(self, model: Model, parts: Parts, stop: Stop, over: Callable[[Model], str] = lambda _: "") -> None:
        self._model, self._parts, self._stop, self._over = model, parts, stop, over
        self._poller = self._make_poller()
        self._cutter = VersionCutter(model, parts, stop)
        self._quarantines = QuarantineOrders(parts.settings, parts.store, parts.contents, stop.look)
        update = parts.settings.update
        self._batching = BatchTrainer(update, parts.telemetry, parts.monotonic) if update.mode == "batch" else None

    def _make_poller(self) -> Poller:
        return Poller(self._parts, self._model, self._stop)

    def run(self) -> None:
        """Learn until asked to stop.

        Raises:
            LeaseLost: Another learner may have the lease.
            AdoptionDue: A new term must begin with another model.
            TermOver: A new term must begin for another reason.
            Exception: The intake met trouble that waiting does not fix.
        """
        self._poller.start()
        try:
            while self._step():
                pass
        finally:
            self._poller.close()

    @property
    def cannot_read(self) -> str:
        """What the log holds that cannot be read; "" when there is nothing. For any thread."""
        return self._poller.cannot_read

    def learn_collected(self) -> None:
        """Learn what was collected for a batch and waits for its time, in mode batch."""
        if self._batching is not None and self._batching.waiting:
            self._train(self._batching)

    def cut(self, known: Changes | None = None, *, last: bool = False) -> bool:
        """Cut a version; False when Redis or Kafka must first take what belongs before it.

        Args:
            known: What changed, where it was copied since the model last changed.
            last: Whether this is the last version before the end.
        """
        return self._cutter.cut(known, last=last)

    def _step(self) -> bool:
        """Learn the next batch and cut a version when one is due; False when there are no more batches."""
        self._check_that_the_model_is_ours()
        batch = self._poller.next(NEXT)
        if self._poller.ended:
            return False
        if batch is None:
            self._parts.evidence.idle()
        elif self._batching is None:
            self._learn(batch)
        else:
            self._batching.add(batch)
        if self._batching is not None and self._batching.due:
            self._train(self._batching)
        if self._cutter.due:
            self._cutter.cut()
        return True

    def _check_that_the_model_is_ours(self) -> None:
        if not self._parts.leadership.held():
            raise LeaseLost
        if self._parts.adoption.due(self._model.progress):
            raise AdoptionDue
        if why := self._over(self._model):
            raise TermOver(why)

    def _train(self, batching: BatchTrainer) -> None:
        """Learn the collected batches at once."""

        def alive() -> bool:
            if not self._parts.leadership.held():
                raise LeaseLost
            # The threads that fill the queue write histories as well: it is emptied while we train, so that those do
            # not wait.
            while not batching.full and not self._poller.ended and (batch := self._poller.next(0.0)) is not None:
                batching.add(batch)
            return not self._stop.is_set()

        self._cutter.trained(batching.train(self._learn, self._model.recommender, alive))

    def _learn(self, batch: PreparedBatch) -> None:
        """Take one batch through the stages: learn it, show it to those who compare, count it as consumed."""
        begun = self._parts.wall() if batch.traces else 0.0
        learn_batch(self._model, batch, self._carry_out, self._learn_events)
        if self._parts.traces is not None and batch.traces:
            self._parts.traces.learned(batch.traces, begun, len(batch.events))
        self._show_to_others(batch)
        self._parts.experiments.learned(batch)
        advance(self._model.progress, batch)
        self._cutter.learned(batch)
        self._report(batch)

    def _carry_out(self, ordered: Ordered, model: Model) -> None:
        order, parts = ordered.order, self._parts
        if isinstance(order, Erase):
            receipt = erase(ordered, order, model.recommender)
            parts.receipts.note(receipt)
            parts.evidence.erase(ordered.users)
            log.info("erasure %s: %s", receipt.id, receipt)
        elif isinstance(order, Identify):
            parts.telemetry.identified.labels(join(ordered, model.recommender)).inc()
        elif isinstance(order, Describe):
            pass  # it is in Redis already, with the histories of its batch, or waits there for it
        elif self._quarantines.carry_out(order, ordered.at, model):
            parts.checkpointer.rebase()
            parts.evidence.renew()
        parts.telemetry.orders.labels(type(order).__struct_config__.tag).inc()

    def _learn_events(self, batch: PreparedBatch, model: Model) -> None:
        """Test and learn the events while the evidence watches and the step is timed."""
        with self._parts.telemetry.step.time(), self._parts.evidence.learning(model.state, batch) as watch:
            catalogue = model.catalogue
            model.recommender.learn_events(batch.events, batch.record_times, catalogue.facts, watch, catalogue.groups)

    def _show_to_others(self, batch: PreparedBatch) -> None:
        """Offer the events to the witnesses and to the attribution of slates, which have threads of their own."""
        if batch.events:
            age = self._parts.wall() - batch.record_times[-1]
            self._parts.witnesses.offer(batch.events, self._model.state, self._model.progress.consumed, age)
            self._parts.attributor.offer(batch.events)

    def _report(self, batch: PreparedBatch) -> None:
        telemetry = self._parts.telemetry
        for outcome, count in batch.outcomes.items():
            telemetry.events.labels(outcome).inc(count)
        for reason, count in batch.refused.items():
            telemetry.deadletters.labels(reason).inc(count)
        for field, count in batch.left_out.items():
            telemetry.left_out.labels(field).inc(count)
        for topic, partition, offsets, record_time in batch.offsets:
            telemetry.consumed.labels(topic).inc(len(offsets))
            if record_time:
                telemetry.record_time.labels(topic, str(partition)).set(record_time)
        telemetry.watermark.set(self._model.progress.watermark)
