"""A learner whose terms end at random moments, and the gate that decides about its versions."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import NamedTuple

import msgspec

from models import gate
from models.gate import Evidence, GateState, Policy, Version
from models.recommender.frozen import FrozenModel
from models.recommender.recommender import Recommender, new_state
from models.recommender.types import RecommenderOptions
from models.referee import Awaited, Referee, kept, recalled
from models.state.schema import SCHEMA
from models.state.state import State
from service.gate.evidence import standing
from tests.support.oracles.seen import Seen

TURN = 3
"""Versions for which one anchor is compared with before the next."""

STANDS = 2
"""Versions for which a champion must have been served before it is compared."""


class Stored(NamedTuple):
    """A version as a store keeps it: tables, evidence as JSON, and the events that it covers."""

    version: Version
    tables: State
    evidence: str
    events: int


class Taken(NamedTuple):
    """A decision about one version, with its numbers."""

    action: str
    reasons: tuple[str, ...]
    serving: str
    reference: str
    numbers: dict[str, float]


class Terms:
    """Learns a stream in batches, cuts a version after each, and decides about it.

    A clock that does not move makes every comparison affordable: what is compared must not depend on the machine.
    """

    def __init__(self, options: RecommenderOptions, policy: Policy) -> None:
        self.options, self.policy = options, policy
        self.recommender = Recommender(new_state(options, 3), options)
        self.referee = Referee(lambda: 0.0)
        self.state = GateState()
        self.stored: list[Stored] = []
        self.serving: Stored | None = None
        self.reference: Stored | None = None
        self.served_since = 0
        self.decisions: list[Taken] = []
        self._frozen: dict[str, FrozenModel] = {}

    def learn(self, events: Sequence[Seen]) -> None:
        """Learn a batch, with every comparison that the pointers ask for."""
        champion = self.serving if len(self.stored) - self.served_since >= STANDS else None
        awaited = Awaited(*(each.version.id if each else "" for each in (self.reference, self.serving)))
        stand = self._stand()
        # One anchor after the other, each for a few versions.
        anchor = stand[len(self.stored) // TURN % len(stand)] if stand else None
        self.referee.compare_with(
            self._loaded(self.reference),
            self._loaded(champion),
            awaited=awaited,
            anchor=self._loaded(anchor),
            anchors=[each.version.id for each in stand],
        )
        self.referee.add_budget(1e9)
        self.recommender.learn_events(
            events,
            [event.timestamp for event in events],
            watch=lambda *run: self.referee.watch(self.recommender.state, *run),
        )
        self.referee.count_records(len(events), 0, 0)

    def cut(self, events: int) -> None:
        """Cut a version after so many events, and decide about it."""
        number = len(self.stored) + 1
        evidence = {"standing": self.referee.standing(0.0, events), "memory": kept(self.referee.memory())}
        tables = State(SCHEMA, self.options.ceilings())
        tables.apply(self.recommender.state.full())
        text = msgspec.json.encode(evidence).decode()
        self.stored.append(Stored(Version(str(number), number), tables, text, events))
        self._decide(self.stored[-1])

    def restart(self, *, loading: int = 0) -> int:
        """Begin a new term from the newest version; the number of events that it covers.

        Args:
            loading: How often the new term looks for its frozen versions before they are at hand.
        """
        self.recommender = Recommender(new_state(self.options, 3), self.options)
        self.referee, self._frozen = Referee(lambda: 0.0), {}
        if not self.stored:
            return 0
        newest = self.stored[-1]
        tables = State(SCHEMA, self.options.ceilings())
        tables.apply(newest.tables.full())
        for keys in tables.keys.values():
            keys.forget_changes()
        self.recommender = Recommender(tables, self.options)
        self.referee.take_up(recalled(json.loads(newest.evidence)))
        awaited = Awaited(*(each.version.id if each else "" for each in (self.reference, self.serving)))
        for turn in range(loading):
            stand = [each.version.id for each in self._stand()]
            self.referee.compare_with(None, None, awaited=None if not turn else awaited, anchors=stand)
        return newest.events

    def _stand(self) -> list[Stored]:
        """Returns the anchors, each once, the youngest first."""
        ids = dict.fromkeys(anchor.id for anchor in self.state.anchors)
        return [each for id_ in ids for each in self.stored if each.version.id == id_]

    def _loaded(self, stored: Stored | None) -> FrozenModel | None:
        if stored is None:
            return None
        if stored.version.id not in self._frozen:
            served = State(SCHEMA, self.options.ceilings(), served_only=True)
            served.apply(stored.tables.full())
            self._frozen[stored.version.id] = FrozenModel(stored.version.id, served)
        return self._frozen[stored.version.id]

    def _decide(self, newest: Stored) -> None:
        evidence = Evidence(
            newest.version,
            self.serving.version if self.serving else None,
            self.reference.version if self.reference else None,
            standing=standing(json.loads(newest.evidence)),
            anchors=tuple(each.version for each in self._stand()),
        )
        now = float(newest.version.seq)
        decision = gate.decide(self.state, evidence, self.policy, now)
        self.state = decision.next_state
        by_id = {each.version.id: each for each in self.stored}
        if decision.moves and decision.target is not None:
            self.serving, self.served_since = by_id[decision.target.id], len(self.stored)
        if decision.reference is not None:
            self.reference = by_id[decision.reference.id]
        assert self.serving is not None
        assert self.reference is not None
        self.decisions.append(
            Taken(
                decision.action,
                decision.reasons,
                self.serving.version.id,
                self.reference.version.id,
                {**decision.numbers},
            )
        )
