"""In: a pool in order of score and a request's wishes. Out: the page. A request without wishes never comes here."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from models.arrays import Array
from models.recommender import Ranking
from models.slate import Showing, Showings, Shown, Wishes, alike, rotation, slate, traits
from service.http import Ask
from service.serving.candidate_pool import REQUESTED, SPARE, CatalogueView, History
from service.serving.table_sets import TableSet


class RequestMoment(NamedTuple):
    """What a page depends on beside model and history: when it is, what was shown before, what chance draws from.

    `request_id` is random, in hexadecimal. `stored`: what every service showed this user, as Redis has it.
    """

    now: float
    showings: Showings
    request_id: str
    stored: Sequence[Showing] = ()

    @property
    def seed(self) -> int:
        """What chance draws from: of each request its own."""
        return int(self.request_id, 16)


def wishes(ask: Ask) -> bool:
    """Whether the request wishes anything but the best by score."""
    return bool(ask.diversity or ask.pinned or ask.boosted or ask.rotate or ask.explore)


def depth(ask: Ask) -> int:
    """Candidates of the pool: more than the page has places, where rules may bring up what stands further down."""
    return ask.count + SPARE if ask.diversity or ask.rotate or ask.explore else ask.count


def arrange(
    pool: list[Shown],
    ask: Ask,
    pins: Mapping[int, str],
    held: TableSet | None,
    catalogue: CatalogueView,
    history: History,
    moment: RequestMoment,
) -> list[Shown]:
    """The page of a pool. What is pinned or boosted must be in the pool, see `with_named`."""
    if not pool:
        return []
    places = {shown.item_id: at for at, shown in enumerate(pool)}
    boosted = set(ask.boosted)
    wished = Wishes(
        ask.count,
        ask.diversity,
        {place: places[item] for place, item in pins.items() if item in places},
        np.array([shown.item_id in boosted for shown in pool]),
        ask.boost_share if boosted else 0.0,
        ask.rotate,
        ask.explore,
    )
    random = np.random.default_rng(moment.seed) if ask.explore else None
    likeness, penalty = _likeness(pool, ask, held, catalogue), _penalty(pool, ask, history, moment)
    return slate.arranged(pool, wished, likeness, penalty, random)


def _likeness(pool: list[Shown], ask: Ask, held: TableSet | None, catalogue: CatalogueView) -> Array | None:
    if not ask.diversity:
        return None
    facts = [catalogue.get(shown.item_id) for shown in pool]
    return alike(traits(_vectors(pool, held), facts))


def _vectors(pool: list[Shown], held: TableSet | None) -> Array:
    if held is None or not held.items:
        return np.zeros((len(pool), 1))
    rows = np.array([held.state.keys["item"].rows.get(shown.item_id, -1) for shown in pool])
    learnt = held.state.tables["item_factors"].columns["q"]
    return np.where(rows[:, None] >= 0, learnt[rows], 0.0).astype(np.float64)


def _penalty(pool: list[Shown], ask: Ask, history: History, moment: RequestMoment) -> Array | None:
    if not ask.rotate or ask.user_id is None:
        return None
    touched = dict(zip(reversed(history.items), reversed(history.times), strict=True))
    items = [shown.item_id for shown in pool]
    showings = rotation.united(moment.showings.of(ask.user_id), moment.stored)
    return rotation.spreads(rotation.exposures(showings, items, touched, moment.now))


def with_named(pool: list[Shown], named: Iterable[str], ranking: Ranking | None) -> list[Shown]:
    """The pool and behind it the named items that are not in it: in order of their scores, then those without one."""
    there = {shown.item_id for shown in pool}
    missing = [item for item in dict.fromkeys(named) if item not in there]
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


__all__ = ["RequestMoment", "arrange", "depth", "wishes", "with_named"]
