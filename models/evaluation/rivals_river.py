"""River's own models as rivals. River is imported when a rival is made, not before."""

from __future__ import annotations

import sys
from typing import Any, Final

import numpy as np

from models.arrays import Array
from models.evaluation.rivals import FACTORS, Maker, MirroredRival

CLIP: Final = 1.0
"""Gradient clipping; River's default is none, and then one outlier makes every weight infinite."""


class RiverFMRegressor(MirroredRival):
    """`river.facto.FMRegressor` over the fields user and item, squared loss."""

    def __init__(self, seed: int) -> None:
        from river import facto

        super().__init__(FACTORS + 1)
        self.model: Any = facto.FMRegressor(n_factors=FACTORS, clip_gradient=CLIP, seed=seed)

    def learn(self, user: str, item: int, target: float, when: float) -> None:
        """Call `learn_one` once."""
        del when
        self.model.learn_one({("user", user): 1.0, ("item", item): 1.0}, target)
        self._refresh(item)

    def _row(self, item: int) -> Array:
        key = ("item", item)
        return np.append(self.model.latents[key], self.model.weights[key])

    def scores(self, user: str, count: int, when: float) -> Array:
        """Compute w0 + wu + wi + <vu, vi>. A new user gets their first, random vector here, as in `predict_one`."""
        del when
        key = ("user", user)
        own, base = self.model.latents[key], self.model.intercept + self.model.weights[key]
        matrix = self._matrix(count)
        return np.asarray(matrix[:, :-1] @ own + matrix[:, -1] + base)

    def memory(self) -> int:
        """Count weights and vectors with their keys."""
        return _bytes(self.model.latents) + _bytes(self.model.weights)


class RiverBiasedMF(MirroredRival):
    """`river.reco.BiasedMF`, squared loss, with the step size of its documentation."""

    def __init__(self, seed: int) -> None:
        from river import optim, reco

        super().__init__(FACTORS + 1)
        self.model: Any = reco.BiasedMF(
            n_factors=FACTORS,
            bias_optimizer=optim.SGD(0.025),
            latent_optimizer=optim.SGD(0.025),
            latent_initializer=optim.initializers.Normal(mu=0.0, sigma=0.1, seed=seed),
            clip_gradient=CLIP,
        )

    def learn(self, user: str, item: int, target: float, when: float) -> None:
        """Call `learn_one` once."""
        del when
        self.model.learn_one(user=user, item=item, y=target)
        self._refresh(item)

    def _row(self, item: int) -> Array:
        return np.append(self.model.i_latents[item], self.model.i_biases[item])

    def scores(self, user: str, count: int, when: float) -> Array:
        """Compute mean + bu + bi + <vu, vi>."""
        del when
        own, base = self.model.u_latents[user], self.model.global_mean.get() + self.model.u_biases[user]
        matrix = self._matrix(count)
        return np.asarray(matrix[:, :-1] @ own + matrix[:, -1] + base)

    def memory(self) -> int:
        """Count biases and vectors of both sides with their keys."""
        kept = (self.model.u_latents, self.model.i_latents, self.model.u_biases, self.model.i_biases)
        return sum(_bytes(each) for each in kept)


class RiverLinearRegression(MirroredRival):
    """`river.linear_model.LinearRegression` over the fields user and item: in effect a learned popularity."""

    def __init__(self, seed: int) -> None:
        from river import linear_model

        del seed
        super().__init__(1)
        self.model: Any = linear_model.LinearRegression(clip_gradient=CLIP)
        self._weights: dict[Any, float] = {}

    def learn(self, user: str, item: int, target: float, when: float) -> None:
        """Call `learn_one` once."""
        del when
        x = {("user", user): 1.0, ("item", item): 1.0}
        self.model.learn_one(x, target)
        for key in x:
            self._weights[key] = self.model._weights[key]
        self._refresh(item)

    def _row(self, item: int) -> list[float]:
        return [self._weights.get(("item", item), 0.0)]

    def scores(self, user: str, count: int, when: float) -> Array:
        """Compute w0 + wu + wi."""
        del when
        base = self.model.intercept + self._weights.get(("user", user), 0.0)
        return np.asarray(self._matrix(count)[:, 0] + base)

    def memory(self) -> int:
        """Count weights with their keys."""
        return _bytes(self._weights)


def _bytes(weights: dict[Any, Any]) -> int:
    """Estimate the bytes of a dictionary with its keys and values, taking the size of one entry for all."""
    if not weights:
        return sys.getsizeof(weights)
    key, value = next(iter(weights.items()))
    inner = sum(sys.getsizeof(part) for part in key) if isinstance(key, tuple) else 0
    return sys.getsizeof(weights) + len(weights) * (sys.getsizeof(key) + inner + sys.getsizeof(value))


RIVER: Final[dict[str, Maker]] = {
    "river.FMRegressor": RiverFMRegressor,
    "river.BiasedMF": RiverBiasedMF,
    "river.LinearRegression": RiverLinearRegression,
}
"""Makers by name."""
