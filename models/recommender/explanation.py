"""A ranked list in, what its scores are made of out: features and weights, of touched and untouched items. Stage 4."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from models import dimensions as dim
from models.arrays import Array
from models.dimensions import BLOCKS
from models.features import EXPLAINED_NAMES, FEATURES
from models.recommender.scratch import Scratch


def explained(scratch: Scratch, places: Array) -> tuple[Array, Array]:
    """Standardised features of the candidates at `places`, (n, EXPLAINED), and their weights, (EXPLAINED,), as f64.

    The names are models.features.EXPLAINED_NAMES. `scratch` holds the last request, as ranked by the ranker.
    """
    listed, fresh = scratch.listed, scratch.fresh
    values = np.zeros((len(places), len(EXPLAINED_NAMES)))
    touched = places < listed.counts[0]
    values[touched, :FEATURES] = listed.features[places[touched]]
    values[~touched, FEATURES:-1] = fresh.features[places[~touched] - listed.counts[0]]
    values[~touched, -1] = fresh.odds[2]
    return values, np.concatenate([listed.weights, fresh.weights, [1.0]]).astype(np.float64)


def context(served: Any, recent: Sequence[int]) -> Array:
    """z, (FACTORS,): the context of rows `recent`, newest first. `served` are a state's served tables."""
    rows = np.array(recent[: dim.WINDOW], np.int32)
    if not len(rows):
        return np.zeros(dim.FACTORS, np.float32)
    weights = dim.CONTEXT_DECAY ** np.arange(len(rows))
    vectors = _vectors(served, rows)
    steps = weights * np.where(np.arange(len(rows)) > 0, dim.EARLIER_STEPS, 1.0) @ served.item_last.g[rows]
    return np.asarray(steps + (weights / weights.sum()) @ vectors, np.float32)


def scores(served: Any, z: Array, rows: Array) -> Array:
    """s_j, (n,), for item rows (n,)."""
    categories = served.item_stats.category[rows]
    biases = served.item_factors.bias[rows] + np.where(categories >= 0, served.category_factors.bias[categories], 0)
    return np.asarray(biases + _vectors(served, rows) @ z, np.float32)


def _vectors(served: Any, rows: Array) -> Array:
    categories = served.item_stats.category[rows]
    own = served.item_factors.q[rows]
    shared = np.where((categories >= 0)[:, None], served.category_factors.q[categories], 0)
    return np.asarray(own + shared)  # (n, FACTORS)


def contributions(scratch: Scratch, place: int) -> dict[str, float]:
    """What each feature adds to the ranker's score of the candidate at `place`; they sum to that score.

    `scratch` holds the last request, as ranked by the ranker.
    """
    values, factors = explained(scratch, np.array([place]))
    return dict(zip(EXPLAINED_NAMES, (values[0] * factors).tolist(), strict=True))


def weights(served: Any) -> Array:
    """The ranker's weights, (BLOCKS, FEATURES): for all, per bucket of known events, per bucket of the pause."""
    return np.asarray(served.ranker.weight).reshape(BLOCKS, FEATURES)
