"""Projects a comparison: after how many further tested events it will show something, if it goes on as it is. Stage 6.

A projection is an estimate for people. No decision rests on it.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Final, Literal

import msgspec
from msgspec.structs import astuple

from models.gate.comparisons import as_good, better
from models.gate.evidence import Policy
from models.statistics import BEGINNING, Comparison, Start
from models.statistics.confidence import Sums
from models.statistics.restarts import LEVELS, LIFE, STEP, kept
from models.structs import Prepared

FIRST: Final = 10
"""Tested events that are tried first."""

FURTHEST: Final = 20_000_000
"""Tested events after which a projection is given up: four days of a busy shop."""

GROWTH: Final = 1.15
"""Factor between two counts of events that are tried. An estimate needs no finer one."""

AGREES: Final = 2.0
"""Standard errors within which a longer stretch counts as the same difference as the last events."""

Shown = Literal["as_good", "better"]
"""What a comparison has to show."""


class Pace(msgspec.Struct, metaclass=Prepared, frozen=True):
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


def gone_on(comparison: Comparison, further: int, pace: Pace) -> Comparison:
    """Returns the comparison as it will be after so many further tested events, if they come at a pace.

    >>> known = Comparison("a")
    >>> for number in range(700):
    ...     known.add(1, int(number % 10 > 0))
    >>> later = gone_on(known, 300, present(known))
    >>> later.n, round(later.hit.total), [start.n for start in later.starts]
    (1000, 100, [500, 1000])
    """
    n, hit, reciprocal = comparison.n, comparison.hit, comparison.reciprocal
    end = n + further

    def prefix(events: int) -> Start:
        return Start(
            n + events,
            round(hit.total + events * pace.hit),
            round(comparison.hit_squares + events * pace.hit_square),
            reciprocal.total + events * pace.reciprocal,
            comparison.reciprocal_squares + events * pace.reciprocal_square,
        )

    # Sums begin again at fixed moments. Of each kind only the last few live at the end.
    steps = {step for level in range(LEVELS) for step in range(end - end % (STEP << level), n, -(STEP << level))[:LIFE]}
    last = prefix(further)
    return msgspec.structs.replace(
        comparison,
        hit=Sums(hit.bound, end, hit.total + further * pace.hit, hit.variance + further * pace.hit_square),
        reciprocal=Sums(
            reciprocal.bound,
            end,
            last.reciprocal,
            reciprocal.variance + further * pace.reciprocal_square,
        ),
        hit_squares=last.hit_squares,
        reciprocal_squares=last.reciprocal_squares,
        other_hits=round(comparison.other_hits * end / n),
        starts=kept([*comparison.starts, *(prefix(step - n) for step in sorted(steps))], end),
    )


def events_until(comparison: Comparison | None, shown: Shown, policy: Policy, pace: Pace | None = None) -> int | None:
    """Returns about how many further tested events it takes until a comparison shows something.

    The gate's own rule is asked of the comparison as it will be.

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
    holds = as_good if shown == "as_good" else better
    if holds(comparison, policy):
        return 0
    pace = present(comparison) if pace is None else pace
    further = FIRST
    while further <= FURTHEST:
        if holds(gone_on(comparison, further, pace), policy):
            return further
        further = math.ceil(further * GROWTH)
    return None


__all__ = ["Pace", "Shown", "events_until", "gone_on", "present"]
