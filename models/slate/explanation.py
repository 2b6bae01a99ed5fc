"""A ranking with its features and the adjustments of rules in; contributions that add up to each score out. Stage 7.

The ranker is linear, so the score of an item is the sum over features of standardised value times weight. A single
source in charge has one contribution: its own score.
"""

from __future__ import annotations

from collections.abc import Iterable
from math import fsum
from typing import TYPE_CHECKING, Final

import msgspec

from models.features import EXPLAINED_NAMES
from models.slate.arrangement import UNPROPOSED, Adjustment
from models.slate.vocabulary import meaning
from models.structs import Prepared

if TYPE_CHECKING:
    from models.recommender import Ranking  # Numba comes with it, and the API's schemas load this room

ROUNDING: Final = 1e-3
"""Difference between a score and the sum of its parts that single precision explains: a hundred terms of up to 40 have
rounding errors of some 1e-4 together. A larger difference has another cause and gets another name."""

FILLER: Final = "popularity_middle"
BELOW: Final = 10_000.0
"""Candidates that a single source in charge does not propose are ordered by popularity, so far below its own
(models/kernels/ranking/prequential.py)."""


class Contribution(msgspec.Struct, metaclass=Prepared, frozen=True, omit_defaults=True):
    """One summand of a score, in words and as a number. Where it is a product, `value` and `weight` are its factors."""

    name: str
    words: str
    contribution: float
    value: float | None = None
    weight: float | None = None


def contributions(ranking: Ranking, at: int, score: float) -> list[Contribution]:
    """Returns the contributions to a score, largest first. They add up to it.

    Args:
        ranking: the ranking.
        at: the item's place in it.
        score: the item's score.
    """
    if ranking.features is None or ranking.weights is None or ranking.served_by != "ranker":
        return _single(ranking.served_by, score)
    values, weights = ranking.features[at].tolist(), ranking.weights.tolist()
    parts = [
        Contribution(name, meaning(name), value * weight, value, weight)
        for name, value, weight in zip(EXPLAINED_NAMES, values, weights, strict=True)
        if value * weight
    ]
    parts.sort(key=lambda part: -abs(part.contribution))
    rest = score - fsum(part.contribution for part in parts)
    if rest:
        parts.append(_rule(Adjustment("rounding" if abs(rest) < ROUNDING else "guard", rest)))
    return parts


def _single(source: str, score: float) -> list[Contribution]:
    if score > UNPROPOSED:
        return [alone(source, score)]
    return [alone(FILLER, score + BELOW), _rule(Adjustment("unproposed", -BELOW))]


def alone(source: str, score: float) -> Contribution:
    """Returns the one contribution of a score that a single source gave.

    >>> alone("popular", 2.5).words
    'popular recently, to fill the page'
    """
    return Contribution(source, meaning(source), score)


def adjusted(adjustments: Iterable[Adjustment]) -> list[Contribution]:
    """Returns adjustments as contributions."""
    return [_rule(adjustment) for adjustment in adjustments]


def _rule(adjustment: Adjustment) -> Contribution:
    return Contribution(adjustment.rule, meaning(adjustment.rule), adjustment.value)


__all__ = ["Contribution", "adjusted", "alone", "contributions"]
