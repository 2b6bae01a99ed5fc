"""Evidence in; the reasons for which a candidate must wait, whatever comparisons say, out. Stage 6.

Each guard is independent of the others, cheap, and has one reason.
"""

from __future__ import annotations

import math

from models.gate.evidence import Band, Evidence, GateState, Policy
from models.statistics import Comparison, Standing
from models.statistics import mcnemar as crash

FEW_USERS = 5
"""A user may make this many times the events of a mean one: in a shop of ten each makes a tenth."""

REMEMBERED = 50
"""Versions that the band of norms remembers, about: fewer follow a drift of the weights too readily."""

KNOWN = 20
"""Versions before the band says anything."""

NARROWEST = 0.05
"""Least half-width of the band, in logarithms (5 %): versions a second apart hardly differ."""


def quality(evidence: Evidence, policy: Policy) -> tuple[str, ...]:
    """What is wrong with the stream the candidate learnt from, () for nothing. Needs something served to fall back on.

    >>> from models.statistics.comparison import Window
    >>> from models.gate.evidence import Version
    >>> def stream(**shares):
    ...     return Evidence(serving=Version("a", 1), standing=Standing(window=Window(1_000, users=99, **shares)))
    >>> quality(stream(), Policy()), quality(stream(bad=0.4), Policy()), quality(stream(duplicate=0.6), Policy())
    ((), ('bad_records',), ('duplicates',))
    >>> quality(stream(top_user=0.3), Policy()), quality(stream(unknown=0.6), Policy())
    (('one_user',), ())
    >>> quality(Evidence(serving=Version("a", 1), standing=Standing(lag=1_000.0)), Policy())
    ('lag',)
    >>> quality(stream(hit=0.01, usual=0.4, fallen=True, doubted=True), Policy())
    ('few_hits',)
    """
    standing = evidence.standing
    if standing is None or evidence.serving is None:
        return ()
    window = standing.window
    full = window.records >= policy.window
    # Whom one user's events are learnt from is also whom they are tested on: no evidence outvotes this one.
    crowded = full and window.top_user > max(policy.one_user, FEW_USERS / max(window.users, 1))
    found = ["one_user"] if crowded else []
    # Where every model misses, one is as good as another: only being better, on labels that say something, counts.
    doubted = window.fallen or (window.doubted and not better(against_reference(evidence), policy))
    found += ["few_hits"] if doubted else []
    if as_good(against_reference(evidence), policy):
        # The shop whose exporter always sends everything twice, or whose catalogue is always new, is not held for ever.
        return tuple(found)
    found += ["lag"] if standing.lag > policy.lag else []
    found += ["bad_records"] if full and window.bad > policy.bad else []
    found += ["duplicates"] if full and window.duplicate > policy.duplicate else []
    # To a young model every item is new.
    unknown = full and not _young(evidence, policy) and window.unknown > policy.unknown
    return (*found, "unknown_items") if unknown else tuple(found)


def norms(state: GateState, evidence: Evidence, policy: Policy) -> bool:
    """Whether the candidate's weights are outside the band of those that went live, and nothing says it is as good.

    The band: mean +- 6 standard deviations. A stream that woke up moves the weights far within one version, to the
    good; then the evidence says so.

    >>> band = Band(n=100, mean=math.log(3.0), square=math.log(3.0) ** 2)
    >>> def weights(norm): return Evidence(numbers={"norm": norm}, standing=Standing(applied=50_000))
    >>> [norms(GateState(norms=band), weights(norm), Policy()) for norm in (3.1, 30.0)]
    [False, True]
    """
    norm, band = evidence.numbers.get("norm", 0.0), state.norms
    if norm <= 0.0 or band.n < KNOWN or _young(evidence, policy):
        return False
    if as_good(against_reference(evidence), policy):
        return False
    spread = math.sqrt(max(0.0, band.square - band.mean**2))
    return abs(math.log(norm) - band.mean) > policy.norm_band * max(spread, NARROWEST)


def _young(evidence: Evidence, policy: Policy) -> bool:
    """Whether everything is still moving. The tables themselves say how far they are; the learner might not."""
    return evidence.numbers.get("applied", _known(evidence).applied) < policy.overlap_after


