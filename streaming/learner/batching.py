"""Collects prepared batches and learns them together: in order, then in further passes where those help. Mode batch.

Collected batches are in no version: a learner that dies reads them again. Histories do not wait for the training, they
were written before a batch gets here.
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
    """Collects batches between two trainings. For the learner's thread.

    Args:
        settings: How often to train, and in how many passes.
        telemetry: Shows what waits and how the trainings went.
        monotonic: Monotonic seconds.
    """

    def __init__(self, settings: UpdateSettings, telemetry: LearnerTelemetry, monotonic: Callable[[], float]) -> None:
        self._settings, self._telemetry, self._monotonic = settings, telemetry, monotonic
        self._collected: list[PreparedBatch] = []
        self._events = 0
        self._since = monotonic()
        self._ordered = False

    def add(self, batch: PreparedBatch) -> None:
        """Collect one more batch, in the order of arrival."""
        self._collected.append(batch)
        self._events += len(batch.events)
        self._ordered = self._ordered or bool(batch.orders)
        self._telemetry.batch_waiting.set(self._events)

    @property
    def waiting(self) -> bool:
        """Whether a training would learn anything."""
        return bool(self._collected)

    @property
    def due(self) -> bool:
        """Whether it is time to train: by the clock, by the count, or because an order must not wait."""
        if not self._collected:
            return False
        by_clock = self._monotonic() - self._since >= self._settings.every
        return by_clock or self._ordered or self._events >= self._settings.count

    @property
    def full(self) -> bool:
        """Whether no more may be collected: twice what one training takes, which then is slower than the stream."""
        return self._events >= 2 * self._settings.count

    def train(
        self, learn: Callable[[PreparedBatch], None], recommender: Recommender, alive: Callable[[], bool]
    ) -> dict[str, Any]:
        """Learn all collected batches.

        Args:
            learn: Learns one batch in event order.
            recommender: The model that `learn` teaches, for the further passes.
            alive: Asked often. When it returns False, the batches that were not learned yet are dropped; they are read
                again after the next start.

        Returns:
            The figures of the training, which the next version carries.
        """
        batches = self._taken()
        # An order may put the model back to an earlier version; then one pass in event order is all there is.
        further = self._settings.passes > 1 and not any(batch.orders for batch in batches)
        body, tail = split(batches, self._settings.held_out) if further else (batches, [])
        passes = Passes(recommender, _events(body)) if tail else None
        whole = _learn_all(body, learn, alive)
        trained = Trained()
        if whole and passes is not None:
            trained = train(passes, HeldOut(recommender, _events(tail)), self._goal(), self._monotonic, alive)
            whole = trained.stopped != "asked" and _learn_all(tail, learn, alive)
        self._report(trained)
        return trained.summary() | {"events": sum(len(batch.events) for batch in batches), "whole": whole}

    def _taken(self) -> list[PreparedBatch]:
        batches, self._collected = self._collected, []
        self._events, self._ordered, self._since = 0, False, self._monotonic()
        self._telemetry.batch_waiting.set(0)
        return batches

    def _goal(self) -> Goal:
        section = self._settings
        return Goal(section.passes, section.target, section.budget_seconds, section.rate_decay)

    def _report(self, trained: Trained) -> None:
        log.info("a batch was trained: %s", trained.summary())
        self._telemetry.batch_trainings.labels(trained.stopped).inc()
        self._telemetry.batch_seconds.set(trained.seconds)
        self._telemetry.batch_passes.set(trained.kept)
        if trained.scores:
            self._telemetry.batch_hit_rate.set(trained.scores[trained.kept - 1].hit_rate)


def split(batches: Sequence[PreparedBatch], share: float) -> tuple[list[PreparedBatch], list[PreparedBatch]]:
    """Split off the most recent batches, with about `share` of the events, to measure the passes by.

    Returns:
        The older batches, of which there is at least one, and the most recent ones, oldest first in both.
    """
    wanted, held_out = share * sum(len(batch.events) for batch in batches), 0
    at = len(batches)
    while at > 1 and held_out < wanted:
        at -= 1
        held_out += len(batches[at].events)
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
