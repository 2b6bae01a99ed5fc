"""The values with which learned tables begin, where a default per column does not say them."""

from __future__ import annotations

import numpy as np

from models import dimensions as dim
from models.features import FEATURE_NAMES
from models.state.state import State, TableChanges


def first_curvature() -> TableChanges:
    """The ranker's inverse curvature before its first list."""
    rows = np.arange(dim.FEATURES, dtype=np.int32)
    return TableChanges(rows, {"inverse": np.eye(dim.FEATURES) * dim.NEWTON_SPREAD})


def set_priors(state: State) -> None:
    # Popularity, lag-1 and window memory: what orders candidates before the first list was learnt.
    rows = np.array([4, 30, 34], np.int32)
    state.tables["ranker"].columns["weight"][rows] = dim.RANK_PRIOR
    state.tables["ranker"].mark(rows)
    curvature, first = state.tables["curvature"], first_curvature()
    curvature.columns["inverse"][first.rows] = first.columns["inverse"]
    curvature.mark(first.rows)
    refused = np.array([FEATURE_NAMES.index(name) for name in ("own_refused", "refused")], np.int32)
    state.tables["ranker"].columns["weight"][refused] = dim.REFUSAL_PRIOR
    state.tables["ranker"].mark(refused)