def widened(band: Band, norm: float) -> Band:
    """The band with one more version that went live.

    >>> widened(Band(), 1.0)
    Band(n=1, mean=0.0, square=0.0)
    """
    if norm <= 0.0:
        return band
    step, value = 1.0 / min(band.n + 1, REMEMBERED), math.log(norm)
    return Band(band.n + 1, band.mean + step * (value - band.mean), band.square + step * (value * value - band.square))


def lists(evidence: Evidence, policy: Policy) -> bool:
    """Whether the candidate's lists share too little with those served, and no evidence says that it is as good.

    Versions a second apart agree; weights that were made up, or a feature that changed its unit, do not.

    >>> from models.gate.evidence import Version
    >>> old, known = Version("a", 1), Standing(applied=50_000)
    >>> def shared(part): return Evidence(None, old, old, standing=known, numbers={"overlap": part})
    >>> lists(shared(0.1), Policy()), lists(shared(0.9), Policy())
    (True, False)
    """
    if _young(evidence, policy) or "overlap" not in evidence.numbers:
        return False
    return evidence.numbers["overlap"] < policy.least_overlap and not as_good(against_reference(evidence), policy)


def forgetting(evidence: Evidence, policy: Policy) -> bool:
    """Whether the candidate no longer finds old events that the last known good version finds, and is not better now.

    The same questions are put again and again, so that chance has many tries: hence the strict bound of a crash.

    >>> def old(known, lost, gained):
    ...     return Evidence(numbers={"replay_known": known, "replay_lost": lost, "replay_gained": gained})
    >>> [forgetting(old(*each), Policy()) for each in ((200, 40, 5), (200, 22, 3), (200, 40, 35), (20, 20, 0))]
    [True, False, False, False]
    """
    known, lost, gained = (int(evidence.numbers.get(f"replay_{name}", 0.0)) for name in ("known", "lost", "gained"))
    if known < policy.least_replayed or lost - gained < policy.forgotten * known:
        return False
    if crash.log_evidence(lost, gained) < -math.log(policy.alpha_crash):
        return False
    return not better(against_reference(evidence), policy)


def concentrated(evidence: Evidence, policy: Policy) -> bool:
    """Whether what users were shown rests on far fewer items than usual, and the candidate is not shown to be better.

    Being as good is not enough: what all are shown, all click. What lasts becomes usual, in some 10,000 slates.

    >>> from models.statistics.exposure import Exposed
    >>> def shown(top): return Evidence(standing=Standing(exposed=Exposed(1_000, top=top, usual=0.2)))
    >>> concentrated(shown(0.5), Policy()), concentrated(shown(0.3), Policy())
    (True, False)
    """
    exposed = _known(evidence).exposed
    if not exposed.usual or exposed.top <= exposed.usual + policy.crowding:
        return False
    return not better(against_reference(evidence), policy)


def scores(evidence: Evidence, policy: Policy) -> bool:
    """Whether scores are spread otherwise than those served, and no evidence says that the candidate is as good.

    Both measures must say so: on healthy streams the stability index of versions minutes apart reached .5 and the
    distance .27; weights three times as large, or a tenth, gave 3.4 and .82 at least.

    >>> known = Standing(applied=50_000)
    >>> def apart(psi, ks): return Evidence(standing=known, numbers={"score_psi": psi, "score_ks": ks})
    >>> [scores(apart(*each), Policy()) for each in ((3.4, 0.8), (3.4, 0.2), (0.5, 0.27))]
    [True, False, False]
    """
    psi, ks = evidence.numbers.get("score_psi", 0.0), evidence.numbers.get("score_ks", 0.0)
    if _young(evidence, policy) or psi < policy.score_psi or ks < policy.score_ks:
        return False
    return not as_good(against_reference(evidence), policy)


def shift(evidence: Evidence, policy: Policy) -> bool:
    """Whether a detector saw hits fall and the candidate is not shown to be better than the last known good one.

    When tastes change, what learnt on is soon better than what stood still; where labels are garbage, it is not.

    >>> [shift(Evidence(standing=Standing(alarms=alarms)), Policy()) for alarms in (("hit_rate",), ())]
    [True, False]
    """
    if "hit_rate" not in _known(evidence).alarms:
        return False
    return not better(against_reference(evidence), policy)


