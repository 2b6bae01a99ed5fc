"""Picks a comparison out of the evidence and says what it shows: better, no worse, harm or nothing. Stage 6."""

from __future__ import annotations

import math
from typing import Final

from models.gate.evidence import Evidence, Policy
from models.statistics import BEGINNING, WHOLE, Bounds, Comparison

EARLY: Final = 0.5
"""Share of `Policy.shift_tested` from which on fewer events may do, if the candidate does better than it would have to
later: right after a first start a hundred of them take some seconds."""


def against_reference(evidence: Evidence) -> Comparison | None:
    """The challenger against the reference; None without a comparison with this very reference."""
    found, reference = evidence.known.reference, evidence.reference
    return found if found is not None and reference is not None and found.against == reference.id else None


def lately_compared(evidence: Evidence, former: str, policy: Policy) -> Comparison | None:
    """The challenger against the reference; while that has only begun, against the reference before.

    Versions that were cut before the learner saw the new reference have the older comparison in its place.

    Args:
        evidence: what is known.
        former: id of the reference before; "" for none.
        policy: says how many compared events are enough.

    >>> from models.gate.evidence import Version
    >>> from models.statistics import Standing
    >>> from models.statistics.confidence import Sums
    >>> def sums(of, n): return Comparison(of, hit=Sums(1.0, n))
    >>> def chosen(**known):
    ...     return lately_compared(Evidence(reference=Version("b", 2), standing=Standing(**known)), "a", Policy())
    >>> [chosen(reference=sums("b", n), former=sums("a", 900)).against for n in (7, 700)]
    ['a', 'b']
    >>> chosen(reference=sums("a", 900)).against, chosen(reference=sums("c", 900))
    ('a', None)
    """
    known, now = evidence.known, against_reference(evidence)
    before = (each for each in (known.reference, known.former) if each is not None and each.against == former)
    found = [each for each in (now, *before) if each is not None]
    return next((each for each in found if each.lately.n >= policy.shift_tested), found[0] if found else None)


def against_champion(evidence: Evidence) -> Comparison | None:
    """The challenger against the champion; None without a comparison with this very champion."""
    found, champion = evidence.known.champion, evidence.serving
    return found if found is not None and champion is not None and found.against == champion.id else None


def champion_against_reference(evidence: Evidence) -> Comparison | None:
    """The champion against the reference; None without a comparison of these two."""
    found, reference, champion = evidence.known.probation, evidence.reference, evidence.serving
    if found is None or reference is None or champion is None:
        return None
    return found if (found.of, found.against) == (champion.id, reference.id) else None


def latest(comparison: Comparison, policy: Policy, alpha: float) -> Bounds | None:
    """The bounds since the latest moment from which on something is shown: worse, or no worse by the margin.

    What older bounds show is about a longer time, and need no longer be so. None when no bounds show anything.
    """
    margin = comparison.margin(policy.margin, policy.margin_relative)
    return next((each for each in comparison.since(alpha) if each.worse or each.above(margin)), None)


def better(comparison: Comparison | None, policy: Policy) -> bool:
    """Whether the model is shown to be better than the other since the two are compared, and not to be worse lately.

    >>> better(None, Policy()), better(Comparison("a"), Policy())
    (False, False)
    """
    if comparison is None or not comparison.n or not comparison.bounds(WHOLE * policy.alpha).better:
        return False
    return not any(each.worse for each in comparison.since(policy.alpha))


def as_good(comparison: Comparison | None, policy: Policy) -> bool:
    """Whether the model is shown to be no worse than the other by more than the margin, and not to be worse since.

    >>> as_good(None, Policy()), as_good(Comparison("a"), Policy())
    (False, False)
    """
    if comparison is None or not comparison.n:
        return False
    found = latest(comparison, policy, policy.alpha)
    return found is not None and not found.worse


def apparent(comparison: Comparison | None, policy: Policy) -> bool:
    """Whether the model finds no less than the other among the last compared events, as far as chance allows.

    That is no bound for all times: the alarms that yield to it hold a version for a while, and serving an older one has
    its price too. Of fewer events less is left to chance, half of the standard errors of half of them: a model that is
    worse passes hardly more often for having more looks (docs/experiments.md).

    >>> from models.statistics.confidence import Sums
    >>> def last(total, n=400): return Comparison("a", hit=Sums(1.0, n, total, 40.0), hit_squares=40)
    >>> apparent(last(3.0), Policy()), apparent(last(-30.0), Policy()), apparent(Comparison("a"), Policy())
    (True, False, False)
    >>> [apparent(last(-12.0, n), Policy()) for n in (50, 99, 100)], apparent(last(0.0, 49), Policy())
    ([False, True, True], False)

    Where events of one user are alike, chance allows more:

    >>> alike = Comparison("a", hit=Sums(1.0, 400, -30.0, 40.0), hit_squares=40, design=(4.0, 1.0))
    >>> apparent(alike, Policy())
    True
    """
    return not lacking(comparison, policy)


