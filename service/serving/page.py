"""A view and a visit in; the page out. Stage 7: the path of every request."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import islice
from typing import Final, NamedTuple

from models.recommender import Ranking, item_lists
from models.slate import UNPROPOSED, Scored, Shown, Wanted, rotation, slate
from service.http import PageAsk
from service.serving.arrangement import arrange, depth, wishes, with_named
from service.serving.candidate_pool import REQUESTED, Pool, matching, rank, requested, stages
from service.serving.variants import group_of, one_each, others
from service.serving.visit import CatalogueView, View, Visit

FILLING = frozenset({"popular", "catalogue", REQUESTED})
"""Sources of the items that fill up a page where the ranking ends."""


EVERYTHING_RANKED: Final = 2_000
"""More than any list of the model can hold: filters come after it."""


class Page(NamedTuple):
    """The items of a page, the source of its first items, and the ranking that it was made from."""

    shown: list[Shown]
    served_by: str
    ranking: Ranking | None = None
    next_to: str | None = None
    """The item that the page stands next to."""


def recommend(view: View, visit: Visit) -> Page:
    """The page for a history: ranked candidates first, then popular items of the category, popular items, any items."""
    pool = _pool(view, visit)
    ranking = rank(view, visit, pool)
    if visit.ask.candidates:
        size = len(visit.ask.candidates) if wishes(visit.ask) else visit.ask.count
        return _composed(view, visit, pool._replace(size=size), ranking, requested(ranking, visit.ask.candidates))
    return _composed(view, visit, pool, ranking, stages(ranking, view, pool))


def popular(view: View, visit: Visit) -> Page:
    """The page of popular items: the same for everybody, but for what the request leaves out of a user's history."""
    pool = _pool(view, visit)
    return _composed(view, visit, pool, None, stages(None, view, pool))


def trending(view: View, visit: Visit) -> Page:
    """The page of items with which more is done than before, then popular items."""
    pool, ranking = _pool(view, visit), None
    if view.tables is not None:
        state, also = view.tables.recommender.state, matching(view.tables, view.catalogue, pool)
        ranking = item_lists.trending(state, EVERYTHING_RANKED, pool.wanted.category, also)
    return _composed(view, visit, pool, ranking, stages(ranking, view, pool))


def similar(view: View, visit: Visit, item_id: str) -> Page:
    """The page next to an item: items that go with it, then popular items of its category; no variant of it."""
    ranking = None
    if view.tables is not None:
        ranking = _proposed(view.tables.recommender.similar(item_id, EVERYTHING_RANKED))
    return _next_to(view, visit, item_id, ranking)


def bought_together(view: View, visit: Visit, item_id: str) -> Page:
    """The page of what is bought in the same orders as an item, and of nothing else; no variant of it."""
    ranking = None
    if view.tables is not None:
        ranking = item_lists.bought_together(view.tables.recommender.state, item_id, EVERYTHING_RANKED)
    return _next_to(view, visit, item_id, ranking, filled=False)


def _next_to(view: View, visit: Visit, item_id: str, ranking: Ranking | None, *, filled: bool = True) -> Page:
    facts = view.catalogue.get(item_id)
    pool = _pool(view, visit, without=item_id)._replace(near=facts.category if facts is not None else None)
    found = stages(ranking, view, pool)
    kept = found if filled else islice(found, int(ranking is not None))
    return _composed(view, visit, pool, ranking, kept, item_id)._replace(next_to=item_id)


def _pool(view: View, visit: Visit, without: str | None = None) -> Pool:
    """What a page may be made from. `without`: an item that it stands next to."""
    ask = visit.ask
    excluded = {*ask.exclude, *left_out(visit)}
    if without is not None:
        excluded.add(without)
    groups = None if ask.candidates else group_of(view.catalogue)
    return Pool(ask.wanted, depth(ask), excluded, [*ask.pins.values(), *ask.boosted], groups)


def left_out(visit: Visit) -> frozenset[str]:
    """Items of the history that the request leaves out, and the one that the user looks at."""
    ask, history = visit.ask, visit.history
    seen = slate.seen(history.items, history.kinds, ask.exclude_seen)
    if not ask.exclude_in_view or ask.candidates:
        return seen
    looked_at = slate.in_view(history.items, history.times, visit.moment.now)
    return seen if looked_at is None else seen | {looked_at}


def _composed(
    view: View,
    visit: Visit,
    pool: Pool,
    ranking: Ranking | None,
    found: Iterable[Iterable[Scored]],
    next_to: str | None = None,
) -> Page:
    """The page that what was found makes under the rules and wishes of the request."""
    ask, catalogue, groups = visit.ask, view.catalogue, pool.groups
    allowed = rules(catalogue, pool.wanted, pool.excluded)
    if groups is not None:
        named = [item for item in pool.named if item not in pool.excluded]
        seen = left_out(visit)
        allowed = others(groups, named, seen if next_to is None else [*seen, next_to], allowed)
    shown = slate.compose(found, pool.size, one_each(groups, allowed))
    if wishes(ask):
        if not ask.candidates:
            shown = with_named(shown, _named(ask, catalogue, allowed), ranking)
        shown = arrange(shown, view, visit)
    shown = shown[: ask.count]
    if ask.rotate and ask.user_id is not None:
        moment, items = visit.moment, [each.item_id for each in shown]
        moment.showings.add(ask.user_id, rotation.page(moment.request_id, items, moment.now))
    return _page(shown, ranking)


def _named(ask: PageAsk, catalogue: CatalogueView, allowed: Callable[[str], bool]) -> list[str]:
    """The named items that may be shown: pins whatever the filters say, boosted items within them."""
    barred = set(ask.exclude)
    fixed = [item for item in ask.pins.values() if item not in barred and not catalogue.hidden(item)]
    return [*fixed, *filter(allowed, ask.boosted)]


def _proposed(ranking: Ranking) -> Ranking:
    """Drop candidates that the source in charge did not propose itself; they are ranked far below its own."""
    kept = int((ranking.scores > UNPROPOSED).sum())
    return ranking._replace(items=ranking.items[:kept], scores=ranking.scores[:kept], sources=ranking.sources[:kept])


def rules(catalogue: CatalogueView, wanted: Wanted, excluded: set[str]) -> Callable[[str], bool]:
    """A test whether an item may be shown: not excluded, matching the filters, not removed or unavailable."""
    anything = wanted.anything

    def allowed(item: str) -> bool:
        if item in excluded or catalogue.hidden(item):
            return False
        return anything or wanted.matches(catalogue.get(item))

    return allowed


def _page(shown: list[Shown], ranking: Ranking | None) -> Page:
    head = next((each.source for each in shown if each.source != REQUESTED), None)
    if head is None:
        return Page(shown, REQUESTED if shown else "nothing", ranking)
    return Page(shown, head if ranking is None or head in FILLING else ranking.served_by, ranking)


__all__ = ["Page", "bought_together", "left_out", "popular", "recommend", "similar", "trending"]
