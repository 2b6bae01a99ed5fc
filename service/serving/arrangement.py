"""A pool in order of score and a request's wishes in; the page out. Stage 7.

A request without wishes never comes here.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from models.arrays import Array
from models.recommender import Ranking
from models.slate import Shown, Wishes, alike, rotation, slate, traits
from service.http import PageAsk
from service.serving.candidate_pool import REQUESTED, SPARE
from service.serving.table_sets import TableSet
from service.serving.visit import View, Visit


def wishes(ask: PageAsk) -> bool:
    """Whether the request wishes for more than the best items by score."""
    return bool(ask.diversity or ask.pins or ask.boosted or ask.rotate or ask.explore)


def depth(ask: PageAsk) -> int:
    """Candidates of the pool: more than the page has places where rules may bring up items from further down."""
    return ask.count + SPARE if ask.diversity or ask.rotate or ask.explore else ask.count


def arrange(pool: list[Shown], view: View, visit: Visit) -> list[Shown]:
    """Arrange a pool into the page that the request wishes for.

    Pinned and boosted items must be in the pool already, see `with_named`.
    """
    if not pool:
        return []
    ask = visit.ask
    places = {shown.item_id: at for at, shown in enumerate(pool)}
    boosted = set(ask.boosted)
    wished = Wishes(
        ask.count,
        ask.diversity,
        {place: places[item] for place, item in ask.pins.items() if item in places},
        np.array([shown.item_id in boosted for shown in pool]),
        ask.boost_share if boosted else 0.0,
        ask.rotate,
        ask.explore,
    )
    random = np.random.default_rng(visit.moment.seed) if ask.explore else None
    return slate.arranged(pool, wished, _likeness(pool, view, ask), _penalty(pool, visit), random)


def _likeness(pool: list[Shown], view: View, ask: PageAsk) -> Array | None:
    if not ask.diversity:
        return None
    facts = [view.catalogue.get(shown.item_id) for shown in pool]
    return alike(traits(_vectors(pool, view.tables), facts))


def _vectors(pool: list[Shown], tables: TableSet | None) -> Array:
    """(pool, factors) learned vector of each item, zeros where the model has none."""
    if tables is None or not tables.items:
        return np.zeros((len(pool), 1))
    rows = np.array([tables.state.keys["item"].rows.get(shown.item_id, -1) for shown in pool])
    learned = tables.state.tables["item_factors"].columns["q"]
    return np.where(rows[:, None] >= 0, learned[rows], 0.0).astype(np.float64)


def _penalty(pool: list[Shown], visit: Visit) -> Array | None:
    """(pool,) spreads by which rotation moves each item down; None without rotation."""
    ask, moment = visit.ask, visit.moment
    if not ask.rotate or ask.user_id is None:
        return None
    touched = dict(zip(reversed(visit.history.items), reversed(visit.history.times), strict=True))
    items = [shown.item_id for shown in pool]
    showings = rotation.united(moment.showings.of(ask.user_id), moment.stored)
    return rotation.spreads(rotation.exposures(showings, items, touched, moment.now))


def with_named(pool: list[Shown], named: Iterable[str], ranking: Ranking | None) -> list[Shown]:
    """Append the named items that the pool lacks: those that were ranked by score, then the others."""
    present = {shown.item_id for shown in pool}
    missing = [item for item in dict.fromkeys(named) if item not in present]
    if not missing:
        return pool
    ranked = {} if ranking is None else {item: at for at, item in enumerate(ranking.items)}
    missing.sort(key=lambda item: ranked.get(item, len(ranked)))
    floor = pool[-1].score if pool else 0.0
    for item in missing:
        at = ranked.get(item, -1)
        score, source = floor, REQUESTED
        if at >= 0 and ranking is not None:
            score, source = float(ranking.scores[at]), ranking.sources[at]
        floor = min(floor, score)
        moved = (slate.Adjustment("behind", floor - score),) if floor != score else ()
        pool.append(Shown(item, floor, len(pool) + 1, source, moved))
    return pool


__all__ = ["arrange", "depth", "wishes", "with_named"]
