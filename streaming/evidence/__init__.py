"""Tested events in; what the learner reports about its models out. Nothing here changes what is learned."""

from streaming.evidence.attribution import SlateAttributor
from streaming.evidence.evidence import BAD, EvidenceReporter, behind
from streaming.evidence.frozen import FrozenVersions
from streaming.evidence.witness import WitnessRunner, declared

__all__ = ["BAD", "EvidenceReporter", "FrozenVersions", "SlateAttributor", "WitnessRunner", "behind", "declared"]
