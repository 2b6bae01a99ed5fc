"""Serves terms as the learner, one after another, until told to stop; the exit code says why it ended.

A term: 1 stand by for the lease, 2 load the newest sound version, 3 find its offsets in Kafka's log, 4 learn, 5 write
the last version, 6 give the lease back.
"""

from __future__ import annotations

import contextlib
import gc
import logging
import os
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

from models.batch import warm_passes
from models.looking import Interrupted
from models.referee import UnknownWitnessError
from models.snapshot import Damaged, Incompatible, TooNew
from models.warmup import LASTS, compile_apart, compiled, warm
from streaming.consumer import record_batches as wire
from streaming.intake import TextModelMissing
from streaming.kafka import BrokerAway, KafkaTrouble, OffsetsGone, TopicMissing, TopicRecreated, UnusableFile
from streaming.learner.assembly import Assembly
from streaming.learner.parts import Parts
from streaming.learner.resume import LogReplaced, Resumption, Start
from streaming.learner.sharding import Sharding
from streaming.learner.stopping import Stop
from streaming.learner.term import LeaseLost, Term, TermOver, TermVoid
from streaming.learning import Model
from streaming.milestones import Milestones
from streaming.settings import Settings
from streaming.store import Leadership, Store, StoreUnavailable, stand_by
from streaming.telemetry import LearnerTelemetry
from streaming.thread_turns import take_brief_turns, take_long_turns
from streaming.tracing import Tracer
from streaming.versions import NoSoundVersion
from streaming.waiting import until_there

log = logging.getLogger(__name__)

STOPPED, FAILED, USAGE, LOG_REPLACED, OFFSETS_GONE, NO_SOUND_VERSION, NOT_ALLOWED = 0, 1, 2, 4, 5, 6, 7
"""Exit codes of `python -m streaming`; docs/operations.md says what to do about each."""

CLOSING = 7.0
"""Seconds of the grace period kept for closing everything, giving the lease back and leaving the broker."""

HAND_OVER = 5.0
"""Seconds to save the last version of a term that ends before the process does."""

RETRY = 1.0
"""Seconds between attempts to reach a broker or a Redis that is away."""

COLLECTOR = (100_000, 50, 100)
"""When Python looks for cycles (see `gc.set_threshold`). A batch makes thousands of objects that all die with it. The
default looks for cycles every 700 objects, which took a fifth of the time in which the interpreter is held."""

T = TypeVar("T")


CODES: tuple[tuple[type[Exception], int], ...] = (
    (LogReplaced, LOG_REPLACED),
    (TopicRecreated, LOG_REPLACED),
    (OffsetsGone, OFFSETS_GONE),
    (NoSoundVersion, NO_SOUND_VERSION),
    (TooNew, NO_SOUND_VERSION),
    (Incompatible, NO_SOUND_VERSION),
    (Damaged, NO_SOUND_VERSION),
    (UnknownWitnessError, USAGE),
    (TextModelMissing, USAGE),
    (UnusableFile, USAGE),
    (KafkaTrouble, NOT_ALLOWED),
    (OSError, USAGE),
)
"""Errors that end the process, and its exit code: the first that fits."""


