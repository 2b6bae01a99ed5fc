"""In: item facts as they change. Out: what the recommender needs of them, kept small."""

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
    """Facts of every item the shop told us of, whether or not anybody has touched it yet."""

    def __init__(self, stored: Iterable[tuple[str, ItemFacts]] = ()) -> None:
        # Rows have their content already; what is stored lacks embeddings, and words would not go with those.
        self.facts: dict[str, Known] = {item: known(facts, None) for item, facts in stored}

    def take(
        self, recommender: Recommender, changes: Sequence[FactChange], contents: Sequence[bytes | None] | None = None
    ) -> None:
        """Changes in the order of the topic; a removed item leaves the learnt state as well.

        contents: what each says of its item as a vector; without them it is made of words.
        """
        removed: dict[str, None] = {}
        said = contents or [None if facts is None else facts.content for _, _, _, facts in changes]
        for (_, _, item, facts), content in zip(changes, said, strict=True):
            if facts is None:
                self.facts.pop(item, None)
                removed[item] = None
            else:
                if item in removed:  # gone, then back: it starts anew wherever the batch was cut
                    recommender.remove("item", removed)
                    removed = {}
                self.facts[item] = known(facts, content)
                recommender.describe([(item, self.facts[item])])
        if removed:
            recommender.remove("item", removed)


def known(facts: ItemFacts, content: bytes | None) -> Known:
    """The facts that become features, of all that a record tells."""
    return Known(facts.category, facts.brand, facts.price, facts.available, content)
