"""Explains a recorded decision: its reasons as sentences, and what would let a held version go live. Stage 6.

Everything is read from the record, which holds the inputs of its decision. What an operator could do is asked of
`decide` itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import msgspec

from models.gate.audit import AuditRecord
from models.gate.reasons.against_anchors import ANCHORED
from models.gate.reasons.faults import FAULTS
from models.gate.reasons.guarded import GUARDED
from models.gate.reasons.held import HELD, next_holds
from models.gate.reasons.moved import BACK, MOVED
from models.gate.reasons.situation import Remedy, Said, Situation, said
from models.gate.vocabulary import REASON_TEXTS, Action
from models.structs import Prepared

EXPLAINED: Final = {**FAULTS, **GUARDED, **HELD, **MOVED, **ANCHORED}
"""The function that explains each reason of the vocabulary."""

SILENT: Final = frozenset({"sound"})
"""Reasons that say nothing once another one is given."""

AFTER: Final = "After that it would still wait."
"""Comes before what holds once a pause is over."""


class Explanation(msgspec.Struct, metaclass=Prepared, frozen=True):
    """Why a decision was taken, and what would have to change.

    Attributes:
        action: What was decided.
        reasons: Its reasons, for programs.
        at: When, epoch seconds.
        revision: Number of the decision.
        why: The reasons as sentences, with the numbers they rest on.
        remedies: Ways in which the challenger may go live; none where nothing was held.
    """

    action: Action
    reasons: tuple[str, ...]
    at: float
    revision: int
    why: tuple[str, ...]
    remedies: tuple[Remedy, ...] = ()


def explain(record: AuditRecord, rates: Mapping[str, float] | None = None) -> Explanation:
    """Explains a decision.

    Args:
        record: The decision and its inputs.
        rates: Tested events that each comparison gets in a second at present, by its name; absent where unknown.

    >>> from models.gate.audit import record
    >>> from models.gate.decision import decide
    >>> from models.gate.evidence import Evidence, GateState, Policy, Version
    >>> from models.statistics import Comparison, Standing
    >>> state, policy = GateState(mode="strict", promoted_at=-120.0), Policy()
    >>> against = Comparison("a")
    >>> for number in range(400):
    ...     against.add(number % 9 == 0, number % 9 == 1)
    >>> evidence = Evidence(Version("b", 2), Version("a", 1), standing=Standing(champion=against))
    >>> held = record(state, decide(state, evidence, policy, 0.0), evidence, policy, 0.0, "a service")
    >>> found = explain(held, {"champion": 40.0})
    >>> found.reasons, found.why
    (('warmup',), ('400 tested events were compared with the champion; mode strict judges from 2,000 on.',))
    >>> for remedy in found.remedies:
    ...     print(remedy.text)
    1,600 more tested events are needed until it is judged. At the present about 40 a second that is about 40 s.
    An operator can promote it: `sluicegate gate promote --reason "..."`.
    """
    action, reasons = _named(record)
    if record.state is None or record.evidence is None or record.policy is None:
        # A record of a release that kept no inputs.
        return Explanation(action, reasons, record.at, record.revision, tuple(map(_bare, reasons)))
    case = Situation(
        record.state,
        record.evidence,
        record.policy,
        record.numbers,
        record.at,
        record.actor,
        record.detail,
        rates if rates is not None else {},
    )
    told = {reason: _said(reason, action, case) for reason in reasons}
    spoken = [reason for reason in reasons if reason not in SILENT or len(reasons) == 1] or list(reasons)
    why = [sentence for reason in spoken for sentence in told[reason].why]
    if action != "hold":
        return Explanation(action, reasons, record.at, record.revision, tuple(dict.fromkeys(why)))
    remedies = [remedy for reason in spoken for remedy in told[reason].remedies]
    after = [_said(reason, action, case) for reason in next_holds(case, reasons) if reason not in reasons]
    if after:
        why += [AFTER, *(sentence for each in after for sentence in each.why)]
        remedies += [remedy for each in after for remedy in each.remedies]
    return Explanation(action, reasons, record.at, record.revision, tuple(dict.fromkeys(why)), _once(remedies))


def _named(record: AuditRecord) -> tuple[Action, tuple[str, ...]]:
    action: Action = msgspec.convert(record.action, Action)
    return action, record.reasons


def _said(reason: str, action: Action, case: Situation) -> Said:
    if action == "rollback" and reason in BACK:
        return BACK[reason](case)
    explained = EXPLAINED.get(reason)
    return explained(case) if explained is not None else said(_bare(reason))


def _bare(reason: str) -> str:
    """The reason's meaning as a sentence; a reason of another release by its name."""
    text = REASON_TEXTS.get(reason, reason.replace("_", " "))
    return f"{text[0].upper()}{text[1:]}."


def _once(remedies: list[Remedy]) -> tuple[Remedy, ...]:
    """Each remedy once, what an operator can do last."""
    found = dict.fromkeys(remedies)
    return tuple(sorted(found, key=lambda remedy: remedy.kind == "operator"))


__all__ = ["EXPLAINED", "Explanation", "explain"]
