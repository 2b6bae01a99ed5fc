"""In: a gate decision and its evidence. Out: one audit record, chained to the record before it by SHA-256. Stage 6.

A record holds all that went into the decision, so that whoever has the audit can take each decision again.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

import msgspec

from models.gate.decision import Decision, Evidence, GateState, Policy, decide


class AuditRecord(msgspec.Struct, frozen=True):
    """One decision as it is kept. `at` is in epoch seconds; `actor` is `auto` or the name of the operator's key.

    `hash` covers every other field and `prev_hash` is the hash of the record before, so that a record that was
    changed, removed or slipped in afterwards shows. `state`, `evidence` and `policy` are what was decided upon.
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
    reference: str = ""
    state: GateState | None = None
    evidence: Evidence | None = None
    policy: Policy | None = None


def policy_hash(policy: Policy) -> str:
    """A short name for a policy: equal policies have equal ones.

    >>> policy_hash(Policy()) == policy_hash(Policy(cooldown=1.0))
    False
    """
    return _digest(policy)[:16]


def sealed(record: AuditRecord) -> AuditRecord:
    """The record with its hash."""
    return msgspec.structs.replace(record, hash=seal_of(msgspec.to_builtins(record, str_keys=True)))


def seal_of(fields: dict[str, Any]) -> str:
    """The hash of a record as it is stored, whatever fields it has: one written by another release can be checked.

    >>> seal_of({"at": 1.0, "hash": "anything"}) == seal_of({"hash": "", "at": 1.0})
    True
    """
    return _digest({**fields, "hash": ""})


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
    named = decision.target or (candidate if decision.action != "mode" else None)
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
            to_version=named.id if named else unmoved,
            mode_before=state.mode,
            mode_after=decision.next_state.mode,
            offsets=candidate.offsets if candidate else {},
            decided_by=decided_by,
            policy_hash=policy_hash(policy),
            prev_hash=state.audit_hash,
            reference=decision.reference.id if decision.reference else "",
            state=state,
            evidence=evidence,
            policy=policy,
        )
    )


def decided_again(record: AuditRecord) -> Decision | None:
    """The decision that the record's inputs lead to; None for a record without them, of an older release."""
    if record.state is None or record.evidence is None or record.policy is None:
        return None
    return decide(record.state, record.evidence, record.policy, record.at)


def complaints(stored: Sequence[bytes]) -> list[str]:
    """What is wrong with an audit, oldest record first as stored; [] when hashes, links and decisions all hold.

    A record whose hash does not fit was changed; one that does not follow was slipped in, or the one before it is gone;
    one that would be decided otherwise came from other rules than these.
    """
    found, before = [], ""
    for raw in stored:
        fields = msgspec.json.decode(raw)
        name = f"revision {fields.get('revision')}"
        if seal_of(fields) != fields.get("hash"):
            found.append(f"{name}: was changed after it was written")
        if before and fields.get("prev_hash") != before:
            found.append(f"{name}: does not follow the record before it")
        before = fields.get("hash", "")
        found += [f"{name}: {difference}" for difference in _differences(raw)]
    return found


def _differences(raw: bytes) -> list[str]:
    record = msgspec.json.decode(raw, type=AuditRecord, strict=False)
    again = decided_again(record)
    if again is None:
        return []
    if record.policy is not None and policy_hash(record.policy) != record.policy_hash:
        return ["its policy is not the one its hash names"]
    if (again.action, again.reasons) != (record.action, record.reasons):
        return [f"says {record.action} {record.reasons}, decided again {again.action} {again.reasons}"]
    target = again.target.id if again.target else record.to_version
    return [] if target == record.to_version else [f"says {record.to_version}, decided again {target}"]


__all__ = [
    "AuditRecord",
    "complaints",
    "decided_again",
    "policy_hash",
    "record",
    "seal_of",
    "sealed",
]
