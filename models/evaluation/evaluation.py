"""Evaluates every contender on one stream: one pass of the recommender and one of each rival, then the report."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from models.arrays import Array
from models.evaluation.basket_rivals import BASKET_RIVALS
from models.evaluation.baskets import Basket, asked, basket_report, baskets, rival_lists
from models.evaluation.prequential import PrequentialRun, run_recommender
from models.evaluation.protocol import Plan, Stream, Targets, late, list_places, targets
from models.evaluation.report import Entry, pointwise_figures, report
from models.evaluation.rival_run import Progress, RivalRun, examples, run_rival
from models.evaluation.rivals import Maker
from models.evaluation.rivals_implicit import PERIODS, obstacle
from models.recommender import CONTENDERS, RecommenderOptions

Tick = Callable[[str, int], None]
"""Called with the name of the contender that runs and the number of events done."""


class NothingEvaluatedError(ValueError):
    """No event of the stream could be evaluated. The message says why."""


def evaluate(
    stream: Stream,
    plan: Plan,
    clock: Callable[[], float],
    rivals: Mapping[str, Maker],
    settings: RecommenderOptions | None = None,
    tick: Tick | None = None,
) -> dict[str, Any]:
    """Run every contender and return the whole report, ready for JSON.

    Args:
        stream: Events in time order, with item facts.
        plan: Which events are evaluated, and how.
        clock: A monotonic clock, in seconds.
        rivals: Makers of the rivals to run, by name; see `chosen`.
        settings: Of the recommender; all defaults if left out.
        tick: Called now and then with the progress.

    Raises:
        NothingEvaluatedError: When no event of the stream can be evaluated.
    """
    orders = baskets(stream.events)
    chosen = asked(orders, len(stream.events))
    places = [basket.place for basket in chosen]
    own = run_recommender(stream, plan, clock, settings, _progress_of(tick, "sluicegate"), places)
    kept = late(own.tested.places, len(stream.events))
    found = targets(stream, own.tested.places[kept])
    if not (~found.cold).any():
        raise NothingEvaluatedError(_why_nothing(stream, found))
    entries = _own_entries(own, kept)
    unfit = _unfit(stream, found, rivals)
    fit = {name: make for name, make in rivals.items() if name not in unfit}
    runs = _run_rivals(stream, plan, found, fit, clock, tick)
    entries |= {name: _entry(run, len(stream.events)) for name, run in runs.items()}
    result = report(stream, plan, found, entries)
    result["pointwise"] = {name: pointwise_figures(run) for name, run in runs.items() if _is_rated(run)}
    result["baskets"] = _baskets(orders, chosen, own, plan)
    return result | {"in_charge": own.in_charge, "running": own.running, "not_run": unfit}


def _baskets(
    orders: Sequence[Basket], chosen: Sequence[Basket], own: PrequentialRun, plan: Plan
) -> dict[str, Any] | None:
    """Figures by basket; None for a stream without baskets."""
    if not chosen:
        return None
    rivals = {name: rival_lists(orders, chosen, plan.k, make) for name, make in BASKET_RIVALS.items()}
    return basket_report(orders, chosen, own.baskets | rivals, plan)


def _unfit(stream: Stream, found: Targets, rivals: Mapping[str, Maker]) -> dict[str, str]:
    """Name the rivals for which this stream is too short or too long, each with the reason."""
    times = [stream.events[0].timestamp, *(stream.events[place].timestamp for place in found.places.tolist())]
    reasons = {name: obstacle(PERIODS[name], times) for name in rivals if name in PERIODS}
    return {name: reason for name, reason in reasons.items() if reason is not None}


def _run_rivals(
    stream: Stream,
    plan: Plan,
    found: Targets,
    rivals: Mapping[str, Maker],
    clock: Callable[[], float],
    tick: Tick | None,
) -> dict[str, RivalRun]:
    if not rivals:
        return {}
    given, listed = examples(stream, plan.seed), list_places(stream.events, plan.lists)
    places = found.places.tolist()
    return {
        name: run_rival(stream, given, make(plan.seed), places, listed, plan.k, clock, _progress_of(tick, name))
        for name, make in rivals.items()
    }


def _progress_of(tick: Tick | None, name: str) -> Progress | None:
    if tick is None:
        return None
    return lambda done, words="": tick(f"{name}, {words}" if words else name, done)


def _is_rated(run: RivalRun) -> bool:
    """Whether the rival predicts targets, so that errors of its predictions mean something."""
    return run.pointwise and bool((~np.isnan(run.positive)).any())


def _own_entries(own: PrequentialRun, kept: Array) -> dict[str, Entry]:
    return {
        name: Entry(
            own.tested.ranks[kept, at],
            own.lists[name],
            1e6 * own.learning,
            1e6 * own.ranking[name],
            own.memory,
            {"shared_run": True},
        )
        for at, name in enumerate(CONTENDERS)
    }


def _entry(run: RivalRun, events: int) -> Entry:
    tested = max(len(run.ranks), 1)
    learning, ranking = 1e6 * run.learning / max(events, 1), 1e6 * run.ranking / tested
    return Entry(run.ranks, run.lists, learning, ranking, run.memory, {"shared_run": False, **run.notes})


def _why_nothing(stream: Stream, found: Targets) -> str:
    return (
        f"nothing could be evaluated: of {len(stream.events):,} events {len(found.places):,} are of a positive type, "
        f"past the first tenth and sampled, and {int(found.cold.sum()):,} of those name an item that nobody had "
        f"touched before. Give a longer log, or evaluate each position with --every 1"
    )
