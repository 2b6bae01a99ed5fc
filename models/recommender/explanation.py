"""A ranked list in, what its scores are made of out: features and weights, of touched and untouched items. Stage 4."""

from __future__ import annotations

import numpy as np

from models.arrays import Array
from models.dimensions import FEATURES
from models.features import EXPLAINED_NAMES
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
