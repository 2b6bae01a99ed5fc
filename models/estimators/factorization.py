"""The factorization machine as a River regressor. Stage 4.

Its sibling inside the recommender is trained on lists by `models/kernels/retrieval/factorization.py`:

z = G[r_0] + sum_q w_q (Q[r_q] + QC[cat r_q]) with w_q = 0.8^q / sum 0.8^q over the last 10 events r_0, r_1, ...
s_j = b_j + bc[cat j] + z . (Q_j + QC[cat j])

There the fields are the last item, the bag of recent items, their categories, the target and its category; item vectors
are shared between bag and target. It has no field for the user: measured on four streams it gained nothing
(docs/decisions.md), and without it the service ranks with exactly the model that was tested.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from typing import Any

import numpy as np
from river import optim

from models.arrays import Array
from models.estimators import options
from models.estimators.base import TableRegressor
from models.kernels.regression import factorization as regressor_fm
from models.kernels.regression.examples import REST, Work
from models.kernels.regression.optimizers import memory_width


class FactorizationMachine(TableRegressor):
    """Factorization machine (Rendle, ICDM 2010): p(x) = b + sum_j w_j x_j + sum_{j<l} v_j . v_l x_j x_l.

    With plain SGD, `scale=False` and equal initial vectors it gives the numbers of `river.facto.FMRegressor`. It
    differs where that one surprises: predicting makes no row; an optimizer's memory belongs to one feature and not to
    all; a new vector depends on the feature's name and `seed`, not on the order of arrival; gradients are clipped; an
    example that is not all finite numbers is refused and counted in `refused_`.

    Not for ranking a catalogue: trained pointwise, it loses to popularity (docs/models.md).

    Args:
        n_factors: Numbers per vector.
        weight_optimizer: `SGD`, `AdaGrad` or `Adam` of `river.optim`, with a constant or inverse-scaling rate;
            `SGD(0.01)` by default.
        latent_optimizer: The same for vectors.
        loss: `Squared()` or `Log()` of `river.optim.losses`; with the latter predictions are probabilities.
        l1_weight: L1 penalty on the weights of each example's features.
        l2_weight: L2 penalty on the same weights.
        l1_latent: L1 penalty on the vectors of each example's features.
        l2_latent: L2 penalty on the same vectors.
        intercept_init: Initial bias.
        intercept_lr: Learning rate of the bias, a number or a schedule; 0 keeps it.
        clip_gradient: Largest slope of the loss; larger ones are cut to it.
        sigma: Standard deviation of new vectors.
        scale: Standardise numbers by their running mean and variance before anything uses them.
        max_features: Most rows; beyond it an old feature gives way, and is counted in `evicted_`.
        seed: Seed of the initial vectors.

    >>> model = FactorizationMachine(n_factors=4, intercept_init=5, seed=42)
    >>> for user, item, stars in (("Ann", "Alien", 8), ("Ann", "Heat", 2), ("Bob", "Alien", 9)):
    ...     model.learn_one({"user": user, "item": item}, stars)
    >>> model.predict_one({"user": "Bob", "item": "Heat"}) < model.predict_one({"user": "Bob", "item": "Alien"})
    True
    >>> model.learn_one({"user": "Ann", "item": "Heat"}, float("nan"))
    >>> model.refused_
    1
    """

    def __init__(
        self,
        n_factors: int = 10,
        weight_optimizer: optim.base.Optimizer | None = None,
        latent_optimizer: optim.base.Optimizer | None = None,
        loss: optim.losses.Loss | None = None,
        l1_weight: float = 0.0,
        l2_weight: float = 0.0,
        l1_latent: float = 0.0,
        l2_latent: float = 0.0,
        intercept_init: float = 0.0,
        intercept_lr: optim.base.Scheduler | float = 0.01,
        clip_gradient: float = 10.0,
        sigma: float = 0.1,
        scale: bool = True,
        max_features: int = 1 << 18,
        seed: int = 1,
    ) -> None:
        self.n_factors = n_factors
        self.weight_optimizer = optim.SGD(0.01) if weight_optimizer is None else weight_optimizer
        self.latent_optimizer = optim.SGD(0.01) if latent_optimizer is None else latent_optimizer
        self.loss = optim.losses.Squared() if loss is None else loss
        self.l1_weight, self.l2_weight, self.l1_latent, self.l2_latent = l1_weight, l2_weight, l1_latent, l2_latent
        self.intercept_init, self.intercept_lr = intercept_init, intercept_lr
        self.clip_gradient, self.sigma = clip_gradient, sigma
        rules = (options.rule(self.weight_optimizer), options.rule(self.latent_optimizer))
        self._memory = [memory_width(int(rules[0][0]), 1), memory_width(int(rules[1][0]), n_factors)]
        self._settings = np.array([
            options.loss(self.loss),
            options.limit("clip_gradient", clip_gradient),
            *options.schedule(intercept_lr),
            options.penalty("l1_weight", l1_weight),
            options.penalty("l2_weight", l2_weight),
            options.penalty("l1_latent", l1_latent),
            options.penalty("l2_latent", l2_latent),
            self._memory[0],
            *rules[0],
            *rules[1],
        ])
        super().__init__(max_features, scale, seed)
        self._whole.numbers[0] = options.finite("intercept_init", intercept_init)

    @classmethod
    def _unit_test_params(cls) -> Iterator[dict[str, Any]]:
        yield {"seed": 42}

    @property
    def latents(self) -> dict[Hashable, Array]:
        """Vector (n_factors,) of each feature, copied. For models that learn from names."""
        return {key: self._rows.table[row, REST:].copy() for key, row in self._names.rows.items()}

    def _widths(self) -> tuple[int, int]:
        return REST + self.n_factors, sum(self._memory)

    def _draw(self, table: Array, row: int, seed: int) -> None:
        regressor_fm.draw_vector(table, row, np.uint64(seed), self.sigma)

    def _draw_all(self, table: Array) -> None:
        regressor_fm.draw_vectors(table, np.uint64(self.seed), self.sigma)

    def _learn(self, offsets: Array, entries: Array, values: Array, targets: Array, weights: Array) -> None:
        arguments = (offsets, entries, values, targets, weights)
        regressor_fm.learn(self._rows, self._whole, self._settings, self._work, *arguments)

    def _learn_fields(self, fields: Array, values: Array, targets: Array, weights: Array) -> None:
        arguments = (fields, values, targets, weights)
        regressor_fm.learn_fields(self._rows, self._whole, self._settings, self._work, *arguments)

    def _predict(self, offsets: Array, entries: Array, values: Array, work: Work, out: Array) -> None:
        regressor_fm.predict(self._rows, self._whole, self._settings, work, offsets, entries, values, out)

    def _predict_fields(self, fields: Array, values: Array, work: Work, out: Array) -> None:
        regressor_fm.predict_fields(self._rows, self._whole, self._settings, work, fields, values, out)
