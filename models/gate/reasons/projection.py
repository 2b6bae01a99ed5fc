"""Projects a comparison: after how many further tested events it will show something, if it goes on as it is. Stage 6.

A projection is an estimate for people. No decision rests on it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Final, Literal

import msgspec
from msgspec.structs import astuple

from models.gate.comparisons import as_good, better
from models.gate.evidence import Policy
from models.statistics import RECIPROCAL_BOUND, WHOLE, Bounds, Comparison, Start
from models.statistics.confidence import interval
from models.statistics.restarts import BEGINNING, LEVELS, STEP, life, share

FURTHEST: Final = 20_000_000
"""Tested events after which a projection is given up: four days of a busy shop."""

GROWTH: Final = 1.1
"""Factor between two counts of events that are tried. An estimate needs no finer one."""

AGREES: Final = 2.0
"""Standard errors within which a longer stretch counts as the same difference as the last events."""

Shown = Literal["as_good", "better"]
"""What a comparison has to show."""


class Pace(msgspec.Struct, frozen=True):
    """Means per tested event at present: of the differences and of their squares."""

    hit: float
    hit_square: float
    reciprocal: float
    reciprocal_square: float
    n: int
    """Tested events that it was taken from."""

    @classmethod
    def of(cls, sums: Start) -> Pace:
        """The means of some sums."""
        n = max(sums.n, 1)
        return cls(sums.hit / n, sums.hit_squares / n, sums.reciprocal / n, sums.reciprocal_squares / n, sums.n)

    @property
    def equal(self) -> Pace:
        """The same if the two models found as much as each other."""
        return msgspec.structs.replace(self, hit=0.0, reciprocal=0.0)

    @property
    def error(self) -> float:
        """Standard error of the mean difference of hits."""
        return math.sqrt(max(self.hit_square, 1.0 / max(self.n, 1)) / max(self.n, 1))


def present(comparison: Comparison) -> Pace:
    """Returns how the differences come at present: means over the longest stretch that agrees with the last events.

    The last events alone say little: the mean of a thousand is uncertain by more than the margin. A stretch that
    reaches back into another time says something else than the present.

    >>> healed = Comparison("a")
    >>> for number in range(8_000):
    ...     healed.add(1 if number >= 2_000 or number % 2 else 0, 1)
    >>> present(healed).hit, present(healed).n
    (0.0, 6000)
    """
    best = Pace.of(comparison.lately)
    for sums in _stretches(comparison):
        longer = Pace.of(sums)
        if longer.n <= best.n:
            continue
        if abs(longer.hit - best.hit) > AGREES * best.error:
            break
        best = longer
    return best


def _stretches(comparison: Comparison) -> Iterator[Start]:
    """Yields the sums since each moment at which sums began, the latest first, and those of the whole pair last."""
    now = Start(
        comparison.n,
        round(comparison.hit.total),
        comparison.hit_squares,
        comparison.reciprocal.total,
        comparison.reciprocal_squares,
    )
    for start in (*reversed(comparison.starts), BEGINNING):
        if now.n > start.n:
            yield Start(*(ours - theirs for ours, theirs in zip(astuple(now), astuple(start), strict=True)))


def events_until(comparison: Comparison | None, shown: Shown, policy: Policy, pace: Pace | None = None) -> int | None:
    """Returns about how many further tested events it takes until a comparison shows something.

    Args:
        comparison: The pair. None counts as one that has not begun, which nothing can be said of.
        shown: That the model is no worse than the other by more than the margin, or that it is better.
        policy: The thresholds.
        pace: How differences come from now on; None takes `present`.

    Returns:
        0 when it is shown already; None when it will not be at this pace, or nothing was compared.

    >>> equal, worse = Comparison("a"), Comparison("a")
    >>> for number in range(2_000):
    ...     equal.add(number % 20 == 0, number % 20 == 10)
    ...     worse.add(number % 20 == 0, number % 10 == 5)
    >>> events_until(equal, "as_good", Policy()) > 1_000, events_until(worse, "as_good", Policy())
    (True, None)
    >>> events_until(None, "better", Policy())
    """
    if comparison is None or not comparison.n:
        return None
    if (as_good if shown == "as_good" else better)(comparison, policy):
        return 0
    pace = present(comparison) if pace is None else pace
    margin = comparison.margin(policy.margin, policy.margin_relative)
    holds = _above(margin) if shown == "as_good" else _is_better
    sequences = list(_sequences(comparison, policy.alpha))
    if shown == "better":
        sequences = sequences[:1]
    further = 1.0
    while further <= FURTHEST:
        if any(holds(found) for each in sequences if (found := each.after(int(further), pace)) is not None):
            return int(further)
        further = math.ceil(further * GROWTH)
    return None


class _Sequence(msgspec.Struct, frozen=True):
    """Sums since one moment, and the share of the error that their bounds have."""

    since: Start
    hit_variance: float
    reciprocal_variance: float
    alpha: float
    waits: int = 0
    lives: float = math.inf

    def after(self, further: int, pace: Pace) -> Bounds | None:
        """The bounds after so many further events; None before it begins and after it ends."""
        further -= self.waits
        n = self.since.n + further
        if further <= 0 or n > self.lives:
            return None
        # The variance is taken around the mean at the time, which differences of little size hardly move.
        spread = pace.hit_square, pace.reciprocal_square
        hits = interval(n, self.since.hit + further * pace.hit, self.hit_variance + further * spread[0], self.alpha / 2)
        ranks = interval(
            n,
            self.since.reciprocal + further * pace.reciprocal,
            self.reciprocal_variance + further * spread[1],
            self.alpha / 2,
            RECIPROCAL_BOUND,
        )
        return Bounds(hits, ranks, n)


def _sequences(comparison: Comparison, alpha: float) -> Iterator[_Sequence]:
    """Yields the sequence of the whole pair, those that began since, and the next of each kind to begin."""
    sums = list(_stretches(comparison))
    whole = sums[-1]
    yield _Sequence(whole, comparison.hit.variance, comparison.reciprocal.variance, WHOLE * alpha)
    for stretch in sums[:-1]:
        start = comparison.n - stretch.n
        yield _Sequence(
            stretch,
            float(stretch.hit_squares),
            stretch.reciprocal_squares,
            share(start) * alpha,
            lives=life(start),
        )
    step = comparison.n // STEP + 1
    for level in range(LEVELS):
        start = STEP * (-(-step >> level) << level)
        yield _Sequence(BEGINNING, 0.0, 0.0, share(start) * alpha, start - comparison.n, life(start))


def _above(margin: float) -> Callable[[Bounds], bool]:
    return lambda bounds: bounds.above(margin) and not bounds.worse


def _is_better(bounds: Bounds) -> bool:
    return bounds.better


__all__ = ["Pace", "Shown", "events_until", "present"]
