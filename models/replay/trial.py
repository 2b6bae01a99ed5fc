"""In: how one gate decides, and each version of a past stream. Out: what it would have served, and its decisions.

The same `decide`, evidence and state as the service's; time is that of the records, and each version is looked at once.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from typing import Final, NamedTuple

import msgspec
import numpy as np

from models import gate
from models.dimensions import SOURCES
from models.gate import Action, Decision, Evidence, GateState, Mode, Policy, Version
from models.recommender import EventBatch, Tested, new_scratch, recall
from models.referee import SAVED, SHARE, Alarms, Referee
from models.replay.versions import Held
from models.state import State
from models.statistics import Standing

Examined = tuple[tuple[str, ...], str, dict[str, float]]
"""Faults, a sentence about the first of them, and what was measured."""

Examine = Callable[[State, State | None, Policy, float], Examined]
"""Tables to be served, those that are, the policy and the time (epoch seconds) in; what mechanical guards find out."""

STANDS: Final = 2.0
"""Seconds for which a version was served before it is compared as the champion: the learner's own rule."""


class Rule(NamedTuple):
    """How a gate decides: its mode at first and its policy."""

    mode: Mode
    policy: Policy


class TrialOutcome(NamedTuple):
    """What a gate made of one version."""

    action: Action
    reasons: tuple[str, ...]
    serves: str


class Trial:
    """One gate over a stream. `begin` with the first version, then `watch` every batch and `tick` every version."""

    def __init__(self, name: str, rule: Rule, examine: Examine) -> None:
        self.name, self.rule, self._examine = name, rule, examine
        self.state = GateState(mode=rule.mode, before_freeze="continuous" if rule.mode == "frozen" else rule.mode)
        # All that is tested is compared: there is time, and the figures must not depend on how fast this machine is.
        self._referee = Referee(lambda: 0.0)
        self._referee.alarms = Alarms()
        self._scratch = new_scratch()
        self.serving: Held | None = None
        self.reference: Held | None = None
        self._next = ("", "")
        self._served_since = 0.0
        self.ranks: list[int] = []
        self.decisions: Counter[tuple[Action, tuple[str, ...]]] = Counter()
        self.by_source = 0

    @property
    def needed(self) -> set[str]:
        """Ids of the versions it serves, or falls back on, from the next move on."""
        return set(self._next)

    def begin(self, first: Held, now: float) -> None:
        """Serve the first version, as an installation that has been running does."""
        self.serving = self.reference = first
        self._next = first.version, first.version
        self.state = msgspec.structs.replace(self.state, promoted_at=now)
        self._served_since = now

    def watch(self, state: State, batch: EventBatch, tested: Tested) -> None:
        """A batch that has just been learnt: what would have been shown, and the evidence from it."""
        serving = self.serving
        if serving is None:
            return
        now = float(batch.record_time[-1])
        self._referee.compare_with(self.reference, serving if now - self._served_since >= STANDS else None)
        self._referee.add_budget(SAVED / SHARE)
        self._referee.watch(state, batch, tested)
        by = best_source(serving.state) if self.state.baseline else -1
        for at in np.flatnonzero(tested.known >= 0).tolist():
            place = int(tested.places[at])
            moment = recall(state, batch.user, batch.item, batch.kind, batch.time, place)
            moment = moment._replace(query=int(batch.query[place]))
            self.ranks.append(serving.rank(moment, state, self._scratch, by))
            self.by_source += by >= 0

    def count_records(self, records: int, bad: int, duplicate: int) -> None:
        """What became of the records of a batch."""
        self._referee.count_records(records, bad, duplicate)

    def tick(self, candidate: Version, state: State, now: float, applied: int) -> TrialOutcome:
        """Decide about the newest version, whose tables are those of `state`."""
        evidence = self._evidence(candidate, self._referee.standing(0.0, applied))
        target = gate.wanted(self.state, evidence, self.rule.policy, now)
        if target is not None:
            evidence = self._examined(evidence, target, state, now)
        decision = gate.decide(self.state, evidence, self.rule.policy, now)
        self._next = self._after(decision)
        outcome = TrialOutcome(decision.action, decision.reasons, self._next[0])
        self.decisions[outcome.action, outcome.reasons] += 1
        if gate.worth_recording(self.state, decision, self.rule.policy, now):
            self.state = msgspec.structs.replace(decision.next_state, audited_at=now)
        return outcome

    def _evidence(self, candidate: Version, standing: Standing) -> Evidence:
        serving, reference = self.serving, self.reference
        return Evidence(
            candidate=candidate,
            serving=serving.record if serving is not None else None,
            reference=reference.record if reference is not None else None,
            standing=standing,
        )

    def _examined(self, evidence: Evidence, target: Version, state: State, now: float) -> Evidence:
        reference = self.reference
        kept = reference is not None and reference.version == target.id
        tables = reference.state if reference is not None and kept else state
        served = self.serving.state if self.serving is not None else None
        faults, detail, numbers = self._examine(tables, served, self.rule.policy, now)
        return msgspec.structs.replace(evidence, faults=faults, detail=detail, numbers=numbers)

    def _after(self, decision: Decision) -> tuple[str, str]:
        serving, reference = self._next
        if decision.moves and decision.target is not None:
            serving = decision.target.id
        return serving, decision.reference.id if decision.reference is not None else reference

    def move(self, held: Mapping[str, Held], now: float) -> None:
        """Serve what the last tick decided on, and fall back on what it named; `held` has both."""
        serving, reference = self._next
        if self.serving is None or serving != self.serving.version:
            self.serving, self._served_since = held[serving], now
        self.reference = held[reference]


def best_source(state: State) -> int:
    """Number of the single source with the best running score: who orders while the learnt ranking does not."""
    race = state.tables["race"].columns
    return int(np.argmax((race["fading_hits"] + race["fading_reciprocal"])[:SOURCES]))


__all__ = ["Examine", "Examined", "Rule", "Trial", "TrialOutcome", "best_source"]
