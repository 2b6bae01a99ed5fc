"""Knows which items are variants of one product, so that one that nobody has touched begins where its kin are."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice
from typing import Final

from models.recommender.catalogue import FactsLike

MOST_KIN: Final = 64
"""Members of a group that are looked at: a shop that gives all items one group pays no more than that."""


class Groups:
    """The group of each item that has one, and the items of each group.

    >>> groups = Groups()
    >>> [groups.put(item, "tea") for item in ("tea-red", "tea-blue")]
    [True, True]
    >>> groups.kin("tea-blue"), groups.kin("cup")
    (['tea-red'], [])
    """

    def __init__(self) -> None:
        self._group_of: dict[str, str] = {}
        self._members: dict[str, dict[str, None]] = {}

    @classmethod
    def of(cls, facts: Iterable[tuple[str, FactsLike]]) -> Groups:
        """The groups that facts of items name."""
        made = cls()
        for item, known in facts:
            if (group := getattr(known, "group_id", None)) is not None:  # hardly any has one, and a shop has many items
                made.put(item, group)
        return made

    def __contains__(self, item_id: object) -> bool:
        return item_id in self._group_of

    def __bool__(self) -> bool:
        return bool(self._group_of)

    def put(self, item_id: str, group: str | None) -> bool:
        """Set the group of an item; None takes it out of its group. Whether that changed anything."""
        before = self._group_of.get(item_id)
        if before == group:
            return False
        if before is not None:
            del self._group_of[item_id]
            members = self._members[before]
            del members[item_id]
            if not members:
                del self._members[before]
        if group is not None:
            self._group_of[item_id] = group
            self._members.setdefault(group, {})[item_id] = None
        return True

    def kin(self, item_id: str) -> list[str]:
        """The other items of its group, the first MOST_KIN; [] without a group."""
        group = self._group_of.get(item_id)
        if group is None:
            return []
        return [other for other in islice(self._members[group], MOST_KIN) if other != item_id]


__all__ = ["MOST_KIN", "Groups"]
