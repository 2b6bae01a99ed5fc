"""What users were shown and when in, by how much each shown item goes down out. Stage 7.

The exposure of an item to a user is a sum over its showings, each halving every hour: one half for a place on a page,
the other half when an impression says that it was seen. It is 0 once the user did something with the item after it was
shown. An item goes down by `log2(1 + exposure)` spreads of the page times what the request asks for.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np

from models.tables import Array

HALF_LIFE: Final = 3_600.0
"""Seconds after which a showing counts half: a visit is minutes, and by tomorrow an offer may be looked at afresh."""

ON_A_PAGE: Final = 0.5
SEEN: Final = 0.5
"""What a place on a page and an impression count; together one showing."""

ITEMS_PER_USER: Final = 64
"""Items remembered per user: six pages of ten. What was shown longest ago is forgotten first."""

ENTRIES: Final = 200_000
"""Items remembered of all users together, some 40 MB; the users asked for longest ago are forgotten first."""


class Showings:
    """Remembers what was shown to whom, bounded. Times are arguments, epoch seconds. Not safe from several threads.

    >>> showings = Showings()
    >>> showings.add("ann", ["tea", "mug"], ON_A_PAGE, 0.0)
    >>> showings.add("ann", ["tea"], SEEN, 0.0)
    >>> showings.exposures("ann", ["tea", "mug", "pot"], {"mug": 5.0}, 3_600.0).tolist()
    [0.5, 0.0, 0.0]
    """

    def __init__(self, entries: int = ENTRIES, per_user: int = ITEMS_PER_USER) -> None:
        self._limit, self._per_user = entries, per_user
        self._users: dict[str, dict[str, tuple[float, float]]] = {}
        self._size = 0

    def __len__(self) -> int:
        return self._size

    def __contains__(self, user: str) -> bool:
        return user in self._users

    def add(self, user: str, items: Sequence[str], weight: float, now: float) -> None:
        """Items were shown to a user; the user counts as the one asked for last."""
        mine = self._users.pop(user, {})
        self._size -= len(mine)
        self._users[user] = mine
        for item in items:
            exposure, then = mine.pop(item, (0.0, now))
            mine[item] = (decayed(exposure, now - then) + weight, max(now, then))
        while len(mine) > self._per_user:
            del mine[next(iter(mine))]
        self._size += len(mine)
        while self._size > self._limit:
            self._size -= len(self._users.pop(next(iter(self._users))))

    def exposures(self, user: str, items: Sequence[str], touched: Mapping[str, float], now: float) -> Array:
        """(items,) exposure of each item; `touched`: when the user last did something with an item."""
        mine = self._users.get(user)
        if mine is None:
            return np.zeros(len(items))
        return np.array([_ignored(mine.get(item), touched.get(item), now) for item in items])

    def users(self) -> list[str]:
        """Whoever something is remembered of."""
        return list(self._users)

    def forget(self, user: str) -> None:
        """Drop what is known of a user."""
        self._size -= len(self._users.pop(user, {}))


def _ignored(entry: tuple[float, float] | None, touched: float | None, now: float) -> float:
    if entry is None or (touched is not None and touched >= entry[1]):
        return 0.0
    return decayed(entry[0], now - entry[1])


def decayed(exposure: float, seconds: float) -> float:
    """What is left of an exposure after some seconds; a clock that went back takes nothing away.

    >>> decayed(1.0, 7_200.0)
    0.25
    """
    return float(exposure * 0.5 ** (max(0.0, seconds) / HALF_LIFE))


def spreads(exposures: Array) -> Array:
    """By how many spreads of the page items with these exposures go down.

    >>> spreads(np.array([0.0, 1.0, 3.0])).tolist()
    [0.0, 1.0, 2.0]
    """
    return np.log2(1.0 + exposures)


__all__ = ["HALF_LIFE", "ON_A_PAGE", "SEEN", "Showings", "decayed", "spreads"]
