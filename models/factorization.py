"""A state and rows of items in, the factorization machine's context and scores out: the readable form. Stage 4.

z = G[r_0] + sum_q w_q (Q[r_q] + QC[cat r_q]) with w_q = .8^q / sum .8^q over the last 10 events r_0, r_1, ...
s_j = b_j + bc[cat j] + z . (Q_j + QC[cat j])

A factorization machine (Rendle, ICDM 2010) whose fields are the last item, the bag of recent items, their categories,
the target and its category; item vectors are shared between bag and target. It is trained by sampled softmax in
`models/kernels/factorization.py`, which does the same arithmetic compiled. There is no field for the user: measured
on four streams it gained nothing (docs/decisions.md), and without it what the service ranks with is what was tested.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from models import dimensions as dim
from models.tables import Array


def context(served: Any, recent: Sequence[int]) -> Array:
    """z, (FACTORS,): the context of rows `recent`, newest first. `served` are a state's served tables."""
    rows = np.array(recent[: dim.WINDOW], np.int32)
    if not len(rows):
        return np.zeros(dim.FACTORS, np.float32)
    weights = dim.CONTEXT_DECAY ** np.arange(len(rows))
    vectors = _vectors(served, rows)
    return np.asarray(served.item_last.g[rows[0]] + (weights / weights.sum()) @ vectors, np.float32)


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
