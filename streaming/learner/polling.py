"""Polls Kafka, prepares batches and hands them to the learner once their histories are written. Stage 1.

Two threads: one polls and decodes, the other writes histories. Neither waits for the learner until the queue between
them is full.
"""

from __future__ import annotations

import contextlib
import logging
import math
import queue
import threading
from collections.abc import Sequence

from models.records import Rejection
from streaming.intake import HistoryStage, Passed, PreparedBatch, intake_of
from streaming.kafka import UNREADABLE, BrokerAway, DataUnreadable, Record, TopicMissing
from streaming.learner.lag import LagReporter
from streaming.learner.parts import Parts
from streaming.learner.stopping import Stop
from streaming.learner.stuck_source import QUIET, StuckSourceWatch
from streaming.learning import Model
from streaming.waiting import until_there

log = logging.getLogger(__name__)

AHEAD = 2
"""Batches that may be decoded before they are learned: enough to overlap, few enough to keep memory small."""

RETRY = 0.5
"""Seconds between attempts to reach a broker that is away."""

REOPEN = 30.0
"""Seconds of the same unexplained trouble with Kafka after which the term ends, and with it its Kafka client."""

ANSWER = 0.5
"""Seconds that Kafka has to say whether it holds records for us."""

FULL = 0.1
"""Seconds between attempts to go on while the learner has not learned what was prepared."""

FLUSH = 0.5
"""Seconds to wait for dead letters to be written before offering another one."""


class BatchGivenUp(Exception):
    """The term ends before this batch is complete: it was not learned, and is read again next time."""


class Poller:
    """Fills a queue of prepared batches; `next` and `close` are for the learner's thread."""

    def __init__(self, parts: Parts, model: Model, stop: Stop) -> None:
        self._parts, self._model, self._stop = parts, model, stop
        self._batches: queue.Queue[Passed] = queue.Queue(AHEAD)
        self._over = threading.Event()
        self._histories = HistoryStage(parts.live_writer, self._hand_over, self._over, stop.is_set)
        self._intake = intake_of(parts.settings, model.admission, parts.contents, self._refuse)
        self._lag = LagReporter(parts)
        self._watch = StuckSourceWatch(lambda: parts.source.unread(ANSWER), parts.monotonic)
        self._unreadable: frozenset[str] = frozenset()
        self._stuck = False
        self._thread = threading.Thread(target=self._run, name="intake", daemon=True)
        self.ended = False
        """Whether `next` returned the last batch: the intake was asked to stop, and all it polled was handed over."""

    @property
    def cannot_read(self) -> str:
        """What the log holds that cannot be read; "" when there is nothing."""
        return min(self._unreadable, default="")

    def start(self) -> None:
        """Start both threads."""
        self._histories.start()
        self._thread.start()

    def next(self, timeout: float) -> PreparedBatch | None:
        """The next batch. None when there is none within `timeout` seconds, or when `ended` is set.

        Raises:
            Exception: The error that ended the intake.
        """
        try:
            batch = self._batches.get(timeout=timeout) if timeout else self._batches.get_nowait()
        except queue.Empty:
            return None
        if isinstance(batch, BaseException):
            raise batch
        self.ended = batch is None
        return batch

    def close(self) -> None:
        """End both threads; batches that `next` did not return are read again next time."""
        self._over.set()
        self._drain()
        self._thread.join(self._stop.share(10.0))
        self._histories.join(self._stop.share(10.0))
        self._show_unreadable(())  # the next term looks for itself

    def _drain(self) -> None:
        """Make room, so that a thread that waits for it sees that the term is over."""
        with contextlib.suppress(queue.Empty):
            while True:
                self._batches.get_nowait()

    def _run(self) -> None:
        try:
            while not self._pause(0.0):
                until_there(self._poll, (BrokerAway, TopicMissing), self._pause, RETRY, self._report, patience)
                if self._stuck:
                    raise BrokerAway(f"the broker holds records and handed out none for {QUIET:.0f} s to this client")
            self._end(None)
        except BatchGivenUp:
            self._end(None)
        except BaseException as error:
            self._end(error)

    def _end(self, why: BaseException | None) -> None:
        """Hand on why the intake ended, None when it was asked to."""
        self._histories.put(why)

    def _pause(self, seconds: float) -> bool:
        return self._over.wait(seconds) or self._stop.is_set()

    def _report(self, error: Exception) -> None:
        log.warning("learning waits: %s", error)
        self._parts.telemetry.kafka_away.set(isinstance(error, BrokerAway))

    def _poll(self) -> None:
        parts, learner = self._parts, self._parts.settings.learner
        try:
            polled = parts.source.poll(learner.poll_timeout, learner.batch_size)
        except DataUnreadable:
            # The broker is there, and the other partitions go on.
            parts.telemetry.kafka_away.set(0)
            polled = []
        parts.telemetry.polled.set(parts.wall())
        self._stuck = self._watch.polled(bool(polled))
        self._report_unreadable(parts.source.unreadable)
        if polled:
            parts.telemetry.kafka_away.set(0)
            self._take_in(polled)
        self._lag.report()

    def _take_in(self, polled: Sequence[Sequence[Record]]) -> None:
        """Prepare what one poll brought."""
        full = sum(map(len, polled)) >= self._parts.settings.learner.batch_size
        for records in self._intake.steps(polled):
            self._wait_for_room(self._intake.at_most(records))
            batch = self._intake.prepare(records)
            batch.full = full
            if self._parts.traces is not None:
                batch.traces = self._parts.traces.found(records)
            batch.letters = self._parts.dead_letters.accepted
            self._histories.put(batch)

    def _report_unreadable(self, found: Sequence[DataUnreadable]) -> None:
        texts = frozenset(map(str, found))
        if texts == self._unreadable:
            return
        for text in texts - self._unreadable:
            log.error("cannot read: %s", text)
        if not texts:
            log.info("everything in the log can be read again")
        self._unreadable = texts
        self._show_unreadable(found)

    def _show_unreadable(self, found: Sequence[DataUnreadable]) -> None:
        for kind in UNREADABLE:
            self._parts.telemetry.unreadable.labels(kind).set(sum(each.kind == kind for each in found))

    def _wait_for_room(self, count: int) -> None:
        """Wait until a version of what is learned so far can still be cut after `count` more events are accepted."""
        model = self._model
        while model.admission.room(model.progress.arrivals) < count:
            if self._pause(FULL):
                raise BatchGivenUp

    def _refuse(self, record: Record, rejection: Rejection) -> None:
        while not self._parts.dead_letters.write(record, rejection):
            # Too many wait for Kafka already: the stream waits with them, nothing is dropped.
            self._parts.dead_letters.flush(FLUSH)
            if self._pause(0.0):
                raise BatchGivenUp

    def _hand_over(self, batch: Passed) -> None:
        """On the thread that writes histories, which goes on with what waits for Redis while the learner is busy."""
        while not self._over.is_set():
            try:
                self._batches.put(batch, timeout=FULL)
            except queue.Full:
                self._parts.live_writer.flush()
            else:
                return


def patience(error: Exception) -> float:
    """Seconds to wait out an error of Kafka. After an unexplained one, a new term opens a new client."""
    return REOPEN if isinstance(error, BrokerAway) and error.kind == "other" else math.inf


__all__ = ["BatchGivenUp", "Poller"]
