"""Ranks items for a history: the part of the recommender that a service needs. Stage 4.

Nothing here can allocate a row: a ranker sees a state through `ReadableState`, which has no method that adds an id.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np

from models import dimensions as dim
from models.arrays import Array
from models.kernels.serving import answer
from models.kernels.serving import explain as explain_places
from models.recommender.explanation import explained
from models.recommender.prequential import CONTENDERS, fading_scores
from models.recommender.scratch import Scratch, new_scratch
from models.recommender.types import Ranking
from models.records import normalised

UNTOUCHED, QUERY = "untouched", "query"
SOURCE_NAMES = np.array([*CONTENDERS, QUERY, UNTOUCHED], object)
"""Names of sources by number. The last two, -2 and -1, are not contenders: items taken after a search, and the
catalogue's lists of items that nobody has touched."""


class ReadableIds(Protocol):
    """Looks up the rows of ids of one kind."""

    @property
    def rows(self) -> Mapping[str, int]:
        """Row of each id."""

    @property
    def ids(self) -> Sequence[str | None]:
        """Id of each row, None for a free one."""

    def find(self, keys: Sequence[str], /) -> Array:
        """Return the rows of ids, (n,) i32, -1 for an unknown one."""


class ReadableTable(Protocol):
    """Gives the columns of one table."""

    @property
    def columns(self) -> Mapping[str, Array]:
        """Arrays by name, each (rows, ...)."""


class ReadableState(Protocol):
    """The part of a `State` that ranking reads."""

    @property
    def keys(self) -> Mapping[str, ReadableIds]:
        """Ids of each key space."""

    @property
    def tables(self) -> Mapping[str, ReadableTable]:
        """Tables by name."""

    @property
    def served(self) -> Any:
        """The served tables as nested named tuples."""

    @property
    def lent_served(self) -> Any:
        """The same, lent to kernels."""


class Ranker:
    """Ranks items by one state, which it only reads.

    `rank` and `similar` may run in several threads, each with its own `scratch`, while nobody writes to the state. With
    a state that holds only served tables, `rank`, `similar`, `popular` and `scores` answer as the learner would;
    `counters` needs the learner's own tables as well.
    """

    def __init__(self, state: ReadableState) -> None:
        self.state = state
        self._scratch = new_scratch()

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
        """Rank items for a history. Allocates no row.

        On a tie the candidate that the sources named first wins, or with `only` the one that comes first in `extra`.

        Args:
            items: Ids of the history's items, newest first. Unknown ids are skipped.
            times: Epoch seconds of each of these events.
            kinds: Code of the type of each of these events.
            now: Epoch seconds at which the question is asked.
            limit: Most items to return.
            extra: Further ids that must be among the candidates; the first 400 count.
            only: Rank the ids of `extra` and no others.
            query: The search to answer. Items that were taken after the same search join the candidates.
            by: Name of the contender that orders; None or "served" for the one in charge.
            explain: Return features and weights as well.
            scratch: Working memory of the calling thread; the ranker's own if left out.
        """
        scratch = scratch or self._scratch
        who = -1 if by is None else CONTENDERS.index(by)
        if who in (-1, dim.SERVED):  # "served" has no scores of its own
            who = int(self.state.served.chosen.contender[0])
        keys = self.state.keys["item"]
        named = extra[: dim.EXTRA]
        found = keys.find(named)
        count = int(
            answer(
                self.state.lent_served,
                scratch.lent,
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
        explain_places(scratch.lent, found, places, sources, which)
        return Ranking(
            self._ids(scratch, places, which, named),
            scores[places],
            SOURCE_NAMES[sources].tolist(),
            CONTENDERS[who],
            *(explained(scratch, places) if explain else ()),
        )

    def _ids(self, scratch: Scratch, places: Array, which: Array, named: Sequence[str]) -> list[str]:
        """Return the ids of the candidates at `places`.

        Ids that the request named are copied from the request: to read the id of a row is to wait for memory, twice.
        """
        own = which.tolist()
        if named and (which >= 0).all():
            return [*map(named.__getitem__, own)]
        ids, rows = self.state.keys["item"].ids, scratch.listed.items[places].tolist()
        return [named[at] if at >= 0 else ids[row] or "" for at, row in zip(own, rows, strict=True)]

    def similar(self, item_id: str, n: int = 20, *, scratch: Scratch | None = None) -> Ranking:
        """Rank what goes with one item, by co-visitation in both directions. Empty for an item nobody has touched."""
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
        """Rank items by recent popularity (half-life 5,000 events): at most 40, or 30 of one category.

        People count rather than events: the events of users who had the item in their history already are left out, in
        the proportion of all the item's events.
        """
        name, start, size = "top_items", dim.TOP, dim.TOP
        if category is not None:
            row = self.state.keys["category"].rows.get(category, -1)
            name, start, size = "category_top", row * dim.CATEGORY_TOP, dim.CATEGORY_TOP if row >= 0 else 0
        columns = self.state.tables[name].columns
        items, keys = columns["item"][start : start + size], columns["key"][start : start + size]
        used = np.flatnonzero(items >= 0)
        items, keys = items[used], keys[used] + self._log_share_of_newcomers(items[used])
        places = np.argsort(-keys, kind="stable")[:n]
        ids = self.state.keys["item"].ids
        return Ranking(
            [ids[row] or "" for row in items[places].tolist()],
            self._log_popularity(keys[places]),
            ["popularity_middle"] * len(places),
            "popularity_middle",
        )

    def _log_share_of_newcomers(self, rows: Array) -> Array:
        """(n,) f8: log of the share of an item's positive events whose user did not have it in the history."""
        stats = self.state.tables["item_stats"].columns
        positives, returns = stats["positives"][rows].astype(np.float64), stats["returns"][rows].astype(np.float64)
        return np.asarray(np.log((np.maximum(positives - returns, 0.0) + 1.0) / (positives + 1.0)))

    def _log_popularity(self, keys: Array) -> Array:
        applied = int(self.state.tables["clock"].columns["applied"][0])
        decayed = keys - np.log(2) / dim.HALF_LIVES[1] * applied
        return np.asarray(np.maximum(decayed, dim.FLOOR), np.float32)

    def scores(self) -> dict[str, dict[str, float]]:
        """Return the running scores of every contender: hit rate `hr`, reciprocal rank `rr`, tested events `n`."""
        return fading_scores(self.state.served.race)

    @property
    def chosen(self) -> str:
        """Name of the contender in charge: it orders what users are shown."""
        return CONTENDERS[int(self.state.served.chosen.contender[0])]

    def counters(self) -> dict[str, int]:
        """Return running totals: events applied, what ceilings did, and steps refused because they were not numbers."""
        columns = self.state.tables["progress"].columns
        names = ("evicted_items", "evicted_users", "evicted_queries", "deferred", "unplaced", "cold", "refused")
        return {
            "applied": int(self.state.tables["clock"].columns["applied"][0]),
            **{name: int(columns[name][0]) for name in names},
        }
