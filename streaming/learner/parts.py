"""The parts that one term of the learner works with."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from streaming.checkpoint import Checkpointer
from streaming.evidence import EvidenceReporter, ExperimentCounter, SlateAttributor, WitnessRunner
from streaming.intake import Contents, DeadLetterWriter
from streaming.kafka import RecordSource
from streaming.learner.traces import BatchTraces
from streaming.live import LiveWriter, Receipts
from streaming.settings import Settings
from streaming.store import Leadership, Store
from streaming.telemetry import LearnerTelemetry
from streaming.versions import AdoptionWatch


@dataclass(slots=True)
class Parts:
    """Everything but the model. `wall` returns epoch seconds."""

    settings: Settings
    source: RecordSource
    store: Store
    leadership: Leadership
    checkpointer: Checkpointer
    live_writer: LiveWriter
    receipts: Receipts
    adoption: AdoptionWatch
    dead_letters: DeadLetterWriter
    witnesses: WitnessRunner
    contents: Contents
    attributor: SlateAttributor
    experiments: ExperimentCounter
    evidence: EvidenceReporter
    telemetry: LearnerTelemetry
    monotonic: Callable[[], float]
    wall: Callable[[], float]
    traces: BatchTraces | None = None
    """None where tracing is off."""
