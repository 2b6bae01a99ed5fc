"""Measures how much the challenger has forgotten: asks it and the reference about old events. Stage 6."""

from __future__ import annotations

from collections.abc import Callable

from models.recommender import Ranker, Scratch
from models.statistics import DEPTH, PastQuestion, Reservoir
from service.serving import TableSet


def forgotten(
    reservoir: Reservoir, reference: TableSet | None, challenger: TableSet, scratch: Scratch
) -> dict[str, float]:
    """Put a slice of the reservoir to the reference and to the challenger.

    Args:
        reservoir: Old events, and the answers of this reference so far.
        reference: The tables kept for a rollback, which nobody else reads; None while there are none.
        challenger: The newest version, which is not served yet.
        scratch: The caller's own working memory.

    Returns:
        Numbers over all questions that were put to this reference; {} without one.
    """
    if reference is None or reference.id == challenger.id:
        return {}
    found = reservoir.ask(reference.id, finder(reference.recommender, scratch), finder(challenger.recommender, scratch))
    return {f"replay_{name}": float(value) for name, value in found._asdict().items()}


def finder(recommender: Ranker, scratch: Scratch) -> Callable[[PastQuestion], bool]:
    """A test whether the first 20 items for a question's history hold the item of its event."""

    def finds(asked: PastQuestion) -> bool:
        ranking = recommender.rank(asked.items, asked.times, asked.kinds, asked.now, DEPTH, scratch=scratch)
        return asked.item in ranking.items

    return finds


__all__ = ["finder", "forgotten"]
