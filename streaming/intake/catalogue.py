"""Keeps the facts of every item that become features, and tells the recommender when they change."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from models.looking import Look, unhurried
from models.recommender import Groups, Recommender
from models.records import ItemFacts
from streaming.live import TOMBSTONES, Completion, FactChange, removed_items, stored_facts
from streaming.store import Store


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
        removed: Items that were removed before, the latest last: events that describe them do not bring them back.
    """

    def __init__(self, stored: Iterable[tuple[str, ItemFacts]] = (), removed: Iterable[str] = ()) -> None:
        self.facts: dict[str, Known] = {item: known(facts, None) for item, facts in stored}
        self._removed: dict[str, None] = dict.fromkeys(removed)
        self.groups = Groups.of(self.facts.items())

    @classmethod
    def of(cls, store: Store, look: Look = unhurried) -> KnownItems:
        """The items that a store knows. Raises StoreUnavailable, and what `look` raises after each part of them."""
        return cls(stored_facts(store, look), removed_items(store))

    def take(
        self, recommender: Recommender, changes: Sequence[FactChange], contents: Sequence[bytes | None] | None = None
    ) -> None:
        """Take changes in the order of the topic. A removed item leaves the model; put back, it starts from scratch.

        Args:
            recommender: Changed in place.
            changes: Records of topic `items`, and completions.
            contents: The vector of each change; by default vectors made of words.
        """
        vectors = contents or [None if change[3] is None else change[3].content for change in changes]
        last_removal = {change[2]: at for at, change in enumerate(changes) if change[3] is None}
        # All together, because each removal sweeps every reference that the model holds. An item that comes back starts
        # from scratch, wherever the stream was cut into batches.
        self._lend(recommender, last_removal)
        recommender.remove("item", last_removal)
        for item in last_removal:
            self.facts.pop(item, None)
            self.groups.put(item, None)
            self._note_removal(item)
        lent: set[str] = set()
        for at, (change, content) in enumerate(zip(changes, vectors, strict=True)):
            item, facts = change[2:4]
            if facts is None or at < last_removal.get(item, -1):
                continue
            if isinstance(change, Completion):
                self._complete(recommender, item, known(facts, content), lent)
            else:
                self._removed.pop(item, None)
                self.facts[item] = known(facts, content)
                recommender.describe([(item, self.facts[item])])
                self._described(recommender, item, lent)

    def follow(self, item: str, facts: Known | None) -> None:
        """Take over what another learner knows of an item, whose rows come with a merge; None for a removed one."""
        if facts is None:
            self.facts.pop(item, None)
            self._note_removal(item)
        else:
            self._removed.pop(item, None)
            self.facts[item] = facts
        self.groups.put(item, None if facts is None else facts.group_id)

    def _complete(self, recommender: Recommender, item: str, said: Known, lent: set[str]) -> None:
        """Take what an event says of an item, where nothing is known, unless the item was removed."""
        if item in self._removed:
            return
        before = self.facts.get(item)
        after = said
        if before is not None:
            after = before._replace(**{
                name: fact for name, fact in said._asdict().items() if getattr(before, name) is None
            })
        self.facts[item] = after
        # Also where nothing is new: facts are known ahead of a model that goes back to a version.
        if recommender.complete(item, after) or before != after:
            self._described(recommender, item, lent)

    def _described(self, recommender: Recommender, item: str, lent: set[str]) -> None:
        """Follow what has become known of an item with the variants of its product.

        `lent` are groups in which everybody has taken over, since no group has changed: a product of thousands of
        variants that are sold out together would take seconds otherwise.
        """
        facts = self.facts[item]
        if self.groups.put(item, facts.group_id):
            lent.clear()
        recommender.borrow(item, self.groups)
        on_pages = item in recommender.state.keys["item"].rows
        if on_pages and not facts.available and facts.group_id is not None and facts.group_id not in lent:
            self._lend(recommender, [item])
            lent.add(facts.group_id)

    def _note_removal(self, item: str) -> None:
        self._removed.pop(item, None)
        self._removed[item] = None
        if len(self._removed) > TOMBSTONES:
            del self._removed[next(iter(self._removed))]

    def _lend(self, recommender: Recommender, items: Iterable[str]) -> None:
        """Let variants that nobody has touched take over from those that leave the pages.

        Each takes over once, however many of its product leave together. An item without a row was on no page.
        """
        rows = recommender.state.keys["item"].rows
        for heir in dict.fromkeys(other for item in items if item in rows for other in self.groups.kin(item)):
            recommender.borrow(heir, self.groups)


def known(facts: ItemFacts, content: bytes | None) -> Known:
    """The facts of a record that become features, with its vector."""
    return Known(facts.category, facts.brand, facts.price, facts.available, content, facts.group_id)
