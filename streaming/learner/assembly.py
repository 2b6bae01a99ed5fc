"""Builds what a term works with, and closes it again in the opposite order when the term ends."""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial

from models.referee import Referee, Witnesses, turn_of
from models.snapshot import Manifest
from models.state import SCHEMA
from models.statistics import Exposed
from streaming import versions
from streaming.checkpoint import Checkpointer, VersionMetrics, failpoint
from streaming.evidence import (
    EvidenceReporter,
    ExperimentCounter,
    FrozenVersions,
    SlateAttributor,
    WitnessRunner,
    declared,
    ours,
)
from streaming.intake import DeadLetterWriter, contents_by, recommender_settings
from streaming.kafka import ROLES_READ, EventProducer, RecordSource, topics_read
from streaming.learner.parts import Parts
from streaming.learner.restoring import Restorer
from streaming.learner.resume import Start
from streaming.learner.stopping import Stop
from streaming.learner.traces import BatchTraces
from streaming.learning import Model
from streaming.live import LiveWriter, Receipts, Upkeep
from streaming.settings import Settings, brief
from streaming.store import Leadership, Store
from streaming.telemetry import LearnerTelemetry
from streaming.tracing import Tracer
from streaming.versions import AdoptionWatch

log = logging.getLogger(__name__)

READERS = 0.5
"""Seconds that a thread that only reads from Redis gets to end: with a silent Redis each takes all of it."""


