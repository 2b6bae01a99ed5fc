"""Turns a decision and its evidence into an audit record, chained to the record before it by SHA-256. Stage 6.

A record holds everything that went into the decision, so that anyone who has the audit can take each decision again.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any, Final

import msgspec

from models.gate.decision import decide
from models.gate.evidence import Decision, Evidence, GateState, Policy
from models.structs import Prepared

RULES = 4
"""Number of the rules by which decisions are taken. Raise it when the same evidence may lead to another decision: then
older records are not taken for forged ones."""

UNREADABLE: Final = "unreadable"
"""Action of what stands for an entry that is no record (`stand_in`)."""


class AuditRecord(msgspec.Struct, metaclass=Prepared, frozen=True):
    """One decision as it is kept. A record that was changed, removed or slipped in afterwards shows in the hashes.

    Attributes:
        at: when it was taken, epoch seconds.
        revision: number of the decision.
        actor: `auto`, or the name of the operator's key.
        action: what was done.
        reasons: why.
        detail: the operator's reason, or a sentence about the first fault.
        numbers: what was measured.
        from_version: champion before, "" for none.
        to_version: champion after; of a hold the version that was held.
        mode_before: mode before.
        mode_after: mode after.
        offsets: offsets of the stream that the candidate covers.
        decided_by: name of the service.
        policy_hash: short name of the policy.
        prev_hash: hash of the record before.
        hash: hash of all other fields.
        reference: the new reference, "" when it stayed.
        state: the gate's state that was decided upon.
        evidence: the evidence.
        policy: the policy.
        rules: number of the rules that it was taken by.
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
    rules: int = 1


def policy_hash(policy: Policy) -> str:
    """Returns a short name for a policy: equal policies have equal names.

    >>> policy_hash(Policy()) == policy_hash(Policy(cooldown=1.0))
    False
    """
    return _digest(policy)[:16]


def sealed(record: AuditRecord) -> AuditRecord:
    """Returns the record with its hash."""
    return msgspec.structs.replace(record, hash=seal_of(msgspec.to_builtins(record, str_keys=True)))


def seal_of(fields: dict[str, Any]) -> str:
    """Returns the hash of a stored record with any fields, so that records of other releases can be checked.

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
    """Returns the audit record of a decision.

    Args:
        state: the gate's state before the decision.
        decision: the decision.
        evidence: what it was taken on.
        policy: the thresholds in force.
        now: epoch seconds.
        decided_by: name of the service that took it.
    """
    request, candidate, champion = evidence.request, evidence.candidate, evidence.serving
    unmoved = champion.id if champion else ""
    concerned = decision.target or (candidate if decision.action != "mode" else None)
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
            to_version=concerned.id if concerned else unmoved,
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
            rules=RULES,
        )
    )


def decided_again(record: AuditRecord) -> Decision | None:
    """Takes the decision again from the record's inputs; None for a record of an older release, which has none."""
    if record.state is None or record.evidence is None or record.policy is None:
        return None
    return decide(record.state, record.evidence, record.policy, record.at)


def complaints(stored: Sequence[bytes]) -> list[str]:
    """Checks an audit and returns what is wrong with it; [] when hashes, links and decisions all hold.

    A record whose hash does not fit was changed. One that does not follow was slipped in, or the record before it is
    gone; what came before the first may have been trimmed (`unchecked`). One that would be decided differently was
    forged: the decisions of a release with other rules are not taken again.

    Args:
        stored: records as stored, oldest first.
    """
    found = chained(stored)
    for raw in stored:
        fields = _fields(raw)
        found += [f"revision {fields.get('revision')}: {difference}" for difference in _differences(raw, fields)]
    return found


def chained(stored: Sequence[bytes]) -> list[str]:
    """Checks hashes and links alone, and returns what is wrong.

    Args:
        stored: records as stored, oldest first.

    >>> chained([b"not even JSON", stand_in(0.0, "entry 5-0 of the audit is no record")])
    ['an entry of the audit is no record', 'entry 5-0 of the audit is no record']
    """
    found, before = [], ""
    for raw in stored:
        fields = _fields(raw)
        if fields.get("action") == UNREADABLE:
            found.append(str(fields.get("detail")))
            before = ""  # what it was, and so whether the next record follows it, cannot be told
            continue
        name = f"revision {fields.get('revision')}"
        if seal_of(fields) != fields.get("hash"):
            found.append(f"{name}: was changed after it was written")
        if before and fields.get("prev_hash") != before:
            found.append(f"{name}: does not follow the record before it")
        before = fields.get("hash", "")
    return found


def stand_in(at: float, why: str) -> bytes:
    """Returns what is shown in the place of an entry of the audit that is no record.

    Args:
        at: when the entry was written, epoch seconds.
        why: what is wrong with it, as a sentence.
    """
    return msgspec.json.encode(
        AuditRecord(at, 0, "", UNREADABLE, (), why, {}, "", "", "", "", {}, decided_by="", policy_hash="", prev_hash="")
    )


def _fields(raw: bytes) -> dict[str, Any]:
    """Returns the fields of a stored record; those of a stand-in for bytes that are none."""
    try:
        found = msgspec.json.decode(raw)
    except msgspec.DecodeError:
        found = None
    return found if isinstance(found, dict) else {"action": UNREADABLE, "detail": "an entry of the audit is no record"}


def unchecked(stored: Sequence[bytes]) -> list[str]:
    """Says what `complaints` cannot tell about an audit, as sentences.

    Args:
        stored: records as stored, oldest first.

    >>> [said.split(":")[0] for said in unchecked([b'{"revision": 7, "prev_hash": "ab", "rules": 1}'])]
    ['revisions before 7 are no longer kept', '1 decisions were taken by the rules of another release']
    """
    if not stored:
        return []
    readable = [fields for fields in map(_fields, stored) if fields.get("action") != UNREADABLE]
    first: dict[str, Any] = readable[0] if readable else {}
    said = []
    if first.get("prev_hash"):
        said.append(
            f"revisions before {first.get('revision')} are no longer kept: whether they were changed cannot be told"
        )
    other = sum(fields.get("rules", 1) != RULES for fields in readable)
    if other:
        said.append(
            f"{other} decisions were taken by the rules of another release: their hashes are checked, the decisions are"
            " not"
        )
    return said


def _differences(raw: bytes, fields: dict[str, Any]) -> list[str]:
    if fields.get("action") == UNREADABLE or fields.get("rules", 1) != RULES:
        return []
    try:
        record = msgspec.json.decode(raw, type=AuditRecord, strict=False)
    except msgspec.ValidationError as error:
        return [f"is no decision of these rules: {error}"]
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
    "UNREADABLE",
    "AuditRecord",
    "chained",
    "complaints",
    "decided_again",
    "policy_hash",
    "record",
    "seal_of",
    "sealed",
    "stand_in",
    "unchecked",
]
