"""Measures what merging costs the coordinator, by shards and events between two merges, and divided by ranges of rows.

The stream is made up (benchmarks/catalogues.py). Nothing is compared here, so lists train as seldom as in a learner.
The division is a simulation: each range of items is merged as a process of its own would, one after the other here, and
what is not an item's by one more. No rule of a column looks from one item's row to another's. The lists of the most
popular items do: next to the ranges they would wait for the keys of the items that they hold. The slowest process is
what a divided merge takes.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from benchmarks import catalogues, shard_rates
from benchmarks.report import verdict
from benchmarks.sharding import Sharded, parts_of
from models.merging import Part, merge, to_arrays
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
        "--ranges", type=int, nargs="+", default=[], help="also divide a merge among so many ranges of items"
    )
    parser.add_argument("--divided", type=int, default=32, help="shards whose merge is divided (default: %(default)s)")


def run(options: argparse.Namespace) -> dict[str, Any]:
    """Measure each number of shards with each interval; nothing without a catalogue."""
    if not options.items:
        return {"figures": []}
    every = [each for each in options.every if each >= SHORTEST]
    whole = shard_rates.ROUND_OF_A_SHARD * options.divided if options.ranges else 0
    made = catalogues.grown(options.items, max(ROUNDS * max(every), whole), options.seed, users=options.users)
    own = RecommenderOptions(items=options.items + 1000, users=options.users + 1000)
    later: list[Any] = made.later
    facts: Any = made.facts
    costs: list[dict[str, Any]] = []
    for shards in options.crews:
        for size in every:
            sharded = Sharded(duplicate(made.recommender.state), own, shards, partial=options.partial)
            sharded.run(later[:size], facts, size)
            sharded.forget()
            sharded.run(later[size : ROUNDS * size], facts, size)
            costs.append({"items": options.items, "shards": shards, "every": size} | sharded.costs())
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
    result: dict[str, Any] = {"figures": figures, "costs": costs}
    if options.ranges:
        state = made.recommender.state
        parts = parts_of(state, own, options.divided, later[:whole], facts)
        result["divided"] = divided(state, parts, whole, options.ranges)
        figures.append(_figure_of_division(options.items, result["divided"]))
    return result


def divided(state: State, parts: Sequence[Part], events: int, counts: Sequence[int]) -> dict[str, Any]:
    """Microseconds an event of the slowest process and of all, by the number of ranges; the quicker of two runs."""
    found = {}
    for count in counts:
        spent = [min(_timed(duplicate(state), own) for _ in range(2)) for own in split(parts, state, count)]
        found[str(count)] = {
            "processes": len(spent),
            "slowest_us": round(1e6 * max(spent) / events, 2),
            "all_us": round(1e6 * sum(spent) / events, 2),
        }
    return {"shards": len(parts), "events": events, "by_ranges": found}


def _figure_of_division(items: int, found: dict[str, Any]) -> dict[str, Any]:
    ranges, best = min(found["by_ranges"].items(), key=lambda each: float(each[1]["slowest_us"]))
    name = f"coordinator, {items:,} items, {found['shards']} shards, {ranges} ranges"
    return verdict(name, best["slowest_us"], "µs an event", MUST, GOAL, higher=False)


def _timed(state: State, parts: Sequence[Part]) -> float:
    """Seconds of processor time to merge parts, and to copy what the shards and the next version get."""
    state.cut()
    began = time.process_time()
    merge(state, parts)
    changes = state.changed()
    to_arrays(changes)
    state.forget_changes()
    return time.process_time() - began


def split(parts: Sequence[Part], state: State, count: int) -> list[list[Part]]:
    """What each process gets: a range of items each, and what is not an item's; all of it where there is one range."""
    if count == 1:
        return [list(parts)]
    size = state.keys["item"].capacity
    bounds = [size * at // count for at in range(count + 1)]
    return [within(parts, state, 0, 0, True), *(within(parts, state, *each, False) for each in pairwise(bounds))]


def within(parts: Sequence[Part], state: State, start: int, stop: int, others: bool) -> list[Part]:
    """What parts made of the items in rows `start` to `stop`; with `others` all that is not an item's as well."""
    return [Part(part.shard, part.shards, _within(part.changes, state, start, stop, others)) for part in parts]


def _within(changes: Changes, state: State, start: int, stop: int, others: bool) -> Changes:
    tables = {}
    for name, part in changes.tables.items():
        table = state.tables[name].table
        if table.keys == "item":
            first, last = part.rows.searchsorted([start * table.width, stop * table.width]).tolist()
            tables[name] = TableChanges(
                part.rows[first:last], {column: values[first:last] for column, values in part.columns.items()}
            )
        elif others:
            tables[name] = part
    return Changes(changes.base, changes.keys if others else {}, tables)


__all__ = ["arguments", "divided", "run", "split", "within"]
