"""State, evidence and policy in; what to do, to which version, and why, out: the first rule that applies. Stage 6."""

from __future__ import annotations

from typing import NamedTuple

from models.gate import guards
from models.gate.evidence import Evidence, GateState, Policy, Version
from models.gate.vocabulary import Action


class Verdict(NamedTuple):
    """`target`: what is served from now on; `reference`: the new last known good one; None leaves them."""

    action: Action
    reasons: tuple[str, ...]
    target: Version | None = None
    reference: Version | None = None
    passing: bool = False


def judge(state: GateState, evidence: Evidence, policy: Policy, now: float) -> Verdict:
    """Requests first, then harm to users, then whether the candidate may go live. `state` is thawed already."""
    if state.mode == "frozen":
        return Verdict("hold", ("frozen",))
    if evidence.request is not None:
        return _requested(evidence, policy)
    rescue = _rescue(state, evidence, policy)
    if rescue is not None:
        return rescue
    return _candidate(state, evidence, policy, now)


def _requested(evidence: Evidence, policy: Policy) -> Verdict:
    request, serving = evidence.request, evidence.serving
    assert request is not None
    if request.verb == "rollback":
        return _requested_back(evidence)
    if evidence.candidate is None:
        return Verdict("hold", evidence.faults or ("no_candidate",))
    if not _newer(evidence.candidate, serving):
        return Verdict("hold", ("not_newer",))
    if evidence.faults:
        return Verdict("hold", evidence.faults)
    if not request.force:
        held = _evident(evidence, policy)
        if held:
            return Verdict("hold", held)
    reasons = ("requested", "forced", "sound") if request.force else ("requested", "sound")
    return Verdict("promote", reasons, evidence.candidate, _left_behind(evidence))


def _requested_back(evidence: Evidence) -> Verdict:
    target = next(iter(_older(evidence)), None)
    if target is None:
        return Verdict("hold", ("not_older",) if evidence.serving is not None else ("no_reference",))
    if evidence.faults:
        return Verdict("hold", evidence.faults)
    return Verdict("rollback", ("requested", "sound"), target)


def _older(evidence: Evidence) -> list[Version]:
    """Where one can go back to: what was asked for, the last known good version, what was served before."""
    serving = evidence.serving
    if serving is None:
        return []
    known = (evidence.candidate, evidence.reference, evidence.previous)
    return [version for version in known if version is not None and version.seq < serving.seq]


def _rescue(state: GateState, evidence: Evidence, policy: Policy) -> Verdict | None:
    """Back to the last known good version, when what users see is worse than that for certain."""
    serving, reference = evidence.serving, evidence.reference
    if serving is None or reference is None or reference.seq >= serving.seq or state.mode == "manual":
        return None
    follows = state.mode != "strict" and not state.recovering and not _another(evidence)
    compared = guards.against_reference if follows else guards.champion_against_reference
    why = guards.harmed(compared(evidence), policy)
    if not why:
        return None
    if evidence.faults:
        return Verdict("hold", (why, *evidence.faults))
    return Verdict("rollback", (why,), reference)


def _candidate(state: GateState, evidence: Evidence, policy: Policy, now: float) -> Verdict:
    candidate, serving = evidence.candidate, evidence.serving
    if candidate is None:
        return Verdict("hold", evidence.faults or ("no_candidate",))
    if not _newer(candidate, serving):
        return Verdict("hold", ("not_newer",))
    if state.mode == "manual":
        return Verdict("hold", ("manual",))
    if now < state.cool_until:
        return Verdict("hold", ("cooling_down",))
    if evidence.faults:
        return Verdict("hold", evidence.faults)
    if serving is None:
        return Verdict("promote", ("first_version", "sound"), candidate, candidate)
    doubtful = guards.quality(evidence, policy)
    if doubtful:
        return Verdict("hold", doubtful)
    if guards.norms(state, evidence, policy):
        return Verdict("hold", ("norms",))
    if state.mode == "strict":
        return _strict(state, evidence, policy, now)
    if state.recovering:
        return _proven(evidence, policy, "recovering", "recovered")
    if _another(evidence):
        return _proven(evidence, policy, "unproven", "proven")
    return _continuous(evidence, policy)


def _another(evidence: Evidence) -> bool:
    """Whether the candidate's model was made anew, and is not what is served, learnt further."""
    candidate, serving = evidence.candidate, evidence.serving
    return candidate is not None and serving is not None and candidate.rebuilt != serving.rebuilt


def _evident(evidence: Evidence, policy: Policy) -> tuple[str, ...]:
    """What the evidence has against a candidate that an operator asked for."""
    why = guards.harmed(guards.against_reference(evidence), policy)
    found = [why] if why else []
    return (*found, *_changed(evidence, policy))


