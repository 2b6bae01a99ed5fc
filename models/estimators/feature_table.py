"""The state of an estimator: arrays with a row per feature, which grow up to a bound. Stage 4.

The arrays are those of `models/kernels/regression/examples.py`; names become rows here.
"""

from __future__ import annotations

from collections.abc import Collection, Hashable, Sequence
from typing import Final

import numpy as np

from models.arrays import Array
from models.estimators.feature_rows import FeatureRows, is_category, seed_of
from models.kernels.regression.examples import CATEGORY, REST, STAMP, WEIGHT, Rows, Whole, Work

FIRST_ROWS: Final = 64
"""Rows allocated at first."""

GROWTH: Final = 1.5
"""Factor by which the arrays grow."""


class FeatureTable:
    """The state of an estimator. Subclasses define the width of a row and its initial values.

    Args:
        max_features: Most rows.
        scale: Whether numbers are standardised.
        seed: Seed of the initial values.

    Raises:
        ValueError: When `max_features` is below 1.
    """

    def __init__(self, max_features: int, scale: bool, seed: int = 0) -> None:
        if max_features < 1:
            raise ValueError(f"max_features {max_features!r}: at least 1")
        self.max_features, self.scale, self.seed = max_features, scale, seed
        self._names = FeatureRows(max_features)
        self._hashed = False
        self._rows = self._new_rows(0)
        self._whole = Whole(np.zeros(2), np.zeros(2, np.int64))
        self._work = self._new_work(FIRST_ROWS)

    # Learned values

    @property
    def intercept(self) -> float:
        """The bias."""
        return float(self._whole.numbers[0])

    @property
    def refused_(self) -> int:
        """Examples refused because a feature, the target, the weight or the step was not a finite number."""
        return int(self._whole.counts[1])

    @property
    def evicted_(self) -> int:
        """Features that lost their row to a new one at the bound `max_features`."""
        return self._names.evicted

    @property
    def weights(self) -> dict[Hashable, float]:
        """Weight of each feature; a category's key is the pair (name, string). For models that learn from names."""
        column = self._rows.table[:, WEIGHT]
        return {key: float(column[row]) for key, row in self._names.rows.items()}

    @property
    def nbytes(self) -> int:
        """Bytes of all arrays, without the names and their dict."""
        return sum(array.nbytes for array in (*self._rows, *self._whole, *self._work))

    # Rows

    def _only(self, hashed: bool) -> None:
        if (hashed and len(self._names)) or (self._hashed and not hashed):
            raise ValueError("one model learns from names or from integer fields, not from both: use two")
        if hashed and not self._hashed:
            self._hashed = True
            self._rows = self._new_rows(1 << max(0, self.max_features - 1).bit_length(), hashed)
            self._draw_all(self._rows.table)

    def _rows_of(self, keys: Sequence[Hashable]) -> list[int]:
        """Return the row of each feature of an example; unknown features get one."""
        known = self._names.rows
        rows = [known.get(key, -1) for key in keys]
        if -1 in rows:
            pinned = {*rows}  # with -1 for those that have none yet
            for at, key in enumerate(keys):
                if rows[at] < 0:
                    rows[at] = self._row(key, pinned)
                    pinned.add(rows[at])
        return rows

    def _row(self, key: Hashable, pinned: Collection[int]) -> int:
        """Return the row of a feature; an unknown one gets a row, which is none of `pinned`."""
        row = self._names.rows.get(key, -1)
        if row >= 0:
            return row
        row = self._names.add(key, self._rows.table[:, STAMP], pinned)
        if row >= len(self._rows.table):
            self._grow(row + 1)
        for array in self._rows:
            if len(array):
                array[row] = 0
        if self.scale and is_category(key):
            self._rows.moments[row, 0] = CATEGORY
        self._draw(self._rows.table, row, seed_of(key, self.seed))
        return row

    def _grow(self, needed: int) -> None:
        size = min(self.max_features, max(needed, FIRST_ROWS, int(GROWTH * len(self._rows.table))))
        grown = self._new_rows(size)
        for old, new in zip(self._rows, grown, strict=True):
            new[: len(old)] = old
        self._rows = grown

    def _new_rows(self, size: int, hashed: bool = False) -> Rows:
        columns, memory = self._widths()
        scaled = size if self.scale and not hashed else 0
        return Rows(np.zeros((size, columns)), np.zeros((size, memory)), np.zeros((scaled, 3)))

    def _new_work(self, size: int) -> Work:
        return Work(np.zeros(size, np.int64), np.zeros((2, size)), np.zeros((3, self._widths()[0])))

    def _fit_work(self, size: int) -> None:
        if size > len(self._work.rows):
            self._work = self._new_work(2 * size)

    # Defined by subclasses

    def _widths(self) -> tuple[int, int]:
        """Return the columns of a row, and those of the optimizers' memory of it."""
        return REST, 0

    def _draw(self, table: Array, row: int, seed: int) -> None:
        """Set a new row, which holds zeros, to its initial values."""

    def _draw_all(self, table: Array) -> None:
        """Set every row of a table of zeros to its initial values."""
