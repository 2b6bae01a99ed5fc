"""Anchors: older versions that nothing may fall behind by more than the margin, however small its steps. Stage 6.

The reference follows the model, a step at a time, and each step may lose a little. So a few older references are kept
as anchors, one for each age of the policy (an hour, a day, a week), and the challenger is compared with them as well.
The reference moves on only to a version that is shown to be within the margin of every anchor. A challenger that is
shown to be worse than an anchor by more than the margin is held, and users go back to that anchor. When tastes drift,
all models lose alike, and the differences show nothing.

An anchor that has reached its age is replaced by the next younger one; the youngest is made from the reference. So the
day's anchor is between an hour and a day old.
"""

from __future__ import annotations

from collections.abc import Iterator

from models.gate.evidence import Anchor, Evidence, GateState, Policy, Version
from models.statistics import Anchored, Bounds


def standing(state: GateState, evidence: Evidence) -> tuple[Anchor, ...]:
    """The anchors that can be gone back to: those of the state that the store still names, and has.

    An anchor from before an erasure is not one of them: it may hold the user who was erased.
    """
    named = {version.id for version in evidence.anchors} - {*evidence.lost}
    return tuple(each for each in state.anchors if each.id in named and each.seq >= evidence.erased_in)


def compared(state: GateState, evidence: Evidence) -> Iterator[tuple[Anchor, Anchored]]:
    """Yields each standing version with the challenger's comparison with it, the youngest first, each once."""
    known = {found.against: found for found in evidence.known.anchors if found.n}
    for anchor in standing(state, evidence):
        found = known.pop(anchor.id, None)
        if found is not None:
            yield anchor, found


def _latest(found: Anchored, policy: Policy, alpha: float) -> tuple[Bounds, bool] | None:
    """The latest bounds that show the challenger behind by more than the margin, or not; and whether it is behind."""
    margin = found.margin(policy.margin, policy.margin_relative)
    for each in found.since(alpha):
        if each.below(margin) or each.above(margin):
            return each, each.below(margin)
    return None


def behind(found: Anchored, policy: Policy) -> bool:
    """Whether the challenger is shown to be worse than the anchor by more than the margin, and not within it since.

    >>> def after(total): return Anchored("a", 40_000, total, 4_000, 0.0, 400.0, 12_000)
    >>> [behind(after(total), Policy()) for total in (-1_000, -300, 0)]
    [True, False, False]
    """
    shown = _latest(found, policy, policy.alpha_harm)
    return shown is not None and shown[1]


def within(found: Anchored, policy: Policy) -> bool:
    """Whether the challenger is shown to be within the margin of the anchor, and not to be behind it since.

    >>> def after(total): return Anchored("a", 40_000, total, 4_000, 0.0, 400.0, 12_000)
    >>> [within(after(total), Policy()) for total in (-1_000, -300, 0)]
    [False, False, True]
    """
    shown = _latest(found, policy, policy.alpha)
    return shown is not None and not shown[1]


def ahead(state: GateState, evidence: Evidence, policy: Policy) -> Version | None:
    """The anchor that the challenger is shown to be furthest behind; None when it is behind none."""
    worst = [(found.mean, anchor) for anchor, found in compared(state, evidence) if behind(found, policy)]
    if not worst:
        return None
    anchor = min(worst, key=lambda each: each[0])[1]
    return Version(anchor.id, anchor.seq)


def lift_lost(state: GateState, evidence: Evidence, policy: Policy, now: float) -> bool:
    """Whether the lift over the best single source is shown to be lower than at a younger anchor by over the margin.

    A frozen model loses as tastes drift. A challenger that loses as much is not behind it, although it learns all the
    time. The single sources learn all the time as well, so such a loss shows in the lift over them.
    """
    found = evidence.known.learnt
    if found is None or not found.n:
        return False
    least = found.bounds(policy.alpha_harm).hit[1] + found.margin(policy.margin, policy.margin_relative)
    young = (anchor for anchor in standing(state, evidence) if now - anchor.since <= policy.lift_age)
    return any(anchor.lift > least for anchor in young)


