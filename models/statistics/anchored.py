"""Compares the learning model with one anchor for weeks, in a few hundred bytes. Stage 6.

A pair with an anchor lasts as long as the anchor stands, up to weeks, and every version and every audit record carries
its sums. So further sequences begin at a coarser step than those of `Comparison`. The bounds are the same, and they
share the error in the same way (models/statistics/restarts.py).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import msgspec

from models.statistics.bounds import DEPTH, RECIPROCAL_BOUND, Bounds
from models.statistics.confidence import interval
from models.statistics.restarts import BEGINNING, STEP, WHOLE, Start, life, share
from models.structs import Prepared

COARSER: Final = 8
"""Steps of `Comparison` in a step of an anchor's sums. A slow loss takes tens of minutes to show, so that a start every
4,000 tested events is often enough."""


class Anchored(msgspec.Struct, metaclass=Prepared, array_like=True):
    """The challenger against one anchor, on the same tested events. A hit is an item within the first 20.

    Attributes:
        against: id of the anchor's version.
        n: tested events compared.
        hit: sum of the differences of hits.
        hit_squares: the squares of these.
        reciprocal: sum of the differences of reciprocal ranks, each clipped.
        reciprocal_squares: the squares of these.
        other_hits: the anchor's hits.
        starts: moments at which further sums began, oldest first.
        design: how many events say as much as one independent event, of hits and of reciprocal ranks: those of one
            user are alike. All bounds are those of so many times fewer events.

    >>> found = Anchored("a")
    >>> for rank, other in ((1, 0), (0, 2), (30, 2)):
    ...     _ = found.add(rank, other)
    >>> found.n, found.hit, found.hit_squares, found.reciprocal, found.other_hits
    (3, -1, 3, -0.5, 2)
    """

    against: str
    n: int = 0
    hit: int = 0
    hit_squares: int = 0
    reciprocal: float = 0.0
    reciprocal_squares: float = 0.0
    other_hits: int = 0
    starts: list[Start] = []
    design: tuple[float, float] = (1.0, 1.0)

    @property
    def mean(self) -> float:
        """Mean difference of hits, 0 without any event."""
        return self.hit / self.n if self.n else 0.0

    def add(self, rank: int, other: int) -> tuple[int, float]:
        """Adds a tested event, and returns its differences of hits and of clipped reciprocal ranks.

        Args:
            rank: rank of its item under the challenger, from 1; 0 when it was not proposed.
            other: the same under the anchor.
        """
        own, others = int(0 < rank <= DEPTH), int(0 < other <= DEPTH)
        apart = own / max(rank, 1) - others / max(other, 1)
        apart = min(RECIPROCAL_BOUND, max(-RECIPROCAL_BOUND, apart))
        self.n += 1
        self.hit += own - others
        self.hit_squares += own != others
        self.reciprocal += apart
        self.reciprocal_squares += apart * apart
        self.other_hits += others
        if self.n % (COARSER * STEP) == 0:
            self.starts = kept([*self.starts, self._now()], self.n)
        return own - others, apart

    def _now(self) -> Start:
        return Start(self.n, self.hit, self.hit_squares, round(self.reciprocal, 6), round(self.reciprocal_squares, 6))

    def since(self, alpha: float) -> Iterator[Bounds]:
        """Yields the bounds of both measures since each moment at which sums began, the latest first.

        The last ones are those since the pair began. All of them share alpha: they hold at all times together.
        """
        now = self._now()
        for start in reversed(self.starts):
            if now.n > start.n:
                yield self._bounds(start, now, share(start.n // COARSER) * alpha / 2)
        if now.n:
            yield self._bounds(BEGINNING, now, WHOLE * alpha / 2)

    def _bounds(self, start: Start, now: Start, alpha: float) -> Bounds:
        """Returns the bounds since a start.

        >>> alone, alike = Anchored("a", 40_000, 0, 4_000, 0.0, 400.0), Anchored("a", 40_000, 0, 4_000, 0.0, 400.0)
        >>> alike.design = 4.0, 1.0
        >>> (low, _), (lower, _) = (next(each.since(0.05)).hit for each in (alone, alike))
        >>> 1.9 < lower / low < 2.2
        True
        """
        n = now.n - start.n
        hits = _interval(n, now.hit - start.hit, now.hit_squares - start.hit_squares, alpha, 1.0, self.design[0])
        reciprocal, squares = now.reciprocal - start.reciprocal, now.reciprocal_squares - start.reciprocal_squares
        ranks = _interval(n, reciprocal, squares, alpha, RECIPROCAL_BOUND, self.design[1])
        return Bounds(hits, ranks, n)

    def margin(self, absolute: float, relative: float) -> float:
        """Returns how much worse still counts as no worse.

        Args:
            absolute: a difference in hit rate.
            relative: a share of the anchor's hit rate. The larger of the two counts.
        """
        return max(absolute, relative * self.other_hits / max(self.n, 1))


def kept(starts: list[Start], n: int) -> list[Start]:
    """Returns those of the starts that still live after `n` events.

    >>> step = COARSER * STEP
    >>> [start.n // step for start in kept([Start(step * at, 0, 0, 0, 0) for at in range(1, 65)], 64 * step)]
    [16, 32, 40, 48, 52, 56, 58, 60, 61, 62, 63, 64]
    """
    return [start for start in starts if n - start.n <= COARSER * life(start.n // COARSER)]


def _interval(n: int, total: float, squares: float, alpha: float, bound: float, design: float) -> tuple[float, float]:
    independent = max(1, round(n / design))
    part = independent / n
    return interval(independent, part * total, part * squares, alpha, bound)


__all__ = ["COARSER", "Anchored", "kept"]
