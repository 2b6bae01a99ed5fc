"""A visit in; the recommender's ranking and the stages that fill a page out. Stage 7.

Items that the request names are ranked with the others.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from itertools import repeat
from typing import Final, NamedTuple

import numpy as np

from models.recommender import Ranking
from models.slate import Candidate, Scored, Wanted
from service.http import MAX_CANDIDATES
from service.serving.table_sets import TableSet
from service.serving.variants import DEEPER, GroupOf, one_each
from service.serving.visit import CatalogueView, View, Visit

SPARE: Final = 40
"""Candidates beyond those asked for: some are removed or unavailable, and the ranking cannot know."""
EVERYTHING: Final = 2_000
"""More than there can be candidates."""
LOOKED_AT: Final = 2_000
"""Items that match a filter, of which the most popular are ranked. Looking at as many takes 0.3 ms."""
REQUESTED: Final = "requested"
"""Source of an item that the request named and nothing ranked."""


class Pool(NamedTuple):
    """The items that a page may be made from."""

    wanted: Wanted
    size: int
    """Items to collect."""
    excluded: set[str]
    named: list[str]
    """Items that the request pins or boosts."""
    groups: GroupOf | None = None
    """The product of each variant, where one of each is to be shown."""
    near: str | None = None
    """A category whose items fill the page before others do, where no filter names one."""

    @property
    def reach(self) -> int:
        """Items to look at so that enough are left for the pool."""
        return self.size * DEEPER if self.groups is not None else self.size


def rank(view: View, visit: Visit, pool: Pool) -> Ranking | None:
    """Rank candidates for a history, deep enough for the pool. None while no version is served.

    What the request names, and what matches its filters, is among the candidates.
    """
    if view.tables is None:
        return None
    tables, ask = view.tables, visit.ask
    by = tables.contender(ask.order)
    ranked = partial(
        tables.recommender.rank, *visit.history, visit.moment.now, query=ask.query, by=by, explain=ask.explain
    )
    if ask.candidates:
        return ranked(EVERYTHING, extra=ask.candidates, only=True)
    if pool.wanted.anything and not pool.named:
        return ranked(pool.reach + len(pool.excluded) + SPARE)
    # The sources know nothing of filters: what matches and what is named joins their candidates.
    return ranked(EVERYTHING, extra=list(dict.fromkeys([*pool.named, *matching(tables, view.catalogue, pool)])))


def matching(tables: TableSet, catalogue: CatalogueView, pool: Pool) -> list[str]:
    """Items that match the filters, the most popular recently first; [] when there is no filter."""
    wanted, room = pool.wanted, MAX_CANDIDATES - len(pool.named)
    if wanted.anything:
        return []
    if wanted.by_category and wanted.category is not None:
        return [*tables.recommender.popular(SPARE, wanted.category).items, *catalogue.category(wanted.category, room)]
    found = catalogue.likely(wanted, LOOKED_AT)
    if len(found) <= room:
        return found
    if not tables.items:
        return found[:room]
    rows = np.fromiter(map(tables.state.keys["item"].rows.get, found, repeat(-1)), np.int64, len(found))  # (found,)
    keys = np.where(rows >= 0, tables.state.tables["item_stats"].columns["key"][rows, 1], -np.inf)  # (found,)
    return [found[at] for at in np.argsort(-keys, kind="stable")[:room].tolist()]


def stages(ranking: Ranking | None, view: View, pool: Pool) -> Iterator[Iterator[Scored]]:
    """What fills the pool, in order of preference: ranked items, popular items, any item that matches."""
    tables, wanted, n = view.tables, pool.wanted, pool.reach
    if ranking is not None:
        yield _scored(ranking)
    if tables is not None:
        # Twice what is asked for: some of it is in the pool already, excluded or unavailable.
        category = wanted.category if wanted.category is not None else pool.near
        if category is not None:
            yield _popular(tables, 2 * n + 32, category)
        yield _popular(tables, 2 * n + 32, None)
    # Any items, in no particular order: an empty page helps nobody while items exist. There are enough to fill the page
    # even if all that is excluded, and all that stands on it already, came first.
    yield (Candidate(item, 0.0, "catalogue") for item in _any(view.catalogue, pool, 2 * n + len(pool.excluded)))
    if wanted.anything and tables is not None:
        yield (Candidate(item, 0.0, "catalogue") for item in tables.state.keys["item"].rows)


def _any(catalogue: CatalogueView, pool: Pool, enough: int) -> list[str]:
    if pool.wanted.anything:
        near = catalogue.category(pool.near, enough) if pool.near is not None else []
        return near + catalogue.shown(enough) if len(near) < enough else near
    if pool.wanted.by_category and pool.wanted.category is not None:
        return catalogue.category(pool.wanted.category, enough)
    passes = one_each(pool.groups, lambda item: item not in pool.excluded and not catalogue.hidden(item))
    return catalogue.matching(pool.wanted, 2 * pool.size, passes)


def _popular(tables: TableSet, n: int, category: str | None) -> Iterator[Candidate]:
    ranking = tables.recommender.popular(n, category)
    for item, score in zip(ranking.items, ranking.scores.tolist(), strict=True):
        yield Candidate(item, score, "popular")


def requested(ranking: Ranking | None, candidates: list[str]) -> Iterator[Iterator[Scored]]:
    """The items of a request that brings its own: first those that were ranked, then the others in the order given."""
    if ranking is not None:
        yield _scored(ranking)  # of nothing but these
    yield (Candidate(item, -1e-6 * place, REQUESTED) for place, item in enumerate(candidates))


def _scored(ranking: Ranking) -> Iterator[Scored]:
    return zip(ranking.items, ranking.scores.tolist(), ranking.sources, strict=True)


__all__ = ["REQUESTED", "SPARE", "Pool", "matching", "rank", "requested", "stages"]
