"""An operator's wish in; an experiment that can run, or an error that says what to change, out.

An arm is a policy over what exists: which contender orders, which version answers, and the options of a slate. Nothing
of an experiment changes while it runs, so that a user's arm is a function of its definition and the user's id alone.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta, Struct

from models.experiments.segments import LONGEST, segment_of
from models.records import epoch_seconds
from models.slate import Seen, condition_of
from models.structs import Prepared

NAME: Final = re.compile(r"[a-z0-9][a-z0-9_-]{0,39}")
"""Names of experiments and arms: they are labels of metrics and parts of addresses."""

HOLDOUT: Final = "holdout"
"""Name of the experiment that setting `experiments.holdout` makes, and of its arm that gets popular items."""

REST: Final = "rest"
"""Name of the other arm of the holdout: everything as it is."""

MOST_ARMS: Final = 8
MOST: Final = 8
"""Experiments that are kept, ended ones included, the holdout aside: each takes some 10 KB of every version, and up to
`MOST_ARMS` times as many series of metrics as an arm has."""

START_DELAY: Final = 5.0
"""Seconds between the order and the earliest start: by then every replica and the learner know the experiment, which
they look for several times a second."""

WEEK: Final = 7 * 86_400.0
"""Seconds that an experiment runs at least, unless it says otherwise: weekends are not like other days."""

LARGEST: Final = 1_000.0
"""The most that one purchase counts, unless the experiment says otherwise. Bounds that hold at every look need one."""

Metric = Literal["click", "cart", "purchase", "revenue", "spending"]
METRICS: Final[tuple[Metric, ...]] = ("click", "cart", "purchase", "revenue", "spending")
"""What arms are compared by. The first three count events that name a slate, `revenue` is the worth of those purchases,
`spending` the worth of all purchases of the arm's users, from any page."""

ORDERS: Final = (
    "ranker",
    "linear",
    "popularity",
    "shadow",
    "popularity_short",
    "popularity_middle",
    "popularity_long",
    "own_recent",
    "follows",
    "window",
    "cosine",
    "machine",
)
"""Who can order the slates of an arm: a contender of models/recommender by name, `popularity` for that over 5,000
events, and `shadow` for the baseline, which is what mode shadow serves. Named here, so that settings load no kernel."""

Word = Annotated[str, Meta(min_length=1, max_length=256)]
Words = Annotated[tuple[Word, ...], Meta(max_length=64)]
Share = Annotated[float, Meta(ge=0, le=1)]
Moment = Annotated[datetime, Meta(tz=True)] | float


