"""Explains a ranking: the features and weights that make up its scores, for touched and untouched items. Stage 4."""

from __future__ import annotations

import numpy as np

from models.arrays import Array
from models.dimensions import RANKER
from models.features import EXPLAINED_NAMES, FEATURES
from models.recommender.scratch import Scratch


def explained(scratch: Scratch, places: Array) -> tuple[Array, Array]:
    """Return the features of some candidates of the last request, and the weights that turn them into scores.

    Args:
        scratch: Working memory that holds the last request, as ranked by the ranker.
        places: Places of the candidates in the request's list, (n,).

    Returns:
        Standardised features, (n, EXPLAINED) f64, and their weights, (EXPLAINED,) f64, both in the order of
        models.features.EXPLAINED_NAMES. Their product is the ranker's score.
    """
    listed, fresh = scratch.listed, scratch.fresh
    values = np.zeros((len(places), len(EXPLAINED_NAMES)))
    touched = places < listed.counts[0]
    values[touched, :FEATURES] = listed.features[places[touched]]
    untouched = places[~touched]
    values[~touched, FEATURES:-2] = fresh.features[untouched - listed.counts[0]]
    values[~touched, -2] = listed.scores[RANKER, untouched] - fresh.scores[untouched - listed.counts[0]]
    mixed = np.isin(places, scratch.own.at[: scratch.own.counts[0]])
    values[mixed, -1] = listed.scores[RANKER, places[mixed]] - scratch.own.alone[places[mixed]]
    return values, np.concatenate([listed.weights, fresh.weights, [1.0, 1.0]]).astype(np.float64)
