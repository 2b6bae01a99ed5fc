"""Asks a version canary queries as requests would, and reports the faults that the mechanical guards find. Stage 6.

A version that decodes but cannot answer must not be served.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

import numpy as np

from models.arrays import Array
from models.recommender import Ranker, Ranking, Scratch
from models.records import CLICK, PURCHASE
from models.state import Schema, State
from models.statistics import distance, stability
from service.http import NOBODY, History

CANARY_LENGTH = 5
"""Items in a canary's history: one ordinary visit."""

NORM_SAMPLE = 2_000
"""Vectors whose size is measured. The mean of more says the same, and costs milliseconds a version."""

OVERLAP_DEPTH = 10
"""Places of a list that are compared: what users look at."""

SCORED = 100
"""Places whose scores are compared. With eight queries that is enough for deciles, and they are computed anyway."""


class Findings(NamedTuple):
    """What the mechanical guards find in a version."""

    faults: tuple[str, ...]
    """Reasons of `models.gate.REASONS`; empty when there is no fault."""
    detail: str
    """A sentence about the first fault."""
    numbers: dict[str, float]


def inspect(state: State, recommender: Ranker, schema: Schema, queries: int, now: float) -> Findings:
    """Check the dimensions of a version and ask it canary queries.

    Finite values and references were checked where the version was decoded.

    Args:
        state: The tables of the version.
        recommender: The recommender over them.
        schema: What the tables must look like.
        queries: Number of canary queries.
        now: Epoch seconds at which they are asked.
    """
    wrong = dimensions(state, schema)
    if wrong:
        return Findings(("wrong_dimensions",), wrong, {})
    items = len(state.keys["item"])
    faults: dict[str, str] = {}
    asked = 0
    for history in canaries(state, queries, now):
        asked += 1
        fault = _ask(recommender, history, now, must_answer=items > 0)
        if fault:
            faults.setdefault(fault, f"canary query {asked} with {len(history.items)} recent items: {fault}")
    numbers = {"items": float(items), "canary_queries": float(asked), "canary_faults": float(len(faults))}
    numbers |= {"norm": norm(state), "applied": float(state.tables["clock"].columns["applied"][0])}
    return Findings(tuple(faults), next(iter(faults.values()), ""), numbers)


def norm(state: State) -> float:
    """Size of the parameters that order lists.

    The geometric mean of the root mean squares of the ranker's weights and of a sample of the item vectors, spread over
    all items; 0 while one of them is empty.
    """
    rows = state.keys["item"].capacity
    ranker = state.tables["ranker"].columns["weight"]
    vectors = state.tables["item_factors"].columns["q"][: rows : max(1, rows // NORM_SAMPLE)]
    return float(np.sqrt(_size(ranker) * _size(vectors)))


def _size(values: Array) -> float:
    return float(np.sqrt(np.mean(np.square(values, dtype=np.float64)))) if values.size else 0.0


def contrast(
    served: Ranker, challenger: Ranker, state: State, queries: int, now: float, scratch: Scratch
) -> dict[str, float]:
    """How the challenger's answers to canary queries differ from those of the served tables.

    Both are ordered by the contender in charge of the challenger: a change of who orders is no change of the model.

    Args:
        served: Answers of the served tables.
        challenger: Answers of the challenger.
        state: The challenger's tables, from whose catalogue the queries are made.
        queries: Number of canary queries.
        now: Epoch seconds at which they are asked.
        scratch: The caller's own working memory. Requests rank on the served tables meanwhile, and two threads that
            shared it would read each other's row numbers, beyond the end of the tables.

    Returns:
        `overlap`, the share of the first 10 items that both lists have, as the mean over the queries. `score_psi` and
        `score_ks`, how far apart the distributions of their scores lie (models/statistics/distributions.py). Each score
        is counted from the best one of its list: what all scores of a list have in common orders nothing, and training
        leaves it free.
    """

    def answer(one: Ranker, history: History) -> Ranking:
        return one.rank(*history, now, SCORED, by=challenger.chosen, scratch=scratch)

    asked = canaries(state, queries, now)
    pairs = [(answer(served, history), answer(challenger, history)) for history in asked]
    shares = [_common(one.items[:OVERLAP_DEPTH], other.items[:OVERLAP_DEPTH]) for one, other in pairs]
    before, after = _drops(one for one, _ in pairs), _drops(other for _, other in pairs)
    return {
        "overlap": round(float(np.mean(shares)), 3) if shares else 1.0,
        "score_psi": round(stability(before, after), 3),
        "score_ks": round(distance(before, after), 3),
    }


def _drops(answers: Iterable[Ranking]) -> Array:
    """Scores of all answers, each counted from the best of its list."""
    return np.concatenate([np.zeros(0, np.float32), *(each.scores - each.scores[:1] for each in answers)])


def _common(one: list[str], other: list[str]) -> float:
    longest = max(len(one), len(other))
    return len(set(one) & set(other)) / longest if longest else 1.0


def dimensions(state: State, schema: Schema) -> str:
    """What is wrong with the shape of an array, "" when nothing is: each holds a row per key, of the declared shape."""
    for name, data in state.tables.items():
        needed = state.keys[data.table.keys].capacity * data.table.width
        for column in schema.tables[name].columns:
            array = data.columns[column.name]
            if array.shape[1:] != column.shape or array.dtype != np.dtype(column.dtype) or len(array) < needed:
                return (
                    f"{name}.{column.name} is {array.dtype}{array.shape}, not {column.dtype}({needed}, {column.shape})"
                )
    return ""


def canaries(state: State, count: int, now: float) -> Iterator[History]:
    """`count` histories: an empty one, one of an unknown item, and stretches of the catalogue spread over all rows."""
    yield NOBODY
    if count > 1:
        yield History(["no item has this id"], [now - 60.0], [CLICK])
    ids = state.keys["item"].ids
    for turn in range(count - 2):
        start = turn * len(ids) // (count - 2)
        items = [key for key in ids[start : start + CANARY_LENGTH] if key]
        times = [now - 60.0 * (position + 1) for position in range(len(items))]
        yield History(items, times, [PURCHASE if position % 2 else CLICK for position in range(len(items))])


def _ask(recommender: Ranker, history: History, now: float, *, must_answer: bool) -> str:
    # A version may be broken in any way at all, and a guard that raises would stop the gate instead of holding it.
    try:
        ranking = recommender.rank(*history, now)
    except Exception:
        return "canary_failed"
    return judge(ranking, must_answer=must_answer)


def judge(ranking: Ranking, *, must_answer: bool) -> str:
    """The fault of one answer, "" when there is none: empty, not finite, an item twice, not in descending order."""
    scores = np.asarray(ranking.scores)
    if must_answer and not len(ranking.items):
        return "canary_empty"
    if not np.isfinite(scores).all():
        return "canary_not_finite"
    if len(set(ranking.items)) != len(ranking.items):
        return "canary_repeated"
    return "canary_unsorted" if _rises(scores) else ""


def _rises(scores: Array) -> bool:
    return len(scores) > 1 and bool((np.diff(scores) > 0).any())


__all__ = ["Findings", "canaries", "contrast", "dimensions", "inspect", "judge", "norm"]
