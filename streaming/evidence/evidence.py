"""Each learned batch in; the evidence that a version carries for the gate out. Stage 6."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, TypeAlias

import msgspec

from models.arrays import Array
from models.ledger import Progress, user_hash
from models.recommender import EventBatch, Overwritten, Tested
from models.referee import NAMES, Answer, NoPast, Referee, kept, recalled
from models.snapshot import Manifest
from models.state import State
from models.statistics import Exposed, PastQuestion, Reservoir, Standing
from streaming.evidence.frozen import FrozenVersions
from streaming.intake import PreparedBatch
from streaming.settings import MOST_ANCHORS
from streaming.telemetry import LearnerTelemetry

log = logging.getLogger(__name__)

Watch: TypeAlias = Callable[[EventBatch, Tested, Overwritten], None]

BAD = ("rejected", "late", "future")
"""Outcomes that mean the stream is not as it should be. Capped events did no harm, and their user shows anyway."""


class EvidenceReporter:
    """Compares the learner's model with frozen versions as it learns, and writes down the result for the gate.

    For the learner's thread.

    Args:
        frozen: The versions to compare with.
        referee: Compares, within its share of the time.
        telemetry: Shows the comparisons.
    """

    def __init__(self, frozen: FrozenVersions, referee: Referee, telemetry: LearnerTelemetry) -> None:
        self._frozen, self._referee, self._telemetry = frozen, referee, telemetry
        self._shown = (0.0, 0, 0)
        self._counts: Mapping[str, int] = {}
        self.reservoir = Reservoir()
        """Old questions: a base carries all of them, for a service or a learner that starts."""

    def take_up(self, version: Manifest, *, same_model: bool) -> Standing | None:
        """Go on with the evidence that a version carries, or say why it begins again.

        Args:
            version: The newest version of the chain.
            same_model: Whether learning goes on from its model.

        Returns:
            The standing that is taken up, None without one.
        """
        try:
            past = recalled(version.evidence)
        except NoPast as error:
            self._referee.began = f"began again at version {version.id}: {error}"
            self._telemetry.evidence_terms.labels("discarded").inc()
            log.warning("evidence %s", self._referee.began)
            return None
        self._referee.take_up(past, same_model=same_model)
        which = "all" if same_model else "all but the comparisons of another model"
        self._referee.began = f"taken up from version {version.id}: {which}"
        self._telemetry.evidence_terms.labels("taken_up").inc()
        log.info("evidence %s", self._referee.began)
        return past.standing

    @contextlib.contextmanager
    def learning(self, state: State, batch: PreparedBatch) -> Iterator[Watch]:
        """Compare while a batch is learned; yields what `learn_events` shows each run of tested events to.

        The time that learning took, comparisons excepted, is the budget of the comparisons to come.
        """

        def watch(events: EventBatch, tested: Tested, found: Overwritten) -> None:
            self._referee.watch(state, events, tested, found)

        with self._referee.earning():
            self._referee.compare_with(*self._frozen.current())
            yield watch
        self._count({**batch.by_the_shop(), "learnt": len(batch.events)})

    def note(
        self,
        state: State,
        seen: Iterable[tuple[EventBatch, Tested, Array]],
        outcomes: Mapping[str, int],
        answers: Sequence[Answer] = (),
        questions: Sequence[PastQuestion] = (),
    ) -> None:
        """Take what others learned and tested.

        Args:
            state: The model that they taught.
            seen: Runs of events, their tested events, and of each of those the second of its user's event before.
            outcomes: Records by outcome, without what was sent with a public key.
            answers: What they asked versions about some of their tested events.
            questions: A sample of those events.
        """
        self._referee.compare_with(*self._frozen.current())
        for events, tested, before in seen:
            self._referee.note(state, events, tested, before)
        self._referee.hear(answers, questions)
        self._count(outcomes)

    def _count(self, outcomes: Mapping[str, int]) -> None:
        bad = sum(outcomes.get(outcome, 0) for outcome in BAD)
        self._referee.count_records(sum(outcomes.values()), bad, outcomes.get("duplicate", 0))

    def idle(self) -> None:
        """Release versions that are no longer compared with; called while there is no batch."""
        self._referee.compare_with(*self._frozen.current())

    def renew(self) -> None:
        """Forget all comparisons: the model was replaced, and they say nothing about the new one."""
        self._referee.renew()

    def asked(self) -> list[Any]:
        """Some of the events tested since the last call, as questions for the services' reservoirs."""
        questions = self._referee.asked()
        for question in questions:
            self.reservoir.add(question)
        plain: list[Any] = msgspec.to_builtins(questions)
        return plain

    def erase(self, ids: Iterable[str]) -> None:
        """Forget the questions of a user, by all ids of the person."""
        users = {user_hash(user) for user in ids}
        self.reservoir.erase(users)
        self._referee.erase(users)

    def memory(self) -> str:
        """What the next term must know beyond the standing, as a version carries it."""
        return kept(self._referee.memory())

    def standing(self, lag: float, applied: int, exposed: Exposed | None = None) -> dict[str, Any]:
        """The standing of the model, for the version that is being cut.

        Args:
            lag: Seconds the learner is behind the stream.
            applied: Events the model has learned.
            exposed: How concentrated the slates are.
        """
        standing = self._referee.standing(lag, applied, exposed)
        self._show()
        self._show_alarms(standing.alarms)
        self._telemetry.evidence_memory.set(self._frozen.held_bytes)
        for name in ("reference", "champion", "probation", "learnt"):
            comparison = getattr(standing, name)
            self._telemetry.compared_events.labels(name).set(comparison.n if comparison is not None else 0)
            self._telemetry.compared_hits.labels(name).set(comparison.hit.mean if comparison is not None else 0.0)
        for place in range(MOST_ANCHORS):
            found = standing.anchors[place] if place < len(standing.anchors) else None
            self._telemetry.compared_events.labels(f"anchor{place + 1}").set(found.n if found is not None else 0)
            self._telemetry.compared_hits.labels(f"anchor{place + 1}").set(found.mean if found is not None else 0.0)
        plain: dict[str, Any] = msgspec.to_builtins(standing)
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
        counts = dict(self._referee.alarms.counts)
        for name, count in counts.items():
            more = count - self._counts.get(name, 0)
            self._telemetry.alarms_raised.labels(name).inc(more)
            if more:
                log.warning("alarm: %s changed abruptly", name)
        self._counts = counts


def behind(full: bool, now: float, progress: Progress) -> float:
    """Seconds the learner is behind the stream, at least 0.

    A poll that is not full has read everything, however old the last record is. Otherwise the last version before a
    quiet hour would say for that hour that it was late.

    Args:
        full: Whether the last poll brought as many records as it may.
        now: Epoch seconds.
        progress: Its watermark is the latest record time.

    >>> behind(False, 50.0, Progress(watermark=10.0)), behind(True, 50.0, Progress(watermark=10.0))
    (0.0, 40.0)
    """
    return max(0.0, now - progress.watermark) if full and progress.watermark else 0.0


__all__ = ["BAD", "EvidenceReporter", "behind"]
