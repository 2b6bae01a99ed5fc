"""Starts healthy streams of ten kinds, and measures for how long the gate makes users wait for newer versions.

Each stream is a made-up shop's whose model is sound. Learner and gate are simulated a second at a time
(benchmarks/simulated.py): the models, the evidence and the decisions are the real ones.
"""

from __future__ import annotations

import argparse
import random
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from benchmarks import real_starts
from benchmarks.report import verdict
from benchmarks.simulated import Held, Simulated
from models.gate import Policy
from models.records import EventRules
from streaming.intake.catalogue import Known
from tests.support.streams.grown import decoded
from tests.support.streams.streams import EPOCH, Planned, Shop

SUMMARY = "healthy streams of ten kinds: for how long the gate holds versions, and why"
RATE = 500  # events a second, of which some 50 are tested
PAST = 60_000  # events that the shop has learned before its stream of a kind begins
SETTLED = 60  # seconds of ordinary stream before something happens
LIVE = 90  # seconds of stream afterwards
TOGETHER = 2_000
MOST = 3.0  # seconds that a hold of a healthy version may last
DOWN = 3  # seconds until a new term of the learner reads on
SALE, SALE_ITEMS = 0.4, 15  # share of the events that go to the items of a sale, and how many these are
LATE = 20  # seconds by which a partition is late
NIGHT = 10  # events a second at night
WANTED = {"unproven"}  # a rebuilt model waits for proof by design (docs/gate.md)

Batch = tuple[list[Any], list[float]]


class Start:
    """One start: a shop, its stream, and the simulated installation that learns it."""

    def __init__(self, seed: int) -> None:
        self.shop, self.random = Shop(users=400, seed=seed), random.Random(seed)
        self.whole = Simulated(Policy(), seed=seed)
        self.rules = EventRules()
        self.facts = {name: Known(each["category"], each["brand"], each["price"]) for name, each in self._facts()}
        self.now, self.number = EPOCH, 0

    def _facts(self) -> Iterator[tuple[str, dict[str, Any]]]:
        yield from self.shop.facts().items()

    def made(self, count: int, rate: float = RATE) -> list[Planned]:
        """Return the next events; each call begins a new visit of everybody."""
        found = self.shop.stream(count, self.now - self.number / rate, self.number, 1.0 / rate)
        self.number += count
        return found

    def batch(self, planned: Sequence[Planned]) -> Batch:
        """Return events as the learner reads them."""
        return [decoded(each, self.rules) for each in planned], [each.record_time for each in planned]

    def known(self) -> None:
        """Tell the model the catalogue."""
        self.whole.describe(self.facts)

    def past(self, count: int = PAST) -> list[Batch]:
        """Return a past that ends now, in batches."""
        self.now += count / RATE
        planned = self.shop.stream(count, self.now - count / RATE, self.number, 1.0 / RATE)
        self.number += count
        return [self.batch(planned[start : start + TOGETHER]) for start in range(0, count, TOGETHER)]

    def backfill(self, batches: list[Batch], each: int, *, ticks: bool) -> None:
        """Learn a past, `each` batches a second."""
        for start in range(0, len(batches), each):
            for events, times in batches[start : start + each]:
                self.whole.learn(events, times, self.facts)
            if ticks:
                self.whole.tick(self.now, lag=self.now - batches[start][1][-1])

    def settle(self) -> None:
        """Grow a shop that has been running for a while."""
        self.known()
        for events, times in self.past():
            self.whole.learn(events, times, self.facts)
        self.live(self.made(SETTLED * RATE))
        self.whole.end(self.whole.now)
        self.whole.holds.clear()

    def live(self, planned: Sequence[Planned], rate: float = RATE, seconds: int = 0) -> None:
        """Learn events a second at a time as they come, each second a version."""
        seconds = seconds or round(len(planned) / rate)
        for second in range(seconds):
            self.second(planned[round(second * rate) : round((second + 1) * rate)])

    def second(self, planned: Sequence[Planned]) -> None:
        """Learn what came within a second, and cut a version."""
        self.now += 1.0
        self.whole.learn(*self.batch(planned), self.facts)
        self.whole.tick(self.now)


def _renamed(planned: Planned, wanted: Callable[[str], bool], prefix: str) -> Planned:
    item = planned.event.get("item_id")
    if item is None or not wanted(item):
        return planned
    return planned._replace(event=planned.event | {"item_id": prefix + item})


def backfill(one: Start) -> None:
    """The past is read while the gate decides already, then the live stream begins."""
    one.known()
    one.backfill(one.past(120_000), 10, ticks=True)
    one.live(one.made(LIVE * RATE))


def night(one: Start) -> None:
    """A fiftieth of the events for two minutes, then a morning at once."""
    one.settle()
    one.live(one.made(120 * NIGHT, NIGHT), NIGHT)
    one.live(one.made(LIVE * RATE))


