"""Measures µs of the compiled step per event, ranked and not, with 10,000 to 1,000,000 items.

At 2,000 events/s of record time one event in forty is ranked, tested and trained on. `with` is the step over whole
batches; `without` the step over the runs of events between two that are ranked, the call itself included. Ids are rows
already: everything before the step (polling, decoding, admission, ids to rows) belongs to `pipeline`. Times are
processor time, without other work of the machine. The effect of the trained share on quality is measured on one real
stream, replayed at record times that make one event in 8, in 40 or in 64 train, and tested at the same events each
time.
"""

from __future__ import annotations

import argparse
import time
from itertools import pairwise
from typing import Any

import numpy as np

from benchmarks.catalogues import BATCH, START, Event, Facts, Grown, batches, grown
from benchmarks.report import spread, verdict
from models.kernels.learning import pick
from models.recommender import (
    CONTENDERS,
    EventBatch,
    Recommender,
    RecommenderOptions,
    hits,
    joined,
    new_state,
    reciprocal_ranks,
)
from service.local import purchases

SUMMARY = "the compiled step per event, with and without rankings, by size of the catalogue; what training seldom costs"
SIZES = (10_000, 30_000, 100_000, 300_000, 1_000_000)
JUDGED = 100_000
PER_SECOND = 2_000.0
SHARES = {"1/8": 100.0, "1/40": 2_000.0, "1/64": 100_000.0}
"""Share of the events whose list trains, and the events a second of record time that make it so."""

WARM = 0.4  # share of the stream before which lists train more often whatever the record times
SHORTEST = 8  # events of a run between two rankings that is worth a call of its own


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add options for sizes, and how much is measured."""
    parser.add_argument("--sizes", type=int, nargs="+", default=list(SIZES), help="items (default: %(default)s)")
    parser.add_argument("--events", type=int, default=40_000, help="measured events (default: %(default)s)")
    parser.add_argument("--quality-events", type=int, default=200_000, help="0 leaves it out (default: %(default)s)")


def run(options: argparse.Namespace) -> dict[str, Any]:
    """Measure the curve, then the quality."""
    curve = {str(size): measure(grown(size, options.events, options.seed), options) for size in options.sizes}
    judged = curve.get(str(JUDGED), {})
    figures = [
        verdict(f"{name} rankings, {JUDGED:,} items", judged[key]["median"], "us", must, goal, higher=False)
        for name, key, must, goal in (
            ("without", "without_rankings_us", 25.0, 15.0),
            ("with", "with_rankings_us", 35.0, 25.0),
        )
        if judged
    ]
    result: dict[str, Any] = {"figures": figures, "by_items": curve}
    if options.quality_events:
        result["quality_by_trained_share"] = quality(options.quality_events, options.seed)
    return result


def measure(made: Grown, options: argparse.Namespace) -> dict[str, Any]:
    """Measure rounds over the events that follow: odd ones by whole batches, even ones by runs between rankings."""
    with_, without, share = [], [], []
    parts = np.array_split(np.arange(len(made.later)), 2 * options.runs)
    for number, places in enumerate(parts):
        events = [made.later[place] for place in places.tolist()]
        if number % 2:
            with_.append(_whole(made.recommender, events))
        else:
            each, picked = _between(made.recommender, events)
            without.append(each)
            share.append(picked)
    return {
        "with_rankings_us": spread(with_, 2),
        "without_rankings_us": spread(without, 2),
        "share_ranked": round(float(np.mean(share)), 4),
        "state_mib": round(made.recommender.state.nbytes() / 2**20, 1),
    }


def _whole(recommender: Recommender, events: list[Event]) -> float:
    spent, count = 0.0, 0
    for batch in batches(events, BATCH):
        rows = recommender.rows(batch, [event.timestamp for event in batch])
        spent += _timed(recommender, rows)
        count += len(rows.user)
    return spent / count * 1e6


def _between(recommender: Recommender, events: list[Event]) -> tuple[float, float]:
    """Measure µs per event of runs in which nothing is ranked, and the share of ranked events."""
    clock, progress = recommender.state.tables["clock"].columns, recommender.state.tables["progress"].columns
    spent, count, ranked, seen = 0.0, 0, 0, 0
    for batch in batches(events, BATCH):
        rows = recommender.rows(batch, [event.timestamp for event in batch])
        applied, rate = int(clock["applied"][0]), 1.0 / max(float(progress["interval"][0]), 1e-7)
        seed = progress["seed"][0]
        picked = [at for at in range(len(rows.user)) if any(pick(applied + at, rate, seed, 0))]
        bounds = sorted({0, len(rows.user), *picked, *(at + 1 for at in picked)})
        for start, stop in pairwise(bounds):
            seconds = _timed(recommender, EventBatch(*(column[start:stop] for column in rows)))
            if start not in picked and stop - start >= SHORTEST:
                spent, count = spent + seconds, count + stop - start
        ranked, seen = ranked + len(picked), seen + len(rows.user)
    return spent / count * 1e6, ranked / seen


def _timed(recommender: Recommender, rows: EventBatch) -> float:
    began = time.thread_time()
    recommender.learn(rows)
    return time.thread_time() - began


def quality(count: int, seed: int) -> dict[str, Any]:
    """Measure HR@20 and MRR@20 of the ranker and as served, past WARM of the demo's purchases, by trained share."""
    bought = purchases(count, START)
    facts = {item: Facts(fact.get("category"), fact.get("brand"), None) for item, fact in bought.facts.items()}
    columns = zip(bought.user, bought.item, bought.timestamp, bought.price, strict=True)
    events = [Event(3, user, item, stamp, price) for user, item, stamp, price in columns]
    return {name: _replayed(events, facts, rate, seed) for name, rate in SHARES.items()}


def _replayed(events: list[Event], facts: dict[str, Facts], rate: float, seed: int) -> dict[str, Any]:
    settings = RecommenderOptions(test_every=max(1, len(events) // 8000))
    recommender, parts, began = Recommender(new_state(settings, seed), settings), [], time.thread_time()
    for start in range(0, len(events), BATCH):
        batch = events[start : start + BATCH]
        times = [START + (start + at) / rate for at in range(len(batch))]
        part = recommender.learn_events(batch, times, facts)
        parts.append(part._replace(places=part.places + start))
    seconds, tested = time.thread_time() - began, joined(parts)
    judged = (tested.places >= WARM * len(events)) & (tested.known >= 0)
    found: dict[str, Any] = {"n": int(judged.sum()), "us_per_event": round(seconds / len(events) * 1e6, 1)}
    for name in ("ranker", "served"):
        ranks = tested.ranks[judged, CONTENDERS.index(name)]
        for measure_, values in (("hr@20", hits(ranks)), ("mrr@20", reciprocal_ranks(ranks))):
            found[f"{name} {measure_}"] = round(float(values.mean()), 4)
            found[f"{name} {measure_} se"] = round(float(values.std() / len(ranks) ** 0.5), 4)
    return found
