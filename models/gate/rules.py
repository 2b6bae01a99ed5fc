"""The rules of the gate: the first one that applies says what to do, with which version, and why. Stage 6."""

from __future__ import annotations

from typing import NamedTuple

from models.gate import anchors
from models.gate.comparisons import (
    against_champion,
    against_reference,
    as_good,
    better,
    champion_against_reference,
    harmed,
    unsuspicious,
)
from models.gate.evidence import Evidence, GateState, Policy, Version
from models.gate.guards import Case, Guard, holding, waited_for
from models.gate.silence import silent
from models.gate.vocabulary import Action


class Verdict(NamedTuple):
    """What the rules say.

    Attributes:
        action: what to do.
        reasons: why.
        target: the new champion; None leaves it.
        reference: the new reference; None leaves it.
        passing: the candidate counts towards `Policy.passes`.
        detail: what a held candidate waits for, as a sentence.
        looked: this was a look for an old champion.
    """

    action: Action
    reasons: tuple[str, ...]
    target: Version | None = None
    reference: Version | None = None
    passing: bool = False
    detail: str = ""
    looked: bool = False


def judge(state: GateState, evidence: Evidence, policy: Policy, now: float) -> Verdict:
    """Takes requests first, then harm to users, then the question whether the candidate may go live.

    Args:
        state: the gate's state, with a freeze that ran out already ended.
        evidence: what is known.
        policy: the thresholds.
        now: epoch seconds.
    """
    if state.mode == "frozen":
        return Verdict("hold", ("frozen",))
    if evidence.request is not None:
        return _requested(state, evidence, policy)
    rescue = _rescue(state, evidence, policy)
    if rescue is not None:
        return rescue
    return _candidate(state, evidence, policy, now)


def _requested(state: GateState, evidence: Evidence, policy: Policy) -> Verdict:
    request, champion = evidence.request, evidence.serving
    assert request is not None
    if request.verb == "rollback":
        return _requested_back(state, evidence)
    if evidence.candidate is None:
        return Verdict("hold", evidence.faults or ("no_candidate",))
    if not _newer(evidence.candidate, champion):
        return Verdict("hold", ("not_newer",))
    if evidence.faults:
        return Verdict("hold", evidence.faults)
    if not request.force:
        objections = _objections(state, evidence, policy)
        if objections:
            return Verdict("hold", objections)
    reasons = ("requested", "forced", "sound") if request.force else ("requested", "sound")
    return Verdict("promote", reasons, evidence.candidate, _left_behind(evidence))


def _requested_back(state: GateState, evidence: Evidence) -> Verdict:
    target = next(iter(_older(state, evidence)), None)
    if target is None:
        if evidence.lost:
            return Verdict("hold", ("unreadable",))
        return Verdict("hold", ("not_older",) if evidence.serving is not None else ("no_reference",))
    if evidence.faults:
        return Verdict("hold", evidence.faults)
    return Verdict("rollback", ("requested", "sound"), target)


def _older(state: GateState, evidence: Evidence) -> list[Version]:
    """Versions that an operator can go back to, in order of preference; the anchors only where the others are lost."""
    champion = evidence.serving
    if champion is None:
        return []
    known = [evidence.candidate, evidence.reference, evidence.previous]
    found = [version for version in known if version is not None and version.seq < champion.seq]
    if evidence.lost:
        found += _anchors_before(champion, state, evidence)
    return [version for version in found if version.id not in evidence.lost]


def _anchors_before(champion: Version, state: GateState, evidence: Evidence) -> list[Version]:
    older = (each for each in anchors.standing(state, evidence) if each.seq < champion.seq)
    return [Version(each.id, each.seq) for each in older]


def _youngest_anchor(state: GateState, evidence: Evidence) -> Version | None:
    """The youngest anchor that is older than the champion."""
    champion = evidence.serving
    return next(iter(_anchors_before(champion, state, evidence)), None) if champion is not None else None


