"""Decides which version is served, moves the serving pointer, and follows it. Stage 6."""

from service.gate.audit_check import AuditCheck
from service.gate.audit_records import recorded
from service.gate.canary import contrast, inspect
from service.gate.feed import CLIENTS, PageFeed
from service.gate.gatekeeper import Gatekeeper, RevisionConflict
from service.gate.past import PAST_SPAN
from service.gate.policy import policy_of
from service.gate.quarantine import AutoQuarantine
from service.gate.state_reader import StateUnreadable
from service.gate.verdicts import NAME, NoVerdict, Verdict, VersionName, verdict

__all__ = [
    "CLIENTS",
    "NAME",
    "PAST_SPAN",
    "AuditCheck",
    "AutoQuarantine",
    "Gatekeeper",
    "NoVerdict",
    "PageFeed",
    "RevisionConflict",
    "StateUnreadable",
    "Verdict",
    "VersionName",
    "contrast",
    "inspect",
    "policy_of",
    "recorded",
    "verdict",
]
