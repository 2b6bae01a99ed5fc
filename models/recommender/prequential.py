"""Turns ranks of tested events into hit rates and reciprocal ranks of each contender. Stage 3.

Prequential (Dawid 1984): each event is ranked by the models as they stand, then learned. Rank = 1 + items with a
strictly higher score + ties; a target that is not a candidate is a miss; HR@20 = rank <= 20, RR@20 = 1 / rank or 0.
The candidates are the union of the proposals of all sources. A single source ranks its own proposals and, behind them,
popular items, as it would show them; for popularity, co-visitation and the own history that equals ranking the whole
catalogue, at least down to rank 30.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from models.arrays import Array
from models.dimensions import SOURCES

CONTENDERS = (
    # Single sources: what each proposes; the score by which it ranks.
    "popularity_short",  # its 40 best items; log of the count that halves every 500 events
    "popularity_middle",  # its 40 best items, and 30 of the last category; the same, every 5,000 events
    "popularity_long",  # its 40 best items; the same, every 100,000 events
    "own_recent",  # the user's last 128 events; the latest first
    "follows",  # 30 followers of the last item and of the last but one; c(last -> j) / (total + 1)
    "window",  # its 60 best items; n2 = sum over the last 10 of 0.85^q c(r_q -> j) / (total + 2)
    "cosine",  # its 40 best items; (n2 + the same backwards) / sqrt(long popularity + 3)
    "machine",  # the 60 best of a pool of 1,024; the factorization machine's score
    # What learns to rank the candidates of all sources, and the one in charge.
    "linear",
    "ranker",
    "served",
)
"""Who is scored, in the order of models/dimensions.py. The single sources come first: they propose the candidates, and
the best of them is the bar for the rankers and is served until a ranker clears it. Popularity: Cormode et al., ICDE
2009. Co-visitation: space-saving rows after Metwally et al., ICDT 2005; item-to-item cosine after Sarwar et al., WWW
2001 and Linden et al., 2003. The formulas are compiled in models/kernels/retrieval."""

DEPTH = 20
"""Ranks that count as a hit."""


class Tested(NamedTuple):
    """The tested events of a batch, in order."""

    places: Array  # (n,) i32 in the batch
    known: Array  # (n,) i32: 1 the user had touched the item, 0 somebody else had, -1 nobody had: no rank counts then
    ranks: Array  # (n, contenders) i32, 0 = not proposed

    def where(self, chosen: Array) -> Tested:
        """Return those of the tested events that are chosen, (n,) bool."""
        return Tested(*(column[chosen] for column in self))


NOTHING = Tested(np.zeros(0, np.int32), np.zeros(0, np.int32), np.zeros((0, len(CONTENDERS)), np.int32))


def joined(parts: list[Tested]) -> Tested:
    """Join the tested events of several batches, in order."""
    if not parts:
        return NOTHING
    return Tested(*(np.concatenate(columns) for columns in zip(*parts, strict=True)))


def hits(ranks: Array) -> Array:
    """Return 1 where the rank is within the first 20, else 0.

    >>> hits(np.array([0, 1, 20, 21])).tolist()
    [0.0, 1.0, 1.0, 0.0]
    """
    return ((ranks > 0) & (ranks <= DEPTH)).astype(np.float64)


def reciprocal_ranks(ranks: Array) -> Array:
    """Return 1 / rank where the rank is within the first 20, else 0.

    >>> reciprocal_ranks(np.array([0, 1, 4, 21])).tolist()
    [0.0, 1.0, 0.25, 0.0]
    """
    return hits(ranks) / np.maximum(ranks, 1)


def fading_scores(race: Any) -> dict[str, dict[str, float]]:
    """Compute each contender's running scores.

    Args:
        race: View of the table of that name.

    Returns:
        For each contender `hr` and `rr`, over about the last thousand tested events, and `n`, all tested events.
    """
    weight = np.maximum(race.fading_weight, 1e-12)
    return {
        name: {
            "hr": float(race.fading_hits[at] / weight[at]),
            "rr": float(race.fading_reciprocal[at] / weight[at]),
            "n": int(race.tested[at]),
        }
        for at, name in enumerate(CONTENDERS)
    }


def best_source(race: Any) -> int:
    """Find the single source with the best running score, hit rate plus reciprocal rank; the first one on a tie.

    It is the bar that a learned ranking has to clear, and orders the lists while none does.

    Args:
        race: View of the table of that name.

    Returns:
        The number of the source in CONTENDERS.

    >>> from models.state import SCHEMA, State
    >>> state = State(SCHEMA)
    >>> state.tables["race"].columns["fading_hits"][CONTENDERS.index("window")] = 3.0
    >>> CONTENDERS[best_source(state.served.race)]
    'window'
    """
    return int(np.argmax((race.fading_hits + race.fading_reciprocal)[:SOURCES]))