class Arm(Struct, metaclass=Prepared, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """One arm: its share of the users, and how their slates are made. What it leaves out is as without an experiment.

    `order` names who orders: a contender, `popularity` or `shadow`. `version` may be `reference`. `diversity`,
    `rotate`, `explore` and `exclude_seen` take the place of the request's; the filters are added to the request's.
    """

    name: str
    share: Annotated[float, Meta(gt=0, le=1)]
    order: str | None = None
    version: Literal["served", "reference"] | None = None
    diversity: Share | None = None
    rotate: Share | None = None
    explore: Share | None = None
    exclude_seen: Seen | None = None
    category: Word | None = None
    tags_all: Words = ()
    tags_any: Words = ()
    price_min: Annotated[float, Meta(ge=0)] | None = None
    price_max: Annotated[float, Meta(ge=0)] | None = None
    filter: Words = ()

    @property
    def options(self) -> frozenset[str]:
        """Names of the options that the arm sets."""
        given = msgspec.structs.asdict(self)
        return frozenset(name for name in given if name not in {"name", "share"} and given[name] not in (None, ()))


class ExperimentAsk(
    Struct, metaclass=Prepared, frozen=True, forbid_unknown_fields=True, omit_defaults=True, kw_only=True
):
    """An experiment as it is asked for. Without a `start` it starts in five seconds, without an `end` it is open.

    `metric` decides; `control` is the arm that the others are compared with, by default the first. Nothing is concluded
    before `minimum_days`. A purchase counts at most `largest_purchase`. With a `segment`, as plan:pro, only users whose
    attributes meet it take part. `reason` stays in the audit.
    """

    name: str
    arm: Annotated[tuple[Arm, ...], Meta(min_length=2, max_length=MOST_ARMS)]
    metric: Metric = "click"
    control: str = ""
    start: Moment | None = None
    end: Moment | None = None
    minimum_days: Annotated[float, Meta(ge=0, le=366)] = WEEK / 86_400
    largest_purchase: Annotated[float, Meta(gt=0, le=1e12)] = LARGEST
    reason: Annotated[str, Meta(max_length=500)] = ""
    segment: Annotated[str, Meta(max_length=LONGEST)] = ""


class Experiment(Struct, metaclass=Prepared, frozen=True):
    """An experiment that was accepted. Moments are in epoch seconds.

    Attributes:
        name: its name.
        salt: key of its hash, random, in hexadecimal; it tells an experiment from an earlier one of the same name.
        arms: its arms.
        metric: what decides.
        control: name of the arm that the others are compared with.
        start: when it starts.
        end: when it ends; None for never.
        minimum: seconds before which nothing is concluded.
        largest_purchase: the most that one purchase counts.
        asked_by: name of the operator's key; `settings` for one of the settings.
        reason: the operator's own words.
        source: digest of what the settings said; "" for an operator's.
        stopped_by: who ended it before its time.
        segment: which users take part, by their attributes; "" for all.
    """

    name: str
    salt: str
    arms: tuple[Arm, ...]
    metric: Metric = "click"
    control: str = ""
    start: float = 0.0
    end: float | None = None
    minimum: float = WEEK
    largest_purchase: float = LARGEST
    asked_by: str = ""
    reason: str = ""
    source: str = ""
    stopped_by: str = ""
    segment: str = ""

    @property
    def id(self) -> str:
        """Name of its counts: another experiment of the same name has other counts."""
        return f"{self.name}-{self.salt[:8]}"

    def runs(self, at: float) -> bool:
        """Whether it runs at this moment."""
        return self.start <= at and (self.end is None or at < self.end)

    def ended(self, at: float) -> bool:
        """Whether it is over at this moment."""
        return self.end is not None and at >= self.end

    def arm(self, name: str) -> int:
        """Returns the place of an arm, -1 when there is none of this name."""
        return next((place for place, arm in enumerate(self.arms) if arm.name == name), -1)


class CannotRun(ValueError):
    """An experiment that cannot run; the message says which part, and what to write."""


def read(fields: object) -> ExperimentAsk:
    """Reads what the settings say of an experiment.

    Raises:
        CannotRun: A field does not fit.

    >>> read({"name": "wide", "arm": [{"name": "a", "share": 0.5}, {"name": "b", "share": 2}]})
    Traceback (most recent call last):
    models.experiments.definition.CannotRun: Expected `float` <= 1.0 - at `$.arm[1].share`
    """
    try:
        return msgspec.convert(fields, ExperimentAsk)
    except msgspec.ValidationError as error:
        raise CannotRun(str(error)) from None


def source_of(ask: ExperimentAsk) -> str:
    """Returns a short name for what was asked for: equal wishes have equal names."""
    return hashlib.sha256(msgspec.json.encode(ask, order="sorted")).hexdigest()[:16]


def experiment_of(ask: ExperimentAsk, now: float, salt: str, asked_by: str = "", source: str = "") -> Experiment:
    """Returns the experiment that was asked for.

    Args:
        ask: what was asked for.
        now: epoch seconds.
        salt: random, in hexadecimal: at least 16 characters.
        asked_by: who asks.
        source: digest of what the settings said.

    Raises:
        CannotRun: It names something that does not exist, or contradicts itself.

    >>> halves = (Arm("plain", 0.5), Arm("varied", 0.5, diversity=0.4))
    >>> made = experiment_of(ExperimentAsk(name="variety", arm=halves), 100.0, "0f" * 8)
    >>> made.control, made.start, made.id
    ('plain', 105.0, 'variety-0f0f0f0f')
    >>> experiment_of(ExperimentAsk(name="variety", arm=halves, control="none"), 100.0, "0f" * 8)
    Traceback (most recent call last):
    models.experiments.definition.CannotRun: control: there is no arm 'none'; the arms are plain, varied
    """
    check(ask)
    earliest = now + START_DELAY
    start = _moment("start", ask.start) if ask.start is not None else earliest
    end = _moment("end", ask.end) if ask.end is not None else None
    start = max(start, earliest)
    if end is not None and end <= start:
        raise CannotRun("end: it must be after the start, which is five seconds from now at the earliest")
    return Experiment(
        ask.name,
        salt,
        ask.arm,
        ask.metric,
        ask.control or ask.arm[0].name,
        start,
        end,
        ask.minimum_days * 86_400.0,
        ask.largest_purchase,
        asked_by,
        ask.reason,
        source,
        segment=ask.segment,
    )


def check(ask: ExperimentAsk) -> None:
    """Raises CannotRun for the first part of an experiment that cannot be."""
    _named("name", ask.name)
    if ask.name == HOLDOUT:
        raise CannotRun(f"name: {HOLDOUT!r} is the experiment of setting experiments.holdout; take another name")
    names = [arm.name for arm in ask.arm]
    for place, arm in enumerate(ask.arm):
        _named(f"arm[{place}].name", arm.name)
        if arm.name in names[:place]:
            raise CannotRun(f"arm[{place}].name: {arm.name!r} is the name of another arm already")
        _check_policy(f"arm[{place}]", arm)
    total = sum(arm.share for arm in ask.arm)
    if total > 1.0 + 1e-9:
        raise CannotRun(f"arm: the shares add up to {total:g}; they may add up to 1 at most")
    if ask.segment:
        try:
            segment_of(ask.segment)
        except ValueError as error:
            raise CannotRun(f"segment: expected {error}, found {ask.segment[:40]!r}") from None
    if ask.control and ask.control not in names:
        raise CannotRun(f"control: there is no arm {ask.control!r}; the arms are {', '.join(names)}")


def _named(path: str, name: str) -> None:
    if not NAME.fullmatch(name):
        raise CannotRun(f"{path}: {name[:50]!r} is no name: write 1 to 40 of a-z, 0-9, _ and -, as in wide-slates")


def _check_policy(path: str, arm: Arm) -> None:
    if arm.order is not None and arm.order not in ORDERS:
        raise CannotRun(f"{path}.order: {arm.order!r} orders nothing; there are {', '.join(ORDERS)}")
    if arm.price_min is not None and arm.price_max is not None and arm.price_min > arm.price_max:
        raise CannotRun(f"{path}.price_max: it must be at least price_min, {arm.price_min:g}")
    for place, text in enumerate(arm.filter):
        try:
            condition_of(text)
        except ValueError as error:
            raise CannotRun(f"{path}.filter[{place}]: expected {error}, found {text[:40]!r}") from None


def _moment(path: str, given: Moment) -> float:
    seconds = epoch_seconds(given)
    if seconds is None:
        raise CannotRun(f"{path}: write a time as 2026-03-01T00:00:00Z, or epoch seconds")
    return seconds


def holdout_of(share: float, now: float, salt: str) -> Experiment:
    """Returns the experiment that setting `experiments.holdout` asks for: `share` of the users get popular items.

    >>> holdout_of(0.02, 100.0, "0f" * 8).arms[0]
    Arm(name='holdout', share=0.02, order='popularity', version=None, diversity=None, rotate=None, explore=None, \
exclude_seen=None, category=None, tags_all=(), tags_any=(), price_min=None, price_max=None, filter=())
    """
    arms = Arm(HOLDOUT, share, order="popularity"), Arm(REST, round(1.0 - share, 9))
    return Experiment(
        HOLDOUT,
        salt,
        arms,
        metric="spending",
        control=HOLDOUT,
        start=now + START_DELAY,
        asked_by="settings",
        source=f"{share:g}",
    )


def contradiction(new: Experiment, others: Iterable[Experiment]) -> str:
    """Says why an experiment cannot run next to others, "" when it can.

    Two experiments that overlap in time may not set the same option: a user would be in both.

    >>> arms = Arm("plain", 0.5), Arm("varied", 0.5, diversity=0.4)
    >>> first = experiment_of(ExperimentAsk(name="one", arm=arms), 0.0, "0f" * 8)
    >>> contradiction(experiment_of(ExperimentAsk(name="two", arm=arms), 0.0, "f0" * 8), [first])
    "it sets diversity, and so does 'one', which runs at the same time: stop that one first, or set another option"
    """
    ours = _options(new.arms)
    for other in others:
        together = other.start < (new.end or float("inf")) and new.start < (other.end or float("inf"))
        both = ours & _options(other.arms)
        if together and both and HOLDOUT not in {new.name, other.name}:
            return (
                f"it sets {', '.join(sorted(both))}, and so does {other.name!r}, which runs at the same time: stop "
                "that one first, or set another option"
            )
    return ""


def _options(arms: Sequence[Arm]) -> frozenset[str]:
    return frozenset().union(*(arm.options for arm in arms))


__all__ = [
    "HOLDOUT",
    "METRICS",
    "MOST",
    "MOST_ARMS",
    "NAME",
    "ORDERS",
    "REST",
    "START_DELAY",
    "Arm",
    "CannotRun",
    "Experiment",
    "ExperimentAsk",
    "Metric",
    "check",
    "contradiction",
    "experiment_of",
    "holdout_of",
    "read",
    "source_of",
]
