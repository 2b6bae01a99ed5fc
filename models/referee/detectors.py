"""Detectors of change whose state a version can carry: ADWIN on shares, and Page-Hinkley. Stage 3.

They decide as River's detectors do, event by event (tests/unit/models/test_referee_detectors.py). River's own keep
their state where only pickle reaches it, and a detector that begins again after each restart is blind when it matters.
"""

from __future__ import annotations

import math
from typing import Final

import msgspec

from models.structs import Prepared

DELTA: Final = 0.002
"""ADWIN's chance of a false alarm at each check; River's own default."""

CLOCK: Final = 32
"""Values between two checks."""

MOST: Final = 5
"""Buckets of one size."""

SHORTEST: Final = 5
"""Values of the shortest window that is compared."""

GRACE: Final = 10
"""Values before the first check."""

FADING: Final = 1 - 0.0001
"""How much of Page-Hinkley's sums stays with each value."""

KNOWN: Final = 30
"""Values before Page-Hinkley speaks."""


class AdaptiveWindow(msgspec.Struct, metaclass=Prepared):
    """ADWIN of zeros and ones.

    Bifet and Gavalda, "Learning from time-changing data with adaptive windowing", SDM 2007.

    Attributes:
        rows: Row k has the numbers of ones in buckets of 2 ** k values, oldest first.
        width: Values in the window.
        total: Ones in the window.
        ticks: Values since the window began.
        drifted: Whether the last value showed a change. The window begins again with the next one.

    >>> window = AdaptiveWindow()
    >>> any(window.add(bit) for bit in [1] * 500)
    False
    >>> any(window.add(bit) for bit in [0] * 100), window.width < 600
    (True, True)
    """

    rows: list[list[int]] = msgspec.field(default_factory=lambda: [[]])
    width: int = 0
    total: int = 0
    ticks: int = 0
    drifted: bool = False

    @property
    def mean(self) -> float:
        """Share of ones in the window, 0 without any value."""
        return self.total / self.width if self.width else 0.0

    def add(self, bit: int) -> bool:
        """Take the next value, and return whether the share of ones has changed."""
        if self.drifted:
            self.rows, self.width, self.total, self.ticks = [[]], 0, 0, 0
        self.rows[0].append(bit)
        self.width += 1
        self.total += bit
        self._compress()
        self.ticks += 1
        self.drifted = False
        if self.ticks % CLOCK == 0 and self.width > GRACE:
            while self._cut():
                self.drifted = True
        return self.drifted

    def _compress(self) -> None:
        """Join the two oldest buckets of a size of which there are too many."""
        for size, row in enumerate(self.rows):
            if len(row) <= MOST:
                return
            if size + 1 == len(self.rows):
                self.rows.append([])
            self.rows[size + 1].append(row[0] + row[1])
            del row[:2]

    def _cut(self) -> bool:
        """Drop the oldest bucket when some cut splits the window into parts with different shares."""
        level = math.log(2.0 * math.log(self.width) / DELTA)
        spread = 2.0 * self.mean * (1.0 - self.mean) * level
        before = ones = 0
        for size in range(len(self.rows) - 1, -1, -1):
            for bucket in self.rows[size]:
                before += 1 << size
                ones += bucket
                after = self.width - before
                if before < SHORTEST or after < SHORTEST:
                    continue
                lengths = 1.0 / (before - SHORTEST + 1) + 1.0 / (after - SHORTEST + 1)
                apart = abs(ones / before - (self.total - ones) / after)
                if apart > math.sqrt(spread * lengths) + 2.0 / 3.0 * level * lengths:
                    self._drop_oldest()
                    return True
        return False

    def _drop_oldest(self) -> None:
        self.width -= 1 << (len(self.rows) - 1)
        self.total -= self.rows[-1].pop(0)
        if not self.rows[-1]:
            self.rows.pop()


class PageHinkley(msgspec.Struct, metaclass=Prepared):
    """Page's test of a fall, or of a change to either side (Page, "Continuous inspection schemes", Biometrika 1954).

    Attributes:
        tolerated: Change that is none.
        threshold: Sum of the changes beyond it that raises the alarm.
        rises: Whether a rise is a change as well.
        n: Values so far.
        mean: Their mean.
        up: Fading sum of what they exceed the mean by, less what is tolerated.
        down: The same with what is tolerated added.
        lowest: Lowest `up`; None before the first value.
        highest: Highest `down`.
        drifted: Whether the last value showed a change. All begins again with the next one.

    >>> fall = PageHinkley(0.05, 30.0)
    >>> any(fall.add(1.0) for _ in range(500)), any(fall.add(0.0) for _ in range(60))
    (False, True)
    """

    tolerated: float
    threshold: float
    rises: bool = False
    n: int = 0
    mean: float = 0.0
    up: float = 0.0
    down: float = 0.0
    lowest: float | None = None
    highest: float = -1.0
    drifted: bool = False

    def add(self, value: float) -> bool:
        """Take the next value, and return whether the mean has changed."""
        if self.drifted:
            self.n, self.mean, self.up, self.down, self.lowest, self.highest = 0, 0.0, 0.0, 0.0, None, -1.0
        self.n += 1
        self.mean += (value - self.mean) / self.n
        deviation = value - self.mean
        self.up = FADING * self.up + deviation - self.tolerated
        self.down = FADING * self.down + deviation + self.tolerated
        self.lowest = self.up if self.lowest is None else min(self.lowest, self.up)
        self.highest = max(self.highest, self.down)
        fell = self.highest - self.down > self.threshold
        rose = self.rises and self.up - self.lowest > self.threshold
        self.drifted = self.n >= KNOWN and (fell or rose)
        return self.drifted


__all__ = ["AdaptiveWindow", "PageHinkley"]
