"""Items that may be shown in, and slates as they are answered; how much of the catalogue can be used, and is, out."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import numpy as np

from models.arrays import Array
from models.records import ItemFacts

PICTURE: Final = "image_url"
"""Attribute with the address of an item's picture."""

FACTS: Final = ("title", "category", "price", "picture")
"""What is looked for, by the place of its bit."""

NOTHING: Final = (None, "")

SPAN: Final = 1_800.0
"""Seconds of one of two spans: "lately" is between one of them and both, half an hour to an hour."""


def known(facts: ItemFacts) -> int:
    """A bit for each of `FACTS` that an item has.

    >>> known(ItemFacts(title="Tea", price=3.0))
    5
    """
    picture = facts.attribute_values().get(PICTURE) if facts.attributes else None
    return (
        (facts.title not in NOTHING)
        | (facts.category not in NOTHING) << 1
        | (facts.price is not None) << 2
        | (picture not in NOTHING) << 3
    )


def counted(bits: Array, shown: Array) -> dict[str, int]:
    """How many items have each fact.

    Args:
        bits: (items,) as `known` makes them.
        shown: (items,) whether each may be shown.
    """
    usable = bits[shown]
    return {fact: int(np.count_nonzero(usable & (1 << place))) for place, fact in enumerate(FACTS)}


class RecommendedLately:
    """The items of recent slates of this process, in two spans of which the older one is dropped.

    Adding is one call of a set: slates are counted while requests wait. Any thread may add or ask.
    """

    def __init__(self) -> None:
        self._began = 0.0
        self._now: set[str] = set()
        self._before: set[str] = set()

    def add(self, items: Iterable[str], now: float) -> None:
        """Note the items of a slate; `now` in seconds that never go back."""
        if now - self._began > SPAN:
            self._turn(now)
        self._now.update(items)

    def _turn(self, now: float) -> None:
        self._before = self._now if now - self._began <= 2 * SPAN else set()
        self._now, self._began = set(), now

    def items(self, now: float) -> set[str]:
        """Items of slates of the last `SPAN` to twice as many seconds."""
        if now - self._began > SPAN:
            self._turn(now)
        return self._now.copy() | self._before


__all__ = ["FACTS", "PICTURE", "SPAN", "RecommendedLately", "counted", "known"]
