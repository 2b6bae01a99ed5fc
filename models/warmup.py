"""Compiles every kernel and fills the cache: `python -m models.warmup`.

Run by `make setup` and in the image, so that the first event and the first request meet compiled code.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from multiprocessing import get_context
from os import cpu_count

import numpy as np

from models.kernels.cold_start import ranker as fresh
from models.kernels.core.record_batch import COLUMNS, locate
from models.kernels.learning import learn_event
from models.recommender import Recommender, RecommenderOptions, new_scratch, new_state
from models.state import SCHEMA, State


class _Event:
    kind, user_id, item_id, timestamp, price, query = 0, "user", "item", 1.5e9, None, None


_FEW = RecommenderOptions(items=4, users=4, categories=4, brands=4)


def warm() -> None:
    """Run every compiled entry point once, on a small state."""
    own = Recommender(new_state(_FEW))
    own.learn_events([_Event(), _Event()], [1.5e9, 1.5e9])
    own.rank(["item"], [1.5e9], [0], 1.5e9)
    State(SCHEMA, _FEW.ceilings()).apply(own.state.full())
    own.remove("item", ["item"])
    locate(np.frombuffer(bytes(1), np.uint8), 0, np.empty((1, COLUMNS), np.int64))


def warm_serving() -> None:
    """Run the entry points that answer requests: half of the kernels, all that a service waits for."""
    state = State(SCHEMA, _FEW.ceilings(), served_only=True)
    state.apply(state.full())
    Recommender(state).rank(["item"], [1.5e9], [0], 1.5e9)


def warm_learning() -> None:
    """Compile the kernels that serving compiles last, for untouched items, and those it lacks, for one event's changes.

    Together with `warm_serving`, which runs at the same time, that is everything but the outermost call.
    """
    own, query, second = Recommender(new_state(_FEW)), np.int64(-1), np.int64(1_500_000_000)
    fresh.rank(own.state.served, new_scratch(), second, np.zeros(0, np.int32), False)
    batch, state = own.rows([_Event()], [1.5e9]), own.state
    event = (batch.user[0], batch.item[0], query, batch.kind[0], second, batch.price[0], np.float32(batch.weight[0]))
    learn_event(state.served, state.private, new_scratch(), *event)


def warm_apart() -> None:
    """Compile the two halves in a process each, then run `warm` on the cache that both filled."""
    if (cpu_count() or 1) > 1:
        halves: tuple[Callable[[], None], ...] = (warm_serving, warm_learning)
        processes = [get_context("spawn").Process(target=half) for half in halves]
        for process in processes:
            process.start()
        for process in processes:
            process.join()
        if any(process.exitcode for process in processes):
            sys.exit("a kernel could not be compiled: the lines above say which, and why")
    warm()


if __name__ == "__main__":
    started = time.monotonic()
    warm_apart()
    print(f"kernels ready in {time.monotonic() - started:.1f} s")
