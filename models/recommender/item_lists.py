"""Ranks items without a history: those bought together with an item, and those that are trending. Stage 4."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

import numpy as np

from models import dimensions as dim
from models.arrays import Array
from models.recommender.ranker import ReadableState
from models.recommender.types import Ranking
from models.state.number_codes import numbers

BOUGHT_TOGETHER: Final = "bought_together"
TRENDING: Final = "trending"
"""Names of the two lists as sources. They are no contenders: no test compares them."""

DOUBT: Final = 3.0
"""Orders at which a pair counts half of what its share says (shrinkage as in Bell and Koren, ICDM 2007). At 0 two rare
items that were once bought together would stand above any pair that is bought every day."""

EVENTS_OF_DOUBT: Final = 5.0
"""Events added to both sides of a growth, so that three clicks on an item without a past are no sensation."""

LEAST_GROWTH: Final = 1.2
"""Growth below which nothing is called trending, however certain it is."""

ERRORS_AWAY: Final = 2.0
"""Standard errors (of a Poisson count) that the recent events must be above the expected ones."""


def bought_together(state: ReadableState, item_id: str, n: int) -> Ranking:
    """Rank what was bought in the same orders as an item, at most `dim.BASKET_SLOTS`; empty when nothing was.

    The score is the share of the two items' pairs that they make with each other (a cosine), times n / (n + DOUBT) for
    n orders.
    """
    row = state.keys["item"].rows.get(item_id, -1)
    if row < 0:
        return _ranking(state, np.zeros(0, np.int32), np.zeros(0), BOUGHT_TOGETHER)
    others, orders = partners(state, row)
    whole = np.array([partners(state, other)[1].sum() for other in others.tolist()])
    shares = orders / np.sqrt(orders.sum() * np.maximum(whole, orders))
    scores = shares * orders / (orders + DOUBT)
    places = np.argsort(-scores, kind="stable")[:n]
    return _ranking(state, others[places], scores[places], BOUGHT_TOGETHER)


def partners(state: ReadableState, row: int) -> tuple[Array, Array]:
    """(m,) rows of the items that were bought in the same orders as one, and (m,) f64 in how many."""
    pairs = state.tables["baskets"].columns
    start = row % dim.BASKETS * dim.BASKET_SLOTS
    slots = slice(start, start + dim.BASKET_SLOTS)
    others = pairs["other"][slots]
    used = (pairs["owner"][slots] == row) & (others >= 0)
    return others[used], pairs["count"][slots][used].astype(np.float64)


def near(state: ReadableState, row: int) -> Iterator[tuple[Array, Array]]:
    """Rows of the items touched near one, -1 for none, and their shares in f8: (WINDOW_SLOTS,) each.

    First of those after it, then of those before it.
    """
    slots = slice(row * dim.WINDOW_SLOTS, (row + 1) * dim.WINDOW_SLOTS)
    for memory, total in (("forward_memory", "forward"), ("backward_memory", "backward")):
        columns = state.tables[memory].columns
        counts = numbers(columns["count"][slots]).astype(np.float64)
        yield columns["other"][slots], counts / (float(state.tables["item_totals"].columns[total][row]) + 1.0)


def trending(state: ReadableState, n: int, category: str | None = None, also: Sequence[str] = ()) -> Ranking:
    """Rank items by how much more is done with them recently than before: the score is the log of that ratio.

    Recently is the popularity of half-life 5,000 events, before is what that of 100,000 events has beyond it; each is
    a share of all events of its time, so an item is compared with its own past and not with other items. Only growing
    items are ranked. Candidates are the lists of popular items, the pool of the factorization machine (the 1,024 that
    are touched most, new ones included), the list of the category, and `also`.
    """
    tables = state.tables
    parts = [tables["top_items"].columns["item"], tables["pool"].columns["item"]]
    if category is not None:
        row = state.keys["category"].rows.get(category, -1)
        if row >= 0:
            listed = tables["category_top"].columns["item"]
            parts.append(listed[row * dim.CATEGORY_TOP : (row + 1) * dim.CATEGORY_TOP])
    if also:
        parts.append(state.keys["item"].find(also))
    rows = np.unique(np.concatenate(parts))
    rows = rows[rows >= 0]
    recent, expected = growth(state, rows)
    ratio = (recent + EVENTS_OF_DOUBT) / (expected + EVENTS_OF_DOUBT)
    grows = (ratio > LEAST_GROWTH) & (recent - expected > ERRORS_AWAY * np.sqrt(expected + EVENTS_OF_DOUBT))
    rows, scores = rows[grows], np.log(ratio[grows])
    places = np.argsort(-scores, kind="stable")[:n]
    return _ranking(state, rows[places], scores[places], TRENDING)


def growth(state: ReadableState, rows: Array) -> tuple[Array, Array]:
    """(n,) recent events of each item, and (n,) as many as its own past lets one expect. Both are decayed counts."""
    applied = int(state.tables["clock"].columns["applied"][0])
    middle, long = dim.HALF_LIVES[1:]
    keys = state.tables["item_stats"].columns["key"][rows, 1:]  # (n, 2)
    rates = np.log(2) / np.array([middle, long])
    counts = np.exp(np.maximum(keys - rates * applied, dim.FLOOR))
    before = np.maximum(counts[:, 1] - counts[:, 0], 0.0)
    window, whole = _mass(applied, middle), _mass(applied, long)
    if whole - window < 1.0:  # nothing has a past yet
        return counts[:, 0], counts[:, 0]
    return counts[:, 0], before * window / (whole - window)


def _mass(applied: int, half_life: float) -> float:
    """The decayed count of all events so far."""
    return float((1.0 - 0.5 ** (applied / half_life)) / (1.0 - 0.5 ** (1.0 / half_life)))


def _ranking(state: ReadableState, rows: Array, scores: Array, name: str) -> Ranking:
    ids = state.keys["item"].ids
    return Ranking([ids[row] or "" for row in rows.tolist()], scores.astype(np.float32), [name] * len(rows), name)


__all__ = ["BOUGHT_TOGETHER", "TRENDING", "bought_together", "growth", "near", "partners", "trending"]
