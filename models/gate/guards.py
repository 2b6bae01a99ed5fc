"""Guards: reasons to hold a candidate although no comparison has found harm. Stage 6.

To add a guard, write a function that is named like its reason, list it in GUARDS, put its thresholds into `Policy` and
the meaning of the reason into `vocabulary.REASON_TEXTS` and docs/gate.md. It is then counted in
`sluicegate_gate_reasons_total{reason}`, and in the audit and the replays. Each guard is independent of the others,
cheap, and says for itself which evidence outvotes it. The mechanical faults (`unreadable` to `canary_failed`) are found
where versions are loaded: service/gate/canary.py.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Final, Literal, NamedTuple

from models.gate.comparisons import against_reference, as_good, better
from models.gate.evidence import Band, Evidence, Policy
from models.gate.vocabulary import REASON_TEXTS
from models.statistics import Standing, Window, log_evidence

FEW_USERS: Final = 5
"""A user may cause this many times the events of a mean one: in a shop of ten users each causes a tenth."""

REMEMBERED: Final = 50
"""Versions that the band of norms remembers, about: fewer would follow a drift of the weights too readily."""

KNOWN: Final = 20
"""Versions until the band of norms says anything."""

NARROWEST: Final = 0.05
"""Least half-width of the band, in logarithms (5 %): versions a second apart hardly differ."""


class Case(NamedTuple):
    """What a guard looks at.

    Attributes:
        evidence: what is known of the candidate.
        policy: the thresholds.
        band: sizes of the weights of the versions that went live.
    """

    evidence: Evidence
    policy: Policy
    band: Band = Band()

    @property
    def standing(self) -> Standing:
        """What the learner said of the candidate; an empty standing when it said nothing."""
        return self.evidence.known

    @property
    def window(self) -> Window:
        """Shares of the last consumed records."""
        return self.standing.window

    @property
    def full(self) -> bool:
        """Whether the window holds enough records to speak of shares."""
        return self.window.records >= self.policy.window

    @property
    def young(self) -> bool:
        """Whether so few events were learned that everything still moves. The tables know, the learner may not."""
        return self.number("applied", self.standing.applied) < self.policy.overlap_after

    @property
    def as_good(self) -> bool:
        """Whether the candidate is shown to be no worse than the reference by more than the margin."""
        return as_good(against_reference(self.evidence), self.policy)

    @property
    def better(self) -> bool:
        """Whether the candidate is shown to be better than the reference."""
        return better(against_reference(self.evidence), self.policy)

    def number(self, name: str, default: float = 0.0) -> float:
        """A measurement of the candidate's tables."""
        return self.evidence.numbers.get(name, default)


# -- the stream that the candidate learned from -----------------------------------------------------------------------


def one_user(case: Case) -> bool:
    """Whether one user caused too many of the last events.

    That user is also who the model is tested on, so no evidence outvotes this guard.

    >>> def stream(**shares): return Case(Evidence(standing=Standing(window=Window(1_000, **shares))), Policy())
    >>> one_user(stream(top_user=0.3, users=99)), one_user(stream(top_user=0.3, users=10))
    (True, False)
    """
    return case.full and case.window.top_user > max(case.policy.one_user, FEW_USERS / max(case.window.users, 1))


def few_hits(case: Case) -> bool:
    """Whether events are found far less often than usual.

    Where every model misses, one is as good as another, so only being better outvotes it, and only on labels that say
    something.

    >>> def stream(**shares): return Case(Evidence(standing=Standing(window=Window(1_000, **shares))), Policy())
    >>> few_hits(stream(hit=0.01, usual=0.4, fallen=True, doubted=True))
    True
    """
    return case.window.fallen or (case.window.doubted and not case.better)


def lag(case: Case) -> bool:
    """Whether the learner is far behind the stream.

    >>> lag(Case(Evidence(standing=Standing(lag=1_000.0)), Policy()))
    True
    """
    return case.standing.lag > case.policy.lag and not case.as_good


def bad_records(case: Case) -> bool:
    """Whether too many of the last records were rejected."""
    return case.full and case.window.bad > case.policy.bad and not case.as_good


def duplicates(case: Case) -> bool:
    """Whether too many of the last records were duplicates.

    A shop whose exporter always sends everything twice is not held forever, because evidence outvotes it.
    """
    return case.full and case.window.duplicate > case.policy.duplicate and not case.as_good


def unknown_items(case: Case) -> bool:
    """Whether too many of the last events named items that nobody had touched. To a young model every item is new."""
    return case.full and not case.young and case.window.unknown > case.policy.unknown and not case.as_good