def against_reference(evidence: Evidence) -> Comparison | None:
    """What is learnt against the last known good version; None when there is none, or it speaks of another one."""
    found, reference = _known(evidence).reference, evidence.reference
    return found if found is not None and reference is not None and found.against == reference.id else None


def against_champion(evidence: Evidence) -> Comparison | None:
    """What is learnt against what is served; None when it is not known, or of another version."""
    found, serving = _known(evidence).champion, evidence.serving
    return found if found is not None and serving is not None and found.against == serving.id else None


def champion_against_reference(evidence: Evidence) -> Comparison | None:
    """What is served against the last known good version."""
    found, reference, serving = _known(evidence).probation, evidence.reference, evidence.serving
    if found is None or reference is None or serving is None:
        return None
    return found if (found.of, found.against) == (serving.id, reference.id) else None


def _known(evidence: Evidence) -> Standing:
    return evidence.standing if evidence.standing is not None else Standing()


def better(comparison: Comparison | None, policy: Policy) -> bool:
    """Whether it is shown to be better, for certain.

    >>> better(None, Policy()), better(Comparison("a"), Policy())
    (False, False)
    """
    return comparison is not None and comparison.n > 0 and comparison.bounds(policy.alpha).better


def as_good(comparison: Comparison | None, policy: Policy) -> bool:
    """Whether it is shown to be no worse by more than the margin.

    >>> as_good(None, Policy()), as_good(Comparison("a"), Policy())
    (False, False)
    """
    if comparison is None or not comparison.n:
        return False
    return comparison.bounds(policy.alpha).above(comparison.margin(policy.margin, policy.margin_relative))


def harmed(comparison: Comparison | None, policy: Policy) -> str:
    """`harm` or `crash` when it is worse for certain, "" otherwise.

    >>> from models.statistics.confidence import Sums
    >>> worse = Comparison("a", hit=Sums(n=2_000, total=-300.0, variance=300.0), right=5, wrong=40)
    >>> fallen, drifted = Comparison("a", wrong=30, others=50), Comparison("a", wrong=30, others=200)
    >>> [harmed(one, Policy()) for one in (worse, fallen, drifted, Comparison("a"))]
    ['harm', 'crash', '', '']
    """
    if comparison is None:
        return ""
    if comparison.n and comparison.bounds(policy.alpha_harm).worse:
        return "harm"
    certain = comparison.crashed() >= -math.log(policy.alpha_crash)
    # Where tastes drift, each model has minutes in which it is a little worse: that is for the bounds to judge.
    return "crash" if certain and comparison.fallen >= policy.fall else ""


def measured(evidence: Evidence, policy: Policy) -> dict[str, float]:
    """The numbers of a decision: what guards measured, and each comparison with its interval.

    >>> measured(Evidence(numbers={"items": 3.0}, standing=Standing(lag=0.5)), Policy())["lag"]
    0.5
    """
    numbers = dict(evidence.numbers)
    if evidence.standing is None:
        return numbers
    standing = evidence.standing
    window = standing.window
    numbers |= {"lag": standing.lag, "bad": window.bad, "top_user": window.top_user}
    numbers |= {"hit": window.hit, "usual_hit": window.usual}
    if standing.exposed.usual:
        numbers |= {"top_share": standing.exposed.top, "usual_top_share": standing.exposed.usual}
    for name in ("reference", "champion", "probation", "learnt"):
        found = getattr(standing, name)
        if found is not None and found.n:
            numbers |= _numbers(name, found, policy)
    return numbers


def _numbers(name: str, found: Comparison, policy: Policy) -> dict[str, float]:
    bounds = found.bounds(policy.alpha_harm)
    return {
        f"{name}_n": float(found.n),
        f"{name}_hit": round(found.hit.mean, 6),
        f"{name}_hit_low": round(bounds.hit[0], 6),
        f"{name}_hit_high": round(bounds.hit[1], 6),
        f"{name}_reciprocal_low": round(bounds.reciprocal[0], 6),
        f"{name}_reciprocal_high": round(bounds.reciprocal[1], 6),
        f"{name}_crash": round(found.crashed(), 3),
    }


__all__ = [
    "against_champion",
    "against_reference",
    "as_good",
    "better",
    "champion_against_reference",
    "concentrated",
    "forgetting",
    "harmed",
    "lists",
    "measured",
    "norms",
    "quality",
    "scores",
    "shift",
    "widened",
]
