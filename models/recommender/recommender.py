"""One batch of events in, changed rows out; one history in, ranked items out: the two stages put together. Stage 4."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import repeat
from typing import Any, cast

import numpy as np

from models import dimensions as dim
from models.arrays import Array
from models.kernels.learning import learn
from models.kernels.serving import answer
from models.kernels.serving import explain as explain_places
from models.recommender.catalogue import FactsLike, ItemRows, is_available
from models.recommender.explanation import explained
from models.recommender.prequential import CONTENDERS, NOTHING, Tested, fading_scores, joined
from models.recommender.scratch import Scratch, new_scratch
from models.recommender.types import EventBatch, EventLike, Ranking, RecommenderOptions
from models.records import normalised, query_of
from models.state import SCHEMA, Ceilings, Limits, State, set_priors

UNTOUCHED, QUERY = "untouched", "query"
SOURCE_NAMES = np.array([*CONTENDERS, QUERY, UNTOUCHED], object)
"""Names by number. The last two, -2 and -1, are no contenders: what was taken after a search, and the catalogue's lists
of what nobody touched."""


def new_state(settings: RecommenderOptions | None = None, seed: int = 1) -> State:
    """An empty model. Equal seeds and equal events give equal bytes.

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


class Recommender:
    """Learns events and ranks items over one `State`.

    `learn` belongs to one thread; `rank` may run in others, each with its own `scratch`, on another state. On a state
    that holds served tables only, `rank`, `similar`, `popular` and `scores` work and give what the learner would.
    """

    def __init__(self, state: State, settings: RecommenderOptions | None = None) -> None:
        self.state = state
        self.settings = settings or RecommenderOptions()
        self._scratch = new_scratch()
        self._ceilings = Ceilings(state, Limits(self.settings.admit_after))
        self._catalogue = ItemRows(state, self._ceilings)
        self._weights = np.array(self.settings.weights, np.float32)

    # Learning

    def rows(
        self,
        events: Sequence[EventLike],
        record_times: Sequence[float],
        facts: Mapping[str, FactsLike] | None = None,
    ) -> EventBatch:
        """Ids to rows, for the longest run of events that needs no eviction in between, at least one.

        Allocates rows. A run ends just before an event whose new id finds its key space full, so that what is evicted
        depends on exactly the events before it and not on how they were cut into batches. `facts` are looked up for
        new items only; later changes come through `describe`.
        """
        if not events:
            return self._batch(events, record_times, *(np.zeros(0, np.int32) for _ in range(3)))
        texts = {at: text for at, event in enumerate(events) if (text := query_of(event)) is not None}
        # Only the first may evict, so it comes before the rows of the others are looked up.
        first = self._place(events[0], texts.get(0), facts, pending=False)
        user_rows, item_rows = (
            np.array([*map(self._row_getter(space), ids, repeat(-1))], np.int32)  # (n,)
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
        """Rows of user, item and query (-1: none); None when that needs an eviction and events before it wait."""
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
        """Test, then learn, the events in order, in one compiled call. Returns the ranks of those that were tested."""
        out = np.zeros((len(batch.user), 2 + dim.CONTENDERS), np.int32)
        state = self.state
        count = learn(state.served, state.private, batch, self._scratch, self.settings.test_every, out)
        return Tested(out[:count, 0], out[:count, 1], out[:count, 2:])

    def learn_events(
        self,
        events: Sequence[EventLike],
        record_times: Sequence[float],
        facts: Mapping[str, FactsLike] | None = None,
        watch: Callable[[EventBatch, Tested], None] | None = None,
    ) -> Tested:
        """`rows` and `learn` over all events, however many runs it takes; `watch` sees each run before the next."""
        parts, start = [], 0
        while start < len(events):
            batch = self.rows(events[start:], record_times[start:], facts)
            tested = self.learn(batch)
            if watch is not None:
                watch(batch, tested)
            parts.append(tested._replace(places=tested.places + start))
            start += len(batch.user)
        return joined(parts) if parts else NOTHING

    def describe(self, changes: Iterable[tuple[str, FactsLike]]) -> int:
        """Take over facts of items; one that has no row gets one, and is a candidate before anybody touched it.

        Where the ceiling leaves no room, untouched items make it, those longest in the catalogue first; a touched one
        never does, and the new item waits for its first event. Returns how many items got no row.
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

    def remove(self, space: str, ids: Iterable[str]) -> int:
        """Forget items or users: their rows and every reference to them. Returns how many there were."""
        known = [key for key in dict.fromkeys(ids) if key in self.state.keys[space].rows]
        if known:
            self._ceilings.release(space, known)
        return len(known)

    # Serving

    def rank(
        self,
        items: Sequence[str],
        times: Sequence[float],
        kinds: Sequence[int],
        now: float,
        limit: int = 100,
        *,
        extra: Sequence[str] = (),
        only: bool = False,
        query: str | None = None,
        by: str | None = None,
        explain: bool = False,
        scratch: Scratch | None = None,
    ) -> Ranking:
        """Items for a history (newest first; unknown ids are passed over) as seen at `now` (epoch seconds).

        Reads only: no row is allocated. `extra`: further ids that must be among the candidates (at most 400 count);
        `only`: and no others.
        `query`: the search that this answers; what was taken after it before is among the candidates.
        `by`: a contender's name instead of the one in charge, which is also "served". Ties: the candidate named first
        by the sources, or in `extra` where there are `only` these.
        `explain`: with features and weights.
        """
        scratch = scratch or self._scratch
        who = -1 if by is None else CONTENDERS.index(by)
        if who in (-1, dim.SERVED):  # what is served has no scores of its own
            who = int(self.state.served.chosen.contender[0])
        keys = self.state.keys["item"]
        named = extra[: dim.EXTRA]
        found = keys.find(named)
        count = int(
            answer(
                self.state.served,
                scratch,
                keys.find(items),
                np.array(times, np.float64).astype(np.int64),
                np.array(kinds, np.uint8),
                int(now),
                found[found >= 0],
                bool(only),
                self.state.keys["query"].rows.get(normalised(query), -1) if query else -1,
                who,
            )
        )
        scores = scratch.listed.scores[dim.SERVED, :count]
        places = (-scores).argsort(kind="stable")[:limit].astype(np.int32)
        sources, which = np.empty((2, len(places)), np.int32)
        explain_places(scratch.listed, scratch.union, found, places, sources, which)
        return Ranking(
            self._ids(scratch, places, which, named),
            scores[places],
            SOURCE_NAMES[sources].tolist(),
            CONTENDERS[who],
            *(explained(scratch, places) if explain else ()),
        )

    def _ids(self, scratch: Scratch, places: Array, which: Array, named: Sequence[str]) -> list[str]:
        """Ids of the candidates at `places`. What the request named is told by its own words: to read the id of a row
        is to wait for memory, twice."""
        own = which.tolist()
        if named and (which >= 0).all():
            return [*map(named.__getitem__, own)]
        ids, rows = self.state.keys["item"].ids, scratch.listed.items[places].tolist()
        return [named[at] if at >= 0 else ids[row] or "" for at, row in zip(own, rows, strict=True)]

    def similar(self, item_id: str, n: int = 20, *, scratch: Scratch | None = None) -> Ranking:
        """What goes with one item, by co-visitation in both directions. Empty for an item nobody touched."""
        stats = self.state.tables["item_stats"].columns
        row = self.state.keys["item"].rows.get(item_id, -1)
        if row < 0:
            return Ranking([], np.zeros(0, np.float32), [], "cosine")
        now = float(stats["last"][row])
        ranking = self.rank([item_id], [now], [0], now, n + 1, by="cosine", scratch=scratch)
        kept = [at for at, other in enumerate(ranking.items) if other != item_id][:n]
        return Ranking(
            [ranking.items[at] for at in kept],
            ranking.scores[kept],
            [ranking.sources[at] for at in kept],
            ranking.served_by,
        )

    def popular(self, n: int = 20, category: str | None = None) -> Ranking:
        """The most popular items of late (half-life 5,000 events), of one category if given: at most 40, or 30."""
        name, start, size = "top_items", dim.TOP, dim.TOP
        if category is not None:
            row = self.state.keys["category"].rows.get(category, -1)
            name, start, size = "category_top", row * dim.CATEGORY_TOP, dim.CATEGORY_TOP if row >= 0 else 0
        columns = self.state.tables[name].columns
        items, keys = columns["item"][start : start + size], columns["key"][start : start + size]
        places = [at for at in np.argsort(-keys, kind="stable") if items[at] >= 0][:n]
        ids = self.state.keys["item"].ids
        scores = self._log_popularity(keys[places])
        return Ranking(
            [ids[row] or "" for row in items[places].tolist()],
            scores,
            ["popularity_middle"] * len(places),
            "popularity_middle",
        )

    def _log_popularity(self, keys: Array) -> Array:
        applied = int(self.state.tables["clock"].columns["applied"][0])
        decayed = keys - np.log(2) / dim.HALF_LIVES[1] * applied
        return np.asarray(np.maximum(decayed, dim.FLOOR), np.float32)

    def scores(self) -> dict[str, dict[str, float]]:
        """Fading prequential scores of every contender: hit rate `hr`, reciprocal rank `rr`, tested events `n`."""
        return fading_scores(self.state.served.race)

    @property
    def chosen(self) -> str:
        """The contender that orders what is served."""
        return CONTENDERS[int(self.state.served.chosen.contender[0])]

    def counters(self) -> dict[str, int]:
        """Running totals: events applied, what ceilings did, and steps refused because they were no numbers."""
        columns: dict[str, Any] = self.state.tables["progress"].columns
        names = ("evicted_items", "evicted_users", "evicted_queries", "deferred", "unplaced", "cold", "refused")
        return {
            "applied": int(self.state.tables["clock"].columns["applied"][0]),
            **{name: int(columns[name][0]) for name in names},
        }
