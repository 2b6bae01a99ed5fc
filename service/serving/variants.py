"""Keeps a page to one variant of each product: items with the same `group_id` are variants. Stage 7.

Pinned and boosted items come first: where the request names a variant, no other one of its product is shown. A product
that the user has seen, as far as `exclude_seen` says, is left out whatever the variant. A request that brings its own
candidates gets all of them: the shop chose them one by one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final

from service.serving.visit import CatalogueView

GroupOf = Callable[[str], str | None]
"""The group of an item, None for an item that has none."""

DEEPER: Final = 8
"""How many times as many items a page is made from where the catalogue has variants: most products have fewer."""


def group_of(catalogue: CatalogueView) -> GroupOf | None:
    """The groups of a catalogue; None where no item has one, so that nothing is looked up in vain."""
    if not catalogue.grouped:
        return None

    def found(item: str) -> str | None:
        facts = catalogue.get(item)
        return facts.group_id if facts is not None else None

    return found


def one_each(groups: GroupOf | None, passes: Callable[[str], bool]) -> Callable[[str], bool]:
    """A test that passes, of each group, the first item that `passes`."""
    if groups is None:
        return passes
    taken: set[str] = set()

    def first(item: str) -> bool:
        group = groups(item)
        if group in taken or not passes(item):
            return False
        if group is not None:
            taken.add(group)
        return True

    return first


def others(
    groups: GroupOf, named: Iterable[str], left_out: Iterable[str], passes: Callable[[str], bool]
) -> Callable[[str], bool]:
    """A test that passes no other variant of a product that is named, and none of one that is left out.

    Args:
        groups: The group of each item.
        named: Items that the request names; of two of a group the first counts.
        left_out: Items whose products are not wanted.
        passes: What an item must pass besides.
    """
    barred = {group for item in left_out if (group := groups(item)) is not None}
    claimed: dict[str, str] = {}
    for item in named:
        if (group := groups(item)) is not None:
            claimed.setdefault(group, item)

    def allowed(item: str) -> bool:
        group = groups(item)
        if group is not None and (group in barred or claimed.get(group, item) != item):
            return False
        return passes(item)

    return allowed


__all__ = ["DEEPER", "GroupOf", "group_of", "one_each", "others"]
