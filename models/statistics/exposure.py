"""Slates that were shown in; on how few items the eyes of all users rest, out. Stage 6.

A model that falls back on what is popular makes itself right: what all are shown, all click. Its hits say nothing of
that, so it is read from what was shown.
"""

from __future__ import annotations

import math
from collections import Counter, deque
from collections.abc import Sequence
from heapq import nlargest
from typing import Final

import msgspec

from models.statistics.attribution import short

WINDOW: Final = 1_000
"""Slates looked at: ten seconds of a busy shop, and shares with a standard error below a hundredth."""

SEEN: Final = 10
"""Places of a slate that count: what users look at."""

HEAD: Final = 10
"""Items whose share is reported."""

MEMORY: Final = 100
"""Windows that the usual share is of, about; a window is looked at whenever it was renewed by a tenth."""


class Exposed(msgspec.Struct, frozen=True):
    """Of the last `slates`: different `items` shown, share of the ten most shown (`top`, and what is `usual`), Gini
    coefficient over the items shown (0: all alike), and `effective` items, exp of the entropy.
    """

    slates: int = 0
    items: int = 0
    top: float = 0.0
    usual: float = 0.0
    gini: float = 0.0
    effective: float = 0.0


class Exposure:
    """For one thread; `figures` is a value that others may read.

    >>> shown = Exposure(window=4)
    >>> for slate in (["tea"], ["tea"], ["mug"], ["pot"]):
    ...     shown.slate(slate)
    >>> shown.look().items, round(shown.figures.effective, 2), round(shown.figures.gini, 2)
    (3, 2.83, 0.17)
    """

    def __init__(self, window: int = WINDOW) -> None:
        self._window = window
        self._slates: deque[tuple[int, ...]] = deque()
        self._counts: Counter[int] = Counter()
        self._fresh = 0
        self._looks = 0
        self._usual = 0.0
        self.figures = Exposed()

    def slate(self, items: Sequence[str]) -> None:
        """One slate, best first."""
        seen = tuple(map(short, items[:SEEN]))
        self._slates.append(seen)
        self._counts.update(seen)
        self._fresh += 1
        if len(self._slates) > self._window:
            for item in self._slates.popleft():
                self._counts[item] -= 1
                if not self._counts[item]:
                    del self._counts[item]

    def look(self) -> Exposed:
        """Figures of the window as it is."""
        counts, full = sorted(self._counts.values()), len(self._slates) >= self._window
        total = sum(counts)
        if not total:
            return self.figures
        top = sum(nlargest(HEAD, counts)) / total
        if full and self._fresh * 10 >= self._window:
            # Slow to follow: what rises within minutes is a change, whatever it rises to.
            self._fresh, self._looks = 0, min(self._looks + 1, MEMORY)
            self._usual += (top - self._usual) / self._looks
        ranked = sum(place * count for place, count in enumerate(counts, 1))
        gini = 2 * ranked / (len(counts) * total) - (len(counts) + 1) / len(counts)
        entropy = -sum(count / total * math.log(count / total) for count in counts)
        self.figures = Exposed(
            len(self._slates), len(counts), *(round(each, 4) for each in (top, self._usual, gini, math.exp(entropy)))
        )
        return self.figures


__all__ = ["WINDOW", "Exposed", "Exposure"]
