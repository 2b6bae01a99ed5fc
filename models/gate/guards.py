"""Guards: reasons to hold a candidate although no comparison has found harm. Stage 6.

To add a guard, write a function that says when it raises an alarm, list it in GUARDS with the evidence that it yields
to and why, put its thresholds into `Policy` and the meaning of its reason into `vocabulary.REASON_TEXTS`. It is then
counted in `sluicegate_gate_reasons_total{reason}`, and in the audit and the replays. Guards are independent of each
other and cheap. Their functions look at the alarm alone: `holding` asks the evidence, by the table. The mechanical
faults (`unreadable` to `canary_failed`) are found where versions are loaded: service/gate/canary.py.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Final, Literal, NamedTuple

from models.gate.comparisons import against_reference, apparent, better, lacking, lately_compared
from models.gate.evidence import Band, Evidence, Policy
from models.gate.silence import over, so_far
from models.gate.vocabulary import REASON_TEXTS
from models.statistics import Comparison, Standing, Window, log_evidence

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
        former: id of the reference before this one.
    """

    evidence: Evidence
    policy: Policy
    band: Band = Band()
    former: str = ""

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
    def compared(self) -> Comparison | None:
        """The comparison that tells how the candidate does against the reference, or the one before it."""
        return lately_compared(self.evidence, self.former, self.policy)

    @property
    def over(self) -> bool:
        """Whether its alarms are over because no event comes, and old ones do not speak against the candidate."""
        return over(self.evidence, self.policy, self.compared, self.former)

    def number(self, name: str, default: float = 0.0) -> float:
        """A measurement of the candidate's tables."""
        return self.evidence.numbers.get(name, default)


# -- the stream that the candidate learned from -----------------------------------------------------------------------


def one_user(case: Case) -> bool:
    """Whether one user caused too many of the last events.

    >>> def stream(**shares): return Case(Evidence(standing=Standing(window=Window(1_000, **shares))), Policy())
    >>> one_user(stream(top_user=0.3, users=99)), one_user(stream(top_user=0.3, users=10))
    (True, False)
    """
    return case.full and case.window.top_user > max(case.policy.one_user, FEW_USERS / max(case.window.users, 1))


def fallen(case: Case) -> bool:
    """Whether so few events are found that their labels say nothing, further events of the same users included."""
    return case.window.fallen


def doubted(case: Case) -> bool:
    """Whether events were found far less often than usual, and are not found as often again."""
    return case.window.doubted


def lag(case: Case) -> bool:
    """Whether the learner is far behind the stream.

    >>> lag(Case(Evidence(standing=Standing(lag=1_000.0)), Policy()))
    True
    """
    return case.standing.lag > case.policy.lag


def bad_records(case: Case) -> bool:
    """Whether too many of the last records were rejected."""
    return case.full and case.window.bad > case.policy.bad


def duplicates(case: Case) -> bool:
    """Whether too many of the last records were duplicates."""
    return case.full and case.window.duplicate > case.policy.duplicate


def unknown_items(case: Case) -> bool:
    """Whether too many of the last events named items that nobody had touched. To a young model every item is new."""
    return case.full and not case.young and case.window.unknown > case.policy.unknown


# -- its weights ------------------------------------------------------------------------------------------------------


def norms(case: Case) -> bool:
    """Whether the candidate's weights are outside the band of the versions that went live (mean ± 6 deviations).

    >>> band = Band(n=100, mean=math.log(3.0), square=math.log(3.0) ** 2)
    >>> def weights(norm): return Evidence(numbers={"norm": norm}, standing=Standing(applied=50_000))
    >>> [norms(Case(weights(norm), Policy(), band)) for norm in (3.1, 30.0)]
    [False, True]
    """
    norm, band = case.number("norm"), case.band
    if norm <= 0.0 or band.n < KNOWN or case.young:
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
    """Whether a detector saw hits fall."""
    return "hit_rate" in case.standing.alarms


def garbage(case: Case) -> bool:
    """Whether a detector saw hits fall so far that labels may be garbage, and nothing shows that they are sound.

    >>> def alarmed(lately, **more):
    ...     window = Window(1_000, usual=0.4, lately=lately, **more)
    ...     return Case(Evidence(standing=Standing(window=window, alarms=("hit_rate",))), Policy())
    >>> garbage(alarmed(0.1)), garbage(alarmed(0.3)), garbage(alarmed(0.1, sound=True))
    (True, False, False)
    """
    window = case.window
    return shift(case) and window.lately < case.policy.shift_share * window.usual and not window.sound


# -- its answers ------------------------------------------------------------------------------------------------------


def lists_changed(case: Case) -> bool:
    """Whether the candidate's lists share too little with the champion's.

    Versions a second apart agree; weights that were made up, or a feature that changed its unit, do not.

    >>> known = Standing(applied=50_000)
    >>> [lists_changed(Case(Evidence(standing=known, numbers={"overlap": part}), Policy())) for part in (0.1, 0.9)]
    [True, False]
    """
    return not case.young and case.number("overlap", math.inf) < case.policy.least_overlap


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
    far = case.number("score_psi") >= policy.score_psi and case.number("score_ks") >= policy.score_ks
    return far and not case.young