@dataclass
class Learner:
    """One process that learns or stands by, until `stop` is set.

    Attributes:
        store: Redis, for versions: an upload may take long.
        leases: Redis, for the lease: an answer must be quick.
        histories: Redis, for histories and what users were shown: an answer must be quick.
        reset_offsets: Accept once that Kafka holds another log than the offsets belong to.
        sharding: Lets several learners share the stream, once a model is far enough; None for one alone.
        tracer: Follows recorded traces; None where tracing is off.
        state: What the process does now; /readyz shows it.
        epoch: Epoch of the last lease, 0 before the first.
        displaced: Whether another process took the lease, probably under our name.
        started: What was loaded when; the log says it once, with the first term that learns.
    """

    settings: Settings
    store: Store
    leases: Store
    histories: Store
    telemetry: LearnerTelemetry
    stop: Stop
    reset_offsets: bool = False
    sharding: Sharding | None = None
    tracer: Tracer | None = None
    state: str = "starting"
    epoch: int = 0
    displaced: bool = False
    started: Milestones = field(default_factory=Milestones)
    _pause: threading.Event = field(default_factory=threading.Event)
    _running: Term | None = None
    _led: bool = False

    @classmethod
    def connected(
        cls,
        settings: Settings,
        telemetry: LearnerTelemetry,
        stop: Stop,
        reset_offsets: bool = False,
        sharding: Sharding | None = None,
        tracer: Tracer | None = None,
    ) -> Learner:
        """A learner with a Redis client for each of its roles. Raises OSError for a password or certificate file."""
        stores = Store.for_learner(settings), Store.for_lease(settings), Store.for_histories(settings)
        return cls(settings, *stores, telemetry, stop, reset_offsets, sharding, tracer)

    def close(self) -> None:
        """Close the Redis clients."""
        for store in (self.store, self.leases, self.histories):
            store.close()

    def ready(self) -> str:
        """The state that keeps this process from being ready, "" when nothing does."""
        running = self._running
        if running is not None and running.cannot_read:
            return f"cannot read: {running.cannot_read}"
        return "" if self.state in {"learning", "standing by"} else self.state

    def run(self) -> int:
        """Run terms until told to stop, and return the exit code."""
        take_long_turns()
        gc.set_threshold(*COLLECTOR)
        if not self.stop.is_set():
            self._warm()
        gc.freeze()  # of the kernels as well: they live as long as the process
        while not self.stop.is_set():
            try:
                self._term()
            except LeaseLost:
                self.displaced = True
                log.error("stepped down: what was not committed is learned again by the learner that has the lease")
            except Interrupted as left:
                log.info("%s", left)
            except (StoreUnavailable, BrokerAway, TopicMissing) as error:
                log.warning("the term ended, a new one in %.0f s: %s", RETRY, error)
                self.stop.wait(RETRY)
            except tuple(kind for kind, _ in CODES) as error:
                log.error("stopped: %s", error)
                return next(code for kind, code in CODES if isinstance(error, kind))
        log.info("stopped as asked")
        return STOPPED

    def _warm(self) -> None:
        ready = compiled()
        self.state = "loading kernels" if ready else f"compiling kernels, {LASTS}"
        started = time.monotonic()
        if not ready:
            log.info("%s", self.state)
            if not compile_apart("everything", self.stop.wait):
                return
        warm()
        wire.warm()
        if self.settings.update.mode == "batch":
            warm_passes()
        self.started.note("kernels")
        log.info("kernels ready in %.1f s", time.monotonic() - started)

    def _term(self) -> None:
        learner = self.settings.learner
        self.state = "standing by"
        instance = learner.instance or default_instance()
        if self.displaced:
            # Another process uses our name: under it, each would take the lease from the other forever.
            instance = f"{instance} displaced {os.getpid()}"
        lease = stand_by(self.leases, instance, learner.lease_ttl, self.stop, self.epoch)
        if lease is None:
            return
        self.epoch = lease.epoch
        self.started.note("lease")
        self.state = "loading"
        take_long_turns()
        log.info("the lease is ours: epoch %d as %s", lease.epoch, instance)
        leadership = Leadership(self.leases, lease, learner.lease_renewal, time.monotonic)
        self.telemetry.lease_held.set(1)
        self.telemetry.lease_epoch.set(lease.epoch)
        try:
            self._lead(leadership)
        finally:
            leadership.close()
            self.telemetry.lease_held.set(0)
            self.telemetry.kafka_away.set(0)  # the next leader reports whether it reaches Kafka

    def _lead(self, leadership: Leadership) -> None:
        resumption = Resumption(
            self.settings, self.store, self.telemetry, self.reset_offsets, self.stop.look, self.started.note
        )
        start = self._until_there(resumption.load)
        if start is None:
            return
        sharding = self.sharding
        split = sharding is not None and sharding.due(start.model, start.extends)
        owned = sharding.owned if split and sharding is not None else everything
        source = self._until_there(lambda: resumption.open(start.model.progress, owned))
        if source is None:
            return
        self.started.note("log")
        self.telemetry.kafka_away.set(0)
        # The loaded model lives as long as the process: the collector need not walk a million ids again and again.
        if self._led:
            gc.unfreeze()  # of the model of the term before
        self._led = True
        gc.collect()
        gc.freeze()
        assembly = Assembly(self.settings, self.store, self.histories, self.telemetry, self.stop, self.tracer)
        with contextlib.closing(source), assembly.parts(leadership, source, start) as parts:
            take_brief_turns()
            term = self._running = self._begin(start, parts, split)
            try:
                self._run(term, parts)
            finally:
                self._running = None

    def _begin(self, start: Start, parts: Parts, split: bool) -> Term:
        """The term of one learner, or of several that share the stream."""
        sharding = self.sharding
        if sharding is None:
            self._learning()
            return Term(start.model, parts, self.stop)
        if not split or start.extends is None:
            self._learning()

            def over(model: Model) -> str:
                whole = not (parts.live_writer.repairing or parts.experiments.running(parts.wall()))
                return sharding.reason if whole and sharding.due(model, parts.checkpointer.last) else ""

            return Term(start.model, parts, self.stop, over)

        self.state = "starting the shards"
        return sharding.term(start.model, start.extends, parts, self.stop, self._learning)

    def _learning(self) -> None:
        """Say that records are learned from now on, and the first time also what the start took."""
        self.state = "learning"
        if "ready" not in self.started.moments:
            self.started.note("ready")
            log.info("ready", extra={"fields": self.started.moments})

    def _run(self, term: Term, parts: Parts) -> None:
        """Steps 4 and 5."""
        try:
            term.run()
        except TermOver as over:
            log.info("the term ends: %s", over)
            self._save_before_next_term(term, parts)
            return
        except TermVoid as void:
            log.warning("the term ends, and the next one begins at the newest version: %s", void)
            return
        except (OffsetsGone, TopicRecreated) as error:
            # What was learned until now must not be read again: it may be gone from the log.
            term.learn_collected()
            self._save_before_next_term(term, parts)
            if not self._accepted(error):
                raise
            log.warning("the term ends, as the settings accept: %s", error)
            return
        self.state = "stopping"
        self._write_last_version(term, parts)

    def _accepted(self, error: OffsetsGone | TopicRecreated) -> bool:
        """Whether a new term may go on, which counts the loss or starts the topic again at its beginning."""
        learner = self.settings.learner
        if isinstance(error, OffsetsGone):
            return learner.on_lost_offsets == "earliest" and error.wanted < error.first
        return learner.on_new_log == "restart"

    def _save_before_next_term(self, term: Term, parts: Parts) -> None:
        """The term ends before the process does: save what it has learned, if Redis takes it soon."""
        limit = time.monotonic() + HAND_OVER
        if not self._save(term, parts, lambda: limit - time.monotonic()):
            log.warning("the last version of the term is not in Redis: events since the one before are learned again")

    def _write_last_version(self, term: Term, parts: Parts) -> None:
        """Step 5: everything polled is learned; within the grace period it is in Redis too."""
        if self._save(term, parts, lambda: self.stop.remaining() - CLOSING):
            last = parts.checkpointer.last
            log.info("last version: %s", last.id if last else "none was needed")
        else:
            log.error("the last version is not in Redis: the events since the one before are learned again next time")

    def _save(self, term: Term, parts: Parts, left: Callable[[], float]) -> bool:
        """Write a version of everything that is learned; whether that succeeded while `left` seconds were left."""
        saved = False
        while not saved and left() > 0.0 and not parts.checkpointer.fenced:
            parts.live_writer.flush()
            parts.checkpointer.flush(max(0.0, left()))
            saved = term.cut(last=True) and parts.checkpointer.flush(max(0.0, left()))
            self._pause.wait(0.0 if saved else 0.1)
        return saved

    def _until_there(self, call: Callable[[], T]) -> T | None:
        """The answer of `call`, tried again while the other side is away; None when asked to stop first."""
        away = (BrokerAway, StoreUnavailable, TopicMissing)
        return until_there(call, away, self.stop.wait, RETRY, self._report_waiting)

    def _report_waiting(self, error: Exception) -> None:
        log.warning("waiting: %s", error)
        self.telemetry.kafka_away.set(isinstance(error, BrokerAway))
        self.state = f"waiting: {error}"


def everything(_topic: str, _partition: int) -> bool:
    """One learner alone owns every partition."""
    return True


def default_instance() -> str:
    """A name no other learner has: without a configured one, a restart waits for the old lease to end."""
    return f"{socket.gethostname()}-{os.getpid()}"
