"""Starts a factorization machine from given vectors, so that another implementation can start from the same ones."""

from __future__ import annotations

from collections.abc import Hashable, Mapping

import numpy as np

from models.estimators.factorization import FactorizationMachine
from models.kernels.regression.examples import REST


def start_from(model: FactorizationMachine, vectors: Mapping[Hashable, np.ndarray]) -> None:
    """Give features that the model does not know yet these vectors, (n_factors,) each, and the weight 0."""
    model._only(hashed=False)
    for key, vector in vectors.items():
        row = model._row(key, ())  # first: a new row may be in new arrays
        model._rows.table[row, REST:] = vector
