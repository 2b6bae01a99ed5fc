"""In: a gate decision and its evidence. Out: one audit record, chained to the record before it by SHA-256. Stage 6."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

import msgspec

from models.gate import Decision, Evidence, GateState, Policy


class AuditRecord(msgspec.Struct, frozen=True):
    """One decision as it is kept. `at` is in epoch seconds; `actor` is `auto` or the name of the operator's key.

    `hash` covers every other field and `prev_hash` is the hash of the record before, so that a record that was
    changed, removed or slipped in afterwards shows.
    """

    at: float
    revision: int
    actor: str
    action: str
    reasons: tuple[str, ...]
    detail: str
    numbers: dict[str, float]
    from_version: str
    to_version: str
    mode_before: str
    mode_after: str
    offsets: dict[str, dict[int, int]]
    decided_by: str
    policy_hash: str
    prev_hash: str
    hash: str = ""


def policy_hash(policy: Policy) -> str:
    """A short name for a policy: equal policies have equal ones.

    >>> policy_hash(Policy()) == policy_hash(Policy(cooldown=1.0))
    False
    """
    return _digest(policy)[:16]


def sealed(record: AuditRecord) -> AuditRecord:
    """The record with its hash."""
    return msgspec.structs.replace(record, hash=_digest(msgspec.structs.replace(record, hash="")))


def _digest(value: object) -> str:
    # Partition numbers are keys of maps, and canonical JSON can order strings only.
    plain = msgspec.to_builtins(value, str_keys=True)
    return hashlib.sha256(msgspec.json.encode(plain, order="sorted")).hexdigest()


def record(
    state: GateState, decision: Decision, evidence: Evidence, policy: Policy, now: float, decided_by: str
) -> AuditRecord:
    """The audit record of `decision`, taken in `state` on `evidence` by the service named `decided_by`."""
    request, candidate, serving = evidence.request, evidence.candidate, evidence.serving
    unmoved = serving.id if serving else ""
    return sealed(
        AuditRecord(
            at=now,
            revision=decision.next_state.revision,
            actor=request.actor if request else "auto",
            action=decision.action,
            reasons=decision.reasons,
            detail=request.reason if request else decision.detail,
            numbers=decision.numbers,
            from_version=unmoved,
            to_version=candidate.id if candidate and decision.action != "mode" else unmoved,
            mode_before=state.mode,
            mode_after=decision.next_state.mode,
            offsets=candidate.offsets if candidate else {},
            decided_by=decided_by,
            policy_hash=policy_hash(policy),
            prev_hash=state.audit_hash,
        )
    )


def broken_link(records: Iterable[AuditRecord]) -> AuditRecord | None:
    """The first record, oldest first, that does not follow from the one before it, or None when the chain is whole.

    The first record given is taken as it is: what came before it may have been trimmed.
    """
    before: AuditRecord | None = None
    for entry in records:
        if sealed(entry).hash != entry.hash or (before is not None and entry.prev_hash != before.hash):
            return entry
        before = entry
    return None


__all__ = ["AuditRecord", "broken_link", "policy_hash", "record", "sealed"]
