"""In: each batch that is learnt. Out: what a version says of how it stands, for the gate. Stage 6."""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeAlias

import msgspec

from models.ledger import Progress
from models.recommender import EventBatch, Tested
from models.referee import NAMES, Alarms, Referee
from models.state import State
from models.statistics import Exposed
from streaming.evidence.frozen import FrozenVersions
from streaming.intake import PreparedBatch
from streaming.telemetry import LearnerTelemetry

log = logging.getLogger(__name__)

Watch: TypeAlias = Callable[[EventBatch, Tested], None]

BAD = ("rejected", "late", "future")
"""Outcomes that say that the stream is not as it should be. What was capped did no harm, and its user shows anyway."""


class EvidenceReporter:
    """Compares the learner's model with frozen versions as it learns, and writes down the result for the gate.

    For the learner's thread.

    Args:
        frozen: The versions to compare with.
        referee: Compares, within its share of the time.
        telemetry: Shows the comparisons.
        clock: Monotonic seconds.
    """

    def __init__(
        self,
        frozen: FrozenVersions,
        referee: Referee,
        telemetry: LearnerTelemetry,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._frozen, self._referee, self._telemetry, self._clock = frozen, referee, telemetry, clock
        self._shown = (0.0, 0, 0)
        self._counts: Mapping[str, int] = {}
        # River takes a second to import, and learning need not wait for its detectors.
        threading.Thread(target=self._make_alarms, name="alarms", daemon=True).start()

    def _make_alarms(self) -> None:
        self._referee.alarms = Alarms()

    @contextlib.contextmanager
    def learning(self, state: State, batch: PreparedBatch) -> Iterator[Watch]:
        """Compare while a batch is learned; yields what `learn_events` shows each run of tested events to.

        The time that learning took, comparisons excepted, is the budget of the comparisons to come.
        """
        started, spent = self._clock(), self._referee.spent
        self._referee.compare_with(*self._frozen.current())

        def watch(events: EventBatch, tested: Tested) -> None:
            self._referee.watch(state, events, tested)

        yield watch
        self._referee.add_budget(self._clock() - started - (self._referee.spent - spent))
        outcomes = {**batch.outcomes, "learnt": len(batch.events)}
        bad = sum(outcomes.get(outcome, 0) for outcome in BAD)
        self._referee.count_records(sum(outcomes.values()), bad, outcomes.get("duplicate", 0))

    def idle(self) -> None:
        """There is no batch: let go of versions that are no longer compared with."""
        self._referee.compare_with(*self._frozen.current())

    def renew(self) -> None:
        """What is learnt was replaced: how it stood against others says nothing of what it is now."""
        self._referee.renew()

    def asked(self) -> list[Any]:
        """Some of the tested events since the last call, as questions for the services' reservoirs."""
        plain: list[Any] = msgspec.to_builtins(self._referee.asked())
        return plain

    def standing(self, lag: float, applied: int, exposed: Exposed | None = None) -> dict[str, Any]:
        """What the version being cut carries."""
        found = self._referee.standing(lag, applied, exposed)
        self._show()
        self._show_alarms(found.alarms)
        for name in ("reference", "champion", "probation", "learnt"):
            comparison = getattr(found, name)
            self._telemetry.compared_events.labels(name).set(comparison.n if comparison is not None else 0)
            self._telemetry.compared_hits.labels(name).set(comparison.hit.mean if comparison is not None else 0.0)
        plain: dict[str, Any] = msgspec.to_builtins(found)
        return plain

    def _show(self) -> None:
        seconds, compared, passed_over = self._referee.spent, self._referee.compared, self._referee.passed_over
        before = self._shown
        self._shown = (seconds, compared, passed_over)
        self._telemetry.evidence_seconds.inc(seconds - before[0])
        self._telemetry.evidence_events.labels("compared").inc(compared - before[1])
        self._telemetry.evidence_events.labels("passed_over").inc(passed_over - before[2])

    def _show_alarms(self, raised: tuple[str, ...]) -> None:
        for name in NAMES:
            self._telemetry.alarms.labels(name).set(name in raised)
        counts = dict(self._referee.alarms.counts) if self._referee.alarms is not None else {}
        for name, count in counts.items():
            fresh = count - self._counts.get(name, 0)
            self._telemetry.alarms_raised.labels(name).inc(fresh)
            if fresh:
                log.warning("alarm: %s changed abruptly", name)
        self._counts = counts


def behind(full: bool, now: float, progress: Progress) -> float:
    """Seconds the learner is behind the stream, at least 0. `full`: the last poll brought all that it may.

    Whoever gets less has read it all, however old the last record is; and a version that is the last one for a while
    must not say for all that time that it was late.

    >>> behind(False, 50.0, Progress(watermark=10.0)), behind(True, 50.0, Progress(watermark=10.0))
    (0.0, 40.0)
    """
    return max(0.0, now - progress.watermark) if full and progress.watermark else 0.0


__all__ = ["BAD", "EvidenceReporter", "behind"]
