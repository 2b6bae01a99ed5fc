"""What one term of the learner is made of."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from models.ledger.admission import Admission
from models.ledger.progress import Progress
from models.recommender.recommender import Recommender
from models.state.state import State
from streaming.checkpoint.checkpointer import Checkpointer
from streaming.evidence.attribution import SlateAttributor
from streaming.evidence.evidence import EvidenceReporter
from streaming.evidence.witness import WitnessRunner
from streaming.intake.catalogue import KnownItems
from streaming.intake.dead_letter_writer import DeadLetterWriter
from streaming.intake.text_vectors import Contents
from streaming.kafka.records import RecordSource
from streaming.live.erasures import Receipts
from streaming.live.writer import LiveWriter
from streaming.settings.loading import Settings
from streaming.store.leadership import Leadership
from streaming.store.store import Store
from streaming.telemetry import LearnerTelemetry
from streaming.versions.adoption import Watch


@dataclass(slots=True)
class Model:
    """What a term learns, and how far it got."""

    state: State
    recommender: Recommender
    progress: Progress
    admission: Admission
    catalogue: KnownItems


@dataclass(slots=True)
class Parts:
    """What a term works with."""

    settings: Settings
    source: RecordSource
    store: Store
    leadership: Leadership
    checkpointer: Checkpointer
    mirror: LiveWriter
    receipts: Receipts
    adoption: Watch
    deadletter: DeadLetterWriter
    witnessing: WitnessRunner
    contents: Contents
    attributing: SlateAttributor
    evidence: EvidenceReporter
    telemetry: LearnerTelemetry
    topics: dict[str, str]
    monotonic: Callable[[], float]
    wall: Callable[[], float]
