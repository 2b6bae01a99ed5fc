"""Measures how concentrated exposure is: how few items fill most of the places that users were shown. Stage 6.

A model that falls back on popular items makes itself right, because users click what they are all shown. Its hits do
not tell, so exposure is read from the slates.
"""

from __future__ import annotations

import math
from collections import Counter, deque
from collections.abc import Sequence
from heapq import nlargest
from typing import Final

import msgspec

from models.statistics.attribution import short
from models.structs import Prepared

WINDOW: Final = 1_000
"""Slates of a window: ten seconds of a busy shop, and shares with a standard error below 0.01."""

SEEN: Final = 10
"""Places of a slate that count: those that users look at."""

HEAD: Final = 10
"""Items whose share is reported."""

MEMORY: Final = 100
"""Windows behind the usual share, about. A window counts whenever a tenth of it is new."""


class Exposed(msgspec.Struct, metaclass=Prepared, frozen=True):
    """Figures of a window.

    Attributes:
        slates: slates in it.
        items: different items shown.
        top: share of the ten items shown most.
        usual: the same share in the windows before.
        gini: Gini coefficient over the items shown; 0 when all are shown equally often.
        effective: exp of the entropy: as many items shown equally often would be as varied.
        looks: windows behind `usual`, at most MEMORY.
    """

    slates: int = 0
    items: int = 0
    top: float = 0.0
    usual: float = 0.0
    gini: float = 0.0
    effective: float = 0.0
    looks: int = 0


class Exposure:
    """Counts what slates show, for one thread. Others may read `figures`.

    Args:
        window: slates looked at.
        before: figures of an exposure before this one, whose usual share goes on.

    >>> shown = Exposure(window=4)
    >>> for slate in (["tea"], ["tea"], ["mug"], ["pot"]):
    ...     shown.slate(slate)
    >>> shown.look().items, round(shown.figures.effective, 2), round(shown.figures.gini, 2)
    (3, 2.83, 0.17)
    """

    def __init__(self, window: int = WINDOW, before: Exposed | None = None) -> None:
        self._window = window
        self._slates: deque[tuple[int, ...]] = deque()
        self._counts: Counter[int] = Counter()
        self._fresh = 0
        self.figures = before or Exposed()
        self._looks, self._usual = self.figures.looks, self.figures.usual

    def slate(self, items: Sequence[str], *, seen_before: bool = False) -> None:
        """Adds a slate.

        Args:
            items: ids, best first.
            seen_before: it is read again after a restart. It does not count towards a usual share that goes on.
        """
        seen = tuple(map(short, items[:SEEN]))
        self._slates.append(seen)
        self._counts.update(seen)
        self._fresh += not (seen_before and self._looks)
        if len(self._slates) > self._window:
            for item in self._slates.popleft():
                self._counts[item] -= 1
                if not self._counts[item]:
                    del self._counts[item]

    def look(self) -> Exposed:
        """Returns the figures of the present window."""
        counts, full = sorted(self._counts.values()), len(self._slates) >= self._window
        total = sum(counts)
        if not total:
            return self.figures
        top = sum(nlargest(HEAD, counts)) / total
        if full and self._fresh * 10 >= self._window:
            # It follows slowly: a rise within minutes is a change, whatever it leads to.
            self._fresh, self._looks = 0, min(self._looks + 1, MEMORY)
            self._usual += (top - self._usual) / self._looks
        ranked = sum(place * count for place, count in enumerate(counts, 1))
        gini = 2 * ranked / (len(counts) * total) - (len(counts) + 1) / len(counts)
        entropy = -sum(count / total * math.log(count / total) for count in counts)
        self.figures = Exposed(
            slates=len(self._slates),
            items=len(counts),
            top=round(top, 4),
            usual=round(self._usual, 4),
            gini=round(gini, 4),
            effective=round(math.exp(entropy), 4),
            looks=self._looks,
        )
        return self.figures


__all__ = ["WINDOW", "Exposed", "Exposure"]
