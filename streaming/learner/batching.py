"""In: prepared batches, collected. Out: all of them learnt at once: in order, and in further passes where that helps.

What is collected is in no version: a learner that dies reads it again. Histories do not wait, they were written before
a batch gets here.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import Any

from models.batch import Goal, HeldOut, Passes, Trained, train
from models.recommender import Recommender
from models.records import Event
from streaming.intake import PreparedBatch
from streaming.settings import UpdateSettings
from streaming.telemetry import LearnerTelemetry

log = logging.getLogger(__name__)


class BatchTrainer:
    """Collects between two trainings. For the learner's thread."""

    def __init__(self, settings: UpdateSettings, telemetry: LearnerTelemetry, monotonic: Callable[[], float]) -> None:
        self._settings, self._telemetry, self._monotonic = settings, telemetry, monotonic
        self._collected: list[PreparedBatch] = []
        self._events = 0
        self._since = monotonic()
        self._ordered = False

    def add(self, batch: PreparedBatch) -> None:
        """One more batch, in the order of arrival."""
        self._collected.append(batch)
        self._events += len(batch.events)
        self._ordered = self._ordered or bool(batch.orders)
        self._telemetry.batch_waiting.set(self._events)

    @property
    def due(self) -> bool:
        """Whether it is time to train: by the clock, by the count, or because an order must not wait."""
        if not self._collected:
            return False
        by_clock = self._monotonic() - self._since >= self._settings.every
        return by_clock or self._ordered or self._events >= self._settings.count

    @property
    def full(self) -> bool:
        """Whether no more may be collected: twice what is trained at once, when training takes longer than that."""
        return self._events >= 2 * self._settings.count

    def train(
        self, learn: Callable[[PreparedBatch], None], recommender: Recommender, alive: Callable[[], bool]
    ) -> dict[str, Any]:
        """Learn all that is collected; what a version says of it.

        learn: one batch in event order. alive: asked often; when it says no, the batches that were not learnt yet are
        let go, and read again after the next start.
        """
        batches = self._taken()
        # An order may set what was learnt back; then one pass in event order is all there is.
        further = self._settings.passes > 1 and not any(batch.orders for batch in batches)
        body, tail = split(batches, self._settings.held_out) if further else (batches, [])
        passes = Passes(recommender, _events(body)) if tail else None
        whole = _learn_all(body, learn, alive)
        trained = Trained()
        if whole and passes is not None:
            trained = train(passes, HeldOut(recommender, _events(tail)), self._goal(), self._monotonic, alive)
            whole = trained.stopped != "asked" and _learn_all(tail, learn, alive)
        self._tell(trained)
        return trained.summary() | {"events": sum(len(batch.events) for batch in batches), "whole": whole}

    def _taken(self) -> list[PreparedBatch]:
        batches, self._collected = self._collected, []
        self._events, self._ordered, self._since = 0, False, self._monotonic()
        self._telemetry.batch_waiting.set(0)
        return batches

    def _goal(self) -> Goal:
        mine = self._settings
        return Goal(mine.passes, mine.target, mine.budget_seconds, mine.rate_decay)

    def _tell(self, trained: Trained) -> None:
        log.info("a batch was trained: %s", trained.summary())
        self._telemetry.batch_trainings.labels(trained.stopped).inc()
        self._telemetry.batch_seconds.set(trained.seconds)
        self._telemetry.batch_passes.set(trained.kept)
        if trained.scores:
            self._telemetry.batch_hit_rate.set(trained.scores[trained.kept - 1].hit_rate)


def split(batches: Sequence[PreparedBatch], share: float) -> tuple[list[PreparedBatch], list[PreparedBatch]]:
    """Older batches, and the most recent ones with about `share` of the events; none of those when there is but one."""
    wanted, held = share * sum(len(batch.events) for batch in batches), 0
    at = len(batches)
    while at > 1 and held < wanted:
        at -= 1
        held += len(batches[at].events)
    return list(batches[:at]), list(batches[at:])


def _events(batches: Sequence[PreparedBatch]) -> list[Event]:
    return [event for batch in batches for event in batch.events]


def _learn_all(
    batches: Sequence[PreparedBatch], learn: Callable[[PreparedBatch], None], alive: Callable[[], bool]
) -> bool:
    for batch in batches:
        if not alive():
            return False
        learn(batch)
    return True


__all__ = ["BatchTrainer", "split"]
