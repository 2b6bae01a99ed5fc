"""Bounds of how two models differ, and what they are about: hits within 20, and reciprocal ranks. Stage 6."""

from __future__ import annotations

from typing import Final, NamedTuple

DEPTH: Final = 20
"""Ranks that count, as in models/recommender/prequential.py."""

RECIPROCAL_BOUND: Final = 0.5
"""Differences of reciprocal rank are clipped here. Only first place against no place differs by more, and half the
range makes the bound twice as sharp."""


class Bounds(NamedTuple):
    """Lower and upper bounds of the mean differences of hit rate and reciprocal rank.

    All of them hold at all times together, with probability 1 - alpha.
    """

    hit: tuple[float, float]
    reciprocal: tuple[float, float]
    n: int = 0
    """Tested events that they are about."""

    @property
    def worse(self) -> bool:
        """Whether one of the two is shown to be below zero."""
        return self.hit[1] < 0.0 or self.reciprocal[1] < 0.0

    def below(self, margin: float) -> bool:
        """Whether one of the two is shown to be below -margin."""
        return self.hit[1] < -margin or self.reciprocal[1] < -margin

    def above(self, margin: float) -> bool:
        """Whether both are shown to be above -margin."""
        return self.hit[0] > -margin and self.reciprocal[0] > -margin

    @property
    def better(self) -> bool:
        """Whether one of the two is shown to be above zero, and neither to be below."""
        return not self.worse and (self.hit[0] > 0.0 or self.reciprocal[0] > 0.0)


__all__ = ["DEPTH", "RECIPROCAL_BOUND", "Bounds"]
