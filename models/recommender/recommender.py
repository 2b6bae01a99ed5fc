"""Learns batches of events into a state, and ranks by it. Stages 2 to 4."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import repeat
from typing import cast

import numpy as np

from models import dimensions as dim
from models.arrays import Array
from models.kernels.learning import learn
from models.recommender import joining
from models.recommender.catalogue import FactsLike, ItemRows, is_available
from models.recommender.groups import Groups
from models.recommender.histories import Overwritten, overwritten
from models.recommender.prequential import NOTHING, Tested, joined
from models.recommender.ranker import Ranker
from models.recommender.types import EventBatch, EventLike, RecommenderOptions
from models.records import query_of
from models.state import SCHEMA, Ceilings, Limits, State, set_priors


def new_state(settings: RecommenderOptions | None = None, seed: int = 1) -> State:
    """Make an empty model. Equal seeds and equal events give equal bytes.

    >>> new_state(RecommenderOptions(items=100), seed=7).keys["item"].space.ceiling
    100
    """
    state = State(SCHEMA, (settings or RecommenderOptions()).ceilings())
    progress = state.tables["progress"]
    progress.columns["seed"][0] = seed
    progress.columns["random"][0] = seed
    progress.mark(np.zeros(1, np.int32))
    set_priors(state)
    return state


class Recommender(Ranker):
    """A ranker that also learns: it alone makes and removes rows. For one thread, the learner's.

    Args:
        state: What it learns into.
        settings: Ceilings and weights.
        learners: How many learners share the numbers of events; each takes every `learners`-th (models/merging).
    """

    def __init__(self, state: State, settings: RecommenderOptions | None = None, learners: int = 1) -> None:
        super().__init__(state)
        self.state: State = state
        self.settings = settings or RecommenderOptions()
        self._ceilings = Ceilings(state, Limits(self.settings.admit_after))
        self._catalogue = ItemRows(state, self._ceilings)
        self._learners = learners
        self._weights = np.array(self.settings.weights, np.float32)

    def rows(
        self,
        events: Sequence[EventLike],
        record_times: Sequence[float],
        facts: Mapping[str, FactsLike] | None = None,
    ) -> EventBatch:
        """Turn ids into rows for the longest run of events that needs no eviction in between, at least one event.

        Allocates rows. A run ends just before an event whose new id finds its key space full, so that evictions depend
        on exactly the events before them and not on how the stream was cut into batches.

        Args:
            events: Events in order.
            record_times: Epoch seconds of each event's record.
            facts: Item facts, looked up for new items only; later changes come through `describe`.

        Returns:
            The first events as arrays; its length says how many.
        """
        if not events:
            return self._batch(events, record_times, *(np.zeros(0, np.int32) for _ in range(3)))
        asked = [at for at, event in enumerate(events) if getattr(event, "query", None)]
        texts = {at: text for at in asked if (text := query_of(events[at])) is not None}
        # Only the first event may evict, so it is placed before the rows of the others are looked up.
        first = self._place(events[0], texts.get(0), facts, pending=False)
        user_rows, item_rows = (
            np.fromiter(map(self._row_getter(space), ids, repeat(-1)), np.int32, len(events))  # (n,)
            for space, ids in (("user", [e.user_id for e in events]), ("item", [e.item_id for e in events]))
        )
        query_rows = np.full(len(events), -1, np.int32)
        unknown = {0, *np.flatnonzero((user_rows < 0) | (item_rows < 0)).tolist(), *texts}
        for at in sorted(unknown):
            placed = self._place(events[at], texts.get(at), facts, pending=True) if at else first
            if placed is None:
                return self._batch(events[:at], record_times, user_rows[:at], item_rows[:at], query_rows[:at])
            user_rows[at], item_rows[at], query_rows[at] = placed
        return self._batch(events, record_times, user_rows, item_rows, query_rows)

    def _row_getter(self, space: str) -> Callable[[str | None, int], int]:
        return cast("Callable[[str | None, int], int]", self.state.keys[space].rows.get)

    def _place(
        self, event: EventLike, text: str | None, facts: Mapping[str, FactsLike] | None, *, pending: bool
    ) -> tuple[int, int, int] | None:
        """Return the rows of user, item and query, -1 for none; None if that needs an eviction while events wait."""
        user, item = self.state.keys["user"].rows.get(event.user_id, -1), -1
        if event.item_id is not None:
            item = self.state.keys["item"].rows.get(event.item_id, -1)
        if user < 0 or (item < 0 and event.item_id is not None) or text is not None:
            named = event.item_id if item < 0 and self._admitted(event.item_id) else None
            if not self._ceilings.room(event.user_id, named, pending, text):
                return None
            user = self.state.add("user", event.user_id)
            item = item if item >= 0 else self._item(event.item_id, named is not None, facts)
        return user, item, self.state.add("query", text) if text is not None else -1

    def _admitted(self, item_id: str | None) -> bool:
        return item_id is not None and self._ceilings.ready(item_id)

    def _item(self, item_id: str | None, admitted: bool, facts: Mapping[str, FactsLike] | None) -> int:
        if item_id is None:
            return -1
        if not admitted:
            self._ceilings.defer(item_id)
            return -1
        row = self.state.add("item", item_id)
        known = facts.get(item_id) if facts is not None else None
        if known is not None:
            self._catalogue.set_facts(row, known)
        return row

    def _batch(
        self, events: Sequence[EventLike], record_times: Sequence[float], users: Array, items: Array, queries: Array
    ) -> EventBatch:
        count = len(events)
        kinds = np.fromiter([event.kind for event in events], np.uint8, count)
        return EventBatch(
            users,
            items,
            queries,
            kinds,
            np.fromiter([event.timestamp for event in events], np.float64, count),
            np.array(record_times[:count], np.float64),
            np.fromiter([event.price or 0.0 for event in events], np.float64, count),
            self._weights[kinds],
        )

    def learn(self, batch: EventBatch) -> Tested:
        """Test, then learn, each event in order, in one compiled call. Returns the ranks of the tested events."""
        out = np.zeros((len(batch.user), 2 + dim.CONTENDERS), np.int32)
        state = self.state
        every, stride = self.settings.test_every, self._learners
        count = learn(state.lent_served, state.lent_private, batch, self._scratch.lent, every, stride, out)
        return Tested(out[:count, 0], out[:count, 1], out[:count, 2:])

    def learn_events(
        self,
        events: Sequence[EventLike],
        record_times: Sequence[float],
        facts: Mapping[str, FactsLike] | None = None,
        watch: Callable[[EventBatch, Tested, Overwritten], None] | None = None,
        groups: Groups | None = None,
    ) -> Tested:
        """Turn all events into rows and learn them, in as many runs as it takes.

        Args:
            events: Events in order.
            record_times: Epoch seconds of each event's record.
            facts: Item facts, looked up for new items.
            watch: Called with each run, its tested events and what it overwrote in the histories of users, before the
                next run is learned.
            groups: Variants. A run ends before the first event of one, which then borrows from the others: what they
                have learned by then depends on the events before it alone, however the stream was cut into batches.

        Returns:
            The tested events; places count from the first of `events`.
        """
        parts, start = [], 0
        firsts = self._first_touches(events, groups) if groups else []
        while start < len(events):
            while groups and firsts and firsts[0] <= start:
                self.borrow(str(events[firsts.pop(0)].item_id), groups)
            stop = firsts[0] if firsts else len(events)
            batch = self.rows(events[start:stop], record_times[start:stop], facts)
            found = overwritten(self.state, batch) if watch is not None else None
            tested = self.learn(batch)
            if watch is not None and found is not None:
                watch(batch, tested, found)
            parts.append(tested._replace(places=tested.places + start))
            start += len(batch.user)
        return joined(parts) if parts else NOTHING

    def _first_touches(self, events: Sequence[EventLike], groups: Groups) -> list[int]:
        """Places of the first event of each variant that nobody has touched."""
        rows, counts = self.state.keys["item"].rows, self.state.tables["item_stats"].columns["events"]
        found: dict[str, int] = {}
        for at, event in enumerate(events):
            item = event.item_id
            if item in groups and item is not None and item not in found and item in rows and not counts[rows[item]]:
                found[item] = at
        return list(found.values())

    def borrow(self, item_id: str, groups: Groups) -> bool:
        """Let a variant that nobody has touched begin where its most touched variant is; whether it does."""
        return self._catalogue.borrow(item_id, groups.kin(item_id))

    def describe(self, changes: Iterable[tuple[str, FactsLike]]) -> int:
        """Take over facts of items. An item without a row gets one, and is a candidate before anybody touches it.

        When the ceiling is reached, untouched items give way, those longest in the catalogue first. A touched item
        never does: then the new item waits for its first event. Returns the number of items that got no row.
        """
        keys, waiting = self.state.keys["item"], 0
        for item_id, facts in changes:
            row = keys.rows.get(item_id, -1)
            if row < 0:
                if not is_available(facts):
                    continue
                if not self._ceilings.room_untouched():
                    waiting += 1
                    continue
                row = self.state.add("item", item_id)
            self._catalogue.describe(row, facts)
        return waiting

    def complete(self, item_id: str, facts: FactsLike) -> bool:
        """Take over those facts of an item that its row lacks; without a row, all of them. Whether anything changed."""
        row = self.state.keys["item"].rows.get(item_id, -1)
        if row < 0:
            self.describe([(item_id, facts)])
            return item_id in self.state.keys["item"].rows
        return self._catalogue.complete(row, facts)

    def remove(self, space: str, ids: Iterable[str]) -> int:
        """Forget items or users: their rows and every reference to them. Returns how many were known."""
        known = [key for key in dict.fromkeys(ids) if key in self.state.keys[space].rows]
        if known:
            self._ceilings.release(space, known)
        return len(known)

    def settle(self) -> None:
        """Evict what a merge brought beyond the ceilings (models/merging)."""
        self._ceilings.settle()

    def join(self, users: Sequence[str], into: str) -> int:
        """Add what is known of some users to another one, and forget them. Returns how many were known."""
        rows = self.state.keys["user"].rows
        known = [user for user in users if user in rows and user != into]
        for user in known:
            more = joining.past(self.state, rows[user])
            self._ceilings.release("user", [user])
            # There is room: the row of the other one has just become free.
            joining.add(self.state, self.state.add("user", into), more)
        return len(known)
