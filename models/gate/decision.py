"""The decision: promote a candidate, hold it, or roll back to the reference, and why. Stage 6.

`decide` is pure: cool-downs, consecutive versions and expiries live in `GateState`, so that the audit can be replayed
and must come to the same decisions.
"""

from __future__ import annotations

import math

import msgspec

from models.gate import anchors
from models.gate.clock import settled
from models.gate.evidence import Decision, Evidence, GateState, Policy, Version
from models.gate.guards import widened
from models.gate.measurements import measured
from models.gate.modes import changed, thawed
from models.gate.rules import Verdict, choose_ranking, judge
from models.gate.silence import silent
from models.gate.vocabulary import MODE_VERBS, UNSEEN_VERBS, Action

IDLE = {("not_newer",), ("no_candidate",)}
"""Reasons of holds that say nothing."""


def decide(state: GateState, evidence: Evidence, policy: Policy, now: float) -> Decision:
    """Decides whether users may see the candidate: the first rule that applies wins.

    Args:
        state: what the gate remembers.
        evidence: what is known at this tick.
        policy: the thresholds.
        now: epoch seconds.

    A sound newer version is promoted. The first version becomes the reference at once:

    >>> from models.gate.evidence import Request
    >>> new, old = Version("b", 2), Version("a", 1)
    >>> decide(GateState(), Evidence(new, old, old), Policy(), 0.0).action
    'promote'
    >>> first = decide(GateState(), Evidence(old), Policy(), 0.0)
    >>> first.reasons, first.reference.id
    (('first_version', 'sound'), 'a')

    A fault holds it, also when an operator asks for it:

    >>> bad = Evidence(new, old, faults=("not_finite",), request=Request("promote", "ops", "try it", force=True))
    >>> decide(GateState(), bad, Policy(), 0.0).reasons
    ('not_finite',)
    >>> decide(GateState(), Evidence(old, old), Policy(), 0.0).reasons
    ('not_newer',)

    A champion that is shown to be worse than the reference is rolled back. Nothing goes live until the cool-down is
    over and a version is shown to be no worse than the champion:

    >>> from models.statistics.comparison import Comparison, Standing
    >>> from models.statistics.confidence import Sums
    >>> def shown(total, of="a"): return Comparison(of, hit=Sums(1.0, 4_000, total, 200.0), reciprocal=Sums(0.5, 4_000))
    >>> newer = Version("c", 3)
    >>> harmful = Evidence(newer, new, old, standing=Standing(reference=shown(-400.0)))
    >>> back = decide(GateState(), harmful, Policy(), 0.0)
    >>> back.action, back.reasons, back.target.id, back.next_state.recovering
    ('rollback', ('harm',), 'a', True)
    >>> decide(back.next_state, Evidence(newer, old, old), Policy(), 1.0).reasons
    ('cooling_down',)
    >>> decide(back.next_state, Evidence(newer, old, old), Policy(), 301.0).reasons
    ('recovering',)
    >>> good = Evidence(newer, old, old, standing=Standing(champion=shown(400.0)))
    >>> decide(back.next_state, good, Policy(), 301.0).reasons
    ('sound', 'recovered')

    After a stretch without harm the promoted version becomes the reference as well:

    >>> no_harm = Standing(reference=shown(200.0))
    >>> healthy = decide(GateState(), Evidence(newer, new, old, standing=no_harm), Policy(), 0.0)
    >>> healthy.reasons, healthy.reference.id
    (('sound', 'healthy'), 'c')

    So is one that is shown to be worse than an anchor, however small the steps were in which it got there:

    >>> from models.gate.evidence import Anchor
    >>> from models.statistics import Anchored
    >>> lost = Standing(anchors=(Anchored("a", 40_000, -1_000, 4_000, 0.0, 400.0, 12_000),))
    >>> stands = GateState(anchors=(Anchor("a", 1),))
    >>> walked = decide(stands, Evidence(newer, new, new, standing=lost, anchors=(old,)), Policy(), 0.0)
    >>> walked.action, walked.reasons, walked.target.id, walked.reference.id
    ('rollback', ('behind_anchor',), 'a', 'a')

    Mode strict replaces the champion by a version that is shown to be better, or after several in a row that are shown
    to be no worse:

    >>> strict = GateState(mode="strict", promoted_at=-120.0)
    >>> def against(comparison): return Evidence(newer, old, old, standing=Standing(champion=comparison))
    >>> [decide(strict, against(shown(total)), Policy(), 0.0).reasons[0] for total in (400.0, -400.0, -60.0)]
    ['superior', 'harm', 'inconclusive']
    >>> decide(strict, against(Comparison("a")), Policy(), 0.0).reasons
    ('warmup',)
    >>> no_worse = Comparison("a", hit=Sums(1.0, 30_000, 0.0, 20.0), reciprocal=Sums(0.5, 30_000))
    >>> once = decide(strict, against(no_worse), Policy(), 0.0)
    >>> third = msgspec.structs.replace(once.next_state, passes=2, passed="b")
    >>> once.reasons, decide(third, against(no_worse), Policy(), 0.0).reasons
    (('passing',), ('not_inferior', 'sound'))
    >>> equal = against(shown(20.0))
    >>> [decide(GateState(mode="strict"), equal, Policy(), now).reasons[0] for now in (1.0, 599.0, 601.0)]
    ['dwelling', 'inconclusive', 'champion_old']

    A look for an old champion that finds too little is not repeated before it is as old again:

    >>> looked = decide(GateState(mode="strict"), against(shown(-5.0)), Policy(), 601.0)
    >>> looked.reasons, looked.next_state.looks, looked.next_state.looked_at
    (('inconclusive',), 1, 601.0)
    >>> [decide(looked.next_state, equal, Policy(), now).reasons[0] for now in (602.0, 1_200.0, 1_202.0)]
    ['inconclusive', 'inconclusive', 'champion_old']

    Modes manual and frozen hold until asked; a frozen gate refuses even that:

    >>> manual, frozen = GateState(mode="manual"), GateState(mode="frozen")
    >>> decide(manual, Evidence(new, old), Policy(), 0.0).reasons
    ('manual',)
    >>> ask = Evidence(new, old, request=Request("promote", "ops", "release"))
    >>> decide(manual, ask, Policy(), 0.0).reasons, decide(frozen, ask, Policy(), 0.0).reasons
    (('requested', 'sound'), ('frozen',))

    An operator rolls back to the previous champion, and promotes against the evidence by force alone:

    >>> request = Request("rollback", "ops", "bad slates")
    >>> decide(GateState(), Evidence(newer, new, previous=old, request=request), Policy(), 0.0).target.id
    'a'
    >>> [decide(GateState(), Evidence(newer, new, old, standing=harmful.standing, request=Request(
    ...     "promote", "ops", "I know", force=force)), Policy(), 0.0).reasons for force in (False, True)]
    [('harm',), ('requested', 'forced', 'sound')]

    A request about the mode changes the mode and nothing else, and a freeze ends by itself:

    >>> freeze = Evidence(request=Request("freeze", "ops", "sale day", until=60.0))
    >>> stopped = decide(GateState(), freeze, Policy(), 0.0)
    >>> stopped.action, stopped.next_state.mode
    ('mode', 'frozen')
    >>> decide(stopped.next_state, Evidence(new, old, old), Policy(), 61.0).reasons
    ('freeze_expired', 'sound')

    An order about a quarantine is recorded in every mode, and leaves the champion:

    >>> order = Evidence(new, old, request=Request("quarantine", "ops", "a broken exporter"))
    >>> noted = decide(GateState(mode="frozen"), order, Policy(), 0.0)
    >>> noted.action, noted.reasons, noted.target, noted.next_state.mode, noted.next_state.revision
    ('quarantine', ('requested',), None, 'frozen', 1)
    """
    state, expired = thawed(settled(state, now), now)
    request = evidence.request
    if request is not None and request.verb in MODE_VERBS:
        return _aside("mode", "mode_changed", changed(state, request, policy, now))
    if request is not None and (request.verb == "quarantine" or request.verb == "experiment"):
        return _aside(request.verb, "requested", state)
    verdict = judge(state, evidence, policy, now)
    baseline, proven, why = (state.baseline, state.proven, "")
    if state.mode != "frozen":
        baseline, proven, why = choose_ranking(state, evidence, policy)
    reasons = verdict.reasons
    if why and (verdict.action != "hold" or baseline != state.baseline or proven != state.proven):
        reasons = (*reasons, why)
    if expired:
        reasons = ("freeze_expired", *reasons)
    after = msgspec.structs.replace(
        _after(state, verdict, reasons, evidence, policy, now), baseline=baseline, proven=proven
    )
    numbers = measured(evidence, policy) | anchors.measured(state, evidence, policy)
    detail = evidence.detail or verdict.detail
    return Decision(verdict.action, reasons, numbers, after, detail, verdict.target, verdict.reference)


