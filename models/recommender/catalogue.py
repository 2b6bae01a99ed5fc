"""Writes the facts of items into their rows, and keeps the lists of items that nobody has touched. Stage 1."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, NamedTuple, Protocol

import numpy as np

from models import dimensions as dim
from models.kernels.cold_start.lists import link, unlink
from models.state import Ceilings, State

TRUST: Final = 0.1
"""AdaGrad sum of a borrowed vector, as of an imported one: the first events change it only a little."""


class FactsLike(Protocol):
    """What the recommender reads of an item's facts (models/records/items.py has the real one).

    May also have `available: bool`, `group_id: str | None`, and `content: bytes | None`, a vector as
    models/records/content.py makes it.
    """

    @property
    def category(self) -> str | None:
        """Name of the category."""

    @property
    def brand(self) -> str | None:
        """Name of the brand."""

    @property
    def price(self) -> float | None:
        """Price, in the shop's currency."""


class _Facts(NamedTuple):
    """Facts of a row together with those that complete it."""

    category: str | None
    brand: str | None
    price: float | None
    available: bool
    content: bytes | None


def is_available(facts: FactsLike) -> bool:
    """Whether the shop sells the item now: true unless the facts say otherwise."""
    return bool(getattr(facts, "available", True))


class ItemRows:
    """Writes facts into item rows."""

    def __init__(self, state: State, ceilings: Ceilings) -> None:
        self._state = state
        self._ceilings = ceilings

    def describe(self, row: int, facts: FactsLike) -> None:
        """Set the facts of an item, and list it as untouched while nobody has touched it and it is available."""
        after = self._ceilings.place("category", facts.category)  # before any view is taken: it may make a row
        served = self._state.served
        stats = served.item_stats
        before = int(stats.category[row])
        untouched = stats.key[row, 2] == dim.NEVER and stats.events[row] == 0
        available = is_available(facts)
        if not available or before != after or not untouched:
            lent = self._state.lent_served
            unlink(lent.item_fresh, lent.category_fresh, lent.fresh, before, row)
        self.set_facts(row, facts)
        if untouched and available:
            lent = self._state.lent_served
            second = int(self._state.private.progress.watermark[0])
            link(lent.item_fresh, lent.category_fresh, lent.fresh, after, row, second)

    def complete(self, row: int, facts: FactsLike) -> bool:
        """Set those facts of an item that its row lacks; whether there are any."""
        stats = self._state.tables["item_stats"].columns
        category, brand = int(stats["category"][row]), int(stats["brand"][row])
        vector = self._state.tables["item_content"].columns["v"][row]
        content = getattr(facts, "content", None)
        price = facts.price
        priced = stats["log_price"][row] != dim.NO_PRICE or price is None or not 0 < price < np.inf
        if (
            (category >= 0 or not facts.category)
            and (brand >= 0 or not facts.brand)
            and priced
            and (content is None or vector.any())
        ):
            return False
        keys = self._state.keys
        self.describe(
            row,
            _Facts(
                keys["category"].ids[category] if category >= 0 else facts.category,
                keys["brand"].ids[brand] if brand >= 0 else facts.brand,
                price,
                is_available(facts),
                vector.tobytes() if vector.any() else content,
            ),
        )
        return True

    def set_facts(self, row: int, facts: FactsLike) -> None:
        """Set category and brand, and the price if none is known yet: later prices are learned from events."""
        stats = self._state.tables["item_stats"]
        stats.columns["category"][row] = self._ceilings.place("category", facts.category)
        stats.columns["brand"][row] = self._ceilings.place("brand", facts.brand)
        price = facts.price
        if price is not None and 0 < price < np.inf and stats.columns["log_price"][row] == dim.NO_PRICE:
            stats.columns["log_price"][row] = np.log(price)
        rows = np.array([row], np.int32)
        stats.mark(rows)
        vectors = self._state.tables["item_content"]
        content = np.frombuffer(getattr(facts, "content", None) or bytes(dim.CONTENT), np.int8)
        if not np.array_equal(vectors.columns["v"][row], content):
            vectors.columns["v"][row] = content
            vectors.mark(rows)

    def borrow(self, item_id: str, kin: Iterable[str]) -> bool:
        """Let an item that nobody has touched begin with the vectors of its most touched variant; whether it does.

        A title tells variants apart by a word, so their contents are alike already; what a product's customers take
        before and after it is in the vectors. Popularity and memories are not borrowed: they count what was done.
        """
        rows, stats = self._state.keys["item"].rows, self._state.tables["item_stats"].columns
        row = rows.get(item_id, -1)
        if row < 0 or stats["events"][row] or stats["first"][row]:  # touched, or imported
            return False
        others = np.array([rows[other] for other in kin if other in rows], np.int32)
        if not others.size:
            return False
        lender = int(others[stats["events"][others].argmax()])
        if not stats["events"][lender]:
            return False
        for name, vector in (("item_factors", "q"), ("item_last", "g")):
            table = self._state.tables[name]
            table.columns[vector][row] = table.columns[vector][lender]
            table.columns[f"{vector}_sum"][row] = TRUST
            table.mark(np.array([row], np.int32))
        return True
