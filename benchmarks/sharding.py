"""Runs several learners that share a stream in one process, one after the other, without an engine between them.

Each user's events go to one shard, as Kafka's partitioner would send them. Times are processor times of each phase.
"""

from __future__ import annotations

import time
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import chain
from typing import Any, Final

import numpy as np

from benchmarks.streams import Event, Facts
from models.merging import Excerpts, Part, Shard, from_arrays, merge, round_lengths, to_arrays
from models.recommender import Recommender, RecommenderOptions, Tested, joined
from models.state import State, duplicate

PHASES = ("learn", "excerpt", "partial", "hear", "take", "merge", "settle", "changed", "cut", "apply")
FAMILIES: Final[Mapping[str, tuple[str, ...]]] = {
    "factors": ("item_factors", "item_last", "category_factors"),
    "memories": (
        "item_totals",
        "lag_memory",
        "forward_memory",
        "backward_memory",
        "category_next",
        "category_stats",
        "query_memory",
        "query_stats",
    ),
    "popularity": ("item_stats", "item_signals", "top_items", "category_top"),
    "untouched": ("item_fresh", "category_fresh", "fresh", "caution", "fresh_moments", "fresh_ranker", "fresh_gate"),
    "draws": ("pool", "item_pool", "recent"),
    "rankers": ("ranker", "curvature", "moments", "linear"),
    "race": ("race", "guard", "chosen"),
}
"""Tables that learn by the same rules. Where every item has its row before, they can be taken from one learner."""

TOGETHER = 100
"""Events of all shards after which they take over tables that they are to have at once."""

COORDINATOR = ("partial", "merge", "settle", "changed", "cut")
"""Phases that the coordinator runs; the others are the shards'."""

EACH = ("hear", "apply")
"""Phases in which every shard does the same for the events of all."""


def run_of(recommender: Recommender, events: Sequence[Event], facts: Mapping[str, Facts], start: int = 0) -> Tested:
    """Learn events in order, as one learner does."""
    parts = []
    for at in range(0, len(events), 256):
        batch = events[at : at + 256]
        tested = recommender.learn_events(batch, [event.timestamp for event in batch], facts)
        parts.append(tested._replace(places=tested.places + start + at))
    return joined(parts)


def parts_of(
    state: State, options: RecommenderOptions, shards: int, events: Sequence[Event], facts: Mapping[str, Facts]
) -> list[Part]:
    """What each of many shards hands in after a round, one after the other: only one shard's state is in memory."""
    owners, parts = owners_of(events, shards), []
    for number in range(shards):
        shard = Shard(duplicate(state), number, shards)
        own = [event for event, owner in zip(events, owners, strict=True) if owner == number]
        run_of(Recommender(shard.state, options, learners=shards), own, facts)
        parts.append(shard.take())
    return parts


def owners_of(events: Sequence[Event], shards: int) -> list[int]:
    """The shard of each event: all of a user's go to one."""
    return [zlib.crc32(event.user_id.encode()) % shards for event in events]


