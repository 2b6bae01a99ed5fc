"""Plays a stream to an installation, and watches over HTTP what its gate does and what its users see."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator
from itertools import pairwise
from typing import Any, NamedTuple

from models.state.schema import SCHEMA
from models.state.state import State
from streaming.versions import DeltaCache, NeedsBase, advance, load
from tests.support.oracles.probe import ASKED, Probe
from tests.support.processes.harness import Installation
from tests.support.processes.roles import Process
from tests.support.streams.grown import begun, learnt
from tests.support.streams.journey import Journey
from tests.support.streams.market import Market
from tests.support.streams.poison import HARMFUL
from tests.support.streams.streams import Planned, Shop

SHOP = Shop(seed=31)
# Seconds of record time between events: 500 a second, of which some 50 are tested.
INTERVAL = 0.002
# Events sent per second: four times as fast as they were made.
RATE = 2_000.0
# The reference moves after so many compared events, so that a test need not wait for minutes.
TESTED = 400
GATE = {
    "gate__least_tested": TESTED,
    "gate__cooldown": 2,
    "gate__margin": 0.02,
    "learner__version_interval": 0.5,
    "learner__batch_size": 500,
    # At many times a shop's pace a learner on two cores cannot compare versions on all events that it tests.
    "learner__evidence_share": 1.0,
}


# Clean events made at once.
SLICE = 20_000


# Share of the clean hit rate below which users notice.
NOTICED = 0.9
# Seconds that a stream begins in the past: late, but not late enough for the gate to wait.
PAST = 600.0

_learnt: dict[tuple[str, int, int, int], State] = {}


class Stream:
    """Yields the events of a shop over the last minutes, one after the other, `interval` seconds apart."""

    def __init__(self, shop: Shop | Market | Journey, interval: float = INTERVAL) -> None:
        self.shop, self.interval = shop, interval
        self.sent, self.start = 0, time.time() - PAST

    def clean(self, count: int) -> list[Planned]:
        """Returns the next events of the shop's users. Where two slices meet, everybody begins a new visit."""
        made = self.shop.stream(count, self.start, self.sent, self.interval)
        self.sent += count
        return made

    def past(self, count: int) -> list[Planned]:
        """Returns `count` earlier events at 500 per second, whatever the interval; only before `clean`."""
        assert self.sent == 0, "the stream has begun"
        planned = self.shop.stream(count, self.start - count * INTERVAL, 0, INTERVAL)
        self.sent, self.start = count, self.start - count * self.interval
        return planned


class Scene(NamedTuple):
    """What the scenarios are played on: a stream with plenty to learn from, one that is easily ruined and by what, and
    one before and after half of its users changed their tastes. Each call starts from scratch.

    known: what a good model finds is known. Of real purchases it is not: one in seven is found, and a fall counts there
    beyond two standard errors of the questions, which are a fifth of that.
    """

    plenty: Callable[[], Stream]
    thin: Callable[[], Stream]
    harmful: tuple[str, ...]
    changing: Callable[[], tuple[Stream, Stream]]
    known: bool

    def noticed(self, clean: float) -> float:
        """Returns the hit rate below which users notice a loss from `clean`."""
        return NOTICED * clean - (0.0 if self.known else 2.0 * (clean * (1.0 - clean) / ASKED) ** 0.5)


def before_and_after(one: Market | Journey, other: Market | Journey) -> Callable[[], tuple[Stream, Stream]]:
    return lambda: (Stream(one, one.interval), Stream(other, other.interval))


MADE_UP = Scene(
    lambda: Stream(SHOP),
    lambda: Stream(Market(), Market().interval),
    HARMFUL,
    before_and_after(Market(items=600), Market(items=600, tastes=97)),
    known=True,
)
PURCHASES = Scene(
    lambda: Stream(Journey()),
    lambda: Stream(Journey(), Journey().interval),
    (),
    before_and_after(Journey(), Journey(tastes=97)),
    known=False,
)


def status(service: Process) -> dict[str, Any]:
    code, body = service.get("/gate")
    assert code == 200, body
    return dict(body)


def decisions(service: Process, limit: int = 200) -> list[dict[str, Any]]:
    """Returns the newest decisions, newest first."""
    code, body = service.get(f"/gate/decisions?limit={limit}")
    assert code == 200, body
    return list(body["decisions"])


def moves(service: Process) -> list[dict[str, Any]]:
    """Returns the decisions that changed the champion."""
    return [each for each in decisions(service) if each["action"] in {"promote", "rollback"}]


