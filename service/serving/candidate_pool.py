"""In: a request and a table set. Out: the recommender's ranking, with what the request names among the candidates."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from itertools import repeat
from typing import Final, NamedTuple, Protocol

import numpy as np

from models.recommender import Ranking
from models.records import ItemFacts
from models.slate import Candidate, Scored, Wanted
from service.http import MAX_CANDIDATES, Ask
from service.serving.table_sets import TableSet

SPARE: Final = 40
"""Candidates beyond those asked for: some are removed or unavailable, and the ranking cannot know."""
EVERYTHING: Final = 2_000
"""More than there can be candidates."""
LOOKED_AT: Final = 2_000
"""Items that match a filter and from which the most popular are ranked: 0.3 ms."""
REQUESTED: Final = "requested"
"""Source of an item that the request named and nothing ranked."""


class CatalogueView(Protocol):
    """What the shop says of its items, as it stands this moment."""

    def get(self, item_id: str) -> ItemFacts | None:
        """The facts of an item, None when the shop said nothing."""
        ...

    def hidden(self, item_id: str) -> bool:
        """Whether an item was removed or is unavailable."""
        ...

    def category(self, name: str, limit: int) -> list[str]:
        """At most `limit` items of a category, none of them hidden."""
        ...

    def shown(self, limit: int) -> list[str]:
        """At most `limit` items the shop told of, none of them hidden."""
        ...

    def likely(self, wanted: Wanted, limit: int) -> list[str]:
        """At most `limit` items, nearly all of which match a filter: to rank, not to show."""
        ...

    def matching(self, wanted: Wanted, limit: int, passes: Callable[[str], bool]) -> list[str]:
        """At most `limit` items that match a filter and pass, none of them hidden."""
        ...


class History(NamedTuple):
    """What a user did, newest first: item ids, epoch seconds, event codes."""

    items: list[str]
    times: list[float]
    kinds: list[int]


NOBODY = History([], [], [])


class Pool(NamedTuple):
    """What a page is made from: items that may stand on it, how many, and what the request named besides."""

    wanted: Wanted
    size: int
    excluded: set[str]
    named: list[str]


def rank(held: TableSet, catalogue: CatalogueView, ask: Ask, history: History, now: float, pool: Pool) -> Ranking:
    """The ranking for a history, deep enough for the pool, with the request's own items among the candidates."""
    ranked = partial(held.recommender.rank, *history, now, query=ask.query, by=held.order, explain=ask.explain)
    if ask.candidates:
        return ranked(EVERYTHING, extra=ask.candidates, only=True)
    if pool.wanted.anything and not pool.named:
        return ranked(pool.size + len(pool.excluded) + SPARE)
    # What the sources propose is of all kinds: what matches and what is named is put beside it to be ranked.
    return ranked(EVERYTHING, extra=list(dict.fromkeys([*pool.named, *matching(held, catalogue, pool)])))


def matching(held: TableSet, catalogue: CatalogueView, pool: Pool) -> list[str]:
    """Items that match the filters, the most popular of late first; [] when there is no filter."""
    wanted, room = pool.wanted, MAX_CANDIDATES - len(pool.named)
    if wanted.anything:
        return []
    if wanted.by_category and wanted.category is not None:
        return [*held.recommender.popular(SPARE, wanted.category).items, *catalogue.category(wanted.category, room)]
    found = catalogue.likely(wanted, LOOKED_AT)
    if len(found) <= room:
        return found
    if not held.items:
        return found[:room]
    rows = np.fromiter(map(held.state.keys["item"].rows.get, found, repeat(-1)), np.int64, len(found))
    keys = np.where(rows >= 0, held.state.tables["item_stats"].columns["key"][rows, 1], -np.inf)
    return [found[at] for at in np.argsort(-keys, kind="stable")[:room].tolist()]


def stages(
    ranking: Ranking | None, held: TableSet | None, catalogue: CatalogueView, pool: Pool
) -> Iterator[Iterator[Scored]]:
    """What fills the pool, in order of preference: what was ranked, what is popular, whatever matches."""
    wanted, n = pool.wanted, pool.size
    if ranking is not None:
        yield _scored(ranking)
    if held is not None:
        # Twice what is asked for: some of it is in the pool already, excluded or unavailable.
        if wanted.category is not None:
            yield _popular(held, 2 * n + 32, wanted.category)
        yield _popular(held, 2 * n + 32, None)
    # Whatever there is, in no particular order: an empty page helps nobody while items exist. Enough to fill it even if
    # all that is excluded, and all that stands on it already, came first.
    yield (Candidate(item, 0.0, "catalogue") for item in _whatever(catalogue, pool, 2 * n + len(pool.excluded)))
    if wanted.anything and held is not None:
        yield (Candidate(item, 0.0, "catalogue") for item in held.state.keys["item"].rows)


def _whatever(catalogue: CatalogueView, pool: Pool, enough: int) -> list[str]:
    if pool.wanted.anything:
        return catalogue.shown(enough)
    if pool.wanted.by_category and pool.wanted.category is not None:
        return catalogue.category(pool.wanted.category, enough)
    return catalogue.matching(pool.wanted, 2 * pool.size, lambda item: item not in pool.excluded)


def _popular(held: TableSet, n: int, category: str | None) -> Iterator[Candidate]:
    ranking = held.recommender.popular(n, category)
    for item, score in zip(ranking.items, ranking.scores.tolist(), strict=True):
        yield Candidate(item, score, "popular")


def requested(ranking: Ranking | None, candidates: list[str]) -> Iterator[Iterator[Scored]]:
    """The items of a request that brings its own, ranked; those nothing is known of at the end, in the order given."""
    if ranking is not None:
        yield _scored(ranking)  # of nothing but these
    yield (Candidate(item, -1e-6 * place, REQUESTED) for place, item in enumerate(candidates))


def _scored(ranking: Ranking) -> Iterator[Scored]:
    return zip(ranking.items, ranking.scores.tolist(), ranking.sources, strict=True)


__all__ = ["NOBODY", "REQUESTED", "CatalogueView", "History", "Pool", "matching", "rank", "requested", "stages"]
