"""Tries one gate on a past stream: which versions it would have served, and why.

It uses the same `decide`, evidence and state as the service. Time is that of the records, and each version is examined
once.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from typing import Final, NamedTuple

import msgspec

from models import gate
from models.gate import Action, Decision, Evidence, GateState, Mode, Policy, Version
from models.recommender import EventBatch, Overwritten, Tested, best_source, new_scratch, recall
from models.referee import SAVED, SHARE, AnchorTurns, Awaited, Referee, turn_of
from models.replay.versions import KeptVersion
from models.state import State
from models.statistics import Standing

Examined = tuple[tuple[str, ...], str, dict[str, float]]
"""Faults, a sentence about the first of them, and the measured numbers."""

Examine = Callable[[State, State | None, Policy, float], Examined]
"""Takes the tables to be served, the served ones, the policy and the time (epoch seconds); runs mechanical guards."""

STANDS: Final = 2.0
"""Seconds that a version must have been served before it is compared as the champion, as in the learner."""


class Rule(NamedTuple):
    """How a gate decides: its initial mode and its policy."""

    mode: Mode
    policy: Policy


class TrialOutcome(NamedTuple):
    """The decision of a gate about one version."""

    action: Action
    reasons: tuple[str, ...]
    serves: str


class Trial:
    """One gate over a stream: call `begin` with the first version, `watch` for each batch and `tick` for each version.

    Args:
        name: Name of the gate in the report.
        rule: How it decides.
        examine: Finds mechanical faults in the tables of a version.
    """

    def __init__(self, name: str, rule: Rule, examine: Examine) -> None:
        self.name, self.rule, self._examine = name, rule, examine
        self.state = GateState(mode=rule.mode, before_freeze="continuous" if rule.mode == "frozen" else rule.mode)
        # A clock that stays at 0 compares every tested event: figures must not depend on the speed of this machine.
        self._referee = Referee(lambda: 0.0)
        self._scratch = new_scratch()
        self.serving: KeptVersion | None = None
        self.reference: KeptVersion | None = None
        self._anchors: dict[str, KeptVersion] = {}
        self._now = 0.0
        self._turns = AnchorTurns(lambda: self._now, turn_of(rule.policy.anchors))
        self._next = ("", "")
        self._served_since = 0.0
        self.ranks: list[int] = []
        self.decisions: Counter[tuple[Action, tuple[str, ...]]] = Counter()
        self.by_source = 0

    @property
    def needed(self) -> set[str]:
        """Ids of the versions that it serves, falls back on, or holds as anchors, from the next move on."""
        return {*self._next, *(anchor.id for anchor in self.state.anchors)}

    def begin(self, first: KeptVersion, now: float) -> None:
        """Serve the first version, as an installation does that has been running."""
        self.serving = self.reference = first
        self._next = first.version, first.version
        self.state = msgspec.structs.replace(self.state, promoted_at=now)
        self._served_since = now

    def watch(self, state: State, batch: EventBatch, tested: Tested, found: Overwritten) -> None:
        """Rank the tested events of a batch that was just learned with the served version, and collect evidence.

        Of the lines of an order only the first is ranked, as in the evidence.
        """
        serving = self.serving
        if serving is None:
            return
        now = float(batch.record_time[-1])
        self._now, stand = max(self._now, now), list(self._anchors)
        anchor = self._anchors.get(self._turns.whose(stand))
        awaited = Awaited(self.reference.version if self.reference is not None else "", serving.version)
        champion = serving if now - self._served_since >= STANDS else None
        self._referee.compare_with(self.reference, champion, awaited=awaited, anchor=anchor, anchors=stand)
        self._referee.add_budget(SAVED / SHARE)
        self._referee.watch(state, batch, tested, found)
        by = best_source(serving.state.served.race) if self.state.baseline else -1
        for place in tested.places[(tested.known >= 0) & found.opens[tested.places]].tolist():
            moment = recall(state, batch, found, place)
            self.ranks.append(serving.rank(moment, state, self._scratch, by))
            self.by_source += by >= 0

    def count_records(self, records: int, bad: int, duplicate: int) -> None:
        """Count the records of a batch, and how many of them were unusable or duplicates."""
        self._referee.count_records(records, bad, duplicate)

    def tick(self, candidate: Version, state: State, now: float, applied: int) -> TrialOutcome:
        """Decide about the newest version, whose tables are those of `state`; `applied`: events learned."""
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
            anchors=tuple(anchor.record for anchor in self._anchors.values()),
        )

    def _examined(self, evidence: Evidence, target: Version, state: State, now: float) -> Evidence:
        stand = [*self._anchors.values(), *([self.reference] if self.reference is not None else [])]
        tables = next((each.state for each in stand if each.version == target.id), state)
        served = self.serving.state if self.serving is not None else None
        faults, detail, numbers = self._examine(tables, served, self.rule.policy, now)
        return msgspec.structs.replace(evidence, faults=faults, detail=detail, numbers=numbers)

    def _after(self, decision: Decision) -> tuple[str, str]:
        serving, reference = self._next
        if decision.moves and decision.target is not None:
            serving = decision.target.id
        return serving, decision.reference.id if decision.reference is not None else reference

    def move(self, versions: Mapping[str, KeptVersion], now: float) -> None:
        """Serve the version that the last tick decided on, and fall back on the one that it named."""
        serving, reference = self._next
        if self.serving is None or serving != self.serving.version:
            self.serving, self._served_since = versions[serving], now
        self.reference = versions[reference]
        self._anchors = {anchor.id: versions[anchor.id] for anchor in self.state.anchors}


__all__ = ["Examine", "Examined", "Rule", "Trial", "TrialOutcome"]
