"""Clipped paired differences in; bounds of their running mean that hold at every moment at once out. Stage 6.

Empirical-Bernstein confidence sequence: Howard, Ramdas, McAuliffe and Sekhon, "Time-uniform, nonparametric,
nonasymptotic confidence sequences", Annals of Statistics 49(2), 2021, Theorem 4 with the stitched boundary of
Theorem 1; for forecasters that learn and drift: Choe and Ramdas, "Comparing Sequential Forecasters", Operations
Research 2023, Theorem 2. Nothing is assumed of how the differences depend on each other or change: one may look after
every event and stop at any time, and the statement is about the average difference so far. A test that bets on the next
difference would not do: under drift it is right about some moment, and wrong about the average.
"""

from __future__ import annotations

import math
from typing import Any, Final

import msgspec
import numpy as np

from models.structs import Prepared

STITCH: Final = 1.4
"""Exponent s of the stitched boundary; 1.4 and eta = 2 are the paper's own choice."""

_OFFSET: Final = math.log(3.1055473 / math.log(2.0) ** STITCH)  # ln(zeta(s) / (ln eta)^s)
_K1: Final = (2.0**0.25 + 2.0**-0.25) / math.sqrt(2.0)
_K2: Final = (math.sqrt(2.0) + 1.0) / 2.0

FLOOR: Final = 10.0
"""Least variance of interest, in squared bounds: below some ten discordant events nothing is claimed anyway. A larger
one costs power early, a smaller one late."""


class Sums(msgspec.Struct, metaclass=Prepared):
    """Paired differences so far.

    Attributes:
        bound: differences are clipped to plus or minus this.
        n: how many there are.
        total: their sum.
        variance: sum of squares around the running mean before each.

    >>> sums = Sums()
    >>> for difference in (1.0, 0.0, -1.0, 1.0):
    ...     _ = sums.add(difference)
    >>> sums.n, sums.total, sums.mean
    (4, 1.0, 0.25)
    """

    bound: float = 1.0
    n: int = 0
    total: float = 0.0
    variance: float = 0.0

    @property
    def mean(self) -> float:
        """Mean difference, 0 without any."""
        return self.total / self.n if self.n else 0.0

    def add(self, difference: float) -> float:
        """Adds a difference, clipped to the bound, and returns it.

        Raises:
            ValueError: it is not finite, which is a defect of the caller.

        >>> sums = Sums(bound=0.5)
        >>> sums.add(3.0), sums.total
        (0.5, 0.5)
        """
        if not math.isfinite(difference):
            raise ValueError(f"a difference of {difference} can't be compared")
        clipped = min(self.bound, max(-self.bound, difference))
        # Around the mean before it: the centre must not know the event that it judges.
        self.variance += (clipped - self.mean) ** 2
        self.n += 1
        self.total += clipped
        return clipped

    def interval(self, alpha: float, design: float = 1.0) -> tuple[float, float]:
        """Returns lower and upper bound of the mean; the whole range without differences.

        Each side holds at all times together, with probability 1 - alpha.

        Args:
            alpha: that probability.
            design: how many differences say as much as one that is independent of the others.

        >>> low, high = interval(n=22_000, total=220.0, variance=2_200.0, alpha=0.01)
        >>> round(low, 4), round(high, 4)
        (0.0, 0.02)
        >>> Sums().interval(0.05)
        (-1.0, 1.0)
        """
        return interval(self.n, self.total, self.variance, alpha, self.bound, design)


def interval(
    n: int, total: float, variance: float, alpha: float, bound: float = 1.0, design: float = 1.0
) -> tuple[float, float]:
    """Computes the bounds of `Sums.interval`, never wider than the range of a clipped difference.

    Where d differences are always equal, they are one difference of d times the size.

    >>> many, few = interval(2_000, 20.0, 200.0, 0.01, design=20.0), interval(100, 1.0, 10.0, 0.01)
    >>> [round(one - other, 9) for one, other in zip(many, few)]
    [0.0, 0.0]
    """
    if n == 0:
        return -bound, bound
    apart = design * reach(variance / design, alpha, bound)
    return max(-bound, (total - apart) / n), min(bound, (total + apart) / n)


def reach(variance: float, alpha: float, bound: float) -> float:
    """Computes `radius` of one number, some ten times as fast.

    >>> reach(200.0, 0.05, 1.0) == float(radius(200.0, 0.05)), reach(0.1, 0.01, 0.5) == float(radius(0.1, 0.01, 0.5))
    (True, True)
    """
    floor = FLOOR * bound * bound
    v = max(variance, floor)
    level = STITCH * math.log(math.log(2.0 * v / floor)) + _OFFSET - math.log(alpha)
    term = _K2 * 2.0 * bound * level
    return math.sqrt(_K1 * _K1 * v * level + term * term) + term


def radius(variance: Any, alpha: Any, bound: float = 1.0) -> Any:
    """Returns how far the sum of differences may stray from the sum of their expectations.

    Args:
        variance: sum of squares around the running mean; one number or an array.
        alpha: probability that the sum ever strays further, to one side; one number or an array like `variance`.
        bound: bound of a difference.

    >>> round(float(radius(200.0, 0.05)), 1) < round(float(radius(200.0, 0.01)), 1)
    True
    """
    floor = FLOOR * bound * bound
    v = np.maximum(variance, floor)
    level = STITCH * np.log(np.log(2.0 * v / floor)) + _OFFSET - np.log(alpha)
    term = _K2 * 2.0 * bound * level
    return np.sqrt(_K1 * _K1 * v * level + term * term) + term