def may_move(state: GateState, evidence: Evidence, policy: Policy) -> bool:
    """Whether the candidate may become the reference: shown to be within the margin of every anchor.

    An anchor with few compared events is not asked: it began to stand a moment ago, or cannot be loaded.
    """
    asked = [found for _, found in compared(state, evidence) if found.n >= policy.healthy_tested]
    return all(within(found, policy) for found in asked)


def rotated(
    state: GateState, evidence: Evidence, policy: Policy, reference: Version | None, now: float
) -> tuple[Anchor, ...]:
    """Returns the anchors after a promotion, the youngest age first.

    An anchor that has reached its age makes room for the next younger one, and the youngest for the reference.

    Args:
        state: the gate's state before.
        evidence: what was known.
        policy: has the ages.
        reference: the reference after the promotion; None leaves the anchors as they are.
        now: epoch seconds.

    >>> ages = Policy(anchors=(60.0, 600.0))
    >>> def after(anchors, now):
    ...     named = tuple(Version(each.id, each.seq) for each in anchors)
    ...     return rotated(GateState(anchors=anchors), Evidence(anchors=named), ages, Version(f"at {now:.0f}", 1), now)
    >>> found = ()
    >>> for now in (0.0, 50.0, 60.0, 120.0, 600.0, 1_300.0):
    ...     found = after(found, now)
    ...     print(*(each.id for each in found), sep=", ")
    at 0, at 0
    at 0, at 0
    at 60, at 0
    at 120, at 0
    at 600, at 120
    at 1300, at 600
    """
    if reference is None:
        return state.anchors
    found = evidence.known.learnt
    lift = found.bounds(policy.alpha_harm).hit[0] if found is not None and found.n else -1.0
    fresh = Anchor(reference.id, reference.seq, now, round(lift, 6))
    usable = standing(state, evidence)
    before = [anchor if anchor in usable else None for anchor in state.anchors[: len(policy.anchors)]]
    before += [None] * (len(policy.anchors) - len(before))
    places = []
    for anchor, younger, age in zip(before, [None, *before], policy.anchors, strict=False):
        stays = anchor is not None and now - anchor.since < age
        places.append(anchor if anchor is not None and stays else younger or fresh)
    return tuple(places)


def gone_back(anchors: tuple[Anchor, ...], target: Version, now: float) -> tuple[Anchor, ...]:
    """Returns the anchors after a rollback: those newer than its target have seen what led to it, and are replaced.

    >>> [each.id for each in gone_back((Anchor("c", 3), Anchor("a", 1)), Version("b", 2), 0.0)]
    ['b', 'a']
    """
    return tuple(each if each.seq <= target.seq else Anchor(target.id, target.seq, now) for each in anchors)


def measured(state: GateState, evidence: Evidence, policy: Policy) -> dict[str, float]:
    """The numbers of the anchors' comparisons, by name; `anchor1` is the youngest age."""
    numbers: dict[str, float] = {}
    known = {anchor.id: found for anchor, found in compared(state, evidence)}
    for place, anchor in enumerate(state.anchors, 1):
        found = known.get(anchor.id)
        if found is None:
            continue
        shown = _latest(found, policy, policy.alpha_harm)
        bounds = shown[0] if shown is not None else [*found.since(policy.alpha_harm)][-1]
        numbers |= {
            f"anchor{place}_n": float(found.n),
            f"anchor{place}_hit": round(found.mean, 6),
            f"anchor{place}_margin": round(found.margin(policy.margin, policy.margin_relative), 6),
            f"anchor{place}_hit_low": round(bounds.hit[0], 6),
            f"anchor{place}_hit_high": round(bounds.hit[1], 6),
            f"anchor{place}_reciprocal_low": round(bounds.reciprocal[0], 6),
            f"anchor{place}_reciprocal_high": round(bounds.reciprocal[1], 6),
        }
    return numbers


__all__ = [
    "ahead",
    "behind",
    "compared",
    "gone_back",
    "lift_lost",
    "may_move",
    "measured",
    "rotated",
    "standing",
    "within",
]
