"""Compares two models by their ranks of the same events: sums that say which is better, and how surely. Stage 6."""

from __future__ import annotations

import math
from collections.abc import Iterator
from statistics import NormalDist
from typing import Final

import msgspec
from msgspec.structs import astuple

from models.statistics import mcnemar as crash
from models.statistics.anchored import Anchored
from models.statistics.bounds import DEPTH, RECIPROCAL_BOUND, Bounds
from models.statistics.clusters import Clusters
from models.statistics.confidence import Sums, interval
from models.statistics.exposure import Exposed
from models.statistics.restarts import BEGINNING, STEP, WHOLE, Start, kept, shared
from models.structs import Prepared

WINDOW: Final = 1_000
"""Tested events of one window of the crash test. It speaks of the present: old merits must not cover a fall."""


class Comparison(msgspec.Struct, metaclass=Prepared):
    """One model against another, on the same tested events. A hit is an item within the first 20.

    Attributes:
        against: the other model, a version or the name of a source.
        of: this model's version; "" for the challenger.
        hit: differences of hits.
        reciprocal: differences of reciprocal ranks.
        hits: this model's hits.
        other_hits: the other's.
        right: events of the current window that only this model hit.
        wrong: events of the current window that only the other hit.
        others: events of the current window that the other hit.
        hit_squares: squares of the differences of hits.
        reciprocal_squares: squares of the differences of reciprocal ranks.
        starts: moments at which further sums began, oldest first.
        design: how many events say as much as one independent event: of hits, of reciprocal ranks. All bounds are those
            of so many times fewer events (models/statistics/clusters.py).
        clusters: what `design` is found from; None until an event names its user, and where only bounds are wanted.

    >>> comparison = Comparison("v1")
    >>> for rank, other in ((1, 0), (30, 2), (4, 4)):
    ...     comparison.add(rank, other)
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
    hit_squares: int = 0
    reciprocal_squares: float = 0.0
    starts: list[Start] = []
    design: tuple[float, float] = (1.0, 1.0)
    clusters: Clusters | None = None

    @property
    def n(self) -> int:
        """Tested events compared."""
        return self.hit.n

    def add(self, rank: int, other: int, user: int = -1) -> None:
        """Adds a tested event.

        Args:
            rank: rank of its item under this model, from 1; 0 when it was not proposed.
            other: the same under the other model.
            user: row of its user; -1 for an event that is independent of all others.
        """
        own, others = _hit(rank), _hit(other)
        if self.n % WINDOW == 0:
            self.right = self.wrong = self.others = 0
        self.hits += own
        self.other_hits += others
        self.right += own > others
        self.wrong += others > own
        self.others += others
        self.add_differences(own - others, own / max(rank, 1) - others / max(other, 1), user)

    def add_differences(self, hit: int, reciprocal: float, user: int = -1) -> None:
        """Adds the differences of hit and reciprocal rank of a tested event; `user` as in `add`."""
        self.hit.add(hit)
        reciprocal = self.reciprocal.add(reciprocal)
        self.hit_squares += hit * hit
        self.reciprocal_squares += reciprocal * reciprocal
        if user >= 0:
            if self.clusters is None:
                self.clusters = Clusters()
            self.clusters.add(user, hit, reciprocal)
        if self.n % STEP == 0:
            self.starts = kept([*self.starts, self._now()], self.n)

    def _now(self) -> Start:
        ranks = round(self.reciprocal.total, 6), round(self.reciprocal_squares, 6)
        return Start(self.n, round(self.hit.total), self.hit_squares, *ranks)

    def weighed(self) -> Comparison:
        """Returns a copy for the gate: with the design effect as it is now, without the sums that it is found from."""
        if self.clusters is None:
            return self
        return msgspec.structs.replace(self, design=self.clusters.design(), clusters=None)

    def bounds(self, alpha: float) -> Bounds:
        """Returns the bounds of both measures since the pair began, which share alpha."""
        hit, reciprocal = self.design
        return Bounds(self.hit.interval(alpha / 2, hit), self.reciprocal.interval(alpha / 2, reciprocal), self.n)

    def since(self, alpha: float) -> Iterator[Bounds]:
        """Yields the bounds of both measures since each moment at which sums began, the latest first.

        The last ones are those since the pair began. All of them share alpha: they hold at all times together.
        """
        now, (hit_design, reciprocal_design) = self._now(), self.design
        for start, part in shared(self.starts):
            n, each = now.n - start.n, part * alpha / 2
            if n:
                hits = interval(n, now.hit - start.hit, now.hit_squares - start.hit_squares, each, design=hit_design)
                ranks = interval(
                    n,
                    now.reciprocal - start.reciprocal,
                    now.reciprocal_squares - start.reciprocal_squares,
                    each,
                    self.reciprocal.bound,
                    reciprocal_design,
                )
                yield Bounds(hits, ranks, n)
        yield self.bounds(WHOLE * alpha)

    def lows(self, alpha: float) -> tuple[float, float]:
        """Returns lower bounds of both measures for this moment alone, each true with probability 1 - alpha if normal.

        >>> low = Comparison("v1", hit=Sums(1.0, 4_000, 20.0, 400.0), reciprocal=Sums(0.5, 4_000)).lows(0.05)
        >>> [round(each, 4) for each in low]
        [-0.0032, 0.0]
        """
        z, n = NormalDist().inv_cdf(1.0 - alpha), max(self.n, 1)
        (hit, reciprocal), (hits, ranks) = self.design, (self.hit, self.reciprocal)
        return (
            hits.mean - z * math.sqrt(hit * hits.variance) / n,
            ranks.mean - z * math.sqrt(reciprocal * ranks.variance) / n,
        )

    @property
    def lately(self) -> Start:
        """The sums of the last STEP to 2 STEP events, or of all when there are fewer."""
        now, before = self._now(), self.starts[-2] if len(self.starts) > 1 else BEGINNING
        return Start(*(ours - theirs for ours, theirs in zip(astuple(now), astuple(before), strict=True)))

    def crashed(self) -> float:
        """Returns ln of the evidence that the other model is more often the only one to hit, in this window.

        Of events that are alike as many count as one as `design` says.
        """
        return crash.log_evidence(self.wrong, self.right) / self.design[0]

    @property
    def fallen(self) -> float:
        """Share of the other's hits in this window that this model misses, less what it hits alone.

        >>> Comparison("v1", right=2, wrong=12, others=20).fallen
        0.5
        """
        return (self.wrong - self.right) / max(self.others, 1)

    def margin(self, absolute: float, relative: float) -> float:
        """Returns how much worse still counts as no worse.

        Args:
            absolute: a difference in hit rate.
            relative: a share of the other's hit rate. The larger of the two counts.
        """
        return max(absolute, relative * self.other_hits / max(self.n, 1))


def _hit(rank: int) -> int:
    return int(0 < rank <= DEPTH)


class Window(msgspec.Struct, metaclass=Prepared, frozen=True):
    """Quality of the last consumed records.

    Attributes:
        records: how many they are.
        bad: share of rejected records.
        duplicate: share of duplicates.
        unknown: share of tested events whose item nobody had touched.
        top_user: share of the busiest user's events.
        users: number of users.
        hit: hit rate of the last tested events.
        usual: hit rate of those before, fading.
        fallen: `hit` is so low that such labels are no evidence.
        doubted: since it fell it has not come back to about the usual.
        lately: hit rate of the very last tested events.
        sound: the labels are sound although hits fell: further events of the same users are found as often as usual.
        further: tested events since hits fell of users who had had another one since then.
        further_hits: hits among these.
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
    lately: float = 0.0
    sound: bool = False
    further: int = 0
    further_hits: int = 0


class Standing(msgspec.Struct, metaclass=Prepared, frozen=True):
    """What the learner knows of a version when it cuts it. A comparison is None where nothing was compared yet.

    models/gate/vocabulary.py explains the words.

    Attributes:
        reference: the challenger against the reference.
        champion: the challenger against the champion.
        probation: the champion against the reference.
        learnt: the learned ranking against the baseline, whose name is in `against`.
        paused: why versions are not compared, "" when they are.
        window: quality of the last consumed records.
        lag: seconds that the learner is behind the stream.
        alarms: names of the drift detectors that raised an alarm within the last tested events.
        applied: events learned.
        exposed: on how few items slates rest.
        began: with which evidence the learner's term began, as a sentence.
        former: the challenger against the reference before this one, until it is compared with this one as well.
        anchors: the challenger against each anchor.
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
    began: str = ""
    former: Comparison | None = None
    anchors: tuple[Anchored, ...] = ()


__all__ = ["DEPTH", "RECIPROCAL_BOUND", "WINDOW", "Bounds", "Comparison", "Standing", "Window"]
