"""Compiles every kernel and fills the cache: `python -m models.warmup`.

Run by `make setup` and in the image, so that the first event and the first request meet compiled code.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from typing import Final, Literal

import numpy as np

from models.dimensions import PURCHASE
from models.kernels.core import compile as compiling
from models.kernels.core.record_batch import COLUMNS, locate
from models.merging import Excerpts, Shard, merge
from models.recommender import Recommender, RecommenderOptions, new_state
from models.state import SCHEMA, Marks, State, duplicate
from models.state.index import LEAST, Index
from models.state.table_data import FEW_ROWS, read_rows, write_rows

SERVING: Final = ("serving.answer-", "scatter.scatter-")
"""Kernels that a service's start compiles last: ranking, and applying a delta, each with all that it calls."""

EVERYTHING: Final = (*SERVING, "learning.learn-", "sweep.sweep-")
"""The same of a learner's start, which ranks as well."""

Part = Literal["serving", "everything"]
ENTRIES: Final[dict[Part, tuple[str, ...]]] = {"serving": SERVING, "everything": EVERYTHING}

LOOK: Final = 0.05
"""Seconds between looks at whether another process has compiled."""

LASTS: Final = "once on this machine, for about half a minute"


class _Event:
    kind, user_id, item_id, timestamp, price, query = 0, "user", "item", 1.5e9, None, None


class _Other(_Event):
    item_id = "other"


class _Facts:
    category, brand, price = "category", "brand", 1.0


class _Bought(_Event):
    kind = PURCHASE


class _BoughtWith(_Other):
    kind = PURCHASE


_COPIED: Final = (((), np.float32), ((), np.uint16), ((2,), np.float32))
"""Shape and type of a row, one for each way in which rows are copied."""

_FEW = RecommenderOptions(items=4, users=4, categories=4, brands=4)


def compiled(entries: tuple[str, ...] = EVERYTHING) -> bool:
    """Whether the cache holds these kernels, and with them all that they call."""
    if compiling.cache.folder is None:
        return False
    found = [file.name for file in compiling.cache.folder.rglob("*.nbi")]
    return all(any(name.startswith(entry) for name in found) for entry in entries)


def warm() -> None:
    """Run every compiled entry point once, on a small state."""
    own = Recommender(new_state(_FEW))
    own.learn_events([_Event(), _Event()], [1.5e9, 1.5e9])
    own.describe([("other", _Facts()), ("item", _Facts())])  # one that is untouched, and one that is not
    own.rank(["item"], [1.5e9], [0], 1.5e9)
    State(SCHEMA, _FEW.ceilings()).apply(own.state.full())
    own.remove("item", ["item"])
    _find_ids()
    _write_scattered()
    _take_many_changes()
    locate(np.frombuffer(bytes(1), np.uint8), 0, np.empty((1, COLUMNS), np.int64))


def warm_merging() -> None:
    """Run the entry points that merge what several learners learned: the process that merges needs them."""
    state = new_state(_FEW)
    shards = [Shard(duplicate(state), number, 2) for number in range(2)]
    for _ in range(2):  # only in the second round there are items that all know, and so excerpts about them
        excerpts = Excerpts(state)
        for shard in shards:
            events = [_Event(), _Other(), _Event(), _Bought(), _BoughtWith()]
            Recommender(shard.state, learners=2).learn_events(events, [1.5e9] * len(events))
            _mark_rows(shard.state, len(events) // 2 if shard is shards[0] else 1)
        told = excerpts.merge([shard.excerpt() for shard in shards])
        for shard in shards:
            shard.take_over(told)
        merge(state, [shard.take() for shard in shards], excerpts)
        for shard in shards:
            shard.apply(state.changed())
        state.forget_changes()


def _mark_rows(state: State, rows: int) -> None:
    """Count the first rows of each table as changed: so all columns are merged, of one shard's rows and of both's."""
    for data in state.tables.values():
        held = min(len(values) for values in data.columns.values())
        data.mark(np.arange(min(rows, held), dtype=np.int32))


def warm_serving() -> None:
    """Run the entry points that answer requests: half of the kernels, all that a service waits for."""
    state = State(SCHEMA, _FEW.ceilings(), served_only=True)
    state.apply(state.full())
    _find_ids()
    _write_scattered()
    Recommender(state).rank(["item"], [1.5e9], [0], 1.5e9)


def _find_ids() -> None:
    """What a served state runs once it has ids, and more of them than it had room for."""
    index, ids = Index(), [str(number) for number in range(LEAST)]
    index.put(ids, range(LEAST))
    index.find(ids)
    index.remove(ids[:1], [0])


def _write_scattered() -> None:
    """What applying a delta runs once more than a few rows have changed."""
    rows = np.arange(0, 2 * FEW_ROWS, 2, dtype=np.int32)
    for shape, kind in _COPIED:
        write_rows(np.zeros((2 * FEW_ROWS, *shape), kind), rows, np.zeros((FEW_ROWS, *shape), kind))


def _take_many_changes() -> None:
    """What a cut runs once more than a few rows have changed."""
    marks = Marks(1, capacity=0)
    marks.add(np.zeros(1, np.int32))
    marks.take()
    rows = np.arange(FEW_ROWS, dtype=np.int32)
    for shape, kind in _COPIED:
        read_rows(np.zeros((FEW_ROWS, *shape), kind), rows)


def compile_apart(part: Part, stop: Callable[[float], bool]) -> bool:
    """Compile what the cache lacks in a process of its own, so that this one answers meanwhile, and ends when asked to.

    Args:
        part: What to compile.
        stop: Waits for that many seconds; returns whether to give up.

    Returns:
        Whether it was not stopped. What could not be compiled fails again, and says why, where it is used: so the
        process is silent, and the log of this one stays in its format.
    """
    if compiling.cache.folder is None:
        return True
    command = [sys.executable, "-m", "models.warmup", part]
    with subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    ) as process:
        try:
            while process.poll() is None:
                if stop(LOOK):
                    return False
        finally:
            process.kill()
    return True


def main(part: Part = "everything") -> None:
    """Compile or load kernels, and say so on standard output."""
    started = time.monotonic()
    if not compiled(ENTRIES[part]):
        print(f"compiling kernels, {LASTS}", flush=True)
    (warm_serving if part == "serving" else warm)()
    where = f"kept in {compiling.cache.folder}" if compiling.cache.folder is not None else "kept nowhere"
    print(f"kernels ready in {time.monotonic() - started:.1f} s, {where}")


if __name__ == "__main__":
    if sys.argv[1:] == ["merging"]:
        warm_merging()
    else:
        main("serving" if sys.argv[1:] == ["serving"] else "everything")