def _rescue(state: GateState, evidence: Evidence, policy: Policy) -> Verdict | None:
    """Goes back to the reference, or to an anchor, when users are shown to get worse pages than it would give them.

    While the champion follows the challenger, a second behind, the challenger's comparison speaks for it.
    """
    champion, reference = evidence.serving, evidence.reference
    if champion is None or state.mode == "manual":
        return None
    follows = state.mode != "strict" and not state.recovering and not _another_model(evidence)
    compared = against_reference if follows else champion_against_reference
    why = harmed(compared(evidence), policy) if reference is not None and reference.seq < champion.seq else ""
    if why and reference is not None and reference.id in evidence.lost:
        return _back_further(why, state, evidence)
    if why:
        return _back((why,), reference, None, evidence)
    anchor = anchors.ahead(state, evidence, policy) if follows else None
    if anchor is None or anchor.seq >= champion.seq:
        return None
    # What became the reference since may be behind the anchor as well.
    return _back(("behind_anchor",), anchor, anchor, evidence)


def _back_further(why: str, state: GateState, evidence: Evidence) -> Verdict:
    """Goes back to the youngest anchor, which becomes the reference: the store has lost the one that there was."""
    reasons, anchor = (why, "reference_lost"), _youngest_anchor(state, evidence)
    return _back(reasons, anchor, anchor, evidence) if anchor is not None else Verdict("hold", reasons)


def _back(why: tuple[str, ...], target: Version | None, reference: Version | None, evidence: Evidence) -> Verdict:
    if evidence.faults:
        return Verdict("hold", (*why, *evidence.faults))
    return Verdict("rollback", why, target, reference)


def _behind(state: GateState, evidence: Evidence, policy: Policy) -> tuple[str, ...]:
    return ("behind_anchor",) if anchors.ahead(state, evidence, policy) is not None else ()


def _candidate(state: GateState, evidence: Evidence, policy: Policy, now: float) -> Verdict:
    candidate, champion = evidence.candidate, evidence.serving
    if candidate is None:
        return Verdict("hold", evidence.faults or ("no_candidate",))
    if not _newer(candidate, champion):
        return Verdict("hold", ("not_newer",))
    if state.mode == "manual":
        return Verdict("hold", ("manual",))
    if now < state.cool_until:
        return Verdict("hold", ("cooling_down",))
    if evidence.faults:
        return Verdict("hold", evidence.faults)
    if champion is None:
        # No guard holds the first version: there is nothing better to serve.
        return Verdict("promote", ("first_version", "sound"), candidate, candidate)
    case = Case(evidence, policy, state.norms, state.former)
    objections = holding("stream", case) or holding("weights", case)
    if objections:
        return _held(objections, case)
    if state.mode == "strict":
        return _strict(state, evidence, policy, now)
    behind = _behind(state, evidence, policy)
    if behind:
        return Verdict("hold", behind)
    if state.recovering:
        return _once_as_good(evidence, policy, "recovering", "recovered")
    if _another_model(evidence):
        return _once_as_good(evidence, policy, "unproven", "proven")
    return _continuous(state, case, now)


def _held(guards: tuple[Guard, ...], case: Case) -> Verdict:
    return Verdict("hold", tuple(guard.reason for guard in guards), detail=waited_for(guards, case))


def _another_model(evidence: Evidence) -> bool:
    """Whether the candidate's model comes from another rebuild than the champion's."""
    candidate, champion = evidence.candidate, evidence.serving
    return candidate is not None and champion is not None and candidate.rebuilt != champion.rebuilt


def _objections(state: GateState, evidence: Evidence, policy: Policy) -> tuple[str, ...]:
    """What the evidence says against a candidate that an operator asked for."""
    why = harmed(against_reference(evidence), policy)
    found = (why,) if why else _behind(state, evidence, policy)
    case = Case(evidence, policy, state.norms, state.former)
    return (*found, *(guard.reason for guard in holding("answers", case)))


def _continuous(state: GateState, case: Case, now: float) -> Verdict:
    """Promotes, unless something speaks against it. A stretch without harm makes the candidate the reference."""
    evidence, policy = case.evidence, case.policy
    found = against_reference(evidence)
    why = harmed(found, policy)
    if why:
        return Verdict("hold", (why,))
    objections = holding("drift", case) or holding("answers", case)
    if objections:
        return _held(objections, case)
    if evidence.reference is None:
        return Verdict("promote", ("sound",), evidence.candidate, evidence.serving)
    if evidence.reference.id in evidence.lost:
        # Nothing can be compared with it any more, and nothing can be gone back to.
        instead = _youngest_anchor(state, evidence) or evidence.serving
        return Verdict("promote", ("sound", "reference_lost"), evidence.candidate, instead)
    if found is None or found.n < policy.healthy_tested or not as_good(found, policy):
        return Verdict("promote", ("sound",), evidence.candidate)
    if anchors.lift_lost(state, evidence, policy, now):
        return Verdict("promote", ("sound", "lift_lost"), evidence.candidate)
    if not anchors.may_move(state, evidence, policy):
        return Verdict("promote", ("sound",), evidence.candidate)
    return Verdict("promote", ("sound", "healthy"), evidence.candidate, evidence.candidate)


