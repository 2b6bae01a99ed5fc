"""Poison that grows for hours: through a public beacon key, and by one user in a hundred. An hour takes three seconds.

Twelve hundred times faster than life, an anchor is an hour old after 3 s and a day after 72 s, and six hours of poison
take 18 s. In the middle of it the learner dies by kill -9. Every figure is printed: `pytest -s` shows them.
"""

from __future__ import annotations

import json
import threading
import time
import urllib.parse
import urllib.request
from collections.abc import Callable
from typing import Any, Final

import pytest

from service.http.auth import digest
from tests.acceptance.conftest import Open
from tests.support.oracles.gated import GATE, Scene, Watch, consumed, grown, holds, longest, rollbacks, run, status
from tests.support.oracles.probe import Probe
from tests.support.processes.harness import Installation
from tests.support.processes.roles import Process
from tests.support.streams.poison import growing, strangers
from tests.support.streams.streams import Planned

HOUR: Final = 3.0
HOURS: Final = 6
# Clean events of one second, those that the market learned before, those before the poison, and those while it grows.
PACE: Final = 1_000.0
LEARNT, LEAD = 40_000, 4_000
CREEP: Final = int(HOURS * HOUR * PACE)
# Events of the poison for each clean one at last: fewer than what the guards of the stream see at once.
MOST: Final = 1.0
# Events for which a fall that users notice may last at most, as in the other scenarios.
LASTING: Final = 4_000
ORIGIN, KEY = "https://shop.example", "a key that every visitor can read"
BEACON: Final = {
    "service__keys": f"beacon:{digest(KEY)}",
    "service__beacon_origins": ORIGIN,
    # A botnet has many addresses, this test has one.
    "service__beacon_client_rate": 1_000,
}


def beaconed(service: Process, clicks: list[dict[str, object]], seconds: float) -> Callable[[], int]:
    """Send clicks with the public key, ever more of them in a second; returns how to wait for the last one."""
    taken: list[int] = []
    paced = threading.Event()

    def send() -> None:
        begun, sent = time.monotonic(), 0
        while sent < len(clicks):
            passed = min(1.0, (time.monotonic() - begun) / seconds)
            due = clicks[sent : max(sent + 1, int(len(clicks) * passed**2))][:100]
            now = time.time()
            request = urllib.request.Request(
                f"http://{service.address}/events?key={urllib.parse.quote(KEY)}",
                json.dumps([click | {"timestamp": now} for click in due]).encode(),
                {"Content-Type": "text/plain;charset=UTF-8", "Origin": ORIGIN},
            )
            with urllib.request.urlopen(request, timeout=30) as answer:
                assert answer.status == 202
            taken.append(len(due))
            sent += len(due)
            paced.wait(max(0.0, 0.05 - (time.time() - now)))

    thread = threading.Thread(target=send, name="strangers", daemon=True)
    thread.start()

    def over() -> int:
        thread.join()
        return sum(taken)

    return over


def broken(ours: Installation, planned: list[Planned], learner: Process, service: Process, rate: float) -> None:
    """Run events with a learner that is killed in the middle of them."""
    half = len(planned) // 2
    run(ours, planned[:half], learner, service, rate=rate)
    learner.kill()
    learner.start()
    run(ours, planned[half:], learner, service, rate=rate)


@pytest.mark.parametrize("who", ["strangers", "few"])
def test_a_poison_that_grows_for_hours_never_spoils_for_long_what_users_see(
    open_installation: Open, scene: Scene, who: str
) -> None:
    ours = open_installation(**GATE, **BEACON, gate__anchors=f"{HOUR},{24 * HOUR}")
    stream = scene.thin()
    grown(ours, stream, LEARNT)
    learner, service = ours.learner(), ours.service()
    whole, probe = stream.clean(LEAD + CREEP), Probe(stream.shop, stream.clean(14_000))
    run(ours, whole[:LEAD], learner, service, rate=PACE)
    before = probe.hit_rate(ours.load(status(service)["serving"]).state)
    watch, began = Watch(ours, service, probe), consumed(ours)
    watch.start()
    clean, poisoned = whole[LEAD:], 0
    if who == "strangers":
        count = int(MOST * CREEP / 2)
        over = beaconed(service, strangers(clean, 5, count), CREEP / PACE)
        broken(ours, clean, learner, service, PACE)
        poisoned = over()
        assert poisoned == count
        ours.wait(lambda: consumed(ours) >= began + CREEP + count, "the poison is consumed", learner, service)
    else:
        found = growing(clean, 5, MOST)
        poisoned = len(found) - CREEP
        broken(ours, found, learner, service, PACE * len(found) / CREEP)
    looks, gate = watch.finish(), status(service)
    worst, would = min(look.served for look in looks), min(look.head for look in looks)
    low = longest(looks, scene.noticed(before))
    print(f"{who}: {poisoned} events of poison among {CREEP}; clean hit rate {before:.3f}, served at worst {worst:.3f}")
    print(f"{who}: newest at worst {would:.3f}; below {scene.noticed(before):.3f} for {low} events")
    print(f"{who}: held for {reasons(holds(service))}; rolled back for {reasons(rollbacks(service))}")
    print(f"{who}: { ({name: value for name, value in gate['numbers'].items() if name.startswith('anchor')}) }")
    assert low <= LASTING
    assert len(gate["anchors"]) == 2
    # The comparison with the anchors took part: a gate that cannot look back would pass as well where nothing is lost.
    asked = learner.metrics()["sluicegate_compared_events{comparison=anchor1}"]
    assert asked > 0 or rollbacks(service)
    # The learner that took over went on with what the one before had found out.
    assert gate["evidence"]["began"].startswith("taken up from version")


def reasons(found: list[dict[str, Any]]) -> list[str]:
    """The reasons of these decisions, each once."""
    return sorted({reason for each in found for reason in each["reasons"]})
