"""In: each batch that is learnt. Out: what a version says of how it stands, for the gate. Stage 6."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from models.ledger import Progress
from models.recommender import EventBatch, Tested
from models.referee import NAMES, Alarms, Referee
from models.state import State
from models.statistics import Exposed
from streaming.evidence.frozen import FrozenVersions
from streaming.telemetry import LearnerTelemetry

log = logging.getLogger(__name__)

BAD = ("rejected", "late", "future")
"""Outcomes that say that the stream is not as it should be. What was capped did no harm, and its user shows anyway."""


class EvidenceReporter:
    """For the learner's thread."""

    def __init__(self, opponents: FrozenVersions, referee: Referee, telemetry: LearnerTelemetry) -> None:
        self._opponents, self._referee, self._telemetry = opponents, referee, telemetry
        self._shown = (0.0, 0, 0)
        self._counts: Mapping[str, int] = {}
        # River takes a second to import, and learning need not wait for its detectors.
        threading.Thread(target=self._listen, name="alarms", daemon=True).start()

    def _listen(self) -> None:
        self._referee.alarms = Alarms()

    def watcher(self, state: State) -> Callable[[EventBatch, Tested], None]:
        """What `learn_events` shows each run to."""
        self._referee.compare_with(*self._opponents.current())

        def watch(batch: EventBatch, tested: Tested) -> None:
            self._referee.watch(state, batch, tested)

        return watch

    def idle(self) -> None:
        """There is no batch: let go of versions that are no longer compared with."""
        self._referee.compare_with(*self._opponents.current())

    def renew(self) -> None:
        """What is learnt was replaced: how it stood against others says nothing of what it is now."""
        self._referee.renew()

    @property
    def spent(self) -> float:
        """Seconds spent asking opponents so far."""
        return self._referee.spent

    def note(self, seconds: float, outcomes: Mapping[str, int]) -> None:
        """A batch was learnt in `seconds` without ours; what became of its records."""
        self._referee.add_budget(seconds)
        bad = sum(outcomes.get(outcome, 0) for outcome in BAD)
        self._referee.count_records(sum(outcomes.values()), bad, outcomes.get("duplicate", 0))

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