# -- its weights ------------------------------------------------------------------------------------------------------


def norms(case: Case) -> bool:
    """Whether the candidate's weights are outside the band of the versions that went live (mean ± 6 deviations).

    A stream that wakes up moves the weights far within one version, for the better; then evidence outvotes it.

    >>> band = Band(n=100, mean=math.log(3.0), square=math.log(3.0) ** 2)
    >>> def weights(norm): return Evidence(numbers={"norm": norm}, standing=Standing(applied=50_000))
    >>> [norms(Case(weights(norm), Policy(), band)) for norm in (3.1, 30.0)]
    [False, True]
    """
    norm, band = case.number("norm"), case.band
    if norm <= 0.0 or band.n < KNOWN or case.young or case.as_good:
        return False
    spread = math.sqrt(max(0.0, band.square - band.mean**2))
    return abs(math.log(norm) - band.mean) > case.policy.norm_band * max(spread, NARROWEST)


def widened(band: Band, norm: float) -> Band:
    """The band with one more version that went live.

    Args:
        band: the band so far.
        norm: size of the version's weights; 0 or less is unknown and leaves the band.

    >>> widened(Band(), 1.0)
    Band(n=1, mean=0.0, square=0.0)
    """
    if norm <= 0.0:
        return band
    step, value = 1.0 / min(band.n + 1, REMEMBERED), math.log(norm)
    return Band(band.n + 1, band.mean + step * (value - band.mean), band.square + step * (value * value - band.square))


# -- drift ------------------------------------------------------------------------------------------------------------


def shift(case: Case) -> bool:
    """Whether a detector saw hits fall, and it cannot be told that the candidate is not to blame.

    An alarm is about the stream: when everybody begins a new visit, all models find less. So it is a reason to look
    harder. It holds while there are so few hits that labels may be garbage, while too few events were compared, and
    while the candidate finds less among the last of them than the reference does, by more than chance. No bound for all
    times is asked for here: a hold costs little and ends with the alarm.

    >>> from models.gate.evidence import Version
    >>> from models.statistics import Comparison
    >>> from models.statistics.confidence import Sums
    >>> def alarmed(lately, against=None):
    ...     window = Window(1_000, usual=0.4, lately=lately)
    ...     standing = Standing(against, window=window, alarms=("hit_rate",))
    ...     return Case(Evidence(reference=Version("a", 1), standing=standing), Policy())
    >>> equal = Comparison("a", hit=Sums(1.0, 400, 3.0, 40.0), hit_squares=40)
    >>> worse = Comparison("a", hit=Sums(1.0, 400, -30.0, 40.0), hit_squares=40)
    >>> [shift(alarmed(*each)) for each in ((0.3, equal), (0.3, worse), (0.1, equal), (0.3, Comparison("a")), (0.3,))]
    [False, True, True, True, True]
    """
    if "hit_rate" not in case.standing.alarms or case.better:
        return False
    window, policy, found = case.window, case.policy, against_reference(case.evidence)
    if window.lately < policy.shift_share * window.usual or found is None:
        return True
    last = found.lately
    if last.n < policy.shift_tested:
        return True
    worst = -policy.shift_deviations
    return last.hit < worst * math.sqrt(last.hit_squares) or last.reciprocal < worst * math.sqrt(
        last.reciprocal_squares
    )


# -- its answers ------------------------------------------------------------------------------------------------------


def lists_changed(case: Case) -> bool:
    """Whether the candidate's lists share too little with the champion's.

    Versions a second apart agree; weights that were made up, or a feature that changed its unit, do not.

    >>> known = Standing(applied=50_000)
    >>> [lists_changed(Case(Evidence(standing=known, numbers={"overlap": part}), Policy())) for part in (0.1, 0.9)]
    [True, False]
    """
    return not case.young and case.number("overlap", math.inf) < case.policy.least_overlap and not case.as_good


def scores_shifted(case: Case) -> bool:
    """Whether the candidate's scores are spread unlike the champion's.

    Both measures must say so: on healthy streams the stability index of versions minutes apart reached 0.5 and the
    distance 0.27; weights three times as large, or a tenth, gave 3.4 and 0.82 at least.

    >>> known = Standing(applied=50_000)
    >>> def apart(psi, ks): return Case(Evidence(standing=known, numbers={"score_psi": psi, "score_ks": ks}), Policy())
    >>> [scores_shifted(apart(*each)) for each in ((3.4, 0.8), (3.4, 0.2), (0.5, 0.27))]
    [True, False, False]
    """
    policy = case.policy
    if case.young or case.number("score_psi") < policy.score_psi or case.number("score_ks") < policy.score_ks:
        return False
    return not case.as_good


