"""Measures the longest steps of a learner between two looks at the stop flag, with a model at its ceilings.

The learner looks at the stop flag, the lease and the clock between two batches, of at most 5,000 records or 1,000
orders each. Here are the batches that cost most, on tables that are full: each new id evicts another. What takes as
long as the model is large is left between two slices: the copies that a version takes, loading one, and going back to
one, as an order about a quarantine does. Of those the longest slice is timed. Times are processor time.
"""

from __future__ import annotations

import argparse
import random
import time
from collections.abc import Callable, Iterable, Sequence
from itertools import pairwise
from typing import Any, TypeAlias

import msgspec
import numpy as np

from benchmarks.catalogues import Event, grown
from benchmarks.report import spread, verdict
from models.ledger import Joined
from models.looking import Look
from models.records import Erase, Identify, ItemFacts
from models.snapshot import Manifest, decode, encode
from models.state import MODEL, SCHEMA, State, combined
from streaming.intake import KnownItems, Ordered
from streaming.learning import erase, join

SUMMARY = "the longest steps between two looks at the stop flag, at the ceilings"
ITEMS, USERS = 1_000_000, 500_000
BATCH = 5_000
ORDERS = 1_000
"""Orders of a step: each takes the room of five events."""
Step: TypeAlias = Callable[[], "list[float] | None"]
"""Does it, and returns at which processor seconds the stop flag was looked at meanwhile, if it was."""

