"""Two sums by groups of users in; bounds of their ratio, which hold at every look, out.

A rate is a ratio of two sums: clicks to slates. So is a lift: what one arm's users did to what another's did, each
divided by the arm's share of the users, which is known and need not be counted. For a ratio r each event is an
observation: an amount of the upper sum, or minus r times an amount of the lower one. If r is the true ratio their mean
is 0, and the confidence sequence of models/statistics/confidence.py says how far their sum may be from it at any time.
The bounds are the ratios that it does not rule out (Fieller, "Some problems in interval estimation", JRSS B 16, 1954,
with that bound in place of a quantile). Events of one user are alike: as in the gate's comparisons, as many count as
one as the sums by group of users say.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

from models.experiments.tallies import GROUPS, Measured
from models.statistics.clusters import LEAST
from models.statistics.confidence import reach

STEPS: Final = 60
"""Halvings of an interval: far below the last digit that is shown."""

FARTHEST: Final = 1e6
"""A ratio beyond this many times the measured one counts as unbounded."""


class Sum(NamedTuple):
    """A sum of amounts that are never below 0."""

    groups: Sequence[float]
    """By group of users."""
    squares: float
    """Sum of the squares of all amounts."""
    largest: float
    """The largest amount that there may be."""

    @property
    def total(self) -> float:
        """The sum of all groups."""
        return sum(self.groups)


class RatioBounds(NamedTuple):
    """A ratio with its bounds; None where nothing can be said yet."""

    value: float | None
    low: float | None = None
    high: float | None = None


def sum_of(measured: Measured, weight: float = 1.0, largest: float = 1.0) -> Sum:
    """Returns a measure, each amount multiplied by a weight."""
    groups = measured.sums if weight == 1.0 else [weight * each for each in measured.sums]
    return Sum(groups, weight * weight * measured.squares, weight * largest)


def ratio(upper: Sum, lower: Sum, alpha: float) -> RatioBounds:
    """Returns the ratio of two sums, and bounds that hold at all times together with probability 1 - alpha.

    >>> clicks, slates = (Sum([each] * GROUPS, each * GROUPS, 1.0) for each in (10.0, 100.0))
    >>> found = ratio(clicks, slates, 0.05)
    >>> round(found.value, 3), round(found.low, 3), round(found.high, 3)
    (0.1, 0.082, 0.119)
    >>> ratio(Sum([10.0] + [0.0] * 63, 10.0, 1.0), Sum([100.0] + [0.0] * 63, 100.0, 1.0), 0.05)
    RatioBounds(value=0.1, low=None, high=None)
    """
    if lower.total <= 0.0:
        return RatioBounds(None)
    value = upper.total / lower.total
    if independent_groups(upper, lower) < LEAST:
        return RatioBounds(value)
    design = _design(upper, lower, value)

    def beyond(at: float) -> float:
        """How much farther from 0 the sum is than it may be, if this is the ratio; negative when it is not."""
        variance = upper.squares + at * at * lower.squares
        apart = design * reach(variance / design, alpha / 2, (upper.largest + at * lower.largest) / 2)
        return abs(upper.total - at * lower.total) - apart

    start = value or 1.0 / lower.total
    low = _edge(beyond, value, 0.0) if beyond(0.0) > 0.0 else 0.0
    far = start
    while beyond(far) <= 0.0:
        far *= 4.0
        if far > FARTHEST * start:
            return RatioBounds(value, low)
    return RatioBounds(value, low, _edge(beyond, value, far))


def _edge(beyond: Callable[[float], float], inside: float, outside: float) -> float:
    for _ in range(STEPS):
        middle = (inside + outside) / 2
        if beyond(middle) > 0.0:
            outside = middle
        else:
            inside = middle
    return outside


def independent_groups(upper: Sum, lower: Sum) -> float:
    """Returns of how many groups of equal size the events are worth: few users make few groups."""
    above, below = upper.total or 1.0, lower.total
    sizes = [one / above + other / below for one, other in zip(upper.groups, lower.groups, strict=True)]
    squares = sum(size * size for size in sizes)
    total = sum(sizes)
    return total * total / squares if squares else 0.0


def _design(upper: Sum, lower: Sum, value: float) -> float:
    """Returns how many events say as much as one that is independent of the others, at least 1."""
    apart = [one - value * other for one, other in zip(upper.groups, lower.groups, strict=True)]
    between = sum(each * each for each in apart) * GROUPS / (GROUPS - 1)
    within = upper.squares + value * value * lower.squares
    return max(1.0, between / within) if within > 0.0 else 1.0


__all__ = ["RatioBounds", "Sum", "ratio", "sum_of"]