@dataclass(frozen=True, slots=True)
class Assembly:
    """What outlives a term and is needed to build its parts. `stop` bounds the time of those that close."""

    settings: Settings
    store: Store
    histories: Store
    telemetry: LearnerTelemetry
    stop: Stop
    tracer: Tracer | None = None

    @contextlib.contextmanager
    def parts(self, leadership: Leadership, source: RecordSource, start: Start) -> Iterator[Parts]:
        """The parts of one term; their threads end with the block."""
        settings, telemetry = self.settings, self.telemetry
        receipts = Receipts(self.store, start.extends)
        with contextlib.ExitStack() as stack:
            live_writer = self._live_writer(start.model, receipts)
            stack.callback(lambda: live_writer.close(self.stop.share(READERS)))
            producer = EventProducer(brief(settings), "sluicegate-deadletter")
            stack.callback(lambda: producer.close(self.stop.share(2.0)))
            dead_letters = DeadLetterWriter(producer, telemetry.deadletter_failures.inc)
            stack.callback(lambda: dead_letters.close(self.stop.share(1.0)))
            witnesses = stack.enter_context(contextlib.closing(self._witnesses()))
            frozen = self._frozen_versions()
            stack.callback(lambda: frozen.close(self.stop.share(READERS)))
            evidence = EvidenceReporter(frozen, Referee(time.monotonic, settings.learner.evidence_share), telemetry)
            exposed = self._take_up(evidence, start)
            experiments = ExperimentCounter(
                self.store,
                start.model.progress.topics,
                start.before,
                live=self.histories,
                segments=settings.learner.segments,
            )
            attributor = stack.enter_context(contextlib.closing(self._attributor(exposed, experiments)))
            adoption = AdoptionWatch(self.store, start.model.progress.adopted)
            stack.callback(lambda: adoption.close(self.stop.share(READERS)))
            traces = BatchTraces(self.tracer, time.time) if self.tracer is not None else None
            checkpointer = self._checkpointer(leadership, source, start, receipts, adoption, traces)
            stack.callback(lambda: checkpointer.close(self.stop.share(1.0)))
            yield Parts(
                settings=settings,
                source=source,
                store=self.store,
                leadership=leadership,
                checkpointer=checkpointer,
                live_writer=live_writer,
                receipts=receipts,
                adoption=adoption,
                dead_letters=dead_letters,
                witnesses=witnesses,
                attributor=attributor,
                experiments=experiments,
                evidence=evidence,
                contents=contents_by(settings.recommender.text_model),
                telemetry=telemetry,
                monotonic=time.monotonic,
                wall=time.time,
                traces=traces,
            )

    def _live_writer(self, model: Model, receipts: Receipts) -> LiveWriter:
        topic_ids = model.progress.topics
        roles: dict[str, str] = {role: self.settings.topic(role) for role in ROLES_READ}
        names = roles | {topic: topic for topic in self.settings.mappings()}
        ids = {name: topic_ids[topic] for name, topic in names.items()}
        failed = self.telemetry.history_failures.inc

        def went_back() -> None:
            self.telemetry.store_went_back.inc()
            receipts.repeat()

        return LiveWriter(
            self.histories,
            ids,
            time.monotonic,
            failed,
            self._observe_arrivals,
            restore=Restorer(self.settings, model),
            went_back=went_back,
            upkeep=Upkeep(self.histories),
        )

    def _observe_arrivals(self, record_times: Sequence[float]) -> None:
        now = time.time()
        for record_time in record_times:
            self.telemetry.arrival.observe(max(0.0, now - record_time))

    def _witnesses(self) -> WitnessRunner:
        section = self.settings.witness
        weights = self.settings.events.rules().weights
        if not section.estimators:
            return WitnessRunner(None, weights, self.telemetry)
        make = partial(Witnesses, time.monotonic, declared(section.estimators), section.share)
        if ours(section.estimators):
            return WitnessRunner(make, weights, self.telemetry)
        made = make()  # at once: one that does not exist ends the process
        return WitnessRunner(lambda: made, weights, self.telemetry)

    def _take_up(self, evidence: EvidenceReporter, start: Start) -> Exposed | None:
        """Go on with the evidence of the term before; how concentrated its slates were."""
        if start.before is None:
            return None
        before = [each for each in versions.recent(self.store) if each.seq <= start.before.seq]
        erased = {user for each in before for user, _ in each.erased}
        discarded = evidence.reservoir.refill((each.evidence for each in before), erased)
        if discarded:
            log.warning("old events of %d versions are discarded: another release wrote them", discarded)
        standing = evidence.take_up(start.before, same_model=start.extends is not None)
        return standing.exposed if standing is not None else None

    def _attributor(self, exposed: Exposed | None, experiments: ExperimentCounter) -> SlateAttributor:
        store = self.histories if self.settings.learner.remember_shown else None
        return SlateAttributor(brief(self.settings), self.telemetry, None, store, exposed, experiments)

    def _frozen_versions(self) -> FrozenVersions:
        ceilings = recommender_settings(self.settings).ceilings()
        turn = turn_of(self.settings.gate.anchors)
        frozen = FrozenVersions(self.store, SCHEMA, ceilings, self.settings.learner.evidence_bytes, turn=turn)
        frozen.start()
        return frozen

    def _checkpointer(
        self,
        leadership: Leadership,
        source: RecordSource,
        start: Start,
        receipts: Receipts,
        adoption: AdoptionWatch,
        traces: BatchTraces | None,
    ) -> Checkpointer:
        topics = topics_read(self.settings)

        def committed(manifest: Manifest) -> None:
            offsets = {topic: parts for topic, parts in manifest.progress.offsets.items() if topic in topics}
            if not source.commit_mirror(offsets):
                self.telemetry.mirror_failures.inc()
            receipts.landed(manifest)
            adoption.landed(manifest.progress)
            if traces is not None:
                traces.committed(manifest)
            self.telemetry.redis_memory(*self.store.memory())

        return Checkpointer(
            self.store,
            leadership.lease,
            SCHEMA,
            start=start.extends,
            base_interval=self.settings.learner.base_interval,
            history_bytes=self.settings.learner.history_bytes,
            on_committed=committed,
            hooks=VersionMetrics(self.telemetry),
            failpoint=failpoint(self.settings.failpoint),
            stopped=self.stop.is_set,
        )


__all__ = ["Assembly"]
