"""Cuts versions of the learner's model on time, once everything that belongs before them is written. Stage 5."""

from __future__ import annotations

from operator import attrgetter
from typing import Any, Final

import msgspec

from models.ledger import IntakeCounts
from models.state import Changes
from streaming.evidence import behind
from streaming.intake import ARRIVAL_SAMPLES, PreparedBatch
from streaming.learner.parts import Parts
from streaming.learner.stopping import Stop
from streaming.learning import Model

SOON = 0.05
"""Seconds until the next attempt when histories are not in Redis yet, and the wait for dead letters within one."""

LATER = 0.5
"""Seconds until the next attempt when dead letters did not reach Kafka in time. With no broker, at most a tenth of the
learner's time goes into waiting."""

SERVED_SAMPLES = 64
"""Record times a version carries, from which the service measures how long its events took to be served."""


_KIND: Final = attrgetter("kind")


class VersionCutter:
    """For the learner's thread.

    Args:
        model: What the versions are of.
        parts: What the term works with.
        stop: Bounds the waiting for dead letters before the last version.
    """

    def __init__(self, model: Model, parts: Parts, stop: Stop) -> None:
        self._model, self._parts, self._stop = model, parts, stop
        self._cut_at = parts.monotonic()
        self._full_poll = False
        self._live_number = self._letters = 0
        self._served_times: list[float] = []
        self._trained: dict[str, Any] = {}
        self._intake = IntakeCounts(parts.wall())

    @property
    def due(self) -> bool:
        """Whether it is time for the next version."""
        return self._parts.monotonic() - self._cut_at >= self._parts.settings.learner.version_interval

    def learned(self, batch: PreparedBatch) -> None:
        """Note a learned batch: the next version waits for its histories and dead letters, and carries its times."""
        self._full_poll = batch.full
        self._live_number, self._letters = batch.live_number, batch.letters
        self._intake.add(map(_KIND, batch.events), batch.turned_away, batch.refused, batch.left_out)
        self._served_times.extend(batch.sampled_times(ARRIVAL_SAMPLES)[: SERVED_SAMPLES - len(self._served_times)])

    def trained(self, result: dict[str, Any]) -> None:
        """Note a training in mode batch: a version with its result is due at once."""
        self._trained = result
        self._cut_at = float("-inf")

    def cut(self, known: Changes | None = None, *, last: bool = False) -> bool:
        """Hand what changed to the uploader; False when Redis or Kafka must first take what belongs before it.

        Args:
            known: What changed, where it was copied since the model last changed.
            last: Cut although the pause after a slow upload is not over, and wait longer for dead letters.
        """
        parts = self._parts
        self._cut_at = parts.monotonic()
        if parts.checkpointer.fenced:
            parts.leadership.lose()
            return False
        if last:
            parts.dead_letters.flush(self._stop.share(1.0))
        if parts.live_writer.flushed < self._live_number:
            return self._again_in(SOON)
        # Waited for here: where bad records keep coming, some are on their way to Kafka at almost any moment.
        if not parts.dead_letters.wait_settled(self._letters, SOON):
            return self._again_in(LATER)
        self._hand_to_uploader(known, last=last)
        self._report()
        return True

    def _again_in(self, seconds: float) -> bool:
        self._cut_at += seconds - self._parts.settings.learner.version_interval
        return False

    def _hand_to_uploader(self, known: Changes | None, *, last: bool) -> None:
        model = self._model
        if self._parts.checkpointer.cut(
            model.state,
            model.progress,
            model.admission,
            self._evidence,
            for_bases=lambda: {"questions": self._parts.evidence.reservoir.packed()},
            served_by=model.recommender.chosen,
            receipts=self._parts.receipts.waiting,
            force=last,
            known=known,
        ):
            self._served_times = []

    def _evidence(self) -> dict[str, Any]:
        parts, model = self._parts, self._model
        applied = model.recommender.counters()["applied"]
        lag = behind(self._full_poll, parts.wall(), model.progress)
        # Batches are collected on purpose: how long their events took to be served is not timed.
        times = self._served_times if parts.settings.update.mode != "batch" else []
        evidence: dict[str, Any] = {"record_times": times}
        evidence["standing"] = parts.evidence.standing(lag, applied, parts.attributor.exposed)
        evidence["memory"] = parts.evidence.memory()
        evidence["asked"] = parts.evidence.asked()
        evidence["intake"] = msgspec.to_builtins(self._intake)
        evidence |= parts.experiments.carried()
        if parts.traces is not None:
            evidence |= parts.traces.carried()
        if self._trained:
            evidence["batch"] = self._trained
        return evidence

    def _report(self) -> None:
        telemetry, recommender, progress = self._parts.telemetry, self._model.recommender, self._model.progress
        telemetry.scores(recommender.scores())
        telemetry.ceilings(recommender.counters())
        for name, keys in self._model.state.keys.items():
            telemetry.keys.labels(name).set(len(keys))
        telemetry.memory.set(self._model.state.nbytes())
        held = sum(each.events for each in progress.quarantines if each.state == "held")
        telemetry.quarantined.labels("quarantined").set(held)
        telemetry.quarantined.labels("dropped").set(progress.outcomes.get("dropped", 0))


__all__ = ["VersionCutter"]
