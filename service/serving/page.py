"""A view and a visit in; the page out. Stage 7: the path of every request."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import NamedTuple

from models.recommender import Ranking
from models.slate import EVERYTHING, UNPROPOSED, Shown, Wanted, rotation, slate
from service.http import PageAsk
from service.serving.arrangement import arrange, depth, wishes, with_named
from service.serving.candidate_pool import REQUESTED, Pool, rank, requested, stages
from service.serving.variants import GroupOf, group_of, one_each, others
from service.serving.visit import CatalogueView, View, Visit

FILLING = frozenset({"popular", "catalogue", REQUESTED})
"""Sources of the items that fill up a page where the ranking ends."""


class Page(NamedTuple):
    """The items of a page, the source of its first items, and the ranking that it was made from."""

    shown: list[Shown]
    served_by: str
    ranking: Ranking | None = None


def recommend(view: View, visit: Visit) -> Page:
    """The page for a history: ranked candidates first, then popular items of the category, popular items, any items."""
    ask, catalogue = visit.ask, view.catalogue
    seen = slate.seen(visit.history.items, visit.history.kinds, ask.exclude_seen)
    excluded, named = {*ask.exclude, *seen}, [*ask.pins.values(), *ask.boosted]
    groups = None if ask.candidates else group_of(catalogue)
    pool = Pool(ask.wanted, depth(ask), excluded, named, groups)
    ranking = rank(view, visit, pool)
    allowed = rules(catalogue, pool.wanted, excluded)
    if groups is not None:
        allowed = others(groups, [item for item in named if item not in excluded], seen, allowed)
    wished = wishes(ask)
    if ask.candidates:
        size = len(ask.candidates) if wished else ask.count
        shown = slate.compose(requested(ranking, ask.candidates), size, allowed)
    else:
        shown = slate.compose(stages(ranking, view, pool), pool.size, one_each(groups, allowed))
    if wished:
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


def popular(view: View, wanted: Wanted, n: int, exclude: Iterable[str] = ()) -> Page:
    """The page of popular items, the same for everybody."""
    pool = Pool(wanted, n, set(exclude), [], group_of(view.catalogue))
    allowed = rules(view.catalogue, wanted, pool.excluded)
    shown = slate.compose(stages(None, view, pool), n, one_each(pool.groups, allowed))
    return _page(shown, None)


def similar(view: View, item_id: str, n: int) -> Page:
    """The page next to an item: items that go with it, then popular items of its category; no variant of it."""
    ranking = _proposed(view.tables.recommender.similar(item_id, n)) if view.tables is not None else None
    facts = view.catalogue.get(item_id)
    category = facts.category if facts is not None else None
    pool = Pool(Wanted(category), n, {item_id}, [], group_of(view.catalogue))
    allowed = rules(view.catalogue, EVERYTHING, pool.excluded)
    shown = slate.compose(stages(ranking, view, pool), n, _but_variants_of(item_id, pool.groups, allowed))
    return _page(shown, ranking)


def _but_variants_of(item_id: str, groups: GroupOf | None, allowed: Callable[[str], bool]) -> Callable[[str], bool]:
    return allowed if groups is None else one_each(groups, others(groups, [], [item_id], allowed))


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


__all__ = ["Page", "popular", "recommend", "similar"]
