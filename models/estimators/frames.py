"""A pandas DataFrame in; the distinct features of each column, and the feature and value of each cell, out. Stage 2."""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from models.arrays import Array
from models.estimators.feature_rows import features, is_category


@dataclass(frozen=True, slots=True)
class Frame:
    """A frame as arrays: `keys[c][codes[i, c]]` is the feature in column c of row i, `values[i, c]` its value."""

    names: list[Hashable]
    keys: list[list[Hashable]]
    codes: Array  # (n, columns) i64
    values: Array  # (n, columns) f64; NaN where a cell is neither string nor number

    def __len__(self) -> int:
        return len(self.codes)

    @property
    def finite(self) -> Array:
        """Whether every value of a row is a finite number, (n,) bool."""
        return np.asarray(np.isfinite(self.values).all(axis=1))

    @property
    def offsets(self) -> Array:
        """Where each row's cells begin in the flattened frame, (n + 1,)."""
        return np.arange(0, self.codes.size + 1, max(1, self.codes.shape[1]), dtype=np.int64)

    def take(self, rows: Array) -> Frame:
        """Select some rows."""
        return Frame(self.names, self.keys, self.codes[rows], self.values[rows])

    def entries(self, numbers: list[list[int]]) -> Array:
        """Look up numbers[c][code] for each cell, flattened: (n * columns,)."""
        out = np.empty(self.codes.shape, np.int64)
        for column, known in enumerate(numbers):
            out[:, column] = np.array(known, np.int64)[self.codes[:, column]] if known else -1
        return out.ravel()

    def examples(self) -> Iterator[dict[Hashable, Any]]:
        """Yield each row as the dict that `learn_one` takes."""
        for at in range(len(self)):
            cells = [column[code] for column, code in zip(self.keys, self.codes[at].tolist(), strict=True)]
            yield {
                name: cell[1] if is_category(cell) else value
                for name, cell, value in zip(self.names, cells, self.values[at].tolist(), strict=True)
            }


def frame(X: Any) -> Frame:
    """Read a DataFrame: a numeric column is one feature, any other a feature per distinct string."""
    columns = [_numeric(name, X[name]) if _is_numeric(X[name]) else _mixed(name, X[name]) for name in X.columns]
    shape = (len(X), len(columns))
    codes, values = np.zeros(shape, np.int64), np.zeros(shape)
    for at, (_, code, value) in enumerate(columns):
        codes[:, at], values[:, at] = code, value
    return Frame(list(X.columns), [keys for keys, _, _ in columns], codes, values)


def _is_numeric(column: Any) -> bool:
    return getattr(column.dtype, "kind", "O") in "biuf"


def _numeric(name: Hashable, column: Any) -> tuple[list[Hashable], Any, Any]:
    return features({name: 1.0})[0], 0, column.to_numpy(np.float64, na_value=np.nan)


def _mixed(name: Hashable, column: Any) -> tuple[list[Hashable], Any, Any]:
    codes, distinct = column.factorize(use_na_sentinel=False)
    cells = [features({name: value}) for value in distinct.tolist()]
    places: dict[Hashable, int] = {}
    own = [places.setdefault(keys[0], len(places)) for keys, _ in cells]
    values = np.array([values[0] for _, values in cells], np.float64)
    return list(places), np.array(own, np.int64)[codes], values[codes]
