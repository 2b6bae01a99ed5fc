"""What one term of the learner is made of."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from models.ledger.admission import Admission
from models.ledger.progress import Progress
from models.recommender.recommender import Recommender
from models.state.state import State
from streaming.checkpoint.checkpointer import Checkpointer
from streaming.evidence.attribution import Attributing
from streaming.evidence.evidence import Evidencing
from streaming.evidence.witness import Witnessing
from streaming.intake.catalogue import Catalogue
from streaming.intake.dead_letter_writer import DeadLetterWriter
from streaming.intake.text_vectors import Contents
from streaming.kafka.records import Source
from streaming.live.erasures import Receipts
from streaming.live.writer import Mirror
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
    catalogue: Catalogue


@dataclass(slots=True)
class Parts:
    """What a term works with."""

    settings: Settings
    source: Source
    store: Store
    leadership: Leadership
    checkpointer: Checkpointer
    mirror: Mirror
    receipts: Receipts
    adoption: Watch
    deadletter: DeadLetterWriter
    witnessing: Witnessing
    contents: Contents
    attributing: Attributing
    evidence: Evidencing
    telemetry: LearnerTelemetry
    topics: dict[str, str]
    monotonic: Callable[[], float]
    wall: Callable[[], float]