def _changed(evidence: Evidence, policy: Policy) -> tuple[str, ...]:
    """What its answers, to canaries and to old events, and what was shown have against it, if nothing outvotes them."""
    found = {
        "lists_changed": guards.lists(evidence, policy),
        "scores_shifted": guards.scores(evidence, policy),
        "forgetting": guards.forgetting(evidence, policy),
        "concentrated": guards.concentrated(evidence, policy),
    }
    return tuple(reason for reason, held in found.items() if held)


def _continuous(evidence: Evidence, policy: Policy) -> Verdict:
    """Published, unless something speaks against it; the last known good moves after a stretch that showed no harm."""
    why = guards.harmed(guards.against_reference(evidence), policy)
    if why:
        return Verdict("hold", (why,))
    if guards.shift(evidence, policy):
        return Verdict("hold", ("shift",))
    changed = _changed(evidence, policy)
    if changed:
        return Verdict("hold", changed)
    if evidence.reference is None:
        return Verdict("promote", ("sound",), evidence.candidate, evidence.serving)
    found = guards.against_reference(evidence)
    if found is not None and found.n >= policy.healthy_tested and guards.as_good(found, policy):
        return Verdict("promote", ("sound", "healthy"), evidence.candidate, evidence.candidate)
    return Verdict("promote", ("sound",), evidence.candidate)


def _proven(evidence: Evidence, policy: Policy, waits: str, goes: str) -> Verdict:
    """Live once it is shown to be no worse than what is served, which stands still."""
    found = guards.against_champion(evidence)
    why = guards.harmed(found, policy)
    if why:
        return Verdict("hold", (waits, why))
    if not guards.as_good(found, policy):
        return Verdict("hold", (waits,))
    return Verdict("promote", ("sound", goes), evidence.candidate)


def _strict(state: GateState, evidence: Evidence, policy: Policy, now: float) -> Verdict:
    """What is served stands still; it is replaced by what is shown to be no worse, for several versions in a row."""
    found = guards.against_champion(evidence)
    if found is None or found.n < policy.least_tested:
        return Verdict("hold", ("warmup",))
    why = guards.harmed(found, policy)
    if why:
        return Verdict("hold", (why,))
    if now - state.promoted_at < policy.dwell:
        return Verdict("hold", ("dwelling",))
    bounds, margin = found.bounds(policy.alpha), found.margin(policy.margin, policy.margin_relative)
    if bounds.better:
        return _replaced("superior", evidence)
    if bounds.above(margin):
        if state.passes + 1 >= policy.passes and _fresh(state, evidence):
            return _replaced("not_inferior", evidence)
        return Verdict("hold", ("passing",), passing=True)
    if now - state.promoted_at > policy.max_age and min(found.hit.mean, found.reciprocal.mean) >= -margin / 2:
        return _replaced("champion_old", evidence)
    return Verdict("hold", ("inconclusive",))


def _replaced(why: str, evidence: Evidence) -> Verdict:
    return Verdict("promote", (why, "sound"), evidence.candidate, _left_behind(evidence))


def _left_behind(evidence: Evidence) -> Version | None:
    """What served until now was not found wanting: it is what one goes back to."""
    return evidence.serving or evidence.candidate


def _fresh(state: GateState, evidence: Evidence) -> bool:
    return evidence.candidate is not None and evidence.candidate.id != state.passed


def _newer(candidate: Version, serving: Version | None) -> bool:
    return serving is None or (candidate.id != serving.id and candidate.seq > serving.seq)


def order(state: GateState, evidence: Evidence, policy: Policy) -> tuple[bool, bool, str]:
    """(the best single source is served in place of the learnt ranking, that ranking has beaten it, why).

    >>> from models.statistics.comparison import Comparison, Standing
    >>> from models.statistics.confidence import Sums
    >>> def learnt(total):
    ...     return Evidence(standing=Standing(learnt=Comparison("cosine", hit=Sums(1.0, 2_000, total, 300.0))))
    >>> order(GateState(), learnt(0.0), Policy()), order(GateState(), learnt(300.0), Policy())
    ((True, False, 'bootstrap'), (False, True, 'beats_baseline'))
    >>> order(GateState(proven=True), learnt(0.0), Policy()), order(GateState(proven=True), learnt(-300.0), Policy())
    ((False, True, ''), (True, True, 'below_baseline'))
    >>> order(GateState(mode="shadow"), learnt(300.0), Policy())
    (True, True, 'shadow')
    """
    found = evidence.standing.learnt if evidence.standing is not None else None
    if found is None:
        return state.mode == "shadow" or state.baseline, state.proven, "shadow" if state.mode == "shadow" else ""
    bounds = found.bounds(policy.alpha_harm)
    proven = state.proven or bounds.better
    if state.mode == "shadow":
        return True, proven, "shadow"
    if not proven:
        return True, False, "bootstrap"
    if bounds.worse:
        return True, True, "below_baseline"
    if bounds.better:
        return False, True, "beats_baseline" if state.baseline or not state.proven else ""
    # In between, as it was: what has once fallen below shows itself again before it is served.
    return state.baseline, True, ""


__all__ = ["Verdict", "judge", "order"]
