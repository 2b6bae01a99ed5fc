"""Facts of items that events of another shape mention: they complete the known facts, and never replace one.

A record of topic `items` replaces all facts of its item. A *completion* has the facts that an event names: each is
taken where the item has none. So a repeat changes nothing, the order of events hardly matters, and what the shop itself
says of an item always counts. In topic `items` completions have keys of their own, so that compaction keeps both.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any, Final

import msgspec

from models.records.items import ItemFacts, usable_facts

COMPLETED: Final = ("category", "brand", "title", "tags", "group_id", "price")
"""Facts that events complete. What an event says may be old when it is read, and the first word counts: what is on sale
now (`available`) and the shop's `rating` and `embedding` are left to item records."""

DESCRIBING: Final = tuple(field for field in COMPLETED if field != "price")
"""Those that make an event one that describes its item: a price alone is the event's."""

_MARK: Final = "\x1f"
"""In front of the item's id in the key of a completion. No id holds a control character: older learners refuse it."""

MOST_ITEMS: Final = 1_000_000
"""Items of which is remembered what events said, some 150 MB; beyond it everything is forgotten, and said once more."""

_NOTHING: Final = ItemFacts()
_EVERYTHING: Final = (1 << len(COMPLETED)) - 1
_BITS: Final = {field: 1 << place for place, field in enumerate(COMPLETED)}


def completion_key(item_id: str) -> str:
    r"""The key of completions of an item in topic `items`.

    >>> completion_key("tea"), completed_by(b"\x1ftea"), completed_by(b"tea")
    ('\x1ftea', b'tea', None)
    """
    return _MARK + item_id


def completed_by(key: bytes | None) -> bytes | None:
    """The key of the item that a record of topic `items` completes; None for every other record."""
    return key[1:] if key is not None and key[:1] == _MARK.encode() else None


def completion(item_id: str, found: dict[str, Any], left_out: Counter[str] | None = None) -> ItemFacts | None:
    """Makes a completion of what an event says of its item; None when it says nothing.

    Args:
        item_id: the item.
        found: values by the name of the fact.
        left_out: counts facts that cannot be used, by name.

    >>> named(completion("tea", {"category": "drinks", "title": 7}, counted := Counter())), counted
    ({'category': 'drinks'}, Counter({'title': 1}))
    """
    if not found:
        return None
    unusable: list[str] = []
    try:
        facts = usable_facts(item_id, found, unusable.append)
    except UnicodeEncodeError:  # half of a surrogate pair, which JSON can spell and UTF-8 cannot
        facts, unusable = _NOTHING, list(found)
    if left_out is not None:
        left_out.update(unusable)
    return facts if isinstance(facts, ItemFacts) and facts != _NOTHING else None


def only_completed(facts: ItemFacts) -> ItemFacts | None:
    """Facts of a record as a completion: without those that only item records may say; None when none are left.

    >>> named(only_completed(ItemFacts(category="drinks", available=False))), only_completed(ItemFacts(rating=4.0))
    ({'category': 'drinks'}, None)
    """
    said = named(facts)
    return ItemFacts(**said) if said else None


def named(facts: ItemFacts) -> dict[str, Any]:
    """The facts of a completion, by name.

    >>> named(ItemFacts(category="drinks", available=False))
    {'category': 'drinks'}
    """
    return {field: value for field in COMPLETED if (value := getattr(facts, field)) not in {None, ()}}


def completed(known: ItemFacts, facts: ItemFacts) -> ItemFacts:
    """What is known of an item, with those facts of a completion that it lacks; `known` itself when it lacks none.

    >>> named(completed(ItemFacts(category="drinks"), ItemFacts(category="food", price=3.0)))
    {'category': 'drinks', 'price': 3.0}
    """
    more = {field: value for field, value in named(facts).items() if getattr(known, field) in {None, ()}}
    return msgspec.structs.replace(known, **more) if more else known


class Mentioned:
    """Remembers which facts of which items events have said, so that each is taken once and then costs nothing.

    Args:
        most: items of which that is remembered.

    Attributes:
        found: completions since `take` was called last: item and facts.

    >>> said, wanted = Mentioned(), mask_of(("category", "brand"))
    >>> said.missing("tea", wanted) == wanted
    True
    >>> said.add("tea", ItemFacts(category="drinks", brand="Kyusu"))
    >>> said.missing("tea", wanted), [item for item, _ in said.take()], said.take()
    (0, ['tea'], [])
    >>> said.forget("tea")
    >>> said.missing("tea", wanted) == wanted
    True
    """

    def __init__(self, most: int = MOST_ITEMS) -> None:
        self._said: dict[str, int] = {}
        self._most = most
        self.found: list[tuple[str, ItemFacts]] = []

    def missing(self, item_id: str, mask: int) -> int:
        """Those of these facts that no event has said of the item yet."""
        return mask & ~self._said.get(item_id, 0)

    def take(self) -> list[tuple[str, ItemFacts]]:
        """The completions since the last call."""
        found, self.found = self.found, []
        return found

    def take_by_item(self) -> dict[str, ItemFacts]:
        """As `take`, with what several events say of one item together."""
        together: dict[str, ItemFacts] = {}
        for item_id, facts in self.take():
            together[item_id] = completed(together.get(item_id, facts), facts)
        return together

    def add(self, item_id: str, facts: ItemFacts) -> None:
        """Note a completion, and keep it for `take`."""
        self.found.append((item_id, facts))
        self._put(item_id, self._said.get(item_id, 0) | mask_of(named(facts)))

    def close(self, item_id: str) -> None:
        """Note that the shop removed the item: nothing more is wanted of it."""
        self._put(item_id, _EVERYTHING)

    def forget(self, item_id: str) -> None:
        """Note that the shop's own record has replaced all facts of the item: what it lacks may be said again."""
        self._said.pop(item_id, None)

    def _put(self, item_id: str, mask: int) -> None:
        if len(self._said) >= self._most:
            self._said.clear()
        self._said[item_id] = mask


def mask_of(fields: Iterable[str]) -> int:
    """Facts as bits, for `Mentioned`."""
    return sum(map(_BITS.__getitem__, fields))


__all__ = [
    "COMPLETED",
    "DESCRIBING",
    "Mentioned",
    "completed",
    "completed_by",
    "completion",
    "completion_key",
    "mask_of",
    "named",
    "only_completed",
]
