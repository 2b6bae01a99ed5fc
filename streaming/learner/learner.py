"""In: settings, Kafka and Redis. Out: terms as the learner, one after another, until told to stop; and an exit code.

A term: 1 stand by for the lease, 2 load the newest sound version, 3 find its offsets in Kafka's log, 4 learn, 5 write
the last version, 6 give the lease back.
"""

from __future__ import annotations

import contextlib
import gc
import logging
import os
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from models.batch import warm_passes
from models.ledger import Admission, Progress, quarantine
from models.recommender import Recommender, new_state
from models.referee import Referee, UnknownWitnessError, Witnesses
from models.snapshot import Damaged, Incompatible, Manifest, TooNew
from models.state import SCHEMA
from models.warmup import warm
from streaming.checkpoint import Checkpointer, VersionMetrics, failpoint
from streaming.consumer import Interrupted, KafkaSource
from streaming.consumer import record_batches as wire
from streaming.evidence import EvidenceReporter, FrozenVersions, SlateAttributor, WitnessRunner, declared
from streaming.intake import (
    DeadLetterWriter,
    KnownItems,
    TextModelMissing,
    admission_rules,
    contents_by,
    recommender_settings,
)
from streaming.kafka import (
    ROLES_READ,
    BrokerAway,
    EventProducer,
    KafkaTrouble,
    OffsetsGone,
    RecordSource,
    TopicMissing,
    TopicRecreated,
    UnusableFile,
    ensure_topics,
    parted,
    topics_read,
)
from streaming.learner.parts import Model, Parts
from streaming.learner.stopping import Stop
from streaming.learner.term import AdoptionDue, LeaseLost, Term
from streaming.live import LiveWriter, Receipts, stored_facts
from streaming.settings import Settings, brief
from streaming.store import Leadership, Store, StoreUnavailable, stand_by
from streaming.telemetry import LearnerTelemetry
from streaming.versions import adoption as adopting
from streaming.versions import loading as versions

log = logging.getLogger(__name__)

STOPPED, FAILED, USAGE, LOG_REPLACED, OFFSETS_GONE, NO_SOUND_VERSION, NOT_ALLOWED = 0, 1, 2, 4, 5, 6, 7
"""Exit codes of `python -m streaming`; docs/operations.md says what to do about each."""

CLOSING = 7.0
"""Seconds of the grace period kept for closing everything, giving the lease back and leaving the broker."""

READERS = 0.5
"""Seconds that a thread that only reads from Redis gets to end: with a silent Redis each takes all of it."""

HAND_OVER = 5.0
"""Seconds that the last version of a model has that another one takes the place of."""

RETRY = 1.0
"""Seconds between tries to reach a broker or a Redis that is away."""

SWITCH = 0.0005
"""Seconds after which a thread that wants the interpreter gets it. With Python's 5 ms the learner, back from a compiled
step of 20 ms, waits as long as that for an intake that decodes; far shorter, and the threads only take turns."""

COLLECTOR = (100_000, 50, 100)
"""When cycles are looked for (see `gc.set_threshold`). A batch makes thousands of objects that all die with it; the
default looks for cycles among them every 700, which took a fifth of the time in which the interpreter is held."""

T = TypeVar("T")


class LogReplaced(Exception):
    """Kafka holds another log than the one our offsets belong to."""

    def __init__(self, was: str, found: str) -> None:
        super().__init__(
            f"the offsets of the newest version belong to {was}, Kafka has {found}. If the topic was made anew on "
            "purpose, start once with --reset-offsets: what was learnt is kept, the new log is read from its beginning"
        )


CODES: tuple[tuple[type[Exception], int], ...] = (
    (LogReplaced, LOG_REPLACED),
    (TopicRecreated, LOG_REPLACED),
    (OffsetsGone, OFFSETS_GONE),
    (versions.NoSoundVersion, NO_SOUND_VERSION),
    (TooNew, NO_SOUND_VERSION),
    (Incompatible, NO_SOUND_VERSION),
    (Damaged, NO_SOUND_VERSION),
    (UnknownWitnessError, USAGE),
    (TextModelMissing, USAGE),
    (UnusableFile, USAGE),
    (KafkaTrouble, NOT_ALLOWED),
    (OSError, USAGE),
)
"""What ends the process, and its exit code: the first that fits."""