def forgetting(case: Case) -> bool:
    """Whether the candidate misses old events that the reference finds.

    The same questions are put again and again, so chance has many tries, and the bound is the strict one of a crash.

    >>> def old(known, lost, gained):
    ...     numbers = {"replay_known": known, "replay_lost": lost, "replay_gained": gained}
    ...     return Case(Evidence(numbers=numbers), Policy())
    >>> [forgetting(old(*each)) for each in ((200, 40, 5), (200, 22, 3), (200, 40, 35), (20, 20, 0))]
    [True, False, False, False]
    """
    known, lost, gained = (int(case.number(f"replay_{name}")) for name in ("known", "lost", "gained"))
    if known < case.policy.least_replayed or lost - gained < case.policy.forgotten * known:
        return False
    return log_evidence(lost, gained) >= -math.log(case.policy.alpha_crash)


def concentrated(case: Case) -> bool:
    """Whether slates rest on far fewer items than usual. A share that lasts becomes usual, in some 10,000 slates.

    >>> from models.statistics import Exposed
    >>> def shown(top): return Evidence(standing=Standing(exposed=Exposed(1_000, top=top, usual=0.2)))
    >>> concentrated(Case(shown(0.5), Policy())), concentrated(Case(shown(0.3), Policy()))
    (True, False)
    """
    exposed = case.standing.exposed
    return bool(exposed.usual) and exposed.top > exposed.usual + case.policy.crowding


# -- all of them ------------------------------------------------------------------------------------------------------

Yields = Literal["nothing", "better", "apparently no worse"]

YIELDS: Final[dict[Yields, str]] = {
    "nothing": "no comparison outvotes it",
    "better": "the candidate is shown to be better than the reference",
    "apparently no worse": "enough of the last tested events were compared, and among them the candidate finds no less"
    " than the reference than chance allows",
}
"""Evidence that outvotes an alarm, the strongest first, and what is meant by it."""


class Guard(NamedTuple):
    """One guard.

    Attributes:
        reason: its name in decisions and metrics. Two guards share one when the same trouble has two degrees.
        raised: whether it raises an alarm about the candidate.
        about: which question of the rules it belongs to. All guards of a question are asked together.
        yields_to: the evidence that outvotes the alarm.
        why: why just this evidence, for people.
        thresholds: fields of `Policy` that it compares with; () where the learner has already judged.
        numbers: what it looks at, by its names in `Decision.numbers`; () where only the evidence shows it.
    """

    reason: str
    raised: Callable[[Case], bool]
    about: Literal["stream", "weights", "drift", "answers"]
    yields_to: Yields
    why: str
    thresholds: tuple[str, ...] = ()
    numbers: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """What people read of it."""
        return REASON_TEXTS[self.reason]

    def holds(self, case: Case) -> bool:
        """Whether the candidate has to wait: the alarm is raised, and the evidence does not outvote it."""
        return self.raised(case) and not outvoted(self.yields_to, case) and not case.over


GUARDS: Final = (
    Guard(
        "one_user",
        one_user,
        "stream",
        "nothing",
        "the model is tested on the events of that user as well",
        ("window", "one_user"),
        ("top_user",),
    ),
    Guard(
        "few_hits",
        fallen,
        "stream",
        "nothing",
        "every model misses labels that are garbage, also where a user goes on, so nothing is compared on them",
        (),
        ("hit", "usual_hit"),
    ),
    Guard(
        "few_hits",
        doubted,
        "stream",
        "better",
        "hits are rising again but are not back; two models that both learned garbage are as good as each other",
        (),
        ("hit", "usual_hit"),
    ),
    Guard(
        "lag",
        lag,
        "stream",
        "apparently no worse",
        "late labels are labels still, and an older model is no better for being older",
        ("lag",),
        ("lag",),
    ),
    Guard(
        "bad_records",
        bad_records,
        "stream",
        "apparently no worse",
        "rejected records are not learned; the others may be sound",
        ("window", "bad"),
        ("bad",),
    ),
    Guard(
        "duplicates",
        duplicates,
        "stream",
        "apparently no worse",
        "a duplicate is not learned; some exporters always send everything twice",
        ("window", "duplicate"),
    ),
    Guard(
        "unknown_items",
        unknown_items,
        "stream",
        "apparently no worse",
        "a new catalogue looks like this as well; models are compared on items that somebody had touched",
        ("window", "unknown", "overlap_after"),
    ),
    Guard(
        "norms",
        norms,
        "weights",
        "apparently no worse",
        "a stream that wakes up moves the weights far within one version, for the better",
        ("norm_band", "overlap_after"),
        ("norm",),
    ),
    Guard(
        "shift",
        garbage,
        "drift",
        "better",
        "labels may be garbage, which every model misses alike",
        ("shift_share",),
        ("hit_lately", "usual_hit"),
    ),
    Guard(
        "shift",
        shift,
        "drift",
        "apparently no worse",
        "when everybody begins a new visit, or a sale begins, all models find less",
        ("shift_tested", "shift_deviations"),
        ("hit_lately", "usual_hit"),
    ),
    Guard(
        "lists_changed",
        lists_changed,
        "answers",
        "apparently no worse",
        "tastes may have changed; lists that find as much are as good",
        ("least_overlap", "overlap_after"),
        ("overlap",),
    ),
    Guard(
        "scores_shifted",
        scores_shifted,
        "answers",
        "apparently no worse",
        "the scores of a young model spread while it learns, and users see the order alone",
        ("score_psi", "score_ks", "overlap_after"),
        ("score_psi", "score_ks"),
    ),
    Guard(
        "forgetting",
        forgetting,
        "answers",
        "better",
        "what is forgotten is seldom asked for, so a model that has forgotten it looks as good on new events",
        ("least_replayed", "forgotten", "alpha_crash"),
        ("replay_known", "replay_lost", "replay_gained"),
    ),
    Guard(
        "concentrated",
        concentrated,
        "answers",
        "better",
        "users click what they are all shown, so being as good says nothing",
        ("crowding",),
        ("top_share", "usual_top_share"),
    ),
)
"""Every guard, in the order in which its reason appears in a decision."""