def _aside(action: Action, reason: str, state: GateState) -> Decision:
    """Returns a decision that concerns no version."""
    after = msgspec.structs.replace(
        state, revision=state.revision + 1, passes=0, holds=0, last_action=action, last_reasons=(reason,)
    )
    return Decision(action, (reason,), {}, after)


def _after(
    state: GateState, verdict: Verdict, reasons: tuple[str, ...], evidence: Evidence, policy: Policy, now: float
) -> GateState:
    state = _after_move(state, verdict, evidence, policy, now)
    candidate = evidence.candidate.id if evidence.candidate is not None else ""
    counts = verdict.passing and candidate != state.passed
    return msgspec.structs.replace(
        state,
        revision=state.revision + 1,
        passes=(state.passes + counts if verdict.passing else 0),
        passed=candidate if verdict.passing else "",
        holds=state.holds + 1 if verdict.action == "hold" else 0,
        last_action=verdict.action,
        last_reasons=reasons,
    )


def _after_move(state: GateState, verdict: Verdict, evidence: Evidence, policy: Policy, now: float) -> GateState:
    if verdict.action == "promote":
        band = widened(state.norms, evidence.numbers.get("norm", 0.0))
        before, after = evidence.reference, verdict.reference
        former = before.id if before is not None and after is not None and before.id != after.id else state.former
        stands = after or (before if before is not None and before.id not in evidence.lost else None)
        stand = anchors.rotated(state, evidence, policy, stands, now)
        moved = {"promoted_at": now, "recovering": False, "norms": band, "looks": 0, "looked_at": 0.0}
        return msgspec.structs.replace(state, **moved, former=former, anchors=stand)
    if verdict.looked:
        return msgspec.structs.replace(state, looks=state.looks + 1, looked_at=now)
    if verdict.action != "rollback" or verdict.target is None:
        return state
    recent = state.rollbacks if now - state.rolled_back_at < policy.forget_rollbacks else 0
    pause = min(policy.cooldown * 2.0 ** min(recent, 32), policy.cooldown_limit)
    return msgspec.structs.replace(
        state,
        rollbacks=recent + 1,
        rolled_back_at=now,
        cool_until=now + pause,
        recovering=evidence.request is None,
        anchors=anchors.gone_back(state.anchors, verdict.target, now),
        looks=0,
        looked_at=now,
    )