class Sharded:
    """A coordinator's state and the shards that learn next to it.

    Args:
        state: The coordinator's, which the shards start from.
        options: Of all learners.
        shards: How many.
        exact: Families of tables that each merge takes from one learner of all events, to see what their rules lose;
            with `all`, every table: what is lost then no rule can win back, since a shard sees the events of the
            others a round later.
        at_once: Families that the shards themselves have from that learner, after each `TOGETHER` events: what hearing
            of the others a round later loses.
        partial: Events of all shards after which they tell each other of the columns that are declared `often`; 0 for
            never.
        share: Of the events learned so far that a round has at most: young models are merged more often.
    """

    def __init__(
        self,
        state: State,
        options: RecommenderOptions,
        shards: int,
        exact: Sequence[str] = (),
        at_once: Sequence[str] = (),
        partial: int = 0,
        share: float = 1.0,
    ) -> None:
        self._twin = Recommender(duplicate(state), options) if exact or at_once else None
        self._options, self._exact, self._at_once = options, (*exact, *at_once), at_once
        self._partial, self._share = partial, share
        self.coordinator = Recommender(state, options)
        self.shards = [Shard(duplicate(state), number, shards) for number in range(shards)]
        self.learners = [Recommender(shard.state, options, learners=shards) for shard in self.shards]
        self.seconds = dict.fromkeys(PHASES, 0.0)
        self.bytes_up = self.bytes_down = self.merges = self.events = 0
        state.cut()

    def run(self, events: Sequence[Event], facts: Mapping[str, Facts], every: int, start: int = 0) -> Tested:
        """Learn events, merged after `every` of them over all shards at most. Returns what was tested, in order."""
        found, at = [], 0
        while at < len(events):
            own = round_lengths(self.coordinator.counters()["applied"], every, self._partial, self._share)
            found += self._round(events[at : at + own.round], facts, start + at, own.piece)
            at += own.round
        tested = joined(found)
        return tested.where(np.argsort(tested.places, kind="stable"))

    def _round(self, events: Sequence[Event], facts: Mapping[str, Facts], start: int, piece: int) -> list[Tested]:
        found, step = [], TOGETHER if self._at_once else piece or len(events)
        excerpts = Excerpts(self.coordinator.state)
        for at in range(0, len(events), step):
            some = events[at : at + step]
            if at and piece and at % piece == 0:
                self._tell(excerpts)
            found += self._learned(some, facts, start + at)
            if self._twin is not None:
                run_of(self._twin, some, facts)
                for shard in self.shards:
                    _copy(self._twin.state, shard.state, self._at_once)
        self._merge(self._taken(), excerpts)
        self.events += len(events)
        return found

    def _tell(self, excerpts: Excerpts) -> None:
        with self._timed("excerpt"):
            parts = [shard.excerpt() for shard in self.shards]
        self.bytes_up += sum(_bytes(part) for part in parts)
        with self._timed("partial"):
            arrays = to_arrays(excerpts.merge(parts))
        self.bytes_down += sum(array.nbytes for array in arrays.values())
        for shard in self.shards:
            with self._timed("hear"):
                shard.take_over(from_arrays(arrays))

    def _learned(self, events: Sequence[Event], facts: Mapping[str, Facts], start: int) -> list[Tested]:
        owners = owners_of(events, len(self.shards))
        found = []
        for number, learner in enumerate(self.learners):
            places = [place for place, owner in enumerate(owners) if owner == number]
            if places:
                with self._timed("learn"):
                    tested = run_of(learner, [events[place] for place in places], facts)
                own = np.array(places, np.int64)[tested.places] + start
                found.append(tested._replace(places=own.astype(np.int32)))
        return found

    def _taken(self) -> list[Part]:
        with self._timed("take"):
            return [shard.take() for shard in self.shards]

    def _merge(self, parts: list[Part], excerpts: Excerpts) -> None:
        self.bytes_up += sum(_bytes(part) for part in parts)
        state = self.coordinator.state
        with self._timed("merge"):
            merge(state, parts, excerpts)
        with self._timed("settle"):
            self.coordinator.settle()
        if self._twin is not None:
            if "all" in self._exact:
                self._begin_again(self._twin.state)
                return
            _copy(self._twin.state, state, self._exact)
        with self._timed("changed"):
            changes = state.changed()
            arrays = to_arrays(changes)
        with self._timed("cut"):
            state.forget_changes()
        self.bytes_down += sum(array.nbytes for array in arrays.values())
        for shard in self.shards:
            with self._timed("apply"):
                shard.apply(from_arrays(arrays))
        self.merges += 1

    def _begin_again(self, state: State) -> None:
        """Let all learners go on from what one learner of all events has."""
        self.coordinator = Recommender(duplicate(state), self._options)
        shards = len(self.shards)
        self.shards = [Shard(duplicate(state), number, shards) for number in range(shards)]
        self.learners = [Recommender(shard.state, self._options, learners=shards) for shard in self.shards]
        self.merges += 1

    @contextmanager
    def _timed(self, phase: str) -> Iterator[None]:
        began = time.process_time()
        yield
        self.seconds[phase] += time.process_time() - began

    def forget(self) -> None:
        """Count from here on: what came before had to load kernels."""
        self.seconds = dict.fromkeys(PHASES, 0.0)
        self.bytes_up = self.bytes_down = self.merges = self.events = 0

    def profile(self) -> dict[str, float]:
        """Return microseconds of processor time for each event of all shards, by phase; `EACH` are of one shard."""
        each = {phase: 1e6 * spent / max(self.events, 1) for phase, spent in self.seconds.items()}
        return {phase: round(us / (len(self.shards) if phase in EACH else 1), 2) for phase, us in each.items()}

    def costs(self) -> dict[str, Any]:
        """Return what a merge costs for each event of all shards."""
        profile = self.profile()
        return {
            "coordinator_us": round(sum(profile[phase] for phase in COORDINATOR), 2),
            "us_per_event": profile,
            "bytes_up_per_event": round(self.bytes_up / self.events),
            "bytes_down_per_event": round(self.bytes_down / self.events),
            "merges": self.merges,
            "events": self.events,
        }


def _bytes(part: Part) -> int:
    return sum(array.nbytes for array in to_arrays(part.changes).values())


def _copy(exact: State, state: State, families: Sequence[str]) -> None:
    """Take over what differs in the tables of some families."""
    if families and state.keys["item"].ids != exact.keys["item"].ids:
        raise ValueError("rows differ: a stream with facts of all items, and ceilings above them, is needed")
    for name in chain.from_iterable(FAMILIES[family] for family in families):
        data = state.tables[name]
        rows = state.keys[data.table.keys].capacity * data.table.width
        if not rows:
            continue
        for column, values in exact.tables[name].columns.items():
            own = data.columns[column][:rows]
            differs = (own != values[:rows]).reshape(rows, -1).any(axis=1)
            data.mark(np.flatnonzero(differs).astype(np.int32))
            own[differs] = values[:rows][differs]
