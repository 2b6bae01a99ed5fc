"""Changes of an older schema in, those of the next one out. Stage 5.

For what adding or dropping a column does not cover. Each migration is a pure function; models/snapshot/encoding.py
runs them one after the other when a version is decoded.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from models.state import Changes, first_curvature

Migration = Callable[[Changes], Changes]

RELEARNT: Final = ("moments", "ranker", "linear", "race", "chosen", "curvature", "fresh_moments", "fresh_ranker")
"""What depends on the list of features: its rows mean something else as soon as the list changes."""


def _learn_rankers_anew(changes: Changes) -> Changes:
    # Popularity, memories, vectors and histories stay; the rankers are back within some hundred lists.
    tables = {name: part for name, part in changes.tables.items() if name not in RELEARNT}
    if changes.base:
        tables["curvature"] = first_curvature()
    return changes._replace(tables=tables)


MIGRATIONS: Final[dict[int, Migration]] = {1: _learn_rankers_anew, 2: _learn_rankers_anew}
"""From schema n to n + 1."""
