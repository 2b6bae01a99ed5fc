"""Measures what merging costs the coordinator, by shards and events between two merges, and divided by ranges of rows.

The stream is made up (benchmarks/catalogues.py). Nothing is compared here, so lists train as seldom as in a learner.
Each range of items could be merged by a process of its own, because no rule looks from one item's row to another's.
What is not an item's goes with the first range. The slowest range is then what a merge takes.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from benchmarks import catalogues
from benchmarks.report import verdict
from benchmarks.sharding import Sharded
from models.merging import Part, merge
from models.recommender import RecommenderOptions
from models.state import Changes, State, TableChanges, duplicate

MUST, GOAL = 3.0, 1.5
SHORTEST = 1_000
"""Events between two merges from which on costs are measured: below, a merge is all fixed cost."""

ROUNDS = 3
"""Rounds of each measurement; the first one is not counted, because kernels are loaded in it."""


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of this part of the benchmark."""
    parser.add_argument(
        "--items", type=int, default=0, help="also measure costs on a made-up catalogue of so many items"
    )
    parser.add_argument("--users", type=int, default=100_000, help="its users (default: %(default)s)")
    parser.add_argument("--crews", type=int, nargs="+", default=[2, 8], help="numbers of shards (default: %(default)s)")
    parser.add_argument(
        "--ranges", type=int, nargs="+", default=[], help="divide a merge of the most shards by so many"
    )


def run(options: argparse.Namespace) -> dict[str, Any]:
    """Measure each number of shards with each interval; nothing without a catalogue."""
    if not options.items:
        return {"figures": []}
    every = [each for each in options.every if each >= SHORTEST]
    made = catalogues.grown(options.items, ROUNDS * max(every), options.seed, users=options.users)
    own = RecommenderOptions(items=options.items + 1000, users=options.users + 1000)
    later: list[Any] = made.later
    facts: Any = made.facts
    costs: list[dict[str, Any]] = []
    divided: dict[str, Any] = {}
    for shards in options.crews:
        for size in every:
            sharded = Sharded(duplicate(made.recommender.state), own, shards)
            sharded.run(later[:size], facts, size)
            sharded.forget()
            sharded.run(later[size : ROUNDS * size], facts, size)
            costs.append({"items": options.items, "shards": shards, "every": size} | sharded.costs())
            if options.ranges and (shards, size) == (max(options.crews), max(every)):
                divided = _divided(sharded, later[:size], facts, options.ranges)
    figures = [
        verdict(
            f"coordinator, {each['items']:,} items, {each['shards']} shards, {each['every']:,} events",
            each["coordinator_us"],
            "µs an event",
            MUST,
            GOAL,
            higher=False,
        )
        for each in costs
    ]
    return {"figures": figures, "costs": costs} | ({"divided": divided} if divided else {})


def _divided(sharded: Sharded, events: Sequence[Any], facts: Any, counts: Sequence[int]) -> dict[str, Any]:
    """Microseconds an event of the slowest range, by the number of ranges."""
    state, parts = sharded.coordinator.state, sharded.taken(events, facts)
    found = {}
    for count in counts:
        size = state.keys["item"].capacity
        bounds = [size * at // count for at in range(count + 1)]
        spent = [_timed(duplicate(state), within(parts, state, start, stop)) for start, stop in pairwise(bounds)]
        found[str(count)] = round(1e6 * max(spent) / len(events), 2)
    return {"shards": len(parts), "events": len(events), "us_per_event_of_the_slowest": found}


def _timed(state: State, parts: Sequence[Part]) -> float:
    began = time.process_time()
    merge(state, parts)
    return time.process_time() - began


def within(parts: Sequence[Part], state: State, start: int, stop: int) -> list[Part]:
    """What parts made of the items in rows `start` to `stop`; everything else as well where the range begins at 0."""
    return [Part(part.shard, part.shards, _within(part.changes, state, start, stop)) for part in parts]


def _within(changes: Changes, state: State, start: int, stop: int) -> Changes:
    tables = {}
    for name, part in changes.tables.items():
        table = state.tables[name].table
        if table.keys == "item":
            first, last = part.rows.searchsorted([start * table.width, stop * table.width]).tolist()
            tables[name] = TableChanges(
                part.rows[first:last], {column: values[first:last] for column, values in part.columns.items()}
            )
        elif not start:
            tables[name] = part
    return Changes(changes.base, changes.keys if not start else {}, tables)


__all__ = ["arguments", "run", "within"]
