"""Positive and sampled negative examples in, a score for every known item out: how other models stand in the race.

A rival learns pointwise: target 1 for the item that came, 0 for one item drawn from those its user had not touched.
It ranks all items known so far from its own weights, with numpy. River's models are the originals; their weights are
mirrored into a matrix after each step, because `predict_one` for every item would take seconds per event.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any, Final, Protocol

import numpy as np
from river import facto, linear_model, optim, reco

from models.arrays import Array

FACTORS: Final = 10
"""River's own default for both factorizations."""

CLIP: Final = 1.0
"""Gradient clipping; River's default is none, and then one outlier makes every weight infinite."""


class Rival(Protocol):
    """Another model in the race. Items are numbers in order of their first event."""

    pointwise: bool
    """Whether its scores are predictions of the target, so that errors of them mean something."""

    def learn(self, user: str, item: int, target: float, when: float) -> None:
        """One example, at `when` (epoch seconds)."""

    def catch_up(self, when: float) -> None:
        """Bring up to date what is only fitted now and then; counts as learning."""

    def scores(self, user: str, count: int, when: float) -> Array:
        """(count,) f64 of the items 0 to count - 1 for this user: what it would rank by just now."""

    def predicted(self, scores: Array) -> Array:
        """Scores as predictions of the target."""

    def memory(self) -> int:
        """Bytes of what was learnt, roughly."""

    def notes(self) -> dict[str, Any]:
        """What else the report should say of it."""


class Rows:
    """A matrix that grows by doubling."""

    def __init__(self, columns: int) -> None:
        self._data = np.zeros((256, columns))

    def upto(self, count: int) -> Array:
        """(count, columns), a view."""
        if count > len(self._data):
            grown = np.zeros((max(count, 2 * len(self._data)), self._data.shape[1]))
            grown[: len(self._data)] = self._data
            self._data = grown
        return self._data[:count]


class Mirrored:
    """Keeps, per item, a row of what a model knows of it; items it never met are looked up when first ranked."""

    pointwise = True

    def __init__(self, columns: int) -> None:
        self._rows = Rows(columns)
        self._known = 0

    def catch_up(self, when: float) -> None:
        """Always up to date."""

    def predicted(self, scores: Array) -> Array:
        """The scores themselves."""
        return scores

    def notes(self) -> dict[str, Any]:
        """Nothing to add."""
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


class RiverMachine(Mirrored):
    """`river.facto.FMRegressor` over the fields user and item, squared loss."""

    def __init__(self, seed: int) -> None:
        super().__init__(FACTORS + 1)
        self.model: Any = facto.FMRegressor(n_factors=FACTORS, clip_gradient=CLIP, seed=seed)

    def learn(self, user: str, item: int, target: float, when: float) -> None:
        """One `learn_one`."""
        del when
        self.model.learn_one({("user", user): 1.0, ("item", item): 1.0}, target)
        self._refresh(item)

    def _row(self, item: int) -> Array:
        key = ("item", item)
        return np.append(self.model.latents[key], self.model.weights[key])

    def scores(self, user: str, count: int, when: float) -> Array:
        """w0 + wu + wi + <vu, vi>. A new user gets their first, random vector here, as in `predict_one`."""
        del when
        key = ("user", user)
        own, base = self.model.latents[key], self.model.intercept + self.model.weights[key]
        matrix = self._matrix(count)
        return np.asarray(matrix[:, :-1] @ own + matrix[:, -1] + base)

    def memory(self) -> int:
        """Weights and vectors with their keys."""
        return _bytes(self.model.latents) + _bytes(self.model.weights)


class RiverFactors(Mirrored):
    """`river.reco.BiasedMF`, squared loss, with the step size of its documentation."""

    def __init__(self, seed: int) -> None:
        super().__init__(FACTORS + 1)
        self.model: Any = reco.BiasedMF(
            n_factors=FACTORS,
            bias_optimizer=optim.SGD(0.025),
            latent_optimizer=optim.SGD(0.025),
            latent_initializer=optim.initializers.Normal(mu=0.0, sigma=0.1, seed=seed),
            clip_gradient=CLIP,
        )

    def learn(self, user: str, item: int, target: float, when: float) -> None:
        """One `learn_one`."""
        del when
        self.model.learn_one(user=user, item=item, y=target)
        self._refresh(item)

    def _row(self, item: int) -> Array:
        return np.append(self.model.i_latents[item], self.model.i_biases[item])

    def scores(self, user: str, count: int, when: float) -> Array:
        """Mean + bu + bi + <vu, vi>."""
        del when
        own, base = self.model.u_latents[user], self.model.global_mean.get() + self.model.u_biases[user]
        matrix = self._matrix(count)
        return np.asarray(matrix[:, :-1] @ own + matrix[:, -1] + base)

    def memory(self) -> int:
        """Biases and vectors of both sides with their keys."""
        kept = (self.model.u_latents, self.model.i_latents, self.model.u_biases, self.model.i_biases)
        return sum(_bytes(each) for each in kept)


class RiverLinear(Mirrored):
    """`river.linear_model.LinearRegression` over the fields user and item: in effect a learnt popularity."""

    def __init__(self, seed: int) -> None:
        del seed
        super().__init__(1)
        self.model = linear_model.LinearRegression(clip_gradient=CLIP)
        self._weights: dict[Any, float] = {}

    def learn(self, user: str, item: int, target: float, when: float) -> None:
        """One `learn_one`."""
        del when
        x = {("user", user): 1.0, ("item", item): 1.0}
        self.model.learn_one(x, target)
        for key in x:
            self._weights[key] = self.model._weights[key]
        self._refresh(item)

    def _row(self, item: int) -> list[float]:
        return [self._weights.get(("item", item), 0.0)]

    def scores(self, user: str, count: int, when: float) -> Array:
        """w0 + wu + wi."""
        del when
        base = self.model.intercept + self._weights.get(("user", user), 0.0)
        return np.asarray(self._matrix(count)[:, 0] + base)

    def memory(self) -> int:
        """Weights with their keys."""
        return _bytes(self._weights)


def _bytes(weights: dict[Any, Any]) -> int:
    """Of a dictionary with its keys and values, taking the size of one entry for all."""
    if not weights:
        return sys.getsizeof(weights)
    key, value = next(iter(weights.items()))
    inner = sum(sys.getsizeof(part) for part in key) if isinstance(key, tuple) else 0
    return sys.getsizeof(weights) + len(weights) * (sys.getsizeof(key) + inner + sys.getsizeof(value))


RIVER: Final[dict[str, Callable[[int], Rival]]] = {
    "river.FMRegressor": RiverMachine,
    "river.BiasedMF": RiverFactors,
    "river.LinearRegression": RiverLinear,
}
"""Makers by name; each takes the seed."""
