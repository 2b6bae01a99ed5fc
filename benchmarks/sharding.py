"""Runs several learners that share a stream in one process, one after the other, without an engine between them.

Each user's events go to one shard, as Kafka's partitioner would send them. Times are processor times of each phase.
"""

from __future__ import annotations

import time
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

import numpy as np

from benchmarks.streams import Event, Facts
from models.merging import Part, Shard, from_arrays, merge, to_arrays
from models.recommender import Recommender, RecommenderOptions, Tested, joined
from models.state import State, duplicate

PHASES = ("learn", "take", "merge", "settle", "changed", "cut", "apply")
COORDINATOR = ("merge", "settle", "changed", "cut")
"""Phases that the coordinator runs; `learn`, `take` and `apply` are the shards'."""


def run_of(recommender: Recommender, events: Sequence[Event], facts: Mapping[str, Facts], start: int = 0) -> Tested:
    """Learn events in order, as one learner does."""
    parts = []
    for at in range(0, len(events), 256):
        batch = events[at : at + 256]
        tested = recommender.learn_events(batch, [event.timestamp for event in batch], facts)
        parts.append(tested._replace(places=tested.places + start + at))
    return joined(parts)


class Sharded:
    """A coordinator's state and the shards that learn next to it.

    Args:
        state: The coordinator's, which the shards start from.
        options: Of all learners.
        shards: How many.
    """

    def __init__(self, state: State, options: RecommenderOptions, shards: int) -> None:
        self.coordinator = Recommender(state, options)
        self.shards = [Shard(duplicate(state), number, shards) for number in range(shards)]
        self.learners = [Recommender(shard.state, options, learners=shards) for shard in self.shards]
        self.seconds = dict.fromkeys(PHASES, 0.0)
        self.bytes_up = self.bytes_down = self.merges = self.events = 0
        state.cut()

    def run(self, events: Sequence[Event], facts: Mapping[str, Facts], every: int, start: int = 0) -> Tested:
        """Learn events, with a merge after each `every` of them over all shards. Returns what was tested, in order."""
        found = []
        for at in range(0, len(events), every):
            found += self._round(events[at : at + every], facts, start + at)
        tested = joined(found)
        return tested.where(np.argsort(tested.places, kind="stable"))

    def _round(self, events: Sequence[Event], facts: Mapping[str, Facts], start: int) -> list[Tested]:
        owners = [zlib.crc32(event.user_id.encode()) % len(self.shards) for event in events]
        found, parts = [], []
        for number, (shard, learner) in enumerate(zip(self.shards, self.learners, strict=True)):
            places = [place for place, owner in enumerate(owners) if owner == number]
            with self._timed("learn"):
                tested = run_of(learner, [events[place] for place in places], facts)
            found.append(tested._replace(places=(np.array(places, np.int64)[tested.places] + start).astype(np.int32)))
            with self._timed("take"):
                parts.append(shard.take())
        self._merge(parts)
        self.events += len(events)
        return found

    def _merge(self, parts: list[Part]) -> None:
        self.bytes_up += sum(_bytes(part) for part in parts)
        state = self.coordinator.state
        with self._timed("merge"):
            merge(state, parts)
        with self._timed("settle"):
            self.coordinator.settle()
        with self._timed("changed"):
            arrays = to_arrays(state.changed())
        with self._timed("cut"):
            state.cut()
        self.bytes_down += sum(array.nbytes for array in arrays.values())
        for shard in self.shards:
            with self._timed("apply"):
                shard.apply(from_arrays(arrays))
        self.merges += 1

    @contextmanager
    def _timed(self, phase: str) -> Iterator[None]:
        began = time.process_time()
        yield
        self.seconds[phase] += time.process_time() - began

    def profile(self) -> dict[str, float]:
        """Return microseconds of processor time for each event of all shards, by phase; `apply` is of one shard."""
        each = {phase: 1e6 * spent / max(self.events, 1) for phase, spent in self.seconds.items()}
        return {phase: round(us / (len(self.shards) if phase == "apply" else 1), 2) for phase, us in each.items()}


def _bytes(part: Part) -> int:
    return sum(array.nbytes for array in to_arrays(part.changes).values())
