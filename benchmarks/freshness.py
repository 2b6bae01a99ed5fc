"""Measures how soon a visitor's event counts, one visitor at a time among events at a steady rate.

Seen: a new visitor clicks an item that was not on the page; the clock runs from Kafka's acknowledgement to the arrival
of the first `/recommend` answer for that visitor that has the item on its page of 50. Learned: to the first answer of
`/model` whose offsets lie beyond the event, asked every 25 ms.
"""

from __future__ import annotations

import argparse
import http.client
import json
import random
import threading
import time
import uuid
from typing import Any, NamedTuple

from kafka import KafkaProducer

from benchmarks import processes, workload
from benchmarks.feeder import feeding
from benchmarks.report import percentile, spread, verdict
from benchmarks.standing import Standing, standing

SUMMARY = "event acknowledged by Kafka to seen in /recommend, and to the served model, at 500 and 2,000 events/s"
RATES = (500.0, 2_000.0)
PAGE = 50
ASK_AGAIN = 0.001  # seconds between two looks: adds as much to the measured time
ASK_MODEL = 0.025
PAUSE = 0.04  # mean seconds between visitors, drawn each time, so that probes do not keep step with versions
GIVE_UP = 3.0


class Probe(NamedTuple):
    """One visitor's event: its place in the log, when it was acknowledged, seconds until it was seen (None: never)."""

    partition: int
    offset: int
    acknowledged: float
    seen: float | None


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of this benchmark."""
    parser.add_argument(
        "--past", type=workload.past, default=300_000, help="events learned before (default: %(default)s)"
    )
    parser.add_argument("--seconds", type=float, default=20.0, help="of each run (default: %(default)s)")


def run(options: argparse.Namespace) -> dict[str, Any]:
    """Run both rates in turn, as often as asked."""
    found: dict[float, list[dict[str, Any]]] = {rate: [] for rate in RATES}
    with standing(options, options.past) as whole:
        for number in range(options.runs):
            for rate in RATES:
                found[rate].append(_run(whole, rate, options, number))
    rates = {f"{rate:g}": _summary(runs) for rate, runs in found.items()}
    low, high = rates["500"], rates["2000"]
    return {
        "figures": [
            verdict("seen, p50 at 2,000/s", high["seen_p50_ms"]["median"], "ms", 20.0, None, higher=False),
            verdict("seen, p99 at 2,000/s", high["seen_p99_ms"]["median"], "ms", 100.0, 50.0, higher=False),
            # The slowest run counts: a gate that held versions in one of them shows there, and not in the median.
            verdict("served model, p99 at 2,000/s", high["learnt_p99_s"]["max"], "s", 3.0, None, higher=False),
            verdict("served model, p99 at 500/s", low["learnt_p99_s"]["max"], "s", 3.0, None, higher=False),
        ],
        "events_per_second": rates,
    }


def _summary(runs: list[dict[str, Any]]) -> dict[str, Any]:
    names = [name for name in runs[0] if name.endswith(("_ms", "_s"))]
    return {
        **{name: spread([each[name] for each in runs]) for name in names},
        "probes": [each["probes"] for each in runs],
        "never_seen": [each["never_seen"] for each in runs],
        "events_per_second_learnt": [each["events_per_second"] for each in runs],
    }


def _run(whole: Standing, rate: float, options: argparse.Namespace, number: int) -> dict[str, Any]:
    watch = _ModelWatch(whole)
    name, part = uuid.uuid4().hex[:6], 1 + len(RATES) * number + RATES.index(rate)
    with feeding(whole.around.bootstrap, whole.events, rate, options.seconds + 60, options.seed, name, part):
        before = processes.consumed(whole.learner.address, whole.events)
        processes.until(lambda: processes.consumed(whole.learner.address, whole.events) > before, "events learned", 30)
        watch.start()
        before, begin = processes.consumed(whole.learner.address, whole.events), time.perf_counter()
        probes = _probe(whole, options.seconds, name, options.seed + number)
        learned_rate = (processes.consumed(whole.learner.address, whole.events) - before) / (
            time.perf_counter() - begin
        )
        learned = watch.settle(probes)
    seen = [1000 * probe.seen for probe in probes if probe.seen is not None]
    return {
        "seen_p50_ms": percentile(seen, 0.5),
        "seen_p99_ms": percentile(seen, 0.99),
        "seen_max_ms": max(seen, default=float("nan")),
        "learnt_p50_s": percentile(learned, 0.5),
        "learnt_p99_s": percentile(learned, 0.99),
        "learnt_max_s": max(learned, default=float("nan")),
        "probes": len(probes),
        "never_seen": len(probes) - len(seen),
        "events_per_second": round(learned_rate, 1),
    }


def _probe(whole: Standing, seconds: float, run: str, seed: int) -> list[Probe]:
    draws = random.Random(seed)
    producer = KafkaProducer(bootstrap_servers=whole.around.bootstrap, acks="all", linger_ms=0)
    link = http.client.HTTPConnection(whole.service.address, timeout=5)
    probes: list[Probe] = []
    end = time.perf_counter() + seconds
    try:
        while time.perf_counter() < end:
            probes.append(_visit(link, producer, whole.events, f"probe-{run}-{len(probes)}", draws))
            time.sleep(draws.expovariate(1 / PAUSE))
    finally:
        producer.close(timeout=10)
        link.close()
    return probes


def _visit(
    link: http.client.HTTPConnection, producer: KafkaProducer, topic: str, user: str, draws: random.Random
) -> Probe:
    page = _page(link, user)
    item = next(name for name in iter(lambda: f"i{draws.randrange(workload.ITEMS):06d}", "") if name not in page)
    moments: list[float] = []
    event = {"event_type": "click", "user_id": user, "item_id": item, "timestamp": time.time(), "event_id": user}
    future = producer.send(topic, value=json.dumps(event).encode(), key=user.encode())
    future.add_callback(lambda _: moments.append(time.perf_counter()))
    written = future.get(timeout=10)
    acknowledged = moments[0] if moments else time.perf_counter()
    while (now := time.perf_counter()) - acknowledged < GIVE_UP:
        if item in _page(link, user):
            return Probe(written.partition, written.offset, acknowledged, time.perf_counter() - acknowledged)
        time.sleep(max(0.0, ASK_AGAIN - (time.perf_counter() - now)))
    return Probe(written.partition, written.offset, acknowledged, None)


def _page(link: http.client.HTTPConnection, user: str) -> set[str]:
    link.request("GET", f"/recommend/{user}?n={PAGE}&exclude_in_view=false")
    return {item["item_id"] for item in json.loads(link.getresponse().read())["items"]}


class _ModelWatch:
    """Watches when the served model first covers each offset."""

    def __init__(self, whole: Standing) -> None:
        self._whole = whole
        self._seen: list[tuple[float, dict[int, int]]] = []  # (moment, partition -> next offset), as they changed
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._look, name="model watch")

    def start(self) -> None:
        """Start watching."""
        self._thread.start()

    def _look(self) -> None:
        while not self._over.wait(ASK_MODEL):
            progress = processes.fetch(self._whole.service.address, "/model")["progress"]
            offsets = {int(number): next_ for number, next_ in progress["offsets"][self._whole.events].items()}
            if not self._seen or self._seen[-1][1] != offsets:
                self._seen.append((time.perf_counter(), offsets))

    def settle(self, probes: list[Probe]) -> list[float]:
        """Wait until every probe is in the served model, and return the seconds each took. Raises TimeoutError."""
        try:
            processes.until(lambda: all(self._when(probe) is not None for probe in probes[-20:]), "the last probe", 60)
        finally:
            self._over.set()
            self._thread.join()
        moments = [(self._when(probe), probe) for probe in probes]
        return [max(0.0, moment - probe.acknowledged) for moment, probe in moments if moment is not None]

    def _when(self, probe: Probe) -> float | None:
        return next((moment for moment, offsets in self._seen if offsets.get(probe.partition, 0) > probe.offset), None)
