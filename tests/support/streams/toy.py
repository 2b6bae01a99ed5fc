"""A small model whose bytes are easy to follow, and a learner for it, for tests of versions."""

from __future__ import annotations

import sys
from dataclasses import replace

import numpy as np

from models.ledger.admission import Admission, AdmissionRules
from models.ledger.progress import Progress
from models.records.events import Event
from models.state.merges import SUM
from models.state.state import State
from models.state.tables import Column, Schema, Space, Table

ITEM = Column("item", "i4", default=-1, refers="item", merge=SUM)
SCHEMA = Schema(
    1,
    [Space("item", 200_000), Space("user", 200_000, served=False)],
    [
        Table("weights", "item", (Column("q", "f4", (16,), merge=SUM), Column("n", "u4", merge=SUM))),
        Table("slots", "item", (replace(ITEM, name="other"), Column("c", "f4", merge=SUM)), width=4),
        Table("rings", "user", (ITEM,), width=8, served=False),
        Table("clock", "model", (Column("events", "i8", merge=SUM),)),
    ],
    __name__,
)
for _name, _made in SCHEMA.classes.items():
    setattr(sys.modules[__name__], _name, _made)


class Toy:
    """State, progress and admission that move together, one event at a time, by the offset alone."""

    def __init__(self, state: State | None = None, progress: Progress | None = None, arrivals=None) -> None:
        self.state = state or State(SCHEMA)
        self.progress = progress or Progress(cluster="c1", topics={"events": "t1"})
        self.admission = Admission(AdmissionRules(), arrivals)

    @classmethod
    def of(cls, loaded) -> Toy:
        """Continues where a loaded version ends."""
        return cls(loaded.state, loaded.manifest.progress.copy(), loaded.arrivals)

    @property
    def next(self) -> int:
        """The next offset to learn."""
        return self.progress.offsets.get("events", {}).get(0, 0)

    def learn(self, until: int) -> Toy:
        """Learns every offset from the next one up to `until`."""
        for offset in range(self.next, until):
            self._learn(offset)
        return self

    def _learn(self, offset: int) -> None:
        state, tables = self.state, self.state.tables
        item = state.add("item", f"item{offset * 7919 % 97}")
        user = state.add("user", f"user{offset * 104_729 % 53}")
        tables["weights"].columns["q"][item] += np.float32(offset % 13)
        tables["weights"].columns["n"][item] += 1
        tables["weights"].mark(np.array([item]))
        tables["slots"].columns["other"][item * 4 + offset % 4] = item
        tables["slots"].mark(np.array([item * 4 + offset % 4]))
        tables["rings"].columns["item"][user * 8 + offset % 8] = item
        tables["rings"].mark(np.array([user * 8 + offset % 8]))
        tables["clock"].columns["events"][0] += 1
        tables["clock"].mark(np.array([0]))
        event = Event(0, f"user{offset * 104_729 % 53}", "item", 1000.0 + offset * 60, event_id=f"e{offset}")
        assert not self.admission.admit(event, 1000.0 + offset * 60, False)
        self.progress.advance("events", 0, [offset], 1000.0 + offset * 60)
        self.progress.arrivals = self.admission.position


class Heard:
    """Hooks that remember their calls."""

    def __init__(self) -> None:
        self.phases, self.manifests, self.failures, self.errors = [], [], [], []

    def phase(self, name, seconds):
        self.phases.append((name, seconds))

    def committed(self, manifest):
        self.manifests.append(manifest)

    def failed(self, kind, error):
        self.failures.append(kind)
        self.errors.append(error)
