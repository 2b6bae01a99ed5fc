"""Replays a past stream and lets several gates decide about its versions. Stage 6.

One learner learns the stream, as the live one did. A version is cut by the records' own time, and every gate decides
about each version. All of them begin by serving the first version after `since`.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

from models.recommender import (
    EventBatch,
    EventLike,
    FactsLike,
    Groups,
    Overwritten,
    Recommender,
    RecommenderOptions,
    Tested,
    new_state,
)
from models.replay.timeline import Change, Timeline
from models.replay.trial import Examine, Rule, Trial, TrialOutcome
from models.replay.versions import Versions

TOGETHER: Final = 2_000
"""Most events learned in one call, as in a live learner's batches."""

KEPT: Final = 10
"""Divergences that are kept; all are counted."""


class Divergence(NamedTuple):
    """A version about which two gates decided differently."""

    at: float  # epoch seconds
    events: int  # learned until then
    version: str
    outcomes: dict[str, TrialOutcome]


class Pace(NamedTuple):
    """When a version is cut: after so many seconds of record time and so many events, once both have passed."""

    seconds: float = 1.0
    events: int = 200


class Replay:
    """Replays a stream: call `learn` with all of it in order, then read `trials`, `divergences` and the counts.

    Args:
        rules: How each gate decides, by its name.
        examine: Finds mechanical faults in the tables of a version.
        settings: Of the recommender; all defaults if left out.
        seed: Seed of the recommender.
        since: Epoch seconds from which versions are served.
        pace: When a version is cut.
    """

    def __init__(
        self,
        rules: Mapping[str, Rule],
        examine: Examine,
        settings: RecommenderOptions | None = None,
        seed: int = 1,
        since: float = 0.0,
        pace: Pace | None = None,
    ) -> None:
        self.recommender = Recommender(new_state(settings, seed), settings)
        self.trials = [Trial(name, rule, examine) for name, rule in rules.items()]
        self._versions = Versions(self.recommender.state)
        self._since, self._pace = since, pace or Pace()
        self._cut_at, self._uncut = 0.0, 0
        self._begun = False
        self.events = self.versions = self.diverged = 0
        self.began = self.now = 0.0
        self.divergences: list[Divergence] = []
        self.timeline = Timeline([trial.name for trial in self.trials])

    def learn(
        self,
        events: Sequence[EventLike],
        record_times: Sequence[float],
        facts: Mapping[str, FactsLike] | None = None,
        groups: Groups | None = None,
    ) -> None:
        """Learn the next events in order; record times in epoch seconds. `facts`, `groups`: as of `learn_events`."""
        start = 0
        while start < len(events):
            stop = min(start + self._stretch(record_times, start), start + TOGETHER, len(events))
            self._learn(events[start:stop], record_times[start:stop], facts, groups)
            start = stop

    def _stretch(self, record_times: Sequence[float], start: int) -> int:
        """Return the number of events until the next version is due."""
        if not self._uncut and not self.events:
            self._cut_at = record_times[start]
        due = bisect_left(record_times, self._cut_at + self._pace.seconds, start) - start + 1
        return max(1, due, self._pace.events - self._uncut)

    def _learn(
        self,
        events: Sequence[EventLike],
        record_times: Sequence[float],
        facts: Mapping[str, FactsLike] | None,
        groups: Groups | None,
    ) -> None:
        self.recommender.learn_events(events, record_times, facts, self._watch, groups)
        self.events += len(events)
        self._uncut += len(events)
        self.now = max(self.now, record_times[-1])
        for trial in self.trials:
            trial.count_records(len(events), 0, 0)
        if self._uncut >= self._pace.events and self.now >= self._cut_at + self._pace.seconds:
            self._cut()

    def _watch(self, batch: EventBatch, tested: Tested, found: Overwritten) -> None:
        for trial in self.trials:
            trial.watch(self.recommender.state, batch, tested, found)
        self._versions.forget()

    def count_records(self, bad: int, duplicate: int) -> None:
        """Count records that were not learned: unusable ones and duplicates."""
        for trial in self.trials:
            trial.count_records(bad + duplicate, bad, duplicate)

    def _cut(self) -> None:
        self._cut_at, self._uncut = self.now, 0
        version = self._versions.cut(self.now, self.events)
        if not self._begun:
            if self.now >= self._since:
                self._begin(version.id)
            return
        self.versions += 1
        applied = self.recommender.counters()["applied"]
        outcomes = {trial.name: trial.tick(version, self.recommender.state, self.now, applied) for trial in self.trials}
        if len(set(outcomes.values())) > 1:
            self.diverged += 1
            if len(self.divergences) < KEPT:
                self.divergences.append(Divergence(self.now, self.events, version.id, outcomes))
        for trial in self.trials:
            self._note(trial, outcomes[trial.name])
        versions = self._versions.hold(set().union(*(trial.needed for trial in self.trials)))
        for trial in self.trials:
            trial.move(versions, self.now)

    def _begin(self, version: str) -> None:
        self._begun, self.began = True, self.now
        first = self._versions.hold([version])[version]
        for trial in self.trials:
            trial.begin(first, self.now)
            self._note(trial, TrialOutcome("promote", ("first_version",), version))

    def _note(self, trial: Trial, outcome: TrialOutcome) -> None:
        change = Change(self.now, self.events, len(trial.ranks), outcome.serves, outcome.action, outcome.reasons)
        self.timeline.note(trial.name, change)


__all__ = ["Divergence", "Pace", "Replay"]
