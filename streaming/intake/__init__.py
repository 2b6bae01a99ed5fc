"""Polled records in; prepared batches, histories in Redis and dead letters out. Stage 1."""

from streaming.intake.catalogue import KnownItems
from streaming.intake.dead_letter import WHOLE, DeadLetter, decode
from streaming.intake.dead_letter_writer import DeadLetterWriter
from streaming.intake.history_stage import ARRIVAL_SAMPLES, HistoryStage, Passed
from streaming.intake.intake import Intake, Ordered, PreparedBatch
from streaming.intake.parameters import admission_rules, admission_slack, intake_of, recommender_settings
from streaming.intake.text_vectors import Contents, TextModelMissing, contents_by

__all__ = [
    "ARRIVAL_SAMPLES",
    "WHOLE",
    "Contents",
    "DeadLetter",
    "DeadLetterWriter",
    "HistoryStage",
    "Intake",
    "KnownItems",
    "Ordered",
    "Passed",
    "PreparedBatch",
    "TextModelMissing",
    "admission_rules",
    "admission_slack",
    "contents_by",
    "decode",
    "intake_of",
    "recommender_settings",
]
