"""The interface of a rival: another model that learns the same events and ranks the same items.

A rival learns pointwise: target 1 for the item of an event, 0 for one item drawn from those its user had not touched.
It ranks all items known so far from its own weights, with numpy.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, Protocol, runtime_checkable

import numpy as np

from models.arrays import Array

FACTORS: Final = 10
"""Numbers per vector; River's own default for both of its factorizations, and used for Vowpal Wabbit's too."""


class Rival(Protocol):
    """Another model. Items are numbers in order of their first event."""

    pointwise: bool
    """Whether its scores are predictions of the target, so that errors of them mean something."""

    def learn(self, user: str, item: int, target: float, when: float) -> None:
        """Learn one example, at `when` (epoch seconds)."""

    def catch_up(self, when: float) -> None:
        """Do the work that is done only now and then, up to `when` (epoch seconds). Counts as learning."""

    def scores(self, user: str, count: int, when: float) -> Array:
        """Score the items 0 to count - 1 for this user at `when`: (count,) f64."""

    def predicted(self, scores: Array) -> Array:
        """Turn scores into predictions of the target."""

    def memory(self) -> int:
        """Roughly how many bytes the learned state takes."""

    def notes(self) -> dict[str, Any]:
        """Return further entries for the rival's part of the report."""


@runtime_checkable
class Refitted(Protocol):
    """A rival that is fitted again at each tenth of the stream, on everything before it."""

    def refit(self, tell: Callable[[str], None]) -> None:
        """Fit, and `tell` now and then what is being done, because it takes long."""


Maker = Callable[[int], Rival]
"""Makes a rival; takes the seed."""


class Rows:
    """A matrix that grows by doubling."""

    def __init__(self, columns: int) -> None:
        self._data = np.zeros((256, columns))

    def upto(self, count: int) -> Array:
        """Return a view of the first `count` rows, (count, columns); new rows hold zeros."""
        if count > len(self._data):
            grown = np.zeros((max(count, 2 * len(self._data)), self._data.shape[1]))
            grown[: len(self._data)] = self._data
            self._data = grown
        return self._data[:count]


class MirroredRival:
    """Mirrors what a model knows of each item into a row of a matrix, so that numpy can rank all items.

    The models themselves predict one pair at a time, which would take seconds per event. A row is refreshed after each
    step that changes it; items that the model has not met are looked up when they are first ranked.
    """

    pointwise = True

    def __init__(self, columns: int) -> None:
        self._rows = Rows(columns)
        self._known = 0

    def catch_up(self, when: float) -> None:
        """Do nothing: an online model is always up to date."""

    def predicted(self, scores: Array) -> Array:
        """Return the scores themselves."""
        return scores

    def notes(self) -> dict[str, Any]:
        """Add nothing to the report."""
        return {}

    def _row(self, item: int) -> Array | list[float]:
        raise NotImplementedError

    def _refresh(self, item: int) -> None:
        self._rows.upto(item + 1)[item] = self._row(item)

    def _matrix(self, count: int) -> Array:
        for item in range(self._known, count):
            self._refresh(item)
        self._known = max(self._known, count)
        return self._rows.upto(count)