def lacking(comparison: Comparison | None, policy: Policy) -> str:
    """Returns what would have to be so that the model is apparently no worse; "" when it is.

    >>> lacking(None, Policy())
    '50 tested events are compared with the reference: 0 so far'
    """
    last = comparison.lately if comparison is not None else BEGINNING
    if last.n < least_compared(policy):
        return f"{least_compared(policy)} tested events are compared with the reference: {last.n} so far"
    alike = comparison.design if comparison is not None else (1.0, 1.0)
    deviations = policy.shift_deviations * min(1.0, last.n / max(policy.shift_tested, 1))
    allowed = deviations * math.sqrt(alike[0] * last.hit_squares)
    if last.hit < -allowed:
        return (
            f"at most {allowed:.0f} hits fewer than the reference's are found among the last {last.n} compared events:"
            f" {-last.hit:.0f} fewer"
        )
    allowed = deviations * math.sqrt(alike[1] * last.reciprocal_squares)
    if last.reciprocal < -allowed:
        return (
            f"reciprocal ranks of the last {last.n} compared events add up to at most {allowed:.1f} less than the"
            f" reference's: {-last.reciprocal:.1f} less"
        )
    return ""


def least_compared(policy: Policy) -> int:
    """Compared events from which on they may outvote an alarm.

    >>> least_compared(Policy()), least_compared(Policy(shift_tested=1))
    (50, 1)
    """
    return math.ceil(EARLY * policy.shift_tested)


def harmed(comparison: Comparison | None, policy: Policy) -> str:
    """`harm` or `crash` when the model is shown to be worse than the other, and not to be no worse since; "" otherwise.

    >>> from models.statistics.confidence import Sums
    >>> worse = Comparison("a", hit=Sums(n=2_000, total=-300.0, variance=300.0), right=5, wrong=40)
    >>> fallen, drifted = Comparison("a", wrong=30, others=50), Comparison("a", wrong=30, others=200)
    >>> [harmed(one, Policy()) for one in (worse, fallen, drifted, Comparison("a"))]
    ['harm', 'crash', '', '']
    """
    if comparison is None:
        return ""
    found = latest(comparison, policy, policy.alpha_harm) if comparison.n else None
    if found is not None and found.worse:
        return "harm"
    certain = comparison.crashed() >= -math.log(policy.alpha_crash)
    # Where tastes drift, each model has minutes in which it is a little worse: the bounds have to judge those.
    return "crash" if certain and comparison.fallen >= policy.fall else ""


def unsuspicious(comparison: Comparison, policy: Policy, look: int) -> bool:
    """Whether a model is as good as another by the margin, at one of few looks.

    A bound for one moment asks for a fifth of the events that bounds for all moments do, and is wrong as soon as it is
    looked at again and again. So the looks are numbered and share the error: the k-th gets 6 / (pi k)^2 of it, and all
    together, however many, 1.

    Args:
        comparison: the model against the other.
        policy: its `alpha_old` is the chance that any look finds so of a model that is worse by the margin.
        look: number of the look, from 1.

    >>> from models.statistics.confidence import Sums
    >>> equal = Comparison("a", hit=Sums(1.0, 6_000, 0.0, 300.0), reciprocal=Sums(0.5, 6_000, 0.0, 60.0))
    >>> worse = Comparison("a", hit=Sums(1.0, 6_000, -15.0, 300.0), reciprocal=Sums(0.5, 6_000, 0.0, 60.0))
    >>> [unsuspicious(equal, Policy(margin=0.009), look) for look in (1, 10)], unsuspicious(worse, Policy(), 1)
    ([True, False], False)
    """
    margin = comparison.margin(policy.margin, policy.margin_relative)
    return all(low > -margin for low in comparison.lows(policy.alpha_old * 6.0 / (math.pi * look) ** 2))


__all__ = [
    "against_champion",
    "against_reference",
    "apparent",
    "as_good",
    "better",
    "champion_against_reference",
    "harmed",
    "lacking",
    "lately_compared",
    "latest",
    "least_compared",
    "unsuspicious",
]
