"""A linear ranker with River's verbs, trained by a softmax over each list of candidates."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from itertools import accumulate
from typing import Any

import numpy as np
from river import base, optim

from models.arrays import Array
from models.estimators import options
from models.estimators.feature_rows import features
from models.estimators.feature_table import FeatureTable
from models.kernels.regression import listwise as regressor_list
from models.kernels.regression.examples import REST
from models.kernels.regression.optimizers import memory_width


class ListwiseRanker(FeatureTable, base.Estimator):
    """Orders candidates by x . w, learned from which one of a list was chosen: -log softmax(chosen) over the list.

    Not a River regressor: its target is a place in a list. Numbers are standardised by the values before the list; a
    list with a value that is not a finite number is refused and counted in `refused_`.

    Args:
        optimizer: `SGD`, `AdaGrad` or `Adam` of `river.optim`; `AdaGrad(0.05)` by default.
        l2: L2 penalty on the weights of a list's features.
        clip_gradient: Largest gradient of a weight; larger ones are cut to it.
        scale: Standardise numbers by their running mean and variance before anything uses them.
        max_features: Most rows; beyond it an old feature gives way, and is counted in `evicted_`.

    >>> model = ListwiseRanker()
    >>> near, far = {"distance": 1.0}, {"distance": 9.0}
    >>> for _ in range(20):
    ...     model.learn_one([far, near], chosen=1)
    >>> model.rank_one([far, near])
    [1, 0]
    """

    def __init__(
        self,
        optimizer: optim.base.Optimizer | None = None,
        l2: float = 0.0,
        clip_gradient: float = 10.0,
        scale: bool = True,
        max_features: int = 1 << 18,
    ) -> None:
        self.optimizer = optim.AdaGrad(0.05) if optimizer is None else optimizer
        self.l2, self.clip_gradient = l2, clip_gradient
        rule = options.rule(self.optimizer)
        self._memory = memory_width(int(rule[0]), 1)
        self._settings = np.array([options.limit("clip_gradient", clip_gradient), options.penalty("l2", l2), *rule])
        super().__init__(max_features, scale)

    def learn_one(self, candidates: Sequence[Mapping[Hashable, Any]], chosen: int) -> None:
        """Learn that one of the candidates was chosen.

        Args:
            candidates: Features of each candidate, by name.
            chosen: Place of the chosen one.

        Raises:
            IndexError: When the list has no such place.
        """
        if not 0 <= chosen < len(candidates):
            raise IndexError(f"chosen {chosen}: the list has {len(candidates)} candidates")
        keys, values, offsets = _flat(candidates)
        if not np.isfinite(values).all():
            self._whole.counts[1] += 1
            return
        rows = np.array(self._rows_of(keys), np.int64)
        self._fit_work(int(np.diff(offsets).max()))
        scores, slopes = np.zeros(len(candidates)), np.zeros(len(self._rows.table))
        arguments = (offsets, rows, values, chosen, scores, slopes)
        regressor_list.learn(self._rows, self._whole, self._settings, self._work, *arguments)

    def predict_one(self, candidates: Sequence[Mapping[Hashable, Any]]) -> list[float]:
        """Score each candidate. Unknown features add nothing; no row is made."""
        keys, values, offsets = _flat(candidates)
        rows = np.array([self._names.find(key) for key in keys], np.int64)
        work, out = self._new_work(int(np.diff(offsets).max(initial=0))), np.zeros(len(candidates))
        regressor_list.score(self._rows, work, offsets, rows, values, out)
        return list(out.tolist())

    def rank_one(self, candidates: Sequence[Mapping[Hashable, Any]]) -> list[int]:
        """Return the places of the candidates, best first; on a tie the one named first."""
        return list(np.argsort(-np.array(self.predict_one(candidates)), kind="stable").tolist())

    def _widths(self) -> tuple[int, int]:
        return REST, self._memory


def _flat(candidates: Sequence[Mapping[Hashable, Any]]) -> tuple[list[Hashable], Array, Array]:
    """Return keys and values of all features of a list, and where those of each candidate begin."""
    found = [features(x) for x in candidates]
    values = np.array([value for _, values in found for value in values], np.float64)
    offsets = np.array([0, *accumulate(len(keys) for keys, _ in found)], np.int64)
    return [key for keys, _ in found for key in keys], values, offsets
