"""Measures what a set of served tables takes in a service, and a request on it, with far more items than a shop has.

Nobody learns ten million items here. A catalogue of 100,000 is learned, and the tables of the others are copies of its:
copy k of an item has copy k of its neighbours. So each row holds what a row in use holds, and a request reads rows that
lie all over the tables. Users and queries stay those of the learned catalogue; a service holds no users.
"""

from __future__ import annotations

import argparse
import gc
import json
import multiprocessing
from pathlib import Path
from typing import Any, Final

import numpy as np

from benchmarks import ranking
from benchmarks.catalogues import grown
from benchmarks.report import percentile
from models.recommender import Recommender, RecommenderOptions
from models.state import SCHEMA, KeyChanges, State

LEARNED: Final = 100_000
LATER: Final = 20_000
"""Events learned after each item has had one; their users ask."""

ASKED: Final = 10_000_000
SETS: Final = 2
"""Sets of tables that a service holds: one answers, the next version goes into the other."""

GIB: Final = float(2**30)


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of this part of the benchmark."""
    parser.add_argument(
        "--replica", type=int, nargs="+", default=[], help="also measure a service's tables of so many items"
    )


def run(options: argparse.Namespace) -> dict[str, Any]:
    """Measure each size in a process of its own, and say what ten million items take by the largest of them."""
    found = {str(size): _apart(size, options) for size in options.replica}
    if not found:
        return {}
    each = found[str(max(options.replica))]["bytes_per_item"]
    return {
        "replica": {
            "by_items": found,
            "gib_of_one_set_at_10_million": round(ASKED * each / GIB, 1),
            "gib_of_both_sets_at_10_million": round(SETS * ASKED * each / GIB, 1),
            "items_in_16_gib": round(16 * GIB / SETS / each, -5),
        }
    }


def _apart(items: int, options: argparse.Namespace) -> dict[str, Any]:
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        found: dict[str, Any] = json.loads(pool.apply(_measure, (items, options)))
        return found


def _measure(items: int, options: argparse.Namespace) -> str:
    made = grown(LEARNED, LATER, options.seed)
    learner = made.recommender
    learner.learn_events(made.later, [event.timestamp for event in made.later], made.facts)
    requests = ranking.requests_of(made.later, options)
    learned = State(SCHEMA, learner.settings.ceilings(), served_only=True)
    learned.apply(learner.state.full())
    del made, learner
    gc.collect()
    before = _resident()
    state = copied(learned, -(-items // len(learned.keys["item"])))
    grew, rows = _resident() - before, len(state.keys["item"])
    served = Recommender(state, RecommenderOptions(items=rows))
    asked = _spread(requests, rows // len(learned.keys["item"]), options.seed)
    ranking.timed(served, asked[:200])
    times = sorted(work for work, _ in ranking.timed(served, asked))
    tables = sum(data.nbytes for data in state.tables.values())
    return json.dumps({
        "items": rows,
        "bytes_per_item": round(grew / rows),
        "bytes_per_item_in_tables": round(tables / rows),
        "gib": round(grew / GIB, 2),
        "p50_ms": round(percentile(times, 0.5), 3),
        "p99_ms": round(percentile(times, 0.99), 3),
    })


def copied(source: State, times: int) -> State:
    """Served tables with so many copies of each item of `source`; copy k refers to the copies k of its neighbours."""
    size = source.keys["item"].capacity
    state = State(
        SCHEMA,
        {name: keys.space.ceiling for name, keys in source.keys.items()} | {"item": times * size},
        served_only=True,
    )
    base = source.full()
    state.apply(base)
    ids, free = base.keys["item"].ids, base.keys["item"].free
    for copy in range(1, times):
        rows = np.arange(copy * size, (copy + 1) * size, dtype=np.int32)
        state.keys["item"].put(KeyChanges(rows, [name_of(each, copy) for each in ids], free))
    state.reserve("item")
    for name, data in state.tables.items():
        if data.table.keys != "item":
            continue
        own = size * data.table.width
        for column in data.table.columns:
            values = base.tables[name].columns[column.name]
            for copy in range(1, times):
                moved = np.where(values >= 0, values + copy * size, values) if column.refers == "item" else values
                data.columns[column.name][copy * own : (copy + 1) * own] = moved
    return state


def name_of(item: str, copy: int) -> str:
    """The id of a copy of an item."""
    return f"{item}/{copy}" if copy and item else item


def _spread(requests: list[ranking.Request], copies: int, seed: int) -> list[ranking.Request]:
    """The same requests, each by a user who touched some copy of the items."""
    rng = np.random.default_rng(seed)
    which = rng.integers(copies, size=len(requests)).tolist()
    return [
        ([name_of(item, copy) for item in items], stamps, kinds)
        for copy, (items, stamps, kinds) in zip(which, requests, strict=True)
    ]


def _resident() -> int:
    """Bytes of this process that are in memory."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096


__all__ = ["arguments", "copied", "name_of", "run"]
