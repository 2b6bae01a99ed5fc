"""Keeps the facts of every item that become features, and tells the recommender when they change."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from models.recommender import Groups, Recommender
from models.records import ItemFacts
from streaming.live import FactChange


class Known(NamedTuple):
    """The facts that become features."""

    category: str | None
    brand: str | None
    price: float | None
    available: bool = True
    content: bytes | None = None
    group_id: str | None = None


class KnownItems:
    """Facts of every item of the shop, touched by a user or not, and its groups of variants.

    Args:
        stored: Facts that were taken before, by item. Their content is passed over: the rows have it already, and the
            stored facts lack embeddings, which vectors made of words would not match.
    """

    def __init__(self, stored: Iterable[tuple[str, ItemFacts]] = ()) -> None:
        self.facts: dict[str, Known] = {item: known(facts, None) for item, facts in stored}
        self.groups = Groups.of(self.facts.items())

    def take(
        self, recommender: Recommender, changes: Sequence[FactChange], contents: Sequence[bytes | None] | None = None
    ) -> None:
        """Take changes in the order of the topic. A removed item leaves the model; put back, it starts from scratch.

        Args:
            recommender: Changed in place.
            changes: Records of topic `items`.
            contents: The vector of each change; by default vectors made of words.
        """
        vectors = contents or [None if facts is None else facts.content for _, _, _, facts in changes]
        last_removal = {item: at for at, (_, _, item, facts) in enumerate(changes) if facts is None}
        # All together, because each removal sweeps every reference that the model holds. An item that comes back starts
        # from scratch, wherever the stream was cut into batches.
        for item in last_removal:
            self._lend(recommender, item)
        recommender.remove("item", last_removal)
        for item in last_removal:
            self.facts.pop(item, None)
            self.groups.put(item, None)
        for at, ((_, _, item, facts), content) in enumerate(zip(changes, vectors, strict=True)):
            if facts is not None and at > last_removal.get(item, -1):
                self.facts[item] = known(facts, content)
                self.groups.put(item, facts.group_id)
                recommender.describe([(item, self.facts[item])])
                recommender.borrow(item, self.groups)
                if not facts.available:
                    self._lend(recommender, item)

    def _lend(self, recommender: Recommender, item: str) -> None:
        """Let variants that nobody has touched take over from one that leaves the pages."""
        for other in self.groups.kin(item):
            recommender.borrow(other, self.groups)


def known(facts: ItemFacts, content: bytes | None) -> Known:
    """The facts of a record that become features, with its vector."""
    return Known(facts.category, facts.brand, facts.price, facts.available, content, facts.group_id)
