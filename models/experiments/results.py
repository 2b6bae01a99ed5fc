"""An experiment and what was counted for it in; rates, lifts and a verdict with bounds that hold at every look out.

For the users of one segment alone the answer is the same, from what was counted for them. Segments are many chances of
error, so they share the one that all users have: the bounds of all of them together hold with its probability.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final, Literal

import msgspec
from msgspec import Struct

from models.experiments.definition import HOLDOUT, METRICS, Arm, Experiment, Metric
from models.experiments.intervals import RatioBounds, Sum, ratio, sum_of
from models.experiments.tallies import Counted, Tally, apart_of
from models.structs import Prepared

ALPHA: Final = 0.05
"""Probability that an interval ever misses what it is about. The lifts of several arms over the control share it."""

ALPHA_SHARES: Final = 0.01
"""Probability, over the whole life of an experiment, of the alarm about shares when nothing is wrong."""

PRIOR: Final = 100.0
"""Users that the alarm imagines with other shares: an imbalance of some 10 % is found soonest."""

State = Literal["scheduled", "running", "ended", "stopped"]
Verdict = Literal["scheduled", "shares_wrong", "too_early", "better", "worse", "undecided"]


class Rate(Struct, metaclass=Prepared, frozen=True):
    """A measured rate with its bounds; null where nothing can be said yet, and `high` also where nothing bounds it."""

    value: float | None
    low: float | None
    high: float | None


class Measures(Struct, metaclass=Prepared, frozen=True):
    """One measure of one arm: its total, for each slate and each user, and its lift over the control (0.1: 10 % more).

    The lift compares users by the shares that they were assigned by. The control has none.
    """

    total: float
    per_slate: Rate
    per_user: Rate
    lift: Rate | None


class ArmResults(Struct, metaclass=Prepared, frozen=True):
    """One arm: its policy, how many slates and about how many users it had, and its measures by name."""

    name: str
    share: float
    policy: Arm
    slates: int
    users: int | None
    share_found: float | None
    measures: dict[str, Measures]


class ExperimentResults(Struct, metaclass=Prepared, frozen=True):
    """An experiment and how its arms do. Moments are in epoch seconds.

    `verdict` says it in a word and `conclusion` in sentences. `shares_alarm`: more or fewer users came into an arm than
    its share, so no comparison is to be trusted. `not_before` is when the minimum runtime is over. `counted_in` names
    the version whose counts these are, null before the first. `segment` says which users take part, "" for all.
    `among` is the segment whose users alone were counted here, "" for all who take part, and `segments` are those that
    are counted apart.
    """

    name: str
    state: State
    metric: Metric
    control: str
    start: float
    end: float | None
    not_before: float
    asked_by: str
    reason: str
    stopped_by: str
    verdict: Verdict
    conclusion: tuple[str, ...]
    shares_alarm: bool
    largest_purchase: float
    arms: tuple[ArmResults, ...]
    counted_in: str | None = None
    segment: str = ""
    among: str = ""
    segments: tuple[str, ...] = ()


def results(
    experiment: Experiment,
    tally: Tally | None,
    now: float,
    counted_in: str | None = None,
    segments: Sequence[str] = (),
    among: str = "",
) -> ExperimentResults:
    """Returns how the arms of an experiment do.

    Args:
        experiment: the experiment.
        tally: what was counted for it; None for nothing.
        now: epoch seconds.
        counted_in: id of the version that carries the counts.
        segments: of users, that the settings name to be counted apart.
        among: one of them, to return how the arms do with its users alone; "" for all users.
    """
    segments = apart_of(experiment, segments)
    counted = tally or Tally.empty(len(experiment.arms))
    part = counted.part(among if among in segments else "") if among else counted.whole()
    chances = max(1, len(segments)) if among else 1
    control = experiment.arm(experiment.control)
    arms = tuple(_arm(experiment, part, place, control, ALPHA / chances) for place in range(len(experiment.arms)))
    shares = [arm.share for arm in experiment.arms]
    alarm = shares_wrong([each.users.total for each in part.arms], shares, ALPHA_SHARES / chances)
    # A segment may be counted from later on than the experiment runs: then its minimum runtime begins later as well.
    timed = msgspec.structs.replace(experiment, start=max(experiment.start, part.since or experiment.start))
    verdict = _verdict(timed, arms, alarm, now)
    said = _sentences(timed, arms, verdict, now)
    return ExperimentResults(
        name=experiment.name,
        state=state_of(experiment, now),
        metric=experiment.metric,
        control=experiment.control,
        start=experiment.start,
        end=experiment.end,
        not_before=timed.start + experiment.minimum,
        asked_by=experiment.asked_by,
        reason=experiment.reason,
        stopped_by=experiment.stopped_by,
        verdict=verdict,
        conclusion=tuple(_among(among, segments, said, alarm=alarm) if among else said),
        shares_alarm=alarm,
        largest_purchase=experiment.largest_purchase,
        arms=arms,
        counted_in=counted_in,
        segment=experiment.segment,
        among=among,
        segments=tuple(segments),
    )


def state_of(experiment: Experiment, now: float) -> State:
    """Returns whether an experiment runs at this moment, epoch seconds.

    >>> [state_of(Experiment("a", "", (), start=5.0, end=9.0), now) for now in (4.0, 5.0, 9.0)]
    ['scheduled', 'running', 'ended']
    """
    if experiment.ended(now):
        return "stopped" if experiment.stopped_by else "ended"
    return "running" if experiment.runs(now) else "scheduled"


def _arm(experiment: Experiment, part: Counted, place: int, control: int, alpha: float) -> ArmResults:
    arm, counted = experiment.arms[place], part.arms[place]
    seen = sum(each.users.total for each in part.arms)
    weight = part.weight
    slates, users = sum_of(counted.slates), sum_of(counted.users, weight or 1.0)
    of_lift = alpha / max(1, len(experiment.arms) - 1)
    found: dict[str, Measures] = {}
    for name in METRICS:
        upper, largest = counted.of(name), _largest(experiment, name)
        per_user = ratio(sum_of(upper, largest=largest), users, alpha) if weight is not None else RatioBounds(None)
        found[name] = Measures(
            round(upper.total, 2),
            _rate(ratio(sum_of(upper, largest=largest), slates, alpha)),
            _rate(per_user),
            None if place == control else _lift(experiment, part, place, control, name, of_lift),
        )
    return ArmResults(
        arm.name,
        arm.share,
        arm,
        round(counted.slates.total),
        round(weight * counted.users.total) if weight is not None else None,
        round(counted.users.total / seen, 5) if seen else None,
        found,
    )


def _largest(experiment: Experiment, measure: str) -> float:
    return experiment.largest_purchase if measure in {"revenue", "spending"} else 1.0


def _lift(experiment: Experiment, part: Counted, place: int, control: int, measure: str, alpha: float) -> Rate:
    ours, theirs = _by_share(experiment, part, place, measure), _by_share(experiment, part, control, measure)
    found = ratio(ours, theirs, alpha)
    return _rate(RatioBounds(*(None if each is None else each - 1.0 for each in found)))


def _by_share(experiment: Experiment, part: Counted, place: int, measure: str) -> Sum:
    weight = 1.0 / experiment.arms[place].share
    return sum_of(part.arms[place].of(measure), weight, _largest(experiment, measure))


def _rate(found: RatioBounds) -> Rate:
    return Rate(*(None if each is None else round(each, 6) for each in found))


def shares_wrong(users: Sequence[float], shares: Sequence[float], alpha: float = ALPHA_SHARES) -> bool:
    """Whether users did not come into the arms by their shares: something loses users of one arm.

    A sequential test of a multinomial against a Dirichlet prior (Lindon and Malek, "Anytime-Valid Inference for
    Multinomial Count Data", NeurIPS 2022): looking often raises no false alarm.

    >>> shares_wrong([500, 520], [0.5, 0.5]), shares_wrong([500, 640], [0.5, 0.5])
    (False, True)
    """
    whole, total = sum(shares), sum(users)
    evidence = math.lgamma(PRIOR) - math.lgamma(PRIOR + total)
    for count, share in zip(users, shares, strict=True):
        expected = share / whole
        evidence += math.lgamma(PRIOR * expected + count) - math.lgamma(PRIOR * expected) - count * math.log(expected)
    return evidence > -math.log(alpha)


def _verdict(experiment: Experiment, arms: Sequence[ArmResults], alarm: bool, now: float) -> Verdict:
    if now < experiment.start:
        return "scheduled"
    if alarm:
        return "shares_wrong"
    if (experiment.end or now) < experiment.start + experiment.minimum or now < experiment.start + experiment.minimum:
        return "too_early"
    lifts = [lift for arm in arms if (lift := arm.measures[experiment.metric].lift) is not None]
    if any(lift.low is not None and lift.low > 0.0 for lift in lifts):
        return "better"
    if any(lift.high is not None and lift.high < 0.0 for lift in lifts):
        return "worse"
    return "undecided"


WORDS: Final[dict[str, str]] = {
    "click": "clicks on slates",
    "cart": "additions to the cart from slates",
    "purchase": "purchases from slates",
    "revenue": "revenue from slates",
    "spending": "revenue in all",
}
"""What each metric is, in a sentence about a user."""


def _sentences(experiment: Experiment, arms: Sequence[ArmResults], verdict: Verdict, now: float) -> list[str]:
    if verdict == "scheduled":
        return ["It has not started yet."]
    if verdict == "shares_wrong":
        found = ", ".join(f"{arm.name} {_percent(arm.share_found or 0.0)}" for arm in arms)
        return [
            f"The arms did not get the users that their shares say ({found} of those in the experiment).",
            "Something loses users of one arm, as a page that fails does.",
            "Trust no comparison; find the cause and start again.",
        ]
    said = [_told(experiment, arm) for arm in arms if arm.name != experiment.control]
    if experiment.name == HOLDOUT:
        said = [sentence[:1].upper() + sentence[1:] for sentence in said]
    if verdict == "too_early":
        ends = experiment.end is not None and experiment.end < experiment.start + experiment.minimum
        left = experiment.start + experiment.minimum - now
        said.append(
            "It ended before its minimum runtime: conclude nothing from it."
            if ends
            else f"Decide nothing before the minimum runtime is over, in {_duration(left)}."
        )
    return said


def _among(segment: str, segments: Sequence[str], said: Sequence[str], *, alarm: bool) -> list[str]:
    """Sentences about the users of a segment alone, and what looking at segments costs.

    >>> _among("plan:pro", ("plan:pro", "plan:free"), ["varied is better than plain."], alarm=False)[1]
    'Looking at 2 segments is 2 chances of error. They share one: the bounds of all 2 hold together with \
probability 95 %.'
    """
    if segment not in segments:
        return [
            f"Users with {segment} are not counted apart: of so many arms, only the first {len(segments)} segments are."
        ]
    sure, many = f"probability {100 * (1 - ALPHA):g} %", len(segments)
    cost = (
        f"Looking at {many} segments is {many} chances of error. They share one: the bounds of all {many} hold "
        f"together with {sure}."
        if many > 1
        else f"The bounds of a segment and of all users hold with {sure} each: both are two chances of error."
    )
    moved = ["It may also be that an arm changes who is in the segment."] if alarm else []
    return [f"Among users with {segment}: {said[0]}", *said[1:], *moved, cost]


def _told(experiment: Experiment, arm: ArmResults) -> str:
    """How one arm does, in a sentence.

    >>> even = Rate(0.1, 0.02, 0.19)
    >>> halves = Arm("plain", 0.5), Arm("varied", 0.5)
    >>> varied = ArmResults("varied", 0.5, halves[1], 900, 300, 0.5, {"click": Measures(9, even, even, even)})
    >>> _told(Experiment("variety", "", halves, control="plain"), varied)
    'varied is better than plain: 10.0 % more clicks on slates per user, between 2.0 % more and 19.0 % more.'
    """
    lift, words = arm.measures[experiment.metric].lift, WORDS[experiment.metric]
    less, are = ("less", "is") if experiment.metric in {"revenue", "spending"} else ("fewer", "are")
    ours, control = _called(experiment, arm.name), _called(experiment, experiment.control)
    if lift is None or lift.value is None:
        return f"Nothing can be said about {ours} yet: there {are} no {words} to compare."
    if lift.low is None:
        return f"Nothing can be said about {ours} yet: too few users."
    between = (
        f"between {_change(lift.low, less)} and {_change(lift.high, less)}"
        if lift.high is not None
        else f"from {_change(lift.low, less)} upwards, because there are too few events for an upper bound"
    )
    measured = f"{_change(lift.value, less)} {words} per user, {between}."
    if lift.low > 0.0:
        return f"{ours} is better than {control}: {measured}"
    if lift.high is not None and lift.high < 0.0:
        return f"{ours} is worse than {control}: {measured}"
    return f"No difference between {ours} and {control} is shown yet: {measured}"


def _called(experiment: Experiment, arm: str) -> str:
    """What an arm is called in a sentence; those of the holdout have names that say nothing."""
    if experiment.name != HOLDOUT:
        return arm
    return "a list of popular items" if arm == HOLDOUT else "the recommender"


def _change(lift: float, less: str) -> str:
    """Returns a lift in words; `less` is the word for fewer of what is counted, or less of what is not.

    >>> _change(0.1, "fewer"), _change(-0.1, "fewer")
    ('10.0 % more', '10.0 % fewer')
    """
    return f"{_percent(abs(lift))} {'more' if lift >= 0.0 else less}"


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"


def _duration(seconds: float) -> str:
    """Returns a time in its largest unit.

    >>> _duration(90_000.0), _duration(7_000.0), _duration(90.0)
    ('1.0 days', '1.9 hours', '2 minutes')
    """
    if seconds >= 86_400.0:
        return f"{seconds / 86_400.0:.1f} days"
    if seconds >= 3_600.0:
        return f"{seconds / 3_600.0:.1f} hours"
    return f"{math.ceil(seconds / 60.0)} minutes"


__all__ = ["ArmResults", "ExperimentResults", "Measures", "Rate", "results", "shares_wrong", "state_of"]