def _once_as_good(evidence: Evidence, policy: Policy, until_then: str, reason: str) -> Verdict:
    """Promotes once the candidate is shown to be no worse than the champion, which is frozen."""
    found = against_champion(evidence)
    why = harmed(found, policy)
    if why:
        return Verdict("hold", (until_then, why))
    if not as_good(found, policy):
        return Verdict("hold", (until_then,))
    return Verdict("promote", ("sound", reason), evidence.candidate)


def _strict(state: GateState, evidence: Evidence, policy: Policy, now: float) -> Verdict:
    """Replaces a frozen champion by a better candidate, or by the last of several that are no worse.

    Better and no worse are what the evidence has shown; no worse has to be shown several times in a row. A champion is
    old after each `max_age`, and what replaces it then has to pass one look.
    """
    found = against_champion(evidence)
    if found is None or found.n < policy.least_tested:
        return Verdict("hold", ("warmup",))
    why = harmed(found, policy)
    behind = (why,) if why else _behind(state, evidence, policy)
    if behind:
        return Verdict("hold", behind)
    if now - state.promoted_at < policy.dwell:
        return Verdict("hold", ("dwelling",))
    if better(found, policy):
        return _replaced("superior", evidence)
    if as_good(found, policy):
        in_a_row = state.passes + 1 >= policy.passes and _not_counted(state, evidence)
        if in_a_row or silent(evidence, policy):  # where no event comes, no further version does
            return _replaced("not_inferior", evidence)
        return Verdict("hold", ("passing",), passing=True)
    if now - max(state.promoted_at, state.looked_at) <= policy.max_age:
        return Verdict("hold", ("inconclusive",))
    if unsuspicious(found, policy, state.looks + 1):
        return _replaced("champion_old", evidence)
    return Verdict("hold", ("inconclusive",), looked=True)


def _replaced(why: str, evidence: Evidence) -> Verdict:
    return Verdict("promote", (why, "sound"), evidence.candidate, _left_behind(evidence))


def _left_behind(evidence: Evidence) -> Version | None:
    """The champion until now: it did no harm, so it becomes the reference."""
    return evidence.serving or evidence.candidate


def _not_counted(state: GateState, evidence: Evidence) -> bool:
    return evidence.candidate is not None and evidence.candidate.id != state.passed


def _newer(candidate: Version, champion: Version | None) -> bool:
    return champion is None or (candidate.id != champion.id and candidate.seq > champion.seq)


def choose_ranking(state: GateState, evidence: Evidence, policy: Policy) -> tuple[bool, bool, str]:
    """Decides whether the baseline or the learned ranking orders pages.

    Args:
        state: the gate's state.
        evidence: what is known.
        policy: the thresholds.

    Returns:
        Whether the baseline is served, whether the learned ranking has ever beaten it, and the reason or "".

    >>> from models.statistics.comparison import Comparison, Standing
    >>> from models.statistics.confidence import Sums
    >>> def learned(total):
    ...     return Evidence(standing=Standing(learnt=Comparison("cosine", hit=Sums(1.0, 2_000, total, 300.0))))
    >>> def chosen(total, **state): return choose_ranking(GateState(**state), learned(total), Policy())
    >>> chosen(0.0), chosen(300.0)
    ((True, False, 'bootstrap'), (False, True, 'beats_baseline'))
    >>> chosen(0.0, proven=True), chosen(-300.0, proven=True)
    ((False, True, ''), (True, True, 'below_baseline'))
    >>> chosen(300.0, mode="shadow")
    (True, True, 'shadow')
    """
    found = evidence.known.learnt
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
    # In between nothing changes: a ranking that fell below the baseline must beat it again before it is served.
    return state.baseline, True, ""


__all__ = ["Verdict", "choose_ranking", "judge"]
