"""Runs further passes of the factorization machine over a batch. Stage 4.

Learning rates: AdaGrad's sums stay those of the one pass in event order, so that online learning continues at its own
pace. A further pass scales them while it runs, which multiplies its rates by a factor, the next pass by the factor's
square, and so on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Final, NamedTuple

import numpy as np

from models import dimensions as dim
from models.arrays import Array
from models.batch.kernel import PAST, again
from models.recommender import EventLike, Recommender, RecommenderOptions, new_scratch, new_state
from models.state import State, rings

VECTORS: Final = {"item_factors": ("q", "bias"), "item_last": ("g",), "category_factors": ("q", "bias")}
SUMS: Final = {
    "item_factors": ("q_sum", "bias_sum"),
    "item_last": ("g_sum",),
    "category_factors": ("q_sum", "bias_sum"),
}
"""The columns of the factorization machine, and of the sums of its squared gradients, by table."""

TOGETHER: Final = 2_000
"""Events of one compiled call: about 10 ms, after which the caller may attend to something else."""

Saved = dict[tuple[str, str], Array]
"""Copies of columns, by table and name."""


class Passes:
    """Further passes over a batch. Make it before the events are learned in order; call the methods afterwards.

    Args:
        recommender: The model, which has not learned the events yet.
        events: The batch, in order.
    """

    def __init__(self, recommender: Recommender, events: Sequence[EventLike]) -> None:
        self._recommender, self._events = recommender, events
        self._users = {user: at for at, user in enumerate(dict.fromkeys(event.user_id for event in events))}
        self._ids = list(recommender.state.keys["item"].ids)
        self._past = _rings(recommender.state, list(self._users))
        self._scratch = new_scratch()
        self._batch: tuple[Array, ...] | None = None
        self._sums: Saved = {}

    def run(self, rate: float, alive: Callable[[], bool]) -> bool:
        """Run one pass.

        Args:
            rate: Factor of the learning rate.
            alive: Asked every few ms; when it says no, the pass ends.

        Returns:
            Whether the pass was completed.
        """
        state = self._recommender.state
        if self._batch is None:
            self._begin(state)
        assert self._batch is not None
        past = tuple(column.copy() for column in self._past)
        self._scale(1.0 / (rate * rate))
        whole = True
        for part in _parts(self._batch):
            again(state.lent_served, state.lent_private, past, *part, self._scratch.lent)
            if not alive():
                whole = False
                break
        self._scale(1.0)
        return whole

    def _begin(self, state: State) -> None:
        """Look up the rows as they are now: an item evicted meanwhile has none, or its row is another's."""
        ids, rows = state.keys["item"].ids, state.keys["item"].rows
        stale = np.array([ids[at] != known for at, known in enumerate(self._ids)] or [False])
        ring = self._past[0]
        ring[(ring >= 0) & stale[np.maximum(ring, 0)]] = -1
        events, weights = self._events, np.array(self._recommender.settings.weights, np.float32)
        kinds = np.array([event.kind for event in events], np.uint8)
        self._batch = (
            np.array([self._users[event.user_id] for event in events], np.int64),
            np.array([rows.get(event.item_id or "", -1) for event in events], np.int32),
            np.array([event.timestamp for event in events], np.float64).astype(np.int64),
            kinds,
            weights[kinds],
        )
        self._sums = _copied(state, SUMS)

    def _scale(self, factor: float) -> None:
        for (table, name), values in self._sums.items():
            self._recommender.state.tables[table].columns[name][: len(values)] = values * np.float32(factor)

    def save(self) -> Saved:
        """Copy the vectors."""
        return _copied(self._recommender.state, VECTORS)

    def restore(self, saved: Saved) -> None:
        """Put the vectors of `save` back."""
        for (table, name), values in saved.items():
            data = self._recommender.state.tables[table]
            data.columns[name][: len(values)] = values
            data.mark(np.arange(len(values), dtype=np.int32))


def _copied(state: State, columns: dict[str, tuple[str, ...]]) -> Saved:
    found: Saved = {}
    for table, names in columns.items():
        data = state.tables[table]
        rows = state.keys[data.table.keys].capacity
        found |= {(table, name): data.columns[name][:rows].copy() for name in names}
    return found


def _parts(columns: tuple[Array, ...]) -> Iterator[tuple[Array, ...]]:
    for start in range(0, len(columns[0]), TOGETHER):
        yield tuple(column[start : start + TOGETHER] for column in columns)


def _rings(state: State, users: Sequence[str]) -> tuple[Array, Array, Array, Array]:
    """Return the newest events of each user: item, time, kind, each (users * PAST,), and their number, (users,)."""
    known = state.keys["user"].rows
    rows = np.array([known.get(user, -1) for user in users], np.int64)
    total, newest = np.zeros(len(rows), np.int64), np.zeros(len(rows), np.int64)
    for into, name in ((total, "pushed"), (newest, "newest")):
        into[rows >= 0] = state.tables["user"].columns[name][rows[rows >= 0]]
    count = np.minimum(total, PAST)
    back = np.arange(PAST)
    theirs = rings.slots(np.maximum(rows, 0), total, PAST)
    own = np.arange(len(rows))[:, None] * PAST + (count[:, None] - 1 - back) % PAST
    there = back < count[:, None]
    ring = state.tables["user_ring"].columns
    did = np.zeros(theirs.shape, np.uint16)
    did[there] = ring["did"][theirs[there]]
    items: Array = np.full(len(rows) * PAST, -1, np.int32)
    times: Array = np.zeros(len(rows) * PAST, np.int64)
    kinds: Array = np.zeros(len(rows) * PAST, np.uint8)
    items[own[there]] = ring["item"][theirs[there]]
    times[own[there]] = rings.times(newest, rings.pauses(did))[there]
    kinds[own[there]] = rings.kinds(did)[there]
    return items, times, kinds, count


class _Event(NamedTuple):
    kind: int = dim.CLICK
    user_id: str = "user"
    item_id: str = "item"
    timestamp: float = 1.5e9
    price: float | None = None


def warm_passes() -> None:
    """Compile or load what a pass needs, before anything waits for it."""
    settings = RecommenderOptions(items=10, users=10, categories=10, brands=10, queries=10)
    recommender, events = Recommender(new_state(settings), settings), [_Event()]
    passes = Passes(recommender, events)
    recommender.learn_events(events, [1.5e9])
    passes.run(1.0, lambda: True)


__all__ = ["Passes", "warm_passes"]
