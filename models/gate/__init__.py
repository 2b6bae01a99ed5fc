"""State, evidence, policy and the time in; promote, hold or roll back, and the audit record, out. Stage 6."""

from models.gate.audit import policy_hash
from models.gate.decision import (
    ACTIONS,
    MODES,
    REASONS,
    Action,
    Decision,
    Evidence,
    GateState,
    Mode,
    Policy,
    Request,
    Version,
    decide,
)

__all__ = [
    "ACTIONS",
    "MODES",
    "REASONS",
    "Action",
    "Decision",
    "Evidence",
    "GateState",
    "Mode",
    "Policy",
    "Request",
    "Version",
    "decide",
    "policy_hash",
]
