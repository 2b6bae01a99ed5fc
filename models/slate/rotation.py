"""Rotates items that a user was shown already: remembers showings and moves their items down. Stage 7.

The exposure of an item to a user is a sum over its showings, each halving every hour: one half for a place on a slate,
the other half when an impression says that it was seen. A showing no longer counts once the user did something with the
item after it. An item goes down by `log2(1 + exposure)` spreads of the slate, times the request's `rotate`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final, NamedTuple

import numpy as np

from models.arrays import Array

HALF_LIFE: Final = 3_600.0
"""Seconds after which a showing counts half: a visit takes minutes, and tomorrow an offer may be shown again."""

ON_A_PAGE: Final = 0.5
SEEN: Final = 0.5
"""Exposure of a place on a slate and of an impression; together they are one showing."""

ITEMS_PER_USER: Final = 64
"""Places remembered per user: six slates of ten. The one shown longest ago is forgotten first; a longer one is cut."""

ENTRIES: Final = 200_000
"""Places remembered of all users together, some 40 MB. The users seen longest ago are forgotten first."""


class Showing(NamedTuple):
    """What one answer showed a user.

    Attributes:
        request_id: the answer's id.
        time: when it was given, epoch seconds; 0 while only impressions are known.
        items: ids of its items.
        seen: for each item, when an impression said that it was seen, epoch seconds; 0 for not.
    """

    request_id: str
    time: float
    items: list[str]
    seen: list[float]

    @property
    def since(self) -> float:
        """When it was shown, or first seen, epoch seconds."""
        return self.time or min(self.seen, default=0.0)


def page(request_id: str, items: Sequence[str], now: float, places: int = ITEMS_PER_USER) -> Showing:
    """Makes the showing of a slate.

    >>> page("5f", ["tea", "mug"], 9.0)
    Showing(request_id='5f', time=9.0, items=['tea', 'mug'], seen=[0.0, 0.0])
    """
    kept = list(items[:places])
    return Showing(request_id, now, kept, [0.0] * len(kept))


def impression(request_id: str | None, item: str, then: float) -> Showing:
    """Makes the showing of an item that was seen. Without a request_id it belongs to no slate and counts by itself."""
    return Showing(request_id if request_id is not None else f"{item}@{then!r}", 0.0, [item], [then])


def merged(one: Showing, other: Showing) -> Showing:
    """Merges two showings of one request. Where the slate is known, impressions of other items are ignored.

    >>> merged(impression("5f", "tea", 11.0), page("5f", ["tea", "mug"], 9.0))
    Showing(request_id='5f', time=9.0, items=['tea', 'mug'], seen=[11.0, 0.0])
    """
    if other.time and not one.time:
        one, other = other, one
    items, seen = list(one.items), list(one.seen)
    at = {item: place for place, item in enumerate(items)}
    for item, then in zip(other.items, other.seen, strict=True):
        if item in at:
            seen[at[item]] = max(then, seen[at[item]])
        elif not one.time:
            at[item] = len(items)
            items.append(item)
            seen.append(then)
    return Showing(one.request_id, one.time, items, seen)


def remembered(known: Iterable[Showing], reported: Iterable[Showing], places: int = ITEMS_PER_USER) -> list[Showing]:
    """Merge new showings into those known of a user: each request once, newest last, at most `places` items in all.

    `streaming/store/lua/shown.lua` does the same in Redis; a test runs both. A request that is reported again keeps its
    place. What was shown longest ago is forgotten first.

    >>> first = remembered([], [page("5e", ["tea", "mug"], 9.0), impression("5f", "pot", 12.0)])
    >>> [showing.request_id for showing in remembered(first, [page("5d", ["cup"], 11.0)], places=3)]
    ['5d', '5f']
    """
    found = list(known)
    for showing in reported:
        place = next((at for at in range(len(found) - 1, -1, -1) if found[at].request_id == showing.request_id), None)
        if place is None:
            place = len(found)
            while place and found[place - 1].since > showing.since:
                place -= 1
            found.insert(place, showing)
        else:
            found[place] = merged(found[place], showing)
        found[place] = found[place]._replace(items=found[place].items[:places], seen=found[place].seen[:places])
    excess = sum(len(showing.items) for showing in found) - places
    while excess > 0:
        excess -= len(found.pop(0).items)
    return found


def united(local: Iterable[Showing], stored: Iterable[Showing]) -> list[Showing]:
    """Unites the showings that two memories hold of a user, each request once."""
    found = {showing.request_id: showing for showing in stored}
    for showing in local:
        known = found.get(showing.request_id)
        found[showing.request_id] = showing if known is None else merged(showing, known)
    return list(found.values())


def exposures(showings: Iterable[Showing], items: Sequence[str], touched: Mapping[str, float], now: float) -> Array:
    """Returns the exposure of each item, (items,).

    Args:
        showings: what the user was shown.
        items: ids of the items.
        touched: item -> when the user last did something with it, epoch seconds.
        now: epoch seconds.

    >>> shown = [page("5f", ["tea", "mug"], 100.0), impression("5e", "tea", 100.0)]
    >>> exposures(shown, ["tea", "mug", "pot"], {"mug": 105.0}, 3_700.0).tolist()
    [0.5, 0.0, 0.0]
    """
    found = dict.fromkeys(items, 0.0)
    for showing in showings:
        for item, seen in zip(showing.items, showing.seen, strict=True):
            if item in found and touched.get(item, float("-inf")) < (showing.time or seen):
                place = decayed(ON_A_PAGE, now - showing.time) if showing.time else 0.0
                found[item] += place + (decayed(SEEN, now - seen) if seen else 0.0)
    return np.array([found[item] for item in items])


class Showings:
    """Remembers the showings of users, in bounded memory. Not safe from several threads.

    Args:
        entries: places remembered of all users together.
        per_user: places remembered of one user.

    >>> showings = Showings()
    >>> showings.add("ann", page("5f", ["tea", "mug"], 1.0))
    >>> showings.add("ann", impression("5f", "tea", 4.0))
    >>> showings.of("ann")
    [Showing(request_id='5f', time=1.0, items=['tea', 'mug'], seen=[4.0, 0.0])]
    """

    def __init__(self, entries: int = ENTRIES, per_user: int = ITEMS_PER_USER) -> None:
        self._limit, self._per_user = entries, per_user
        self._users: dict[str, list[Showing]] = {}
        self._size = 0

    def __len__(self) -> int:
        return self._size

    def __contains__(self, user: str) -> bool:
        return user in self._users

    def add(self, user: str, showing: Showing) -> None:
        """A user was shown or saw something, and counts as the one asked for last."""
        before = self._users.pop(user, [])
        after = remembered(before, [showing], self._per_user)
        self._users[user] = after
        self._size += _places(after) - _places(before)
        while self._size > self._limit:
            self._size -= _places(self._users.pop(next(iter(self._users))))

    def of(self, user: str) -> list[Showing]:
        """What is remembered of a user."""
        return list(self._users.get(user, ()))

    def users(self) -> list[str]:
        """Returns the users of whom something is remembered."""
        return list(self._users)

    def forget(self, user: str) -> None:
        """Drop what is known of a user."""
        self._size -= _places(self._users.pop(user, ()))


def _places(showings: Iterable[Showing]) -> int:
    return sum(len(showing.items) for showing in showings)


def decayed(exposure: float, seconds: float) -> float:
    """Returns what is left of an exposure after some seconds. A clock that went back takes nothing away.

    >>> decayed(1.0, 7_200.0)
    0.25
    """
    return float(exposure * 0.5 ** (max(0.0, seconds) / HALF_LIFE))


def spreads(exposures: Array) -> Array:
    """Returns by how many spreads of the slate items with these exposures go down.

    >>> spreads(np.array([0.0, 1.0, 3.0])).tolist()
    [0.0, 1.0, 2.0]
    """
    return np.log2(1.0 + exposures)


__all__ = [
    "HALF_LIFE",
    "ITEMS_PER_USER",
    "ON_A_PAGE",
    "SEEN",
    "Showing",
    "Showings",
    "decayed",
    "exposures",
    "impression",
    "merged",
    "page",
    "remembered",
    "spreads",
    "united",
]
