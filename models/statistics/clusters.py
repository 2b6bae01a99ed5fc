"""Measures how much the outcomes of one user are alike: how many tested events say as much as one independent event.

A user whose taste one model meets is a hit for it again and again. Twenty such events are not twenty observations, and
bounds that took them as such would find harm where there is none, in a third of all epochs. So each comparison is told
by how much to widen its bounds: by the design effect (Kish, "Survey Sampling", 1965, section 5.4), the variance of sums
by user in relation to that of as many independent events.

Sums for each user would be too many to travel in a version. Users fall into groups by their row, and the sums of groups
vary by as much as those of their users together: the method of random groups (Wolter, "Introduction to Variance
Estimation", 1985, chapter 2). Events of a user that are far apart are in the same group as well, up to the end of a
block.
"""

from __future__ import annotations

from typing import Final

import msgspec

from models.structs import Prepared

GROUPS: Final = 64
"""Groups of users. The design effect of independent events is then between 0.7 and 1.4, nearly always."""

BLOCK: Final = 5_000
"""Events after which sums begin again, 100 s of a busy shop. Shorter blocks would miss how alike the events of a long
visit are; longer ones would notice too late that events have become alike."""

FADING: Final = 0.5
"""How much of the past stays with each block."""

LEAST: Final = 16.0
"""Groups of equal size that the events must be worth before the mean of all is told apart from what users have in
common. With fewer, all that they have in common counts against the evidence."""

UNIT: Final = 1_000
"""Reciprocal ranks are counted in thousandths, because whole numbers travel in fewer bytes."""


class Spread(msgspec.Struct, metaclass=Prepared, array_like=True):
    """Sums of one measure.

    Attributes:
        sums: differences of this block, by group.
        squares: their squares.
        between: variance of sums of groups in the blocks before, fading.
        within: the same as if all events were independent.
    """

    sums: list[int] = msgspec.field(default_factory=lambda: [0] * GROUPS)
    squares: int = 0
    between: float = 0.0
    within: float = 0.0

    def design(self, counts: list[int]) -> float:
        """Returns the design effect, at least 1."""
        between, within = self._block(counts)
        between, within = between + self.between, within + self.within
        return max(1.0, between / within) if within > 0.0 else 1.0

    def close(self, counts: list[int]) -> None:
        """Ends a block."""
        between, within = self._block(counts)
        self.between, self.within = FADING * (self.between + between), FADING * (self.within + within)
        self.sums, self.squares = [0] * GROUPS, 0

    def _block(self, counts: list[int]) -> tuple[float, float]:
        events = sum(counts)
        worth = events * events / max(sum(count * count for count in counts), 1)
        if worth < LEAST:
            return float(sum(each * each for each in self.sums)), float(self.squares)
        mean = sum(self.sums) / events
        between = sum((each - count * mean) ** 2 for each, count in zip(self.sums, counts, strict=True))
        return between / (1.0 - 1.0 / worth), self.squares - events * mean * mean


class Clusters(msgspec.Struct, metaclass=Prepared, array_like=True):
    """Differences of two models by groups of users. Travels with a version.

    Attributes:
        counts: events of this block, by group.
        hit: differences of hits.
        reciprocal: differences of reciprocal ranks, in thousandths.

    >>> alone, alike = Clusters(), Clusters()
    >>> for number in range(1_280):
    ...     alone.add(number, number * 7 % 5 - 2, 0.0)
    ...     alike.add(number // 20, number // 20 * 7 % 5 - 2, 0.0)
    >>> [round(one.design()[0]) for one in (alone, alike)]
    [1, 20]

    One user alone is one observation, however often that user comes:

    >>> single = Clusters()
    >>> for _ in range(300):
    ...     single.add(7, -1, 0.0)
    >>> single.design()
    (300.0, 1.0)
    """

    counts: list[int] = msgspec.field(default_factory=lambda: [0] * GROUPS)
    hit: Spread = msgspec.field(default_factory=Spread)
    reciprocal: Spread = msgspec.field(default_factory=Spread)

    def add(self, user: int, hit: int, reciprocal: float) -> None:
        """Adds the differences of a tested event.

        Args:
            user: row of its user.
            hit: difference of hits.
            reciprocal: clipped difference of reciprocal ranks.
        """
        group, thousandths = user % GROUPS, round(UNIT * reciprocal)
        self.counts[group] += 1
        self.hit.sums[group] += hit
        self.hit.squares += hit * hit
        self.reciprocal.sums[group] += thousandths
        self.reciprocal.squares += thousandths * thousandths
        if sum(self.counts) >= BLOCK:
            self.close()

    def close(self) -> None:
        """Ends a block: users get other rows, or enough events were counted."""
        self.hit.close(self.counts)
        self.reciprocal.close(self.counts)
        self.counts = [0] * GROUPS

    def design(self) -> tuple[float, float]:
        """Returns how many tested events say as much as one independent event: of hits, of reciprocal ranks."""
        return round(self.hit.design(self.counts), 4), round(self.reciprocal.design(self.counts), 4)


__all__ = ["BLOCK", "GROUPS", "Clusters"]