def outvoted(by: Yields, case: Case) -> bool:
    """Whether the comparison with the reference outvotes an alarm that yields to `by`.

    >>> from models.gate.evidence import Version
    >>> from models.statistics.confidence import Sums
    >>> def compared(found):
    ...     return Case(Evidence(reference=Version("a", 1), standing=Standing(found)), Policy())
    >>> equal = Comparison("a", hit=Sums(1.0, 400, 3.0, 40.0), hit_squares=40)
    >>> worse = Comparison("a", hit=Sums(1.0, 400, -30.0, 40.0), hit_squares=40)
    >>> [outvoted("apparently no worse", compared(each)) for each in (equal, worse, Comparison("a"), None)]
    [True, False, False, False]
    >>> outvoted("better", compared(equal)), outvoted("nothing", compared(equal))
    (False, False)
    """
    if by == "nothing":
        return False
    if better(against_reference(case.evidence), case.policy):
        return True
    return by == "apparently no worse" and apparent(case.compared, case.policy)


def holding(about: str, case: Case) -> tuple[Guard, ...]:
    """The guards about one question that hold the candidate; of two degrees of one trouble the stronger.

    >>> def stream(**shares): return Case(Evidence(standing=Standing(window=Window(1_000, **shares))), Policy())
    >>> def held(about, case): return [(guard.reason, guard.yields_to) for guard in holding(about, case)]
    >>> held("stream", stream(top_user=0.3, users=99, bad=0.4)), held("stream", stream(unknown=0.6))
    ([('one_user', 'nothing'), ('bad_records', 'apparently no worse')], [])
    >>> held("stream", stream(hit=0.01, usual=0.4, fallen=True, doubted=True))
    [('few_hits', 'nothing')]
    """
    found: dict[str, Guard] = {}
    for guard in GUARDS:
        if guard.about == about and guard.reason not in found and guard.holds(case):
            found[guard.reason] = guard
    return tuple(found.values())


SECOND_LOOK: Final = (fallen, doubted, garbage)
"""Alarms that are over when a second look shows that labels are sound (models/referee/second_look.py)."""


def second_look(case: Case) -> str:
    """Says how far the second look at labels has come."""
    return (
        ", or until users who have had an event since hits fell are found about as often as usual by their next ones:"
        f" {case.window.further_hits} of {case.window.further} so far"
    )


def waited_for(guards: tuple[Guard, ...], case: Case) -> str:
    """Says which evidence would outvote the guards that hold a candidate.

    >>> def alarmed(**more): return Case(Evidence(standing=Standing(alarms=("hit_rate",), **more)), Policy())
    >>> late = alarmed(lag=1_000.0)
    >>> waited_for(holding("stream", late), late)
    'waits until 50 tested events are compared with the reference: 0 so far'
    >>> low = alarmed(window=Window(usual=0.4))
    >>> waited_for(holding("drift", low), low)  # doctest: +NORMALIZE_WHITESPACE
    'waits until the candidate is shown to be better than the reference, or until users who have had an event since hits
    fell are found about as often as usual by their next ones: 0 of 0 so far'
    """
    wanted = {guard.yields_to for guard in guards}
    look = second_look(case) if any(guard.raised in SECOND_LOOK for guard in guards) else ""
    look += so_far(case.evidence, case.policy, case.compared, case.former)
    if "nothing" in wanted:
        return f"waits until the alarm is over: no comparison outvotes it{look}"
    if "better" in wanted:
        return f"waits until {YIELDS['better']}{look}"
    return f"waits until {lacking(case.compared, case.policy)}{look}" if wanted else ""


__all__ = ["GUARDS", "YIELDS", "Case", "Guard", "garbage", "holding", "outvoted", "waited_for", "widened"]
