"""In: item facts as they change. Out: what the recommender needs of them, kept small."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from models.items import ItemFacts
from models.recommender import Recommender
from streaming.mirror import FactChange


class Known(NamedTuple):
    """The facts that become features."""

    category: str | None
    brand: str | None
    price: float | None
    available: bool = True


class Catalogue:
    """Facts of every item the shop told us of, whether or not anybody has touched it yet."""

    def __init__(self, stored: Iterable[tuple[str, ItemFacts]] = ()) -> None:
        self.facts: dict[str, Known] = {item: _known(facts) for item, facts in stored}

    def take(self, recommender: Recommender, changes: Iterable[FactChange]) -> None:
        """Changes in the order of the topic; a removed item leaves the learnt state as well."""
        removed: dict[str, None] = {}
        for _, _, item, facts in changes:
            if facts is None:
                self.facts.pop(item, None)
                removed[item] = None
            else:
                if item in removed:  # gone, then back: it starts anew wherever the batch was cut
                    recommender.remove("item", removed)
                    removed = {}
                self.facts[item] = _known(facts)
                recommender.describe([(item, facts)])
        if removed:
            recommender.remove("item", removed)


def _known(facts: ItemFacts) -> Known:
    return Known(facts.category, facts.brand, facts.price, facts.available)
