"""Measures a learner's bytes per item and per active user, with ids.

It is measured in two ways: as allocated (arrays with their marks; ids, their dict and their list, asked of Python), and
as the growth of the process, which covers anything that the first way misses. Each number of items is measured in a
process of its own, at its ceilings, where a bounded model ends up; on the way there arrays that grow by half take up to
half as much more, on average a quarter. An active user is one whose events are recent enough to be kept. Text,
embeddings and tables that are not per item or user (pools, lists, rankers: `fixed`) are counted separately.

`bytes_by_column` says where the bytes of an item and a user are. `service_bytes_an_item` is what a service holds of an
item: two sets of the served tables, each with ids and the index over them.
"""

from __future__ import annotations

import argparse
import gc
import json
import multiprocessing
import sys
from pathlib import Path
from typing import Any

from benchmarks.report import verdict
from models.recommender import Recommender, RecommenderOptions, new_state
from models.state import MODEL, SCHEMA, State
from models.state.keys import Keys

SUMMARY = "bytes per item and per active user, ids counted"
KIB = 1024.0
ITEMS, USERS = 50_000, 50_000
EVENTS_EACH = 4
EVENTS_A_SECOND = 2_000
START = 1.7e9
WANTED: dict[str, tuple[float, float | None]] = {"item": (1.5, 1.25), "user": (1.0, None)}


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add options for the numbers of items and users."""
    parser.add_argument("--items", type=int, default=ITEMS, help="(default: %(default)s)")
    parser.add_argument("--users", type=int, default=USERS, help="(default: %(default)s)")


def run(options: argparse.Namespace) -> dict[str, Any]:
    """Measure both at once, and more of each alone, for the growth of the process."""
    both = _apart(options.items, options.users)
    more_items = _apart(2 * options.items, options.users)
    more_users = _apart(options.items, 2 * options.users)
    figures = [
        verdict(f"per {name}, allocated", both[name]["kib"], "KiB", *WANTED[name], higher=False) for name in WANTED
    ]
    grown = {
        "item": round((more_items["process_mib"] - both["process_mib"]) * KIB / options.items, 3),
        "user": round((more_users["process_mib"] - both["process_mib"]) * KIB / options.users, 3),
    }
    figures += [
        verdict(f"per {name}, process growth", grown[name], "KiB", *WANTED[name], higher=False) for name in WANTED
    ]
    return {"figures": figures, "allocated": both, "process_growth_kib": grown}


def _apart(items: int, users: int) -> dict[str, Any]:
    context = multiprocessing.get_context("spawn")
    with context.Pool(1) as pool:
        found: dict[str, Any] = json.loads(pool.apply(_filled, (items, users)))
        return found


def _filled(items: int, users: int) -> str:
    """Make a state with so many of both, each item and user met EVENTS_EACH times or more."""
    settings = RecommenderOptions(items=items + 1, users=users + 1)
    recommender = Recommender(new_state(settings), settings)
    recommender.learn_events([_Event("u0", "i0", START)], [START])  # compiles, and makes the tables of fixed size
    gc.collect()
    before = _resident()
    total = EVENTS_EACH * max(items, users)
    for start in range(0, total, EVENTS_A_SECOND):
        events = [
            _Event(f"u{at % users:09d}", f"i{(at // users * 7919 + at) % items:09d}", START + at / EVENTS_A_SECOND)
            for at in range(start, min(total, start + EVENTS_A_SECOND))
        ]
        recommender.learn_events(events, [event.timestamp for event in events])
        recommender.state.cut()  # as a version does each second: changes are not kept forever
        del events
    gc.collect()
    found: dict[str, Any] = {name: _of(recommender.state, name) for name in ("item", "user")}
    fixed = sum(data.nbytes for data in recommender.state.tables.values() if data.table.keys == MODEL)
    found |= {"fixed_mib": round(fixed / 2**20, 2), "process_mib": round(_resident() - before, 2)}
    found["bytes_by_column"] = {name: _by_column(recommender.state, name) for name in ("item", "user")}
    return json.dumps(found | {"service_bytes_an_item": _of_service(recommender.state)})


def _of(state: State, space: str) -> dict[str, Any]:
    keys = state.keys[space]
    count = len(keys)
    arrays = sum(data.nbytes for data in state.tables.values() if data.table.keys == space)
    room = next(data.room // data.table.width for data in state.tables.values() if data.table.keys == space)
    ids = sum(_of_ids(keys).values())
    return {
        "count": count,
        "kib": round((arrays + ids) / count / KIB, 3),
        "arrays_kib": round(arrays / count / KIB, 3),
        "ids_kib": round(ids / count / KIB, 3),
        "rows_allocated_per_row_used": round(room / count, 3),
    }


def _of_ids(keys: Keys) -> dict[str, int]:
    """Bytes of all ids of a key space, by what holds them."""
    return {
        "id: text": sum(sys.getsizeof(key) for key in keys.rows),
        "id: dict": sys.getsizeof(keys.rows),
        "id: list": sys.getsizeof(keys.ids),
        "id: number of its row": 32 * len(keys),
    }


def _by_column(state: State, space: str) -> dict[str, float]:
    """Bytes of one key of a space, by "table.column", largest first."""
    keys, found = state.keys[space], dict[str, int]()
    for name, data in state.tables.items():
        if data.table.keys == space:
            found |= {f"{name}.{column}": values.nbytes for column, values in data.columns.items()}
            found[f"{name}: marks"] = data.marks.array.nbytes
    found |= _of_ids(keys)
    ordered = sorted(found.items(), key=lambda each: -each[1])
    return {name: round(size / len(keys), 2) for name, size in ordered}


def _of_service(state: State) -> dict[str, float]:
    """Bytes of an item in a service, by what holds them."""
    served = State(SCHEMA, {name: keys.space.ceiling for name, keys in state.keys.items()}, served_only=True)
    served.apply(state.full())
    keys = served.keys["item"]
    assert keys.index is not None, "a service keeps an index of its items"
    tables = sum(data.nbytes for data in served.tables.values() if data.table.keys == "item")
    found = {"tables": tables, "ids": sum(_of_ids(keys).values()), "index": keys.index.nbytes}
    return {name: round(2 * size / len(keys), 2) for name, size in found.items()}


class _Event:
    __slots__ = ("item_id", "kind", "price", "timestamp", "user_id")

    def __init__(self, user_id: str, item_id: str, timestamp: float) -> None:
        self.kind, self.user_id, self.item_id, self.timestamp, self.price = 0, user_id, item_id, timestamp, None


def _resident() -> float:
    """Return the MiB of this process that are in memory."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * 4096 / 2**20