def wanted(state: GateState, evidence: Evidence, policy: Policy, now: float) -> Version | None:
    """Returns the version that must be loaded and examined before the decision; None when there is none.

    >>> wanted(GateState(mode="manual"), Evidence(Version("b", 2), Version("a", 1)), Policy(), 0.0)
    >>> wanted(GateState(), Evidence(Version("b", 2), Version("a", 1)), Policy(), 0.0).id
    'b'
    """
    if evidence.request is not None and evidence.request.verb in UNSEEN_VERBS:
        return None
    if silent(evidence, policy):
        # What old events say is measured on the candidate's tables: would it go live if they said nothing against it?
        evidence = msgspec.structs.replace(evidence, quiet=math.inf)
    return judge(thawed(settled(state, now), now)[0], evidence, policy, now).target


def worth_recording(before: GateState, decision: Decision, policy: Policy, now: float) -> bool:
    """Whether a decision joins the audit. A hold that repeats does once every `hold_sample`; one without news does not.

    >>> first = decide(GateState(mode="manual"), Evidence(Version("b", 2), Version("a", 1)), Policy(), 0.0)
    >>> worth_recording(GateState(), first, Policy(), 0.0)
    True
    >>> worth_recording(first.next_state, first, Policy(), 1.0)
    False
    """
    after = decision.next_state
    if settled(before, now) is not before:
        # The clock was set back: from now on moments are counted by it, and the record says since when.
        return True
    if (after.baseline, after.proven) != (before.baseline, before.proven) or after.passes > before.passes:
        return True
    if after.looks > before.looks:
        return True
    if decision.reasons in IDLE:
        return False
    if decision.action != "hold" or before.last_action != "hold" or before.last_reasons != decision.reasons:
        return True
    return now - before.audited_at >= policy.hold_sample


__all__ = ["decide", "wanted", "worth_recording"]