def rollbacks(service: Process) -> list[dict[str, Any]]:
    return [each for each in decisions(service) if each["action"] == "rollback"]


def order(service: Process, verb: str, **more: object) -> dict[str, Any]:
    """Makes an operator's request, and repeats it while the gate decides in between."""
    while True:
        body = {"reason": "acceptance", "revision": status(service)["revision"], **more}
        code, answer = service.ask("POST", f"/gate/{verb}", body)
        if code != 409:
            assert code == 200, answer
            return dict(answer)


def holds(service: Process) -> list[dict[str, Any]]:
    code, body = service.get("/gate/decisions?limit=200")
    assert code == 200
    return [each for each in body["decisions"] if each["action"] == "hold"]


def grown(ours: Installation, stream: Stream, events: int = 30_000) -> str:
    """A shop that has run for a while: a version learned here is champion and reference."""
    ours.send_facts(stream.shop.facts(), stream.start)
    planned = stream.past(events)
    # Equal for all tests of a shop, but for the minutes between them.
    key = type(stream.shop).__name__, stream.shop.seed, len(stream.shop.facts()), events
    if key not in _learnt:
        _learnt[key] = learnt(ours, stream.shop.facts(), planned)
    return begun(ours, _learnt[key])


def endless(stream: Stream, most: int = 200_000) -> Iterator[Planned]:
    """Yields clean events for as long as somebody takes them."""
    for _ in range(most // SLICE):
        yield from stream.clean(SLICE)


def consumed(ours: Installation) -> int:
    head = ours.head()
    return head.progress.consumed if head is not None else 0


class Look(NamedTuple):
    """A look at one moment: events consumed by the champion, its hit rate, and that of the newest version."""

    consumed: int
    served: float
    head: float


class Followed:
    """The served tables of a pointer, kept up to date as a service does: by deltas, from a base where those break off.

    To load each version from its base, which is ever further back, took as long as the learner takes to write it.
    """

    def __init__(self, ours: Installation, recent: DeltaCache) -> None:
        self._store, self._recent = ours.store, recent
        self._state: State | None = None
        self._version = ""

    def at(self, version: str) -> State:
        """Returns the tables of a version. They are valid until the next call."""
        if self._state is not None:
            try:
                advance(self._store, self._state, self._version, version, served_only=True, recent=self._recent)
            except NeedsBase:  # a rollback: the version is older than what is held
                self._state = None
        if self._state is None:
            loaded = load(self._store, version, SCHEMA, served_only=True)
            assert loaded is not None, "there is no version"
            self._state = loaded.state
            version = loaded.manifest.id  # another one where this one was damaged
        self._version = version
        return self._state


class Watch(threading.Thread):
    """Measures the champion, and what a gate that always promotes would serve, on clean questions."""

    def __init__(self, ours: Installation, service: Process, probe: Probe) -> None:
        super().__init__(name="watch", daemon=True)
        self._ours, self._service, self._probe = ours, service, probe
        recent = DeltaCache()
        self._served, self._head = Followed(ours, recent), Followed(ours, recent)
        self._rates: dict[str, float] = {}
        self._enough = threading.Event()
        self.looks: list[Look] = []

    def run(self) -> None:
        """Runs the thread: a look every half second."""
        while not self._enough.wait(0.5):
            found = status(self._service)
            served, head = self._rate(self._served, found["serving"]), self._rate(self._head, found["head"])
            self.looks.append(Look(consumed(self._ours), served, head))

    def _rate(self, followed: Followed, version: str) -> float:
        if version not in self._rates:
            self._rates[version] = self._probe.hit_rate(followed.at(version))
        return self._rates[version]

    def finish(self) -> list[Look]:
        """Returns all looks."""
        self._enough.set()
        self.join()
        return self.looks


def longest(looks: Iterable[Look], low: float) -> int:
    """Returns the events of the longest stretch in which the champion stayed below `low`."""
    most = begun = 0
    for before, look in pairwise(looks):
        if look.served >= low:
            begun = 0
            continue
        begun = begun or before.consumed
        most = max(most, look.consumed - begun)
    return most


def run(ours: Installation, planned: list[Planned], *alive: Process, rate: float = RATE) -> None:
    """Sends events at a steady rate, and waits until they are learned."""
    feed = ours.feed(planned, rate)
    ours.wait(lambda: not feed.is_alive(), "the stretch is sent", *alive, timeout=300.0)
    feed.finish()
    ours.flush()
    ours.wait(lambda: consumed(ours) >= len(ours.ledger), "the stretch is learned", *alive)