def sale(one: Start) -> None:
    """Two events in five go to a few items."""
    one.settle()
    items = one.random.sample(sorted(one.facts), SALE_ITEMS)
    planned = []
    for each in one.made(LIVE * RATE):
        drawn = one.random.random() < SALE and "item_id" in each.event
        event = each.event | {"item_id": items[int(SALE_ITEMS * one.random.random() ** 2)]} if drawn else each.event
        planned.append(each._replace(event=event))
    one.live(planned)


def season(one: Start) -> None:
    """A third of the catalogue gives way to new items."""
    one.settle()
    _replaced(one, lambda item: one.shop.category_of(item) % 3 == 0)


def catalogue(one: Start) -> None:
    """Every item gives way to a new one."""
    one.settle()
    _replaced(one, bool)


def _replaced(one: Start, wanted: Callable[[str], bool]) -> None:
    new = {f"new-{name}": facts for name, facts in one.facts.items() if wanted(name)}
    one.facts |= new
    one.whole.describe(new)
    one.live([_renamed(each, wanted, "new-") for each in one.made(LIVE * RATE)])


def half(one: Start) -> None:
    """Half of the users stay away."""
    one.settle()
    left = [each for each in one.made(LIVE * RATE) if int(each.event["user_id"].split("-")[1]) % 2]
    one.live(left, len(left) / LIVE, LIVE)


def late(one: Start) -> None:
    """A partition, a quarter of the users, is not read for a while, and then at once."""
    one.settle()
    planned, waiting = one.made(LIVE * RATE), []
    for second in range(LIVE):
        due = planned[second * RATE : (second + 1) * RATE]
        of_late = [each for each in due if not int(each.event["user_id"].split("-")[1]) % 4]
        others = [each for each in due if each not in of_late] if second < LATE else due
        waiting += of_late if second < LATE else []
        if second == LATE:
            others, waiting = waiting + due, []
        one.second(others)


def restart(one: Start) -> None:
    """The learner is killed twice; what came meanwhile is read at once."""
    one.settle()
    planned = one.made(LIVE * RATE)
    for begin in (0, LIVE // 2):
        one.whole.restart()
        one.now += DOWN
        one.whole.learn(*one.batch(planned[begin * RATE : (begin + DOWN) * RATE]), one.facts)
        one.whole.tick(one.now)
        one.live(planned[(begin + DOWN) * RATE : (begin + LIVE // 2) * RATE])


def imported(one: Start) -> None:
    """A history is imported before the first version, then the live stream begins."""
    one.known()
    batches = one.past(120_000)
    one.whole.adopt(batches, one.facts, first=True)
    one.whole.tick(one.now)
    one.live(one.made(LIVE * RATE))


def rebuild(one: Start) -> None:
    """A model that learned the past again takes the place of the learner's."""
    one.settle()
    again = Start(one.shop.seed)
    one.whole.adopt(again.past(PAST + SETTLED * RATE), one.facts)
    one.live(one.made(LIVE * RATE))


KINDS: dict[str, Callable[[Start], None]] = {
    "backfill, then live": backfill,
    "night, then morning": night,
    "sale": sale,
    "new season": season,
    "half of the traffic gone": half,
    "one partition late": late,
    "restart": restart,
    "import": imported,
    "rebuild": rebuild,
    "catalogue replaced": catalogue,
}


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of this benchmark."""
    parser.add_argument("--only", choices=list(KINDS), help="one kind of stream (default: all)")
    parser.add_argument("--real", action="store_true", help="also start some kinds with real processes")


def run(options: argparse.Namespace) -> dict[str, Any]:
    """Start each kind as often as asked."""
    kinds = [options.only] if options.only else list(KINDS)
    found = {kind: [_held(kind, options.seed + number) for number in range(options.runs)] for kind in kinds}
    starts = [_summary(kind, runs) for kind, runs in found.items()]
    real: dict[str, list[list[Held]]] = {}
    for kind, holds in real_starts.starts(options) if options.real else ():
        real.setdefault(kind, []).append(holds)
    played = [_summary(kind, runs) for kind, runs in real.items()]
    longest = max(each["longest_hold_s"] for each in [*starts, *played])
    return {
        "figures": [verdict("longest hold of a healthy version", longest, "s", MOST, 1.0, higher=False)],
        "starts": starts,
        "with_processes": played,
    }


def _held(kind: str, seed: int) -> list[Held]:
    one = Start(seed)
    KINDS[kind](one)
    one.whole.end(one.whole.now)
    return one.whole.holds


def _summary(kind: str, runs: list[list[Held]]) -> dict[str, Any]:
    every = [held for holds in runs for held in holds]
    counted = [held for held in every if not WANTED & set(held.reasons)]
    longest = max(counted, default=Held(0.0, (), 0.0, ""), key=lambda held: held.seconds)
    proof = max((held.seconds for held in every if WANTED & set(held.reasons)), default=0.0)
    return {
        "kind": kind,
        "starts": len(runs),
        "longest_hold_s": longest.seconds,
        "reasons": list(longest.reasons),
        "challenger_worse_by": longest.worse,
        "waited_for": longest.detail,
        "holds": [[held.seconds for held in holds] for holds in runs],
        "waits_for_proof_s": proof,
    }
