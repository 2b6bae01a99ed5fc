"""Initial values of learned tables that differ from row to row, so that a column's default cannot say them."""

from __future__ import annotations

import numpy as np

from models import dimensions as dim
from models.features import FEATURES, TOUCHED
from models.state.state import State, TableChanges


def first_curvature() -> TableChanges:
    """The ranker's inverse curvature before its first list."""
    rows = np.arange(FEATURES, dtype=np.int32)
    return TableChanges(rows, {"inverse": np.eye(FEATURES) * dim.NEWTON_SPREAD})


def set_priors(state: State) -> None:
    """Set the ranker's shared weights to the features' priors, and its curvature to the first one.

    It is in charge from the first event, and its own items are mixed with counts.
    """
    priors = np.array([each.prior for each in TOUCHED], np.float32)
    rows = np.flatnonzero(priors).astype(np.int32)
    state.tables["ranker"].columns["weight"][rows] = priors[rows]
    state.tables["ranker"].mark(rows)
    curvature, first = state.tables["curvature"], first_curvature()
    curvature.columns["inverse"][first.rows] = first.columns["inverse"]
    curvature.mark(first.rows)
    state.tables["chosen"].columns["contender"][0] = dim.RANKER
    state.tables["returns"].columns["odds"][0] = 0.0, dim.RETURN_ODDS
    for name in ("chosen", "returns"):
        state.tables[name].mark(np.zeros(1, np.int32))
