"""One history in, ranked items out: what a service needs of the recommender. Stage 4.

Nothing here can make a row: a ranker sees a state through `ReadableState`, which offers no way to add an id.
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
"""Names by number. The last two, -2 and -1, are no contenders: what was taken after a search, and the catalogue's lists
of what nobody touched."""


class ReadableIds(Protocol):
    """Ids of one kind and their rows, to be looked up only."""

    @property
    def rows(self) -> Mapping[str, int]: ...
    @property
    def ids(self) -> Sequence[str | None]: ...
    def find(self, keys: Sequence[str], /) -> Array: ...


class ReadableTable(Protocol):
    """The columns of one table."""

    @property
    def columns(self) -> Mapping[str, Array]: ...


class ReadableState(Protocol):
    """What ranking reads of a `State`."""

    @property
    def keys(self) -> Mapping[str, ReadableIds]: ...
    @property
    def tables(self) -> Mapping[str, ReadableTable]: ...
    @property
    def served(self) -> Any: ...


class Ranker:
    """Ranks items over one state, which it only reads.

    `rank` and `similar` may run in several threads, each with its own `scratch`, while nobody writes to the state. On a
    state that holds served tables only, every answer is the one that the learner would give.
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
        columns = self.state.tables["progress"].columns
        names = ("evicted_items", "evicted_users", "evicted_queries", "deferred", "unplaced", "cold", "refused")
        return {
            "applied": int(self.state.tables["clock"].columns["applied"][0]),
            **{name: int(columns[name][0]) for name in names},
        }