FACTS = ItemFacts(category="c1", brand="b1", price=3.0)


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add options for the ceilings."""
    parser.add_argument("--items", type=int, default=ITEMS, help="(default: %(default)s)")
    parser.add_argument("--users", type=int, default=USERS, help="(default: %(default)s)")


def run(options: argparse.Namespace) -> dict[str, Any]:
    """Fill a model, then time each kind of step `runs` times."""
    full = _Full(options.items, options.users, options.seed)
    steps: dict[str, Callable[[], Step]] = {
        "5,000 events of new ids": full.new,
        "5,000 items deleted": lambda: full.catalogue(again=False),
        "2,500 items deleted and put": lambda: full.catalogue(again=True),
        "1,000 erasures": full.erasures,
        "1,000 joins": full.joins,
        "5,000 new items put": full.untouched,
        "5,000 variants sold out": full.sold_out,
        "a slice of a delta after them": lambda: _sliced(full.recommender.state.cut),
        "a slice of a delta of everything": full.everything,
        "a slice of a base": lambda: _sliced(full.recommender.state.full),
        "a slice of a version that is loaded": full.loaded,
        "a slice of going back to a version": full.gone_back,
    }
    seconds: dict[str, list[float]] = {name: [] for name in steps}
    whole: dict[str, list[float]] = {name: [] for name in steps}
    for _ in range(options.runs):
        for name, made in steps.items():
            full.fill()
            step = made()
            begun = time.process_time()
            looks = [begun, *(step() or ()), time.process_time()]
            seconds[name].append(max(after - before for before, after in pairwise(looks)))
            whole[name].append(looks[-1] - looks[0])
    return {
        "figures": [verdict(name, max(found), "s", 1.0, 0.5, higher=False) for name, found in seconds.items()],
        "seconds": {name: spread(found) for name, found in seconds.items()},
        "whole": {name: spread(found) for name, found in whole.items() if name.startswith("a slice")},
    }


def _sliced(work: Callable[[Look], object]) -> Step:
    """Work that is left between two slices."""

    def do() -> list[float]:
        looks: list[float] = []
        work(lambda: looks.append(time.process_time()))
        return looks

    return do


class _Full:
    """A model at its ceilings."""

    def __init__(self, items: int, users: int, seed: int) -> None:
        made = grown(items, 1, seed, users=users)
        self.recommender, self._now = made.recommender, made.later[-1].timestamp
        self._known, self._random, self._made = KnownItems(), random.Random(seed), 0

    def fill(self) -> None:
        """Learn events of new items, then of new users, until there is room for none."""
        keys = self.recommender.state.keys
        for space in ("item", "user"):
            while left := keys[space].space.ceiling - len(keys[space]):
                (user,), (item,) = self._some("user", 1), self._some("item", 1)
                new = [f"{space} {number}" for number in self._numbers(min(BATCH, left))]
                pairs = [(user, each) if space == "item" else (each, item) for each in new]
                self._learn(pairs)

    def _numbers(self, count: int) -> range:
        self._made += count
        return range(self._made - count, self._made)

    def _learn(self, pairs: Iterable[tuple[str, str]]) -> None:
        events = [Event(0, user, item, self._now) for user, item in pairs]
        self.recommender.learn_events(events, [event.timestamp for event in events])

    def new(self) -> Step:
        """A batch of events of users and items that nobody has seen."""
        pairs = [(f"user {number}", f"item {number}") for number in self._numbers(BATCH)]
        return lambda: self._learn(pairs)

    def catalogue(self, *, again: bool) -> Step:
        """A batch of a catalogue: deletes, and with `again` each followed by a put."""
        changes: list[tuple[int, int, str, ItemFacts | None]] = []
        for item in self._some("item", BATCH // 2 if again else BATCH):
            for facts in (None, FACTS) if again else (None,):
                changes.append((0, len(changes), item, facts))
        return lambda: self._known.take(self.recommender, changes)

    def erasures(self) -> Step:
        """A batch of erasures."""
        orders = [Erase(id="r", user=user) for user in self._some("user", ORDERS)]
        ordered = [Ordered(order, self._now, users=(order.user,)) for order in orders]

        def carry_out() -> None:
            for each, order in zip(ordered, orders, strict=True):
                erase(each, order, self.recommender)

        return carry_out

    def joins(self) -> Step:
        """A batch of joins."""
        users = self._some("user", 2 * ORDERS)
        ordered = [
            Ordered(Identify("r", one, other), self._now, joined=Joined("joined", other, (one,)))
            for one, other in zip(users[::2], users[1::2], strict=True)
        ]

        def carry_out() -> None:
            for each in ordered:
                join(each, self.recommender)

        return carry_out

    def untouched(self) -> Step:
        """A batch of a catalogue: items that nobody has seen, where touched ones leave no room."""
        self.recommender.remove("item", self._some("item", 1))  # there is room for one of them
        changes = [(0, number, f"new {number}", FACTS) for number in self._numbers(BATCH)]
        return lambda: self._known.take(self.recommender, changes)

    def sold_out(self) -> Step:
        """A batch of a catalogue: products of a hundred variants each, whose variants are sold out together."""
        items = self._some("item", BATCH)
        groups = [f"product {number // 100}" for number in range(BATCH)]
        there, gone = (
            [
                (0, number, item, msgspec.structs.replace(FACTS, group_id=group, available=available))
                for number, (item, group) in enumerate(zip(items, groups, strict=True))
            ]
            for available in (True, False)
        )
        self._known.take(self.recommender, there)
        return lambda: self._known.take(self.recommender, gone)

    def everything(self) -> Step:
        """The copy that a version takes when every row has changed."""
        state = self.recommender.state
        for data in state.tables.values():
            data.mark(np.arange(state.keys[data.table.keys].capacity * data.table.width))
        for keys in state.keys.values():
            keys.mark(np.arange(keys.capacity))
        return _sliced(state.cut)

    def loaded(self) -> Step:
        """Decode a base, and make a state of it."""
        state = self.recommender.state
        counts = {name: keys.capacity for name, keys in state.keys.items() if name != MODEL}
        manifest = Manifest("1", 1, "base", schema_version=SCHEMA.version, schema=SCHEMA.fingerprint(), counts=counts)
        chunks = [chunk.data for chunk in encode(state.full(), SCHEMA)]
        ceilings = {name: keys.space.ceiling for name, keys in state.keys.items()}

        def load(look: Look) -> None:
            decode(manifest, chunks, SCHEMA, look=look).apply_to(State(SCHEMA, ceilings), look)

        return _sliced(load)

    def gone_back(self) -> Step:
        """Put a version's tables and today's users together."""
        state = self.recommender.state
        return _sliced(lambda look: combined(state, state, look))

    def _some(self, space: str, count: int) -> Sequence[str]:
        known: Iterable[str | None] = self.recommender.state.keys[space].ids
        return self._random.sample([key for key in known if key], count)
