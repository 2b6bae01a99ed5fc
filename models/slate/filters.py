"""The filters of a request: which items it wants, by their facts. Stage 7."""

from __future__ import annotations

import msgspec

from models.records import ItemFacts
from models.slate.conditions import Condition
from models.structs import Prepared


class Wanted(msgspec.Struct, metaclass=Prepared, frozen=True, gc=False):
    """The items that a request wants. One without a price is in no price range, one without facts matches no filter.

    Attributes:
        category: the category, None for any.
        tags_all: tags that an item must have.
        tags_any: tags of which it must have one.
        price_min: lowest price, inclusive.
        price_max: highest price, inclusive.
        conditions: further conditions, all of which an item must meet.
    """

    category: str | None = None
    tags_all: frozenset[str] = frozenset()
    tags_any: frozenset[str] = frozenset()
    price_min: float | None = None
    price_max: float | None = None
    conditions: tuple[Condition, ...] = ()

    @property
    def anything(self) -> bool:
        """Whether every item matches."""
        return self == EVERYTHING

    @property
    def by_category(self) -> bool:
        """Whether the category is the only filter."""
        return self.category is not None and self == Wanted(self.category)

    def matches(self, facts: ItemFacts | None) -> bool:
        """Whether an item with these facts may be shown.

        >>> tea = ItemFacts(category="drinks", price=4.5, tags=("green", "loose"))
        >>> Wanted("drinks", tags_any=frozenset({"green", "black"}), price_max=5.0).matches(tea)
        True
        >>> Wanted(tags_all=frozenset({"green", "black"})).matches(tea)
        False
        """
        if facts is None:
            return self.anything
        return (
            (self.category is None or facts.category == self.category)
            and self.tags_all.issubset(facts.tags)
            and (not self.tags_any or not self.tags_any.isdisjoint(facts.tags))
            and self._affordable(facts.price)
            and (not self.conditions or all(condition.holds(facts) for condition in self.conditions))
        )

    def _affordable(self, price: float | None) -> bool:
        if price is None:
            return self.price_min is None and self.price_max is None
        return (self.price_min is None or price >= self.price_min) and (
            self.price_max is None or price <= self.price_max
        )


EVERYTHING = Wanted()

__all__ = ["EVERYTHING", "Wanted"]
