"""Decides whether a new id gets a row, and which ids make room for it: unbounded ids, bounded memory.

When a key space is full, a sixteenth of it is evicted at once: items with the least long-term popularity, users who
have been idle longest. A count sketch (Cormode and Muthukrishnan, 2005) that forgets can hold items back until their
n-th event.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import xxhash

from models import dimensions as dim
from models.arrays import Array
from models.kernels.cold_start.lists import unlink_all
from models.state.state import State

CHUNK = 16
"""One over the share evicted at once. Each eviction sweeps every reference once, so small chunks would cost more."""

CELLS = 4
"""Cells of the sketch that count an item: the least of them counts."""

FEW = 1024
"""One over the share of a ceiling that untouched items must have before they make room for other untouched ones. Where
there is one, each new item of a catalogue would evict the one before it, and sweep every reference for that."""

LONGEST_WAIT = 255
"""Largest `admit_after`: what a byte of the sketch can count."""


_EVICTED = {"item": "evicted_items", "user": "evicted_users", "query": "evicted_queries"}


@dataclass(frozen=True, slots=True)
class Limits:
    """When a new item is admitted.

    Attributes:
        admit_after: Events that must name an item before it gets a row.

    Raises:
        ValueError: `admit_after` is not 1 to LONGEST_WAIT.
    """

    admit_after: int = 1

    def __post_init__(self) -> None:
        if not 1 <= self.admit_after <= LONGEST_WAIT:
            raise ValueError(f"admit_after is {self.admit_after}: choose 1 to {LONGEST_WAIT} events")


class Ceilings:
    """Keeps every key space of a state below its ceiling."""

    def __init__(self, state: State, limits: Limits) -> None:
        self._state = state
        self._limits = limits

    def room(self, user_id: str, item_id: str | None, pending: bool, query: str | None = None) -> bool:
        """Make room for the ids of an event.

        Args:
            user_id: Its user.
            item_id: Its item, when that is to get a row.
            pending: Whether events before this one are not learned yet.
            query: Its search.

        Returns:
            False when room needs an eviction and events are pending: those must be learned first.
        """
        wanted = (("item", item_id), ("user", user_id), ("query", query))
        full = [space for space, key in wanted if self._lacks_room(space, key)]
        if full and pending:
            return False
        for space in full:
            self._evict(space)
        return True

    def _lacks_room(self, space: str, key: str | None) -> bool:
        keys = self._state.keys[space]
        return key is not None and keys.full and key not in keys.rows

    def room_untouched(self) -> bool:
        """Make room for a catalogue item. Untouched ones give way, touched ones never do; False where they are few."""
        keys = self._state.keys["item"]
        if not keys.full:
            return True
        listed = np.flatnonzero(self._state.tables["item_fresh"].columns["listed"][: keys.capacity]).astype(np.int32)
        if listed.size < max(1, keys.space.ceiling // FEW):
            return False
        self._release_first("item", listed)
        return True

    def settle(self) -> None:
        """Evict until no key space holds more than its ceiling: after a merge, which gives new ids rows regardless."""
        for space in _EVICTED:
            keys = self._state.keys[space]
            while len(keys) > keys.space.ceiling:
                self._evict(space)

    def _evict(self, space: str) -> None:
        known = self._state.keys[space].rows
        self._release_first(space, np.sort(np.fromiter(known.values(), np.int32, len(known))))

    def _release_first(self, space: str, rows: Array) -> None:
        """Release one chunk of `rows`: untouched items by arrival, then the least popular; the idlest users."""
        keys = self._state.keys[space]
        chunk = max(1, keys.space.ceiling // CHUNK)
        activity = self._activity(space)
        if len(rows) > chunk:  # only those that can be among the first: sorting a million takes half a second
            last = activity[-1][rows]
            rows = rows[last <= np.partition(last, chunk - 1)[chunk - 1]]
        idle = rows[np.lexsort([order[rows] for order in activity])[:chunk]]
        self.release(space, [keys.ids[row] or "" for row in idle])
        self._count(_EVICTED[space], len(idle))

    def _activity(self, space: str) -> tuple[Array, ...]:
        # The smallest are evicted first; the last key counts most, as in np.lexsort.
        if space == "user":
            return (self._state.tables["user"].columns["last"],)
        if space == "query":
            return (self._state.tables["query_stats"].columns["last"],)
        fresh = self._state.tables["item_fresh"].columns
        return fresh["arrived"], self._state.tables["item_stats"].columns["key"][:, 2]

    def release(self, space: str, ids: Sequence[str]) -> None:
        """Free the rows of known ids, and every reference to them."""
        if space == "item":
            # A sweep would cut the lists in two where the item was.
            lent, stats = self._state.lent_served, self._state.served.item_stats
            rows = np.array([self._state.keys["item"].rows[key] for key in ids], np.int32)
            unlink_all(lent.item_fresh, lent.category_fresh, lent.fresh, stats.category, rows)
        self._state.remove(space, ids)

    def ready(self, item_id: str) -> bool:
        """Whether a new item gets its row at this event, because enough events before it named the item."""
        if self._limits.admit_after <= 1:
            return True
        counts = self._state.tables["sightings"].columns["count"]
        return int(counts[_cells(item_id)].min()) + 1 >= self._limits.admit_after

    def defer(self, item_id: str) -> None:
        """Count an event that named an item without a row. From time to time all counts are halved."""
        sightings, cells = self._state.tables["sightings"], _cells(item_id)
        counts = sightings.columns["count"]
        counts[cells] = np.minimum(counts[cells], LONGEST_WAIT - 1) + 1
        sightings.mark(cells)
        self._count("deferred", 1)
        if int(self._state.tables["progress"].columns["deferred"][0]) % dim.SIGHTED == 0:
            sightings.mark(np.flatnonzero(counts).astype(np.int32))
            counts >>= 1

    def place(self, space: str, key: str | None) -> int:
        """The row of a category or brand, a new one if needed; -1 without a key, or when there is no room."""
        if key is None or not key:
            return -1
        keys = self._state.keys[space]
        row = keys.rows.get(key, -1)
        if row >= 0:
            return row
        if keys.full:
            self._count("unplaced", 1)
            return -1
        return self._state.add(space, key)

    def _count(self, name: str, by: int) -> None:
        progress = self._state.tables["progress"]
        progress.columns[name][0] += by
        progress.mark(np.zeros(1, np.int32))


def _cells(item_id: str) -> Array:
    digest = xxhash.xxh3_128_intdigest(item_id.encode())
    places = [(digest >> 32 * each) & (dim.SIGHTINGS - 1) for each in range(CELLS)]
    return np.unique(np.array(places, np.int32))