@dataclass
class Learner:
    """One process that learns or stands by, until `stop` is set."""

    settings: Settings
    store: Store
    leases: Store
    histories: Store
    telemetry: LearnerTelemetry
    stop: Stop
    reset_offsets: bool = False
    state: str = "starting"
    epoch: int = 0
    displaced: bool = False
    _pause: threading.Event = field(default_factory=threading.Event)

    @classmethod
    def connected(
        cls, settings: Settings, telemetry: LearnerTelemetry, stop: Stop, reset_offsets: bool = False
    ) -> Learner:
        """A learner with a Redis client for each of its roles: uploads may take long, leases and histories may not."""
        stores = Store.for_learner(settings), Store.for_lease(settings), Store.for_histories(settings)
        return cls(settings, *stores, telemetry, stop, reset_offsets)

    def close(self) -> None:
        """Close the Redis clients."""
        for store in (self.store, self.leases, self.histories):
            store.close()

    def ready(self) -> str:
        """What keeps this process from being ready, "" when nothing does."""
        return "" if self.state in {"learning", "standing by"} else self.state

    def run(self) -> int:
        """Serve terms until told to stop; the exit code says why it ended."""
        sys.setswitchinterval(SWITCH)
        gc.set_threshold(*COLLECTOR)
        self.state = "compiling kernels"
        if not self.stop.is_set():
            warm()
            wire.warm()
            if self.settings.update.mode == "batch":
                warm_passes()
        while not self.stop.is_set():
            try:
                self._term()
            except LeaseLost:
                self.displaced = True
                log.error("stepped down: what was not committed is learnt again by the learner that has the lease")
            except (StoreUnavailable, BrokerAway, TopicMissing, Interrupted) as error:
                log.warning("the term ended, a new one in %.0f s: %s", RETRY, error)
                self.stop.wait(RETRY)
            except tuple(kind for kind, _ in CODES) as error:
                log.error("stopped: %s", error)
                return next(code for kind, code in CODES if isinstance(error, kind))
        log.info("stopped as asked")
        return STOPPED

    def _term(self) -> None:
        learner = self.settings.learner
        self.state = "standing by"
        instance = learner.instance or default_instance()
        if self.displaced:
            # Another process goes by our name: under it each would take the lease from the other, for ever.
            instance = f"{instance} displaced {os.getpid()}"
        lease = stand_by(self.leases, instance, learner.lease_ttl, self.stop, self.epoch)
        if lease is None:
            return
        self.epoch = lease.epoch
        self.state = "loading"
        log.info("the lease is ours: epoch %d as %s", lease.epoch, instance)
        leadership = Leadership(self.leases, lease, learner.lease_renewal, time.monotonic)
        self.telemetry.lease_held.set(1)
        self.telemetry.lease_epoch.set(lease.epoch)
        try:
            self._lead(leadership)
        finally:
            leadership.close()
            self.telemetry.lease_held.set(0)
            self.telemetry.kafka_away.set(0)  # whoever leads now tells how Kafka is

    def _lead(self, leadership: Leadership) -> None:
        loaded = self._when_there(self._load)
        if loaded is None:
            return
        model, head = loaded
        source = self._when_there(lambda: self._open(model.progress))
        if source is None:
            return
        self.telemetry.kafka_away.set(0)
        # What was loaded lives as long as the process: the collector need not walk a million ids again and again.
        gc.unfreeze()  # of the model of the term before
        gc.collect()
        gc.freeze()
        with contextlib.closing(source), self._parts(leadership, model, source, head) as parts:
            self.state = "learning"
            term = Term(model, parts, self.stop)
            try:
                term.run()
            except AdoptionDue:
                self._hand_over(term, parts)
                return
            self.state = "stopping"
            self._last_version(term, parts)

    def _hand_over(self, term: Term, parts: Parts) -> None:
        """Another model comes: what this one has learnt and not yet saved is kept if Redis takes it soon."""
        log.info("the term ends: another model is to be adopted")
        parts.mirror.flush()
        parts.checkpointer.flush(HAND_OVER)
        term.cut(last=True)
        parts.checkpointer.flush(HAND_OVER)

    def _last_version(self, term: Term, parts: Parts) -> None:
        """Step 5: everything polled is learnt; within the grace period it is in Redis too."""
        saved = False
        while not saved and self.stop.remaining() > CLOSING and not parts.checkpointer.fenced:
            parts.mirror.flush()
            parts.checkpointer.flush(self.stop.remaining() - CLOSING)
            saved = term.cut(last=True) and parts.checkpointer.flush(max(0.0, self.stop.remaining() - CLOSING))
            self._pause.wait(0.0 if saved else 0.1)
        if saved:
            last = parts.checkpointer.last
            log.info("last version: %s", last.id if last else "none was needed")
        else:
            log.error("the last version is not in Redis: the events since the one before are learnt again next time")

    def _when_there(self, call: Callable[[], T]) -> T | None:
        """The answer of `call`, tried again while the other side is away; None when asked to stop first."""
        said = ""
        while not self.stop.is_set():
            try:
                return call()
            except (BrokerAway, StoreUnavailable, TopicMissing) as error:
                if str(error) != said:
                    said = str(error)
                    log.warning("waiting: %s", error)
                    self.telemetry.kafka_away.set(isinstance(error, BrokerAway))
                self.state = f"waiting: {error}"
                self.stop.wait(RETRY)
        return None

    def _load(self) -> tuple[Model, versions.Loaded | None]:
        """Step 2. Raises NoSoundVersion rather than start cold; an empty model only when there never was a version."""
        settings = recommender_settings(self.settings)
        adopted = adopting.due_model(self.store, settings.ceilings())
        loaded = adopted or versions.load(self.store, "head", SCHEMA, served_only=False, ceilings=settings.ceilings())
        rules = admission_rules(self.settings)
        catalogue = KnownItems(stored_facts(self.store))
        if loaded is None:
            log.info("no version yet: an empty model starts at the beginning of the topics")
            state = new_state(settings, self.settings.recommender.seed)
            return Model(state, Recommender(state, settings), Progress(), Admission(rules), catalogue), None
        manifest = loaded.manifest
        progress = manifest.progress.copy()
        log.info("version %s: %d records consumed, offsets %s", manifest.id, progress.consumed, progress.offsets)
        self.telemetry.newest(manifest)
        arrivals = loaded.arrivals
        model = Model(
            loaded.state,
            Recommender(loaded.state, settings),
            progress,
            Admission(rules, arrivals, loaded.erasures),
            catalogue,
        )
        # What is adopted extends nothing: its first version is a base.
        return model, None if adopted is not None else loaded

    def _open(self, progress: Progress) -> RecordSource:
        """Step 3: all partitions, at the version's offsets. Raises LogReplaced or OffsetsGone as settings say."""
        settings = brief(self.settings)
        ensure_topics(settings)
        topics = topics_read(self.settings)
        source = KafkaSource(settings, topics, first=self.settings.topic("control"))
        try:
            self._same_log(source, progress)
            self._assign(source, progress)
        except BaseException:
            source.close()
            raise
        return source

    def _same_log(self, source: RecordSource, progress: Progress) -> None:
        cluster, topics = source.cluster_id(), source.topic_ids()
        # A topic that a version knows nothing of yet, as control before there was one, is read from its beginning.
        known = {name: topics[name] for name in progress.topics if name in topics}
        still, gone = parted(self.settings, progress.topics)
        was, found = (progress.cluster, still), (cluster, known)
        if progress.cluster and was != found:
            if not self.reset_offsets and self.settings.learner.on_new_log == "fail":
                raise LogReplaced(str(was), str(found))
            log.warning(
                "Kafka holds another log (%s, before %s): what was learnt is kept, reading starts at 0", found, was
            )
            self.telemetry.new_logs.inc()
            quarantine.lose_log(progress)
            progress.offsets, progress.consumed, progress.digest = {}, 0, 0
        progress.cluster, progress.topics = cluster, gone | topics

    def _assign(self, source: RecordSource, progress: Progress) -> None:
        while True:
            try:
                source.assign(progress.offsets)
            except OffsetsGone as gone:
                if self.settings.learner.on_lost_offsets == "fail" or gone.wanted >= gone.first:
                    raise
                lost = gone.first - gone.wanted
                log.error("%s; %d records are lost, going on at %d", gone, lost, gone.first)
                self.telemetry.lost.inc(lost)
                progress.lost += lost
                progress.offsets[gone.topic][gone.partition] = gone.first
            else:
                return

    @contextlib.contextmanager
    def _parts(
        self, leadership: Leadership, model: Model, source: RecordSource, head: versions.Loaded | None
    ) -> Iterator[Parts]:
        settings, telemetry = self.settings, self.telemetry
        topics: dict[str, str] = {role: settings.topic(role) for role in ROLES_READ}
        receipts = Receipts(self.store, head.manifest if head is not None else None)
        named = topics | {topic: topic for topic in settings.mappings()}
        ids = {name: model.progress.topics[topic] for name, topic in named.items()}
        mirror = LiveWriter(self.histories, ids, time.monotonic, telemetry.history_failures.inc, self._arrived)
        with contextlib.ExitStack() as stack:
            producer = EventProducer(brief(settings), "sluicegate-deadletter")
            stack.callback(lambda: producer.close(self.stop.share(2.0)))
            deadletter = DeadLetterWriter(producer, telemetry.deadletter_failures.inc)
            stack.callback(lambda: deadletter.close(self.stop.share(1.0)))
            witnessing = stack.enter_context(contextlib.closing(self._witnessing()))
            kept = self.histories if settings.learner.remember_shown else None
            attributing = stack.enter_context(
                contextlib.closing(SlateAttributor(brief(settings), telemetry, store=kept))
            )
            opponents = self._opponents()
            stack.callback(lambda: opponents.close(self.stop.share(READERS)))
            adoption = adopting.Watch(self.store, model.progress.adopted)
            stack.callback(lambda: adoption.close(self.stop.share(READERS)))
            checkpointer = self._checkpointer(leadership, source, head, receipts, adoption)
            stack.callback(lambda: checkpointer.close(self.stop.share(1.0)))
            yield Parts(
                settings=settings,
                source=source,
                store=self.store,
                leadership=leadership,
                checkpointer=checkpointer,
                mirror=mirror,
                receipts=receipts,
                adoption=adoption,
                deadletter=deadletter,
                witnessing=witnessing,
                attributing=attributing,
                evidence=EvidenceReporter(
                    opponents, Referee(time.monotonic, settings.learner.evidence_share), telemetry
                ),
                telemetry=telemetry,
                topics=topics,
                monotonic=time.monotonic,
                wall=time.time,
                contents=contents_by(settings.recommender.text_model),
            )

    def _arrived(self, record_times: Sequence[float]) -> None:
        now = time.time()
        for record_time in record_times:
            self.telemetry.arrival.observe(max(0.0, now - record_time))

    def _witnessing(self) -> WitnessRunner:
        mine = self.settings.witness
        witnesses = Witnesses(time.monotonic, declared(mine.estimators), mine.share)
        return WitnessRunner(witnesses, self.settings.events.rules().weights, self.telemetry)

    def _opponents(self) -> FrozenVersions:
        ceilings = recommender_settings(self.settings).ceilings()
        opponents = FrozenVersions(self.store, SCHEMA, ceilings, self.settings.learner.evidence_bytes)
        opponents.start()
        return opponents

    def _checkpointer(
        self,
        leadership: Leadership,
        source: RecordSource,
        head: versions.Loaded | None,
        receipts: Receipts,
        adoption: adopting.Watch,
    ) -> Checkpointer:
        read = topics_read(self.settings)

        def committed(manifest: Manifest) -> None:
            offsets = {topic: parts for topic, parts in manifest.progress.offsets.items() if topic in read}
            if not source.commit_mirror(offsets):
                self.telemetry.mirror_failures.inc()
            receipts.landed(manifest)
            adoption.landed(manifest.progress)
            self.telemetry.redis_memory(*self.store.memory())

        return Checkpointer(
            self.store,
            leadership.lease,
            SCHEMA,
            start=head.manifest if head is not None else None,
            base_interval=self.settings.learner.base_interval,
            on_committed=committed,
            hooks=VersionMetrics(self.telemetry),
            failpoint=failpoint(self.settings.failpoint),
        )


def default_instance() -> str:
    """A name no other learner has: without a configured one, a restart waits for the old lease to end."""
    return f"{socket.gethostname()}-{os.getpid()}"
