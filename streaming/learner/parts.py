"""What one term of the learner is made of."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from models.ledger import Admission, Progress
from models.recommender import Recommender
from models.state import State
from streaming.checkpoint import Checkpointer
from streaming.evidence import EvidenceReporter, SlateAttributor, WitnessRunner
from streaming.intake import Contents, DeadLetterWriter, KnownItems
from streaming.kafka import RecordSource
from streaming.live import LiveWriter, Receipts
from streaming.settings import Settings
from streaming.store import Leadership, Store
from streaming.telemetry import LearnerTelemetry
from streaming.versions import Watch


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
