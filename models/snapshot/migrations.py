"""Changes of an older schema in, those of the next one out. Stage 5.

For cases that adding or dropping a column does not cover. Each migration is a pure function;
models/snapshot/decoding.py runs them one after the other when a version is decoded.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np

from models.snapshot.chunks import Damaged
from models.state import Changes, first_curvature
from models.state.number_codes import codes

Migration = Callable[[Changes], Changes]

RELEARNED: Final = ("moments", "ranker", "linear", "race", "chosen", "curvature", "fresh_moments", "fresh_ranker")
"""Tables that depend on the list of features: when the list changes, their rows mean something else."""


def _relearn_rankers(changes: Changes) -> Changes:
    # Popularity, co-visitation, vectors and histories stay; the rankers recover within some hundred lists.
    tables = {name: part for name, part in changes.tables.items() if name not in RELEARNED}
    if changes.base:
        tables["curvature"] = first_curvature()
    return changes._replace(tables=tables)


def _count_sightings_again(changes: Changes) -> Changes:
    # Schema 4 counts how often items without a row were named in other cells, and forgets old counts; those of schema 3
    # were never forgotten and say little.
    return changes._replace(tables={name: part for name, part in changes.tables.items() if name != "sketch"})


def _widened(blocks: dict[str, tuple[int, int]]) -> Migration:
    # Weights are kept, of which there is a block per bucket: only their places move.
    def widen(changes: Changes) -> Changes:
        tables = dict(changes.tables)
        for name, (before, more) in blocks.items():
            if (part := tables.get(name)) is not None:
                tables[name] = part._replace(rows=part.rows + more * (part.rows // before))
        return changes._replace(tables=tables)

    return widen


MEMORIES: Final = ("lag_memory", "forward_memory", "backward_memory", "category_next", "query_memory")


def _shorten_counts(changes: Changes) -> Changes:
    # Schema 7 holds the counts of memories in two bytes instead of four.
    tables = dict(changes.tables)
    for name in MEMORIES:
        if (part := tables.get(name)) is not None and (counts := part.columns.get("count")) is not None:
            if counts.dtype != np.float32 or not np.isfinite(counts).all():
                raise Damaged(f"{name}.count is not finite")
            tables[name] = part._replace(columns={**part.columns, "count": codes(np.maximum(counts, 0.0))})
    return changes._replace(tables=tables)


MIGRATIONS: Final[dict[int, Migration]] = {
    1: _relearn_rankers,
    2: _relearn_rankers,
    3: _count_sightings_again,
    4: _widened({"fresh_ranker": (20, 4), "fresh_gate": (6, 2)}),  # more features and terms, behind the others
    5: _widened({"fresh_ranker": (24, 1)}),
    6: _shorten_counts,
}
"""Migrations from schema n to n + 1, by n."""
