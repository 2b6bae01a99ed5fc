"""Changes of an older schema in, those of the next one out. Stage 5.

For cases that adding or dropping a column does not cover. Each migration is a pure function;
models/snapshot/decoding.py runs them one after the other when a version is decoded.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np

from models.arrays import Array
from models.dimensions import NEWTON_SPREAD
from models.state import Changes, TableChanges

Migration = Callable[[Changes], Changes]

RELEARNED: Final = ("moments", "ranker", "linear", "race", "chosen", "curvature", "fresh_moments", "fresh_ranker")
"""Tables that depend on the list of features: when the list changes, their rows mean something else."""


_FEATURES_4, _FEATURES_5 = 77, 79


def _relearn_rankers(changes: Changes) -> Changes:
    # Popularity, co-visitation, vectors and histories stay; the rankers recover within some hundred lists.
    tables = {name: part for name, part in changes.tables.items() if name not in RELEARNED}
    if changes.base:
        rows = np.arange(_FEATURES_4, dtype=np.int32)
        tables["curvature"] = TableChanges(rows, {"inverse": _first_curvature(_FEATURES_4)})
    return changes._replace(tables=tables)


def _first_curvature(features: int) -> Array:
    """The ranker's inverse curvature before its first list, when it had so many features."""
    return np.asarray(np.eye(features) * NEWTON_SPREAD)


def _count_sightings_again(changes: Changes) -> Changes:
    # Schema 4 counts how often items without a row were named in other cells, and forgets old counts; those of schema 3
    # were never forgotten and say little.
    return changes._replace(tables={name: part for name, part in changes.tables.items() if name != "sketch"})


def _append_features(changes: Changes) -> Changes:
    # Schema 5 has two more features, behind the others. What was learned of those is kept: only places move.
    tables, more = dict(changes.tables), _FEATURES_5 - _FEATURES_4
    if (part := tables.get("ranker")) is not None:
        tables["ranker"] = part._replace(rows=part.rows + more * (part.rows // _FEATURES_4))
    if (part := tables.get("linear")) is not None:  # the last row is the intercept
        tables["linear"] = part._replace(rows=np.where(part.rows == _FEATURES_4, _FEATURES_5, part.rows))
    if (part := tables.get("curvature")) is not None:
        rows, inverse = part.rows, np.pad(part.columns["inverse"], ((0, 0), (0, more)))
        if changes.base:
            new = np.arange(_FEATURES_4, _FEATURES_5, dtype=np.int32)
            rows = np.concatenate([rows, new])
            inverse = np.concatenate([inverse, _first_curvature(_FEATURES_5)[new]])
        tables["curvature"] = TableChanges(rows, {"inverse": inverse})
    return changes._replace(tables=tables)


MIGRATIONS: Final[dict[int, Migration]] = {
    1: _relearn_rankers,
    2: _relearn_rankers,
    3: _count_sightings_again,
    4: _append_features,
}
"""Migrations from schema n to n + 1, by n."""
