"""In: the last known good tables, a candidate's, old events. Out: how much of them was forgotten. Stage 6."""

from __future__ import annotations

from collections.abc import Callable

from models.recommender import Ranker, Scratch
from models.statistics import DEPTH, PastQuestion, Reservoir
from service.serving import TableSet


def forgotten(
    reservoir: Reservoir, reference: TableSet | None, candidate: TableSet, scratch: Scratch
) -> dict[str, float]:
    """Put a slice of the reservoir to both; numbers over all that were put to this reference, {} without one.

    Nobody else reads the tables kept for a roll-back, and the candidate is not served yet: `scratch` is the caller's.
    """
    if reference is None or reference.id == candidate.id:
        return {}
    found = reservoir.ask(reference.id, finder(reference.recommender, scratch), finder(candidate.recommender, scratch))
    return {f"replay_{name}": float(value) for name, value in found._asdict().items()}


def finder(recommender: Ranker, scratch: Scratch) -> Callable[[PastQuestion], bool]:
    """Whether the first 20 for a question's history hold what came next."""

    def finds(asked: PastQuestion) -> bool:
        ranking = recommender.rank(asked.items, asked.times, asked.kinds, asked.now, DEPTH, scratch=scratch)
        return asked.item in ranking.items

    return finds


__all__ = ["finder", "forgotten"]