def forgetting(case: Case) -> bool:
    """Whether the candidate misses old events that the reference finds, and is not better on new ones.

    The same questions are put again and again, so chance has many tries: hence the strict bound of a crash.

    >>> def old(known, lost, gained):
    ...     numbers = {"replay_known": known, "replay_lost": lost, "replay_gained": gained}
    ...     return Case(Evidence(numbers=numbers), Policy())
    >>> [forgetting(old(*each)) for each in ((200, 40, 5), (200, 22, 3), (200, 40, 35), (20, 20, 0))]
    [True, False, False, False]
    """
    known, lost, gained = (int(case.number(f"replay_{name}")) for name in ("known", "lost", "gained"))
    if known < case.policy.least_replayed or lost - gained < case.policy.forgotten * known:
        return False
    if log_evidence(lost, gained) < -math.log(case.policy.alpha_crash):
        return False
    return not case.better


def concentrated(case: Case) -> bool:
    """Whether slates rest on far fewer items than usual.

    Being as good does not outvote it, because users click what they are all shown. A share that lasts becomes usual, in
    some 10,000 slates.

    >>> from models.statistics import Exposed
    >>> def shown(top): return Evidence(standing=Standing(exposed=Exposed(1_000, top=top, usual=0.2)))
    >>> concentrated(Case(shown(0.5), Policy())), concentrated(Case(shown(0.3), Policy()))
    (True, False)
    """
    exposed = case.standing.exposed
    return bool(exposed.usual) and exposed.top > exposed.usual + case.policy.crowding and not case.better


# -- all of them ------------------------------------------------------------------------------------------------------


class Guard(NamedTuple):
    """One guard.

    Attributes:
        holds: whether the candidate has to wait; its name is the reason.
        about: which question of the rules it belongs to. All guards of a question are asked together.
        thresholds: fields of `Policy` that it compares with; () where the learner has already judged.
        numbers: what it looks at, by its names in `Decision.numbers`; () where only the evidence shows it.
    """

    holds: Callable[[Case], bool]
    about: Literal["stream", "weights", "drift", "answers"]
    thresholds: tuple[str, ...] = ()
    numbers: tuple[str, ...] = ()

    @property
    def reason(self) -> str:
        """Its name in decisions and metrics."""
        return self.holds.__name__

    @property
    def text(self) -> str:
        """What people read of it."""
        return REASON_TEXTS[self.reason]


GUARDS: Final = (
    Guard(one_user, "stream", ("window", "one_user"), ("top_user",)),
    Guard(few_hits, "stream", (), ("hit", "usual_hit")),
    Guard(lag, "stream", ("lag",), ("lag",)),
    Guard(bad_records, "stream", ("window", "bad"), ("bad",)),
    Guard(duplicates, "stream", ("window", "duplicate")),
    Guard(unknown_items, "stream", ("window", "unknown", "overlap_after")),
    Guard(norms, "weights", ("norm_band", "overlap_after"), ("norm",)),
    Guard(shift, "drift", ("shift_share", "shift_tested", "shift_deviations"), ("hit_lately", "usual_hit")),
    Guard(lists_changed, "answers", ("least_overlap", "overlap_after"), ("overlap",)),
    Guard(scores_shifted, "answers", ("score_psi", "score_ks", "overlap_after"), ("score_psi", "score_ks")),
    Guard(
        forgetting,
        "answers",
        ("least_replayed", "forgotten", "alpha_crash"),
        ("replay_known", "replay_lost", "replay_gained"),
    ),
    Guard(concentrated, "answers", ("crowding",), ("top_share", "usual_top_share")),
)
"""Every guard, in the order in which its reason appears in a decision."""


def holding(about: str, case: Case) -> tuple[str, ...]:
    """Reasons of the guards about one question that hold the candidate.

    >>> def stream(**shares): return Case(Evidence(standing=Standing(window=Window(1_000, **shares))), Policy())
    >>> holding("stream", stream(top_user=0.3, users=99, bad=0.4)), holding("stream", stream(unknown=0.6))
    (('one_user', 'bad_records'), ())
    >>> holding("stream", stream(duplicate=0.6)), holding("answers", stream(duplicate=0.6))
    (('duplicates',), ())
    """
    return tuple(guard.reason for guard in GUARDS if guard.about == about and guard.holds(case))


__all__ = ["GUARDS", "Case", "Guard", "holding", "widened"]
