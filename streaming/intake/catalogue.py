"""Keeps the facts of every item that become features, and tells the recommender when they change."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from models.recommender import Recommender
from models.records import ItemFacts
from streaming.live import FactChange


class Known(NamedTuple):
    """The facts that become features."""

    category: str | None
    brand: str | None
    price: float | None
    available: bool = True
    content: bytes | None = None


class KnownItems:
    """Facts of every item of the shop, touched by a user or not.

    Args:
        stored: Facts that were taken before, by item. Their content is passed over: the rows have it already, and the
            stored facts lack embeddings, which vectors made of words would not match.
    """

    def __init__(self, stored: Iterable[tuple[str, ItemFacts]] = ()) -> None:
        self.facts: dict[str, Known] = {item: known(facts, None) for item, facts in stored}

    def take(
        self, recommender: Recommender, changes: Sequence[FactChange], contents: Sequence[bytes | None] | None = None
    ) -> None:
        """Take changes in the order of the topic. A removed item leaves the model as well.

        Args:
            recommender: Changed in place.
            changes: Records of topic `items`.
            contents: The vector of each change; by default vectors made of words.
        """
        removed: dict[str, None] = {}
        vectors = contents or [None if facts is None else facts.content for _, _, _, facts in changes]
        for (_, _, item, facts), content in zip(changes, vectors, strict=True):
            if facts is None:
                self.facts.pop(item, None)
                removed[item] = None
            else:
                if item in removed:  # removed, then back: it starts from scratch wherever the batch was cut
                    recommender.remove("item", removed)
                    removed = {}
                self.facts[item] = known(facts, content)
                recommender.describe([(item, self.facts[item])])
        if removed:
            recommender.remove("item", removed)


def known(facts: ItemFacts, content: bytes | None) -> Known:
    """The facts of a record that become features, with its vector."""
    return Known(facts.category, facts.brand, facts.price, facts.available, content)
