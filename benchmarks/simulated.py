"""Simulates a learner and a gate a second at a time: the real models, evidence and decisions, without processes.

Time is that of the stream, so a minute of it takes some seconds. What depends on a machine is a number here: how long
it takes until a version that a pointer names is at hand for comparisons.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import msgspec
import numpy as np

from models import dimensions as dim
from models import gate
from models.gate import Evidence, GateState, Policy, Version
from models.recommender import (
    EventBatch,
    EventLike,
    FactsLike,
    Overwritten,
    Recommender,
    RecommenderOptions,
    Tested,
    hits,
    new_scratch,
    new_state,
    recall,
)
from models.referee import SAVED, SHARE, Awaited, Referee, kept, recalled
from models.replay.versions import KeptVersion, Versions
from models.statistics import Standing
from service.replay.examiner import CanaryExaminer

STANDS = 2.0
"""Seconds that a version must have been served before it is compared as the champion, as in the learner."""


class Held(NamedTuple):
    """A stretch of stream for which newer versions waited.

    Attributes:
        seconds: how long.
        reasons: of its first decision.
        worse: hits that the challenger found less than the champion meanwhile, as a share of the tested events.
        detail: what the last held version waited for.
    """

    seconds: float
    reasons: tuple[str, ...]
    worse: float
    detail: str


class Simulated:
    """A learner and a gate over one stream.

    Args:
        policy: Thresholds of the gate.
        loading: Seconds from the moment a pointer names a version until the learner has its tables.
        seed: Of the model.
    """

    def __init__(self, policy: Policy, loading: float = 2.0, seed: int = 1) -> None:
        self.policy, self._loading, self._seed = policy, loading, seed
        self._options = RecommenderOptions()
        self._examine, self._scratch = CanaryExaminer(), new_scratch()
        self._referee = Referee(lambda: 0.0)
        self.state = GateState(proven=True)
        self._use(new_state(self._options, seed), "")
        self.serving: KeptVersion | None = None
        self.reference: KeptVersion | None = None
        self._former: KeptVersion | None = None
        self._named_at = self._served_since = self.now = 0.0
        self.events = 0
        self.holds: list[Held] = []
        self._holding: tuple[float, tuple[str, ...]] | None = None
        self._found = [0, 0, 0]  # tested events, and hits of challenger and champion, since the hold began

    def _use(self, state: Any, rebuilt: str) -> None:
        self.recommender = Recommender(state, self._options)
        self._versions, self._rebuilt = Versions(state), rebuilt
        self._kept: dict[str, KeptVersion] = {}

    def describe(self, facts: Mapping[str, FactsLike]) -> None:
        """Take facts of items."""
        self.recommender.describe(facts.items())

    def learn(self, events: Sequence[EventLike], times: Sequence[float], facts: Mapping[str, FactsLike]) -> None:
        """Learn a batch and compare versions on its tested events."""
        if not events:
            return
        self.now = max(self.now, times[-1])
        self._compare()
        self.recommender.learn_events(events, times, facts, self._watch)
        self._versions.forget()
        self._referee.count_records(len(events), 0, 0)
        self.events += len(events)

    def _compare(self) -> None:
        ready = self.now - self._named_at >= self._loading
        reference = self.reference if ready else None
        stands = self.now - self._served_since >= STANDS + self._loading
        named = Awaited(*(each.version if each is not None else "" for each in (self.reference, self.serving)))
        self._referee.compare_with(reference, self.serving if stands else None, "", named, self._former)
        self._referee.add_budget(SAVED / SHARE)

    def _watch(self, batch: EventBatch, tested: Tested, found: Overwritten) -> None:
        self._referee.watch(self.recommender.state, batch, tested, found)
        if self._holding is None or self.serving is None:
            return
        own = hits(tested.ranks[:, dim.SERVED])
        for at in np.flatnonzero(tested.known >= 0).tolist():
            place = int(tested.places[at])
            moment = recall(self.recommender.state, batch, found, place)
            rank = self.serving.rank(moment, self.recommender.state, self._scratch)
            self._found[0] += 1
            self._found[1] += int(own[at])
            self._found[2] += int(hits(np.array([rank]))[0])

    def tick(self, now: float, lag: float = 0.0) -> None:
        """Cut a version, decide about it and carry that out."""
        self.now = max(self.now, now)
        version = msgspec.structs.replace(self._versions.cut(now, self.events), rebuilt=self._rebuilt)
        standing = self._referee.standing(lag, self.recommender.counters()["applied"])
        self._evidence = {"standing": msgspec.to_builtins(standing), "memory": kept(self._referee.memory())}
        decision = self._decided(version, standing, now)
        names = {each.version for each in (self.serving, self.reference, self._former) if each is not None}
        self._kept = self._versions.hold({*names, version.id})
        if decision.moves and decision.target is not None:
            self.serving, self._served_since = self._at(decision.target), now
        if decision.reference is not None:
            # The learner keeps the one before at hand, unless it has begun a new term since.
            self._former, self.reference, self._named_at = self.reference, self._at(decision.reference), now
        self._note(decision, now)

    def _at(self, version: Version) -> KeptVersion:
        for each in (self.serving, self.reference):
            if each is not None and each.version == version.id:
                return each
        found = self._kept[version.id]
        found.record = version
        return found

    def _decided(self, version: Version, standing: Standing, now: float) -> gate.Decision:
        evidence = Evidence(
            candidate=version,
            serving=self.serving.record if self.serving is not None else None,
            reference=self.reference.record if self.reference is not None else None,
            standing=standing,
        )
        if gate.wanted(self.state, evidence, self.policy, now) is not None:
            served = self.serving.state if self.serving is not None else None
            faults, detail, numbers = self._examine(self.recommender.state, served, self.policy, now)
            evidence = msgspec.structs.replace(evidence, faults=faults, detail=detail, numbers=numbers)
        decision = gate.decide(self.state, evidence, self.policy, now)
        self.state = msgspec.structs.replace(decision.next_state, audited_at=now)
        return decision

    def _note(self, decision: gate.Decision, now: float) -> None:
        if decision.action == "hold":
            if self._holding is None:
                self._holding, self._found = (now, decision.reasons), [0, 0, 0]
            self._detail = decision.detail
        else:
            self.end(now)

    def end(self, now: float) -> None:
        """End a hold that lasts, at the end of the stream."""
        if self._holding is not None:
            since, reasons = self._holding
            tested, own, others = self._found
            self.holds.append(Held(now - since, reasons, round((others - own) / max(tested, 1), 4), self._detail))
            self._holding = None

    def restart(self) -> None:
        """Begin a new term: the evidence of the newest version is taken up, and the versions are loaded again."""
        self._referee = Referee(lambda: 0.0)
        self._referee.take_up(recalled(self._evidence))
        self._former, self._named_at = None, self.now

    def adopt(
        self,
        batches: Iterable[tuple[Sequence[EventLike], Sequence[float]]],
        facts: Mapping[str, FactsLike],
        *,
        first: bool = False,
    ) -> None:
        """Go on with a model that was learned from the beginning, as after a rebuild.

        Args:
            batches: Events and record times, in order.
            facts: Facts of items.
            first: It is the first model of the installation, as after an import, and carries no evidence.
        """
        state = new_state(self._options, self._seed + 1)
        recommender = Recommender(state, self._options)
        recommender.describe(facts.items())
        for events, times in batches:
            recommender.learn_events(events, times, facts)
        newest = self._versions.newest
        self._use(state, "" if first else "again")
        self._versions.newest = newest
        self._referee = Referee(lambda: 0.0)
        if not first:
            self._referee.take_up(recalled(self._evidence), same_model=False)
        self._former, self._named_at = None, self.now
