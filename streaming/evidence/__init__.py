"""Learned events in; comparisons, attribution and witnesses out, as evidence and metrics. The model stays as it is."""

from streaming.evidence.attribution import SlateAttributor, named
from streaming.evidence.evidence import BAD, EvidenceReporter, behind
from streaming.evidence.experiments import ExperimentCounter
from streaming.evidence.frozen import FrozenVersions
from streaming.evidence.witness import WitnessRunner, declared, ours

__all__ = [
    "BAD",
    "EvidenceReporter",
    "ExperimentCounter",
    "FrozenVersions",
    "SlateAttributor",
    "WitnessRunner",
    "behind",
    "declared",
    "named",
    "ours",
]
