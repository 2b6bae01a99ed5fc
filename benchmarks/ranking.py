"""Measures milliseconds of ranking work for one request, by percentile, with 100,000 and 1,000,000 items.

History to rows, candidates, features, ranking, the hundred best with their sources, on the tables that a service holds;
no HTTP, no Redis, no slate. The figures are processor time, which the work itself takes; wall time also holds other
work of the machine. Histories are those of users who are active at the time, as many as they have up to 100; one
request in ten is a stranger's. `given`: the same requests again, each with 200 items to be ranked alone, as from a
shop's own search engine: all in order, with their sources.
"""

from __future__ import annotations

import argparse
import time
from typing import Any

import numpy as np

from benchmarks.catalogues import Event, grown
from benchmarks.report import percentile, spread, verdict
from models.recommender import Recommender
from models.state import SCHEMA, State

SUMMARY = "ranking work for one request at 100,000 and 1,000,000 items: p50, p99"
SIZES = (100_000, 1_000_000)
REQUESTS = 2_000
STRANGERS = 10  # one request in so many
RECENT = 20_000  # last events, whose users ask
GIVEN = 200  # items that a request names

Request = tuple[list[str], list[float], list[int]]
"""Items, times and kinds of a history, the latest first."""


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add options for sizes and requests."""
    parser.add_argument("--sizes", type=int, nargs="+", default=list(SIZES), help="items (default: %(default)s)")
    parser.add_argument("--requests", type=int, default=REQUESTS, help="requests in a run (default: %(default)s)")


def run(options: argparse.Namespace) -> dict[str, Any]:
    """Run each size by itself."""
    found = {str(size): measure(size, options) for size in options.sizes}
    wanted = (
        ("100000", "p50_ms", "p50 at 100,000 items", 0.7, 0.4),
        ("1000000", "p99_ms", "p99 at 1,000,000 items", 5.0, 2.0),
    )
    figures = [
        verdict(name, found[size][key]["median"], "ms", must, goal, higher=False)
        for size, key, name, must, goal in wanted
        if size in found
    ]
    figures += [
        verdict(
            f"{GIVEN} given at {size} items, of an ordinary answer",
            made["given_share"]["median"],
            "times",
            1.0,
            0.8,
            higher=False,
        )
        for size, made in found.items()
    ]
    return {"figures": figures, "by_items": found}


def measure(items: int, options: argparse.Namespace) -> dict[str, Any]:
    """Measure several runs over the same requests."""
    made = grown(items, RECENT, options.seed)
    learner = made.recommender
    learner.learn_events(made.later, [event.timestamp for event in made.later], made.facts)
    state = State(SCHEMA, learner.settings.ceilings(), served_only=True)
    state.apply(learner.state.full())
    requests = requests_of(made.later, options)
    served = Recommender(state, learner.settings)
    lengths = [len(items_) for items_, _, _ in requests]
    timed(served, requests[:200])
    given = searched(made.later, options)
    timed(served, requests[:200], given)
    runs, brought = [], []
    for _ in range(options.runs):
        runs.append(timed(served, requests))
        brought.append(timed(served, requests, given))
    work, wall = ([[both[which] for both in times] for times in runs] for which in (0, 1))
    alone = [[both[0] for both in times] for times in brought]
    return {
        "p50_ms": spread([percentile(times, 0.5) for times in work]),
        "p99_ms": spread([percentile(times, 0.99) for times in work]),
        "wall_p50_ms": spread([percentile(times, 0.5) for times in wall]),
        "wall_p99_ms": spread([percentile(times, 0.99) for times in wall]),
        "given_p50_ms": spread([percentile(times, 0.5) for times in alone]),
        "given_p99_ms": spread([percentile(times, 0.99) for times in alone]),
        "given_share": spread([sum(mine) / sum(plain) for mine, plain in zip(alone, work, strict=True)]),
        "mean_history": round(float(np.mean(lengths)), 1),
        "candidates": _candidates(served, requests[:200]),
    }


def requests_of(events: list[Event], options: argparse.Namespace) -> list[Request]:
    """Draw `options.requests` requests by users of these events; one in STRANGERS has no history."""
    past: dict[str, list[Event]] = {}
    for event in events:
        past.setdefault(event.user_id, []).append(event)
    users = sorted(past)
    rng = np.random.default_rng(options.seed)
    made = []
    for number in range(options.requests):
        user = users[int(rng.integers(len(users)))]
        own = [] if number % STRANGERS == 0 else past[user][::-1][:100]
        made.append(([one.item_id for one in own], [one.timestamp for one in own], [one.kind for one in own]))
    return made


def searched(events: list[Event], options: argparse.Namespace) -> list[list[str]]:
    """Draw the items that each request names: different, recently touched ones, popular ones more often."""
    rng = np.random.default_rng(options.seed + 1)
    seen = sorted({event.item_id for event in events})
    shares = np.bincount(np.searchsorted(seen, [event.item_id for event in events])) / len(events)
    return [[seen[at] for at in rng.choice(len(seen), GIVEN, replace=False, p=shares)] for _ in range(options.requests)]


def timed(
    served: Recommender, requests: list[Request], given: list[list[str]] | None = None
) -> list[tuple[float, float]]:
    """Measure milliseconds of each request: of the processor, of the wall."""
    times = []
    for number, (items, stamps, kinds) in enumerate(requests):
        now = (stamps[0] if stamps else 1.7e9) + 5.0
        # The ids of a request are new strings, and lie in the cache.
        brought = [bytes(item, "ascii").decode() for item in given[number]] if given is not None else []
        began, work = time.perf_counter(), time.thread_time()
        served.rank(items, stamps, kinds, now, GIVEN if brought else 100, extra=brought, only=bool(brought))
        times.append(((time.thread_time() - work) * 1e3, (time.perf_counter() - began) * 1e3))
    return times


def _candidates(served: Recommender, requests: list[Request]) -> float:
    counts = [len(served.rank(items, stamps, kinds, 1.7e9 + 1e6, 5_000).items) for items, stamps, kinds in requests]
    return round(float(np.mean(counts)), 1)
