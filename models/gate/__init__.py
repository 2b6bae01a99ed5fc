"""State, evidence, policy and the time in; promote, hold or roll back, and the audit record, out. Stage 6."""

from models.gate.audit import AuditRecord, policy_hash
from models.gate.decision import decide, wanted, worth_recording
from models.gate.evidence import Anchor, Band, Decision, Evidence, GateState, Policy, Request, Version
from models.gate.guards import GUARDS, Guard
from models.gate.reasons import Explanation, explain
from models.gate.silence import silent
from models.gate.vocabulary import (
    ACTIONS,
    MODE_VERBS,
    MODES,
    REASON_TEXTS,
    REASONS,
    UNSEEN_VERBS,
    VERBS,
    Action,
    Mode,
    Verb,
)

__all__ = [
    "ACTIONS",
    "GUARDS",
    "MODES",
    "MODE_VERBS",
    "REASONS",
    "REASON_TEXTS",
    "UNSEEN_VERBS",
    "VERBS",
    "Action",
    "Anchor",
    "AuditRecord",
    "Band",
    "Decision",
    "Evidence",
    "Explanation",
    "GateState",
    "Guard",
    "Mode",
    "Policy",
    "Request",
    "Verb",
    "Version",
    "decide",
    "explain",
    "policy_hash",
    "silent",
    "wanted",
    "worth_recording",
]
