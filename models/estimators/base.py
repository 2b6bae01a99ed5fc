"""The base of both regressors: learns and predicts from named features, data frames or integer fields. Stage 4.

Names become rows here and in `models/estimators/feature_table.py`; the rest is compiled.
"""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Hashable, Mapping
from typing import Any, Final

import numpy as np
from river import base

from models.arrays import Array
from models.estimators.feature_rows import features, number
from models.estimators.feature_table import FeatureTable
from models.estimators.frames import Frame, frame
from models.kernels.regression.examples import Work

NO_VALUES: Final = np.ones((0, 0))


class TableRegressor(FeatureTable, base.MiniBatchRegressor):
    """A River regressor whose state is a table. Subclasses supply the compiled calls.

    One model learns either from names (`learn_one`, `learn_many`) or from integer fields (`learn_fields`), not both.
    Learning belongs to one thread; predictions may run in others while nothing is being learned.

    Args:
        max_features: Most rows; see the subclasses.
        scale: Whether numbers are standardised.
        seed: Seed of the initial vectors.
    """

    def __init__(self, max_features: int, scale: bool, seed: int = 0) -> None:
        super().__init__(max_features, scale, seed)
        self._target: Hashable | None = None

    # One example

    def learn_one(self, x: Mapping[Hashable, Any], y: Any, w: float = 1.0) -> None:
        """Learn one example.

        Args:
            x: Features by name: numbers, or strings as categories.
            y: Target.
            w: Weight of the example.
        """
        keys, values = features(x)
        target, weight = number(y), number(w)
        if not all(map(math.isfinite, (*values, target, weight))):
            self._whole.counts[1] += 1
            return
        self._only(hashed=False)
        rows = np.array(self._rows_of(keys), np.int64)
        self._fit_work(len(keys))
        bounds = np.array((0, len(keys)), np.int64)
        self._learn(bounds, rows, np.array(values, np.float64), np.array((target,)), np.array((weight,)))

    def predict_one(self, x: Mapping[Hashable, Any]) -> float:
        """Predict the target. Unknown features and values that are not numbers add nothing; no row is made."""
        keys, values = features(x)
        known, out = self._names.rows, np.empty(1)
        rows = np.array([known.get(key, -1) for key in keys], np.int64)
        bounds = np.array((0, len(keys)), np.int64)
        self._predict(bounds, rows, np.array(values, np.float64), self._new_work(len(keys)), out)
        return float(out[0])

    # Many examples

    def learn_many(self, X: Any, y: Any, w: Any = 1.0) -> None:
        """Learn the rows of a DataFrame strictly one after the other: the same bytes as `learn_one` on each.

        Args:
            X: A DataFrame with n rows.
            y: Targets, (n,).
            w: Weights, (n,), or one for all.
        """
        self._target = getattr(y, "name", None)
        made = frame(X)
        targets = np.asarray(y, np.float64)
        weights = np.broadcast_to(np.asarray(w, np.float64), targets.shape)
        usable = made.finite & np.isfinite(targets) & np.isfinite(weights)
        self._whole.counts[1] += int((~usable).sum())
        kept = np.flatnonzero(usable)
        self._only(hashed=False)
        self._learn_frame(made.take(kept), _plain(targets[kept]), _plain(weights[kept]))

    def _learn_frame(self, made: Frame, targets: Array, weights: Array) -> None:
        rows = self._known(made)
        if len(self._names) + sum(row < 0 for column in rows for row in column) > self.max_features:
            for at, x in enumerate(made.examples()):  # an eviction in between depends on the examples before it
                self.learn_one(x, targets[at], weights[at])
            return
        for place in np.flatnonzero(made.entries(rows) < 0).tolist():  # in the order of single examples
            at, column = divmod(place, len(rows))
            code = int(made.codes[at, column])
            rows[column][code] = self._row(made.keys[column][code], ())
        self._fit_work(len(rows))
        self._learn(made.offsets, made.entries(rows), _plain(made.values.ravel()), targets, weights)

    def predict_many(self, X: Any) -> Any:
        """Predict the target of each row of a DataFrame: a Series with the frame's index."""
        import pandas as pd

        made = frame(X)
        out = np.zeros(len(made))
        work = self._new_work(len(made.keys))
        self._predict(made.offsets, made.entries(self._known(made)), _plain(made.values.ravel()), work, out)
        return pd.Series(out, index=X.index, name=self._target)

    def _known(self, made: Frame) -> list[list[int]]:
        known = self._names.rows
        return [[known.get(key, -1) for key in column] for column in made.keys]

    # Integer fields

    def learn_fields(self, fields: Array, y: Array, values: Array | None = None, w: Array | None = None) -> None:
        """Learn examples of categories given as integers, one after the other, in one compiled call.

        Each pair of field and integer is hashed to one of the `max_features` rows, rounded up to a power of two: memory
        is fixed, and two pairs may share a row.

        Args:
            fields: Integers, (n, m); column f is field f.
            y: Targets, (n,).
            values: Values of the features, (n, m), used as they are; 1 if left out.
            w: Weights of the examples, (n,); 1 if left out.

        Raises:
            ValueError: When the shapes do not match.
        """
        self._only(hashed=True)
        ids, amounts = _fields(fields, values)
        targets = np.ascontiguousarray(y, np.float64)
        weights = np.ones(len(targets)) if w is None else np.ascontiguousarray(w, np.float64)
        if not len(ids) == len(targets) == len(weights):
            raise ValueError(f"{len(ids)} examples, {len(targets)} targets and {len(weights)} weights")
        self._fit_work(ids.shape[1])
        self._learn_fields(ids, amounts, _plain(targets), _plain(weights))

    def predict_fields(self, fields: Array, values: Array | None = None) -> Array:
        """Predict targets, (n,), for integer fields (n, m). Rows that were never learned add nothing."""
        ids, amounts = _fields(fields, values)
        out = np.full(len(ids), 0.0)
        if not self._hashed:
            ids = np.zeros((len(ids), 0), np.int64)
        self._predict_fields(ids, amounts, self._new_work(ids.shape[1]), out)
        return out

    # Compiled calls

    @abstractmethod
    def _learn(self, offsets: Array, entries: Array, values: Array, targets: Array, weights: Array) -> None: ...

    @abstractmethod
    def _learn_fields(self, fields: Array, values: Array, targets: Array, weights: Array) -> None: ...

    @abstractmethod
    def _predict(self, offsets: Array, entries: Array, values: Array, work: Work, out: Array) -> None: ...

    @abstractmethod
    def _predict_fields(self, fields: Array, values: Array, work: Work, out: Array) -> None: ...


def _fields(fields: Array, values: Array | None) -> tuple[Array, Array]:
    ids = _plain(np.ascontiguousarray(fields, np.int64))
    if ids.ndim != 2:
        raise ValueError(f"fields of shape {ids.shape}: must be (examples, fields)")
    if values is None:
        return ids, NO_VALUES
    amounts = _plain(np.ascontiguousarray(values, np.float64))
    if amounts.shape != ids.shape:
        raise ValueError(f"values of shape {amounts.shape} for fields of shape {ids.shape}")
    return ids, amounts


def _plain(array: Array) -> Array:
    # One compiled signature serves all calls if every array is of the same kind; pandas hands out read-only arrays.
    return np.require(array, requirements=["C", "W"])
