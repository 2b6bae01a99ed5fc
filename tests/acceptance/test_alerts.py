"""Five faults made in one running installation, and a real Prometheus next to it: the right alert, and no other.

Rules and scrape settings are the shipped ones, sixty times as fast. `pytest -s` prints how long each alert took.
"""

from __future__ import annotations

import itertools
import json
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from models.ledger.admission import Admission, AdmissionRules
from service.local.embedded import free_port
from tests.acceptance.conftest import Open
from tests.acceptance.test_gate import put_in_by_hand
from tests.support.oracles.gated import GATE, SHOP, Stream, grown, order, status
from tests.support.processes.harness import Installation
from tests.support.processes.processes import Late
from tests.support.processes.prometheus_server import Prometheus
from tests.support.processes.redis_server import RedisServer
from tests.support.processes.roles import Process
from tests.support.streams.grown import committed
from tests.support.streams.streams import Planned

# Ten minutes are ten seconds. Windows of two minutes still hold four scrapes.
FACTOR = 60.0
# Events a second of a healthy shop; of one where more arrives than a learner of `SLOW` takes in.
RATE, FLOOD = 1_200.0, 4_000.0
# Wide, so that a version as good as another is shown to be within some hundred tested events.
MARGIN = 0.05
# Batches so small that their overhead is all a learner does: about a thousand events a second.
SLOW = {"learner__batch_size": 4}
# Share of records that no longer are events, once a producer is broken: the alert is at one in twenty.
BROKEN = 8
# Events made at once, for two minutes: where two slices meet everybody begins a new visit, and events change abruptly.
SLICE = 150_000
# Questions a second that shoppers ask meanwhile.
ASKED = 20.0
# Depends on how busy the machine is that runs the test: 25 ms is nothing to two cores with a JVM and five processes.
MACHINE = {"RecommendSlow"}
# What comes with events that had to wait: they are late wherever they arrive.
LATE = {"HistorySlow", "FreshnessBudgetBurns"}
# Seconds in which an alert must begin, and end: twice what the slowest takes.
PATIENCE = 60.0
# Seconds without any alert that count as silence.
SILENT = 2.0


def current(stream: Stream) -> Iterator[Planned]:
    """Clean events for as long as somebody takes them, each made at the moment it is taken."""
    while True:
        for each in stream.clean(SLICE):
            now = time.time()
            yield Planned(each.event | {"timestamp": now}, now)


class Shoppers(threading.Thread):
    """Ask for recommendations until told to stop."""

    def __init__(self, service: Process) -> None:
        super().__init__(name="shoppers", daemon=True)
        self._service, self._enough = service, threading.Event()
        self.failures = 0

    def run(self) -> None:
        """The thread."""
        for user in itertools.cycle(SHOP.tastes):
            if self._enough.wait(1 / ASKED):
                return
            self.failures += self._service.get(f"/recommend/{user}")[0] != 200

    def finish(self) -> int:
        """How many got no answer."""
        self._enough.set()
        self.join()
        return self.failures


class Watch:
    """Makes a fault, waits for its alerts, ends it, waits until they end; and says which others fired meanwhile."""

    def __init__(self, ours: Installation, prometheus: Prometheus, *alive: Process) -> None:
        self._ours, self._prometheus, self._alive = ours, prometheus, alive

    def silence(self, what: str) -> None:
        """Wait until nothing fires, and has not for some evaluations."""
        begun = time.monotonic()
        self._wait(lambda: not self._prometheus.fired(SILENT) - MACHINE, f"silence {what}")
        print(f"silence {what} after {time.monotonic() - begun:.1f} s")

    def fault(
        self,
        name: str,
        alerts: set[str],
        make: Callable[[], object],
        mend: Callable[[], object],
        may: set[str] | None = None,
        after: set[str] | None = None,
    ) -> None:
        """`alerts` must fire after `make` and end after `mend`; `may` fire with them, `after` that too; no other."""
        begun, expected = time.monotonic(), alerts | (may or set())
        make()
        self._wait(lambda: alerts <= self._prometheus.firing(), f"{sorted(alerts)} for {name}")
        fired = time.monotonic()
        self._no_other(name, expected, fired - begun)
        mend()
        self._wait(lambda: not alerts & self._prometheus.firing(), f"the end of {sorted(alerts)} for {name}")
        ended = time.monotonic()
        self._no_other(name, expected | (after or set()), ended - begun)
        print(f"{name}: {sorted(alerts)} after {fired - begun:.1f} s, ended {ended - fired:.1f} s later")

    def _no_other(self, name: str, expected: set[str], seconds: float) -> None:
        others = self._prometheus.fired(seconds) - expected - MACHINE
        assert not others, f"{name}: {sorted(others)} fired as well"

    def _wait(self, condition: Callable[[], bool], what: str) -> None:
        try:
            self._ours.wait(condition, what, *self._alive, timeout=PATIENCE, pause=0.2)
        except Late as late:
            raise AssertionError(f"{late}\nfiring: {sorted(self._prometheus.firing())}") from None


