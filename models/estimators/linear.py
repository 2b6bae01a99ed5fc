"""The linear model as a River regressor. Stage 4.

Its sibling inside the recommender ranks lists and is compiled in `models/kernels/ranking/listwise.py`:
score = x . (W0 + W1[bucket of known events] + W2[bucket of seconds since the last]), trained by -log softmax(target)
over the union of all candidates (ListNet with one relevant item, Cao et al., ICML 2007): online Newton steps for W0
(models/kernels/ranking/newton.py), AdaGrad per coordinate for the others.
"""

from __future__ import annotations

import numpy as np
from river import optim

from models.arrays import Array
from models.estimators import options
from models.estimators.base import TableRegressor
from models.kernels.regression import linear as regressor_linear
from models.kernels.regression.examples import REST, Work
from models.kernels.regression.optimizers import memory_width


class LinearRegressor(TableRegressor):
    """Linear regression, or logistic with `Log()`: p(x) = b + sum_j w_j x_j.

    With plain SGD and `scale=False` it gives the numbers of `river.linear_model.LinearRegression`, penalties included.
    It differs in four ways: strings are categories, a batch is learned example by example, gradients are clipped, and
    an example that is not all finite numbers is refused and counted in `refused_`.

    Args:
        optimizer: `SGD`, `AdaGrad` or `Adam` of `river.optim`, with a constant or inverse-scaling rate; `SGD(0.01)` by
            default.
        loss: `Squared()` or `Log()` of `river.optim.losses`; with the latter predictions are probabilities.
        l2: L2 penalty.
        l1: Cumulative L1 penalty (Tsuruoka et al., ACL 2009), which makes weights exactly zero.
        intercept_init: Initial bias.
        intercept_lr: Learning rate of the bias, a number or a schedule; 0 keeps it.
        clip_gradient: Largest slope of the loss; larger ones are cut to it.
        scale: Standardise numbers by their running mean and variance before anything uses them.
        max_features: Most rows; beyond it an old feature gives way, and is counted in `evicted_`.

    >>> from river import datasets, evaluate, metrics
    >>> model = LinearRegressor(intercept_lr=0.1)
    >>> evaluate.progressive_val_score(datasets.TrumpApproval(), model, metrics.MAE())
    MAE: 1.112...
    """

    def __init__(
        self,
        optimizer: optim.base.Optimizer | None = None,
        loss: optim.losses.Loss | None = None,
        l2: float = 0.0,
        l1: float = 0.0,
        intercept_init: float = 0.0,
        intercept_lr: optim.base.Scheduler | float = 0.01,
        clip_gradient: float = 10.0,
        scale: bool = True,
        max_features: int = 1 << 18,
    ) -> None:
        self.optimizer = optim.SGD(0.01) if optimizer is None else optimizer
        self.loss = optim.losses.Squared() if loss is None else loss
        self.l2, self.l1 = l2, l1
        self.intercept_init, self.intercept_lr = intercept_init, intercept_lr
        self.clip_gradient = clip_gradient
        rule = options.rule(self.optimizer)
        self._memory = memory_width(int(rule[0]), 1)
        self._settings = np.array([
            options.loss(self.loss),
            options.limit("clip_gradient", clip_gradient),
            *options.schedule(intercept_lr),
            options.penalty("l1", l1),
            options.penalty("l2", l2),
            *rule,
        ])
        super().__init__(max_features, scale)
        self._whole.numbers[0] = options.finite("intercept_init", intercept_init)

    def _widths(self) -> tuple[int, int]:
        return REST + (self.l1 > 0), self._memory

    def _learn(self, offsets: Array, entries: Array, values: Array, targets: Array, weights: Array) -> None:
        arguments = (offsets, entries, values, targets, weights)
        regressor_linear.learn(self._rows, self._whole, self._settings, self._work, *arguments)

    def _learn_fields(self, fields: Array, values: Array, targets: Array, weights: Array) -> None:
        arguments = (fields, values, targets, weights)
        regressor_linear.learn_fields(self._rows, self._whole, self._settings, self._work, *arguments)

    def _predict(self, offsets: Array, entries: Array, values: Array, work: Work, out: Array) -> None:
        regressor_linear.predict(self._rows, self._whole, self._settings, work, offsets, entries, values, out)

    def _predict_fields(self, fields: Array, values: Array, work: Work, out: Array) -> None:
        regressor_linear.predict_fields(self._rows, self._whole, self._settings, work, fields, values, out)
