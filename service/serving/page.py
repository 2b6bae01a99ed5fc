"""In: a request, the user's history, one table set. Out: the page. Stage 7: every request's path."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from models.recommender import Ranking
from models.slate import EVERYTHING, UNPROPOSED, Shown, Wanted, rotation, slate
from service.http import Ask, pins
from service.serving import arrangement as arranging
from service.serving.arrangement import RequestMoment
from service.serving.candidate_pool import NOBODY, REQUESTED, CatalogueView, History, Pool, rank, requested, stages
from service.serving.table_sets import TableSet

FILLING = frozenset({"popular", "catalogue", REQUESTED})
"""Sources of what fills a page that the ranking does not."""


class Page(NamedTuple):
    """What is shown, what filled its head, and the ranking it was made from."""

    shown: list[Shown]
    served_by: str
    ranking: Ranking | None = None


def recommend(
    held: TableSet | None, catalogue: CatalogueView, ask: Ask, history: History, moment: RequestMoment, place: str = "$"
) -> Page:
    """The slate for a history. Ranked candidates first, then the category, what is popular, the catalogue.

    `place` is what the request is called where a field of it is wrong.
    """
    excluded = {*ask.exclude, *slate.seen(history.items, history.kinds, ask.exclude_seen)}
    pinned = pins(ask, place) if ask.pinned else {}
    pool = Pool(ask.wanted, arranging.depth(ask), excluded, [*pinned.values(), *ask.boosted])
    ranking = rank(held, catalogue, ask, history, moment.now, pool) if held is not None else None
    allowed = rules(catalogue, pool.wanted, excluded)
    wishes = arranging.wishes(ask)
    if ask.candidates:
        size = len(ask.candidates) if wishes else ask.count
        shown = slate.compose(requested(ranking, ask.candidates), size, allowed)
    else:
        shown = slate.compose(stages(ranking, held, catalogue, pool), pool.size, allowed)
    if wishes:
        if not ask.candidates:
            shown = arranging.with_named(shown, _named(ask, pinned, catalogue, allowed), ranking)
        shown = arranging.arrange(shown, ask, pinned, held, catalogue, history, moment)
    if ask.rotate and ask.user_id is not None:
        items = [each.item_id for each in shown[: ask.count]]
        moment.showings.add(ask.user_id, rotation.page(moment.request_id, items, moment.now))
    return _page(shown[: ask.count], ranking)


def _named(ask: Ask, pinned: dict[int, str], catalogue: CatalogueView, allowed: Callable[[str], bool]) -> list[str]:
    """What may be shown of what the request names: pins whatever the filters say, boosted items within them."""
    barred = set(ask.exclude)
    fixed = [item for item in pinned.values() if item not in barred and not catalogue.hidden(item)]
    return [*fixed, *filter(allowed, ask.boosted)]


def popular(held: TableSet | None, catalogue: CatalogueView, ask: Ask) -> Page:
    """The slate that everybody gets."""
    excluded = set(ask.exclude)
    pool = Pool(ask.wanted, ask.count, excluded, [])
    page = slate.compose(stages(None, held, catalogue, pool), ask.count, rules(catalogue, pool.wanted, excluded))
    return _page(page, None)


def similar(held: TableSet | None, catalogue: CatalogueView, item_id: str, n: int) -> Page:
    """The slate beside an item: what goes with it, then its category."""
    ranking = _proposed(held.recommender.similar(item_id, n)) if held is not None else None
    facts = catalogue.get(item_id)
    category = facts.category if facts is not None else None
    pool = Pool(Wanted(category), n, {item_id}, [])
    page = slate.compose(stages(ranking, held, catalogue, pool), n, rules(catalogue, EVERYTHING, pool.excluded))
    return _page(page, ranking)


def _proposed(ranking: Ranking) -> Ranking:
    """Without the candidates that the source in charge did not propose itself, which stand far below its own."""
    kept = int((ranking.scores > UNPROPOSED).sum())
    return ranking._replace(items=ranking.items[:kept], scores=ranking.scores[:kept], sources=ranking.sources[:kept])


def rules(catalogue: CatalogueView, wanted: Wanted, excluded: set[str]) -> Callable[[str], bool]:
    """Whether an item may be shown: not excluded, matching the filters, not removed or unavailable."""
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


__all__ = ["NOBODY", "CatalogueView", "History", "Page", "RequestMoment", "popular", "recommend", "similar"]