def spoil(ours: Installation) -> None:
    """One record in `BROKEN` of those that follow is no JSON any more."""
    post, numbers = ours.post, itertools.count()

    def broken(planned: Planned) -> None:
        if next(numbers) % BROKEN:
            post(planned)
        else:
            key = planned.event["user_id"].encode()
            ours.post_raw(json.dumps(planned.event).encode()[:-1], key, planned.record_time, None, "rejected")

    ours.post = broken  # type: ignore[method-assign]


def mended(ours: Installation) -> None:
    """Records are events again."""
    del ours.post


class Learners:
    """Two learners under Prometheus's eyes: the one that learns, and one that stands by when it is started."""

    def __init__(self, ours: Installation) -> None:
        self._ours, self.ports = ours, (free_port(), free_port())
        self.leader = self.start()

    @property
    def targets(self) -> list[str]:
        """Addresses of both, running or not."""
        return [f"127.0.0.1:{port}" for port in self.ports]

    def start(self) -> Process:
        """Start the first one; it is ready when this returns."""
        self.leader = self._ours.learner(learner__metrics_port=self.ports[0])
        return self.leader

    def stand_by(self) -> None:
        """Start the second, slow one."""
        self._ours.learner(learner__metrics_port=self.ports[1], learner__instance="second", **SLOW)

    def stop(self) -> None:
        """SIGTERM to the first, and wait for its end."""
        self.leader.terminate()
        assert self.leader.wait_exit() == 0


def force_a_bad_model(ours: Installation, service: Process) -> None:
    """Random weights, live because an operator insists; in mode strict, so that what is served does not mend itself."""
    made_up = put_in_by_hand(ours)
    ours.wait(lambda: status(service)["head"] == made_up, "the gate sees it", service)
    order(service, "mode", mode="strict")
    order(service, "promote", force=True)
    assert status(service)["serving"] == made_up


def put_back(ours: Installation, version: str) -> None:
    """What a good version had learned, as the newest version; nothing that was read since is read again."""
    good, head = ours.load(version), ours.load()
    committed(ours, good.state, head.manifest.progress, Admission(AdmissionRules(), head.arrivals))


@pytest.mark.timeout(300)
def test_five_faults_make_the_right_alert_fire_and_no_other(
    open_installation: Open, redis: RedisServer, tmp_path: Path
) -> None:
    ours, stream = open_installation(**GATE | {"gate__margin": MARGIN}), Stream(SHOP)
    grown(ours, stream)
    learners, service = Learners(ours), ours.service()
    feed, shoppers = ours.feed(current(stream), RATE), Shoppers(service)
    shoppers.start()
    targets = {"learner": learners.targets, "service": [service.address]}
    with Prometheus(tmp_path / "prometheus", targets, FACTOR) as prometheus:
        watch = Watch(ours, prometheus, service)
        ours.wait(lambda: bool(prometheus.query("sluicegate_lease_held == 1")), "it is scraped", service)
        watch.silence("of a healthy shop")

        def start_with_a_bad_model() -> None:
            good.append(status(service)["serving"])
            force_a_bad_model(ours, service)
            learners.start()

        def start_with_the_good_one() -> None:
            learners.stop()
            put_back(ours, good[0])
            order(service, "mode", mode="continuous")
            learners.start()

        good: list[str] = []
        harmed = {"GateRolledBack", "HitsFell", "BelowBaseline"} | LATE
        watch.fault("learner stopped", {"LearnerAbsent"}, learners.stop, start_with_a_bad_model, after=harmed)
        absent = {"LearnerAbsent"}  # until it is back, and while the good model is put back
        watch.fault("bad model", {"GateRolledBack"}, lambda: None, start_with_the_good_one, may=harmed | absent)
        watch.silence("after the rollback")
        watch.fault("Redis stopped", {"VersionStale", "ServiceDegraded"}, redis.kill, redis.start, after=LATE)
        learners.stand_by()
        watch.silence("with Redis back")
        watch.fault("bad records", {"ManyBadEvents"}, lambda: spoil(ours), lambda: mended(ours))
        feed.finish()
        learners.stop()
        flood = ours.feed(current(stream), FLOOD)
        watch.fault("lag", {"LagGrows"}, lambda: None, flood.finish, may=LATE)
        assert shoppers.finish() == 0
