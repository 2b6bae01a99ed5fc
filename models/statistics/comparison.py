"""Ranks of the same events under two models in; sums that say which is better, and how surely, out. Stage 6."""

from __future__ import annotations

from typing import Final, NamedTuple

import msgspec

from models.statistics import mcnemar as crash
from models.statistics.confidence import Sums
from models.statistics.exposure import Exposed

DEPTH: Final = 20
"""Ranks that count, as in models/recommender/prequential.py."""

RECIPROCAL_BOUND: Final = 0.5
"""Differences of reciprocal rank are clipped here: beyond it lies only first place against nothing, and one half of the
range makes the bound twice as sharp."""

WINDOW: Final = 1_000
"""Tested events of one window of the crash test: its null is about every moment: old merits must not cover a fall."""


class Bounds(NamedTuple):
    """Mean differences of hit rate and reciprocal rank, and bounds that hold at all times with 1 - alpha together."""

    hit: tuple[float, float]
    reciprocal: tuple[float, float]

    @property
    def worse(self) -> bool:
        """Whether one of the two is below zero for certain."""
        return self.hit[1] < 0.0 or self.reciprocal[1] < 0.0

    def above(self, margin: float) -> bool:
        """Whether neither is below -margin, for certain."""
        return self.hit[0] > -margin and self.reciprocal[0] > -margin

    @property
    def better(self) -> bool:
        """Whether one of the two is above zero for certain and the other is not below."""
        return not self.worse and (self.hit[0] > 0.0 or self.reciprocal[0] > 0.0)


class Comparison(msgspec.Struct):
    """One model (`of`; "" for what is learnt up to now) against another, on the same tested events.

    `hits`, `other_hits`: events whose item was within the first 20. `right`, `wrong`: of the current window, where only
    this model had it and where only the other had it; `others`: where the other had it.

    >>> comparison = Comparison("v1")
    >>> for mine, other in ((1, 0), (30, 2), (4, 4)):
    ...     comparison.add(mine, other)
    >>> comparison.hits, comparison.other_hits, comparison.hit.total, comparison.right, comparison.wrong
    (2, 2, 0.0, 1, 1)
    >>> comparison.reciprocal.total
    0.0
    """

    against: str
    of: str = ""
    hit: Sums = msgspec.field(default_factory=Sums)
    reciprocal: Sums = msgspec.field(default_factory=lambda: Sums(RECIPROCAL_BOUND))
    hits: int = 0
    other_hits: int = 0
    right: int = 0
    wrong: int = 0
    others: int = 0

    @property
    def n(self) -> int:
        """Tested events compared."""
        return self.hit.n

    def add(self, rank: int, other: int) -> None:
        """One tested event: the rank of its item under this model and the other, 0 for not proposed."""
        mine, theirs = _hit(rank), _hit(other)
        if self.n % WINDOW == 0:
            self.right = self.wrong = self.others = 0
        self.hits += mine
        self.other_hits += theirs
        self.right += mine > theirs
        self.wrong += theirs > mine
        self.others += theirs
        self.hit.add(mine - theirs)
        self.reciprocal.add(mine / max(rank, 1) - theirs / max(other, 1))

    def bounds(self, alpha: float) -> Bounds:
        """Intervals of both measures; alpha is shared between them."""
        return Bounds(self.hit.interval(alpha / 2), self.reciprocal.interval(alpha / 2))

    def crashed(self) -> float:
        """ln of the evidence that the other model is alone right more often, in this window."""
        return crash.log_evidence(self.wrong, self.right)

    @property
    def fallen(self) -> float:
        """Share of the other's hits in this window that this model lost.

        >>> Comparison("v1", right=2, wrong=12, others=20).fallen
        0.5
        """
        return (self.wrong - self.right) / max(self.others, 1)

    def margin(self, absolute: float, relative: float) -> float:
        """How much worse counts as no worse: the larger of an absolute hit rate and a share of the other's."""
        return max(absolute, relative * self.other_hits / max(self.n, 1))


def _hit(rank: int) -> int:
    return int(0 < rank <= DEPTH)


class Window(msgspec.Struct, frozen=True):
    """Quality of the last consumed records: how many, shares of them; `top_user`: events of the busiest of `users`.

    `hit`: share of the last tested events whose item was within the first 20, `usual`: of all before, fading.
    `fallen`: so few that such labels are no evidence. `doubted`: since then it has not come back to about the usual.
    """

    records: int = 0
    bad: float = 0.0
    duplicate: float = 0.0
    unknown: float = 0.0
    top_user: float = 0.0
    users: int = 0
    hit: float = 0.0
    usual: float = 0.0
    fallen: bool = False
    doubted: bool = False


class Standing(msgspec.Struct, frozen=True):
    """All the learner knows of a version when it cuts it; None: not compared (yet).

    `reference`: what is learnt against the last known good version. `champion`: against what is served. `probation`:
    what is served against the reference. `learnt`: the learnt ranking against the best single source, whose name is
    in `against`. `paused`: why versions are not compared, "" when they are. `lag`: seconds the learner is behind.
    `exposed`: on how few items slates rest.
    `alarms`: names of what the drift detectors saw within the last tested events. `applied`: events learnt.
    """

    reference: Comparison | None = None
    champion: Comparison | None = None
    probation: Comparison | None = None
    learnt: Comparison | None = None
    paused: str = ""
    window: Window = Window()
    lag: float = 0.0
    alarms: tuple[str, ...] = ()
    applied: int = 0
    exposed: Exposed = Exposed()


__all__ = ["DEPTH", "RECIPROCAL_BOUND", "WINDOW", "Bounds", "Comparison", "Standing", "Window"]
