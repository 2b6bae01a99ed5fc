"""Shows a few events of each batch to River's regressors, on a thread of its own, and their scores as metrics.

Witnesses hold up nothing: while they are busy, batches pass them by, and so does a backlog, which would share the
interpreter with River's import and with its estimators.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from models.records import Event
from models.referee import DEFAULT_WITNESSES, Witnesses
from models.state import State
from streaming.telemetry import LearnerTelemetry

SAMPLE = 32
"""Events of one batch that are offered; a witness judges some fifteen per second within its share of a core."""

POOL = 512
"""Items that the others are drawn from, chosen again for each batch that is offered."""


RECENT = 60.0
"""Seconds since its last record was written for which a batch is no backlog. Clocks of producers are less apart."""


class Offer(NamedTuple):
    """Events, their weights, ids of items to compare theirs with, and how many events were learned before."""

    events: Sequence[Event]
    weights: Sequence[float]
    pool: Sequence[str]
    number: int


class WitnessRunner:
    """Hands at most one batch at a time to the witnesses. `close` ends the thread.

    Args:
        make: Makes River's regressors, on the runner's thread with the first batch: the import of River keeps the
            interpreter for a second, for which a learner that starts would not learn. None for no witness.
        weights: Weight of each kind of event.
        telemetry: Shows their scores.
    """

    def __init__(
        self, make: Callable[[], Witnesses] | None, weights: Sequence[float], telemetry: LearnerTelemetry
    ) -> None:
        self._make, self._weights, self._telemetry = make, weights, telemetry
        self._offer: Offer | None = None
        self._changed = threading.Condition()
        self._closing = False
        self._thread = threading.Thread(target=self._run, name="witnesses", daemon=True)
        self._thread.start()

    def offer(self, events: Sequence[Event], state: State, number: int, age: float = 0.0) -> None:
        """Take a sample of a batch, unless the one before is still being judged or the batch belongs to a backlog.

        Args:
            events: The batch, learned.
            state: The model that learned it, for items to compare with.
            number: Records consumed before it; it chooses the items.
            age: Seconds since its last record was written.
        """
        if self._offer is not None or self._make is None or age > RECENT:
            return
        sample = events[:: max(1, len(events) // SAMPLE)]
        offer = Offer(sample, [self._weights[event.kind] for event in sample], pool_of(state, number), number)
        with self._changed:
            self._offer = offer
            self._changed.notify()

    def _run(self) -> None:
        witnesses: Witnesses | None = None
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._offer is not None or self._closing)
                offer = self._offer
            if self._closing or offer is None or self._make is None:
                return
            witnesses = witnesses or self._make()
            witnesses.watch(offer.events, offer.weights, offer.pool, offer.number)
            self._telemetry.witnesses(witnesses.scores())
            with self._changed:
                self._offer = None

    def close(self) -> None:
        """End the thread after the event it is judging."""
        with self._changed:
            self._closing = True
            self._changed.notify()
        self._thread.join(timeout=2.0)


def pool_of(state: State, number: int) -> list[str]:
    """Ids of up to POOL items of the factorization machine's pool: another stretch of it for each `number`."""
    rows = state.tables["pool"].columns["item"]
    at = (np.arange(POOL) + number) % len(rows)
    ids = state.keys["item"].ids
    found = (ids[row] for row in rows[at].tolist() if row >= 0)
    return [item for item in found if item is not None]


def ours(paths: Sequence[str]) -> bool:
    """Whether all of the configured estimators are those that we know: others may not exist.

    >>> ours(["facto.FMRegressor"]), ours(["facto.NoSuchRegressor"])
    (True, False)
    """
    return declared(paths).keys() <= DEFAULT_WITNESSES.keys()


def declared(paths: Sequence[str]) -> Mapping[str, Mapping[str, Any]]:
    """Full import paths of the configured estimators, and our parameters for those we know.

    >>> declared(["linear_model.LinearRegression"])
    {'river.linear_model.LinearRegression': {'clip_gradient': 1.0}}
    """
    full = [path if path.startswith("river.") else f"river.{path}" for path in paths]
    return {path: DEFAULT_WITNESSES.get(path, {}) for path in full}
