"""Measures the cost of ranking 200 items that a request names, by a service with 100,000 items that does nothing else.

One connection, one request after the other, three kinds in turn: an ordinary one for 20 items; the best 20 of 200
`candidates` with a `query`, as a page of search results needs them; and all 200 of them back, in order. Latency as the
client sees it, and the processor time of the service's process, per answer. No learner runs meanwhile, and slates go
nowhere (no broker answers). Histories are those of returning users; one in ten is a stranger.
"""

from __future__ import annotations

import argparse
import http.client
import json
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from benchmarks import processes
from benchmarks.catalogues import Event, grown
from benchmarks.ranking import GIVEN, RECENT, searched
from benchmarks.report import percentile, spread, verdict
from models.ledger import Admission, AdmissionRules, Progress
from models.records import ItemFacts
from models.state import SCHEMA
from streaming.checkpoint import Checkpointer
from streaming.live import facts, histories
from streaming.settings import Settings
from streaming.store import Store
from tests.support.processes.redis_server import RedisServer

SUMMARY = "200 candidates ranked through HTTP, against an ordinary answer of the same service"
ITEMS, PAGE, STRANGERS = 100_000, 20, 10
KINDS = ("ordinary", "best", "all")
NAMESPACE = "bench-given"
BLOCK = 50  # requests of a kind before the next kind: processor time is given in hundredths of a second
NOWHERE = "127.0.0.1:9"  # the discard port: there is no broker


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of this benchmark."""
    parser.add_argument("--items", type=int, default=ITEMS, help="items (default: %(default)s)")
    parser.add_argument("--requests", type=int, default=1_000, help="of each kind in a run (default: %(default)s)")


def run(options: argparse.Namespace) -> dict[str, Any]:
    """Run all kinds in turn, as often as asked."""
    with served(options) as (address, requests):
        ask(address, {kind: each[:200] for kind, each in requests.items()})
        runs = [ask(address, requests) for _ in range(options.runs)]
    shares = {
        f"{figure}_{kind}": spread([run[kind][figure] / run["ordinary"][figure] for run in runs])
        for kind in KINDS[1:]
        for figure in ("p50_ms", "processor_ms")
    }
    names = {"best": f"best {PAGE} of {GIVEN} candidates", "all": f"all {GIVEN} candidates"}
    return {
        "figures": [
            verdict(f"{names[kind]}: {told}, of an ordinary answer", found["median"], "times", 1.0, 0.9, higher=False)
            for kind in KINDS[1:]
            for told, found in (("latency", shares[f"p50_ms_{kind}"]), ("work", shares[f"processor_ms_{kind}"]))
        ],
        "shares": shares,
        **{kind: {name: spread([run[kind][name] for run in runs]) for name in runs[0][kind]} for kind in KINDS},
    }


def ask(address: str, requests: Mapping[str, list[bytes]]) -> dict[str, dict[str, float]]:
    """Measure milliseconds per answer of each kind: latency by percentile, and the service's processor time."""
    link = http.client.HTTPConnection(address, timeout=10)
    waited: dict[str, list[float]] = {kind: [] for kind in requests}
    worked = dict.fromkeys(requests, 0.0)
    for start in range(0, len(requests[KINDS[0]]), BLOCK):
        for kind, bodies in requests.items():
            before = _processor(address)
            for body in bodies[start : start + BLOCK]:
                waited[kind].append(1e3 * _post(link, body))
            worked[kind] += 1e3 * (_processor(address) - before)
    link.close()
    return {
        kind: {
            "p50_ms": percentile(waited[kind], 0.5),
            "p99_ms": percentile(waited[kind], 0.99),
            "processor_ms": worked[kind] / len(waited[kind]),
        }
        for kind in requests
    }


def _processor(address: str) -> float:
    return processes.metrics(address)["process_cpu_seconds_total"]


def _post(link: http.client.HTTPConnection, body: bytes) -> float:
    began = time.perf_counter()
    link.request("POST", "/recommend", body, {"Content-Type": "application/json"})
    answer = link.getresponse()
    answer.read()
    if answer.status != 200:
        raise RuntimeError(f"/recommend answered {answer.status}")
    return time.perf_counter() - began


@contextmanager
def served(options: argparse.Namespace) -> Iterator[tuple[str, dict[str, list[bytes]]]]:
    """Start a service that answers from a version with all items, and make its requests."""
    with TemporaryDirectory(prefix="sluicegate-bench-") as name, RedisServer(Path(name) / "redis") as redis:
        folder = Path(name)
        made = grown(options.items, RECENT, options.seed)
        settings = Settings.model_validate({"namespace": NAMESPACE, "redis": {"url": redis.url}})
        store = Store.for_learner(settings)
        try:
            _write(store, made.recommender, made.later, made.facts)
        finally:
            store.close()
        env = processes.environment(NOWHERE, redis.url, NAMESPACE)
        service = processes.service(folder, env).start(processes.READY_SECONDS)
        try:
            yield service.address, _bodies(made.later, options)
        finally:
            service.stop(30.0)


def _write(store: Store, recommender: Any, later: list[Event], known: Mapping[str, Any]) -> None:
    """Write a version that has learned all events, histories of returning users, and the facts of every item."""
    recommender.learn_events(later, [event.timestamp for event in later], known)
    entries: dict[str, list[tuple[int, int, float, int, str]]] = {}
    for number, event in enumerate(later):
        entries.setdefault(event.user_id, []).append((0, number, event.timestamp, event.kind, event.item_id))
    histories.write(store, entries, NAMESPACE)
    changes = [
        (0, number, item, ItemFacts(category=each.category, brand=each.brand, price=each.price, title=f"Item {number}"))
        for number, (item, each) in enumerate(known.items())
    ]
    facts.write(store, changes, NAMESPACE)
    lease = store.acquire_lease("benchmark", 600.0)
    if lease is None:
        raise RuntimeError("somebody else learns in this Redis")
    keeper = Checkpointer(store, lease, SCHEMA)
    progress = Progress(cluster=NAMESPACE, topics={"events": NAMESPACE})
    progress.advance("events", 0, list(range(len(later))), time.time())
    keeper.cut(recommender.state, progress, Admission(AdmissionRules()), dict, force=True)
    keeper.flush(60.0)
    keeper.close()


def _bodies(later: list[Event], options: argparse.Namespace) -> dict[str, list[bytes]]:
    users = [event.user_id for event in later[:: max(1, len(later) // options.requests)]][: options.requests]
    given = searched(later, options)
    found: dict[str, list[bytes]] = {kind: [] for kind in KINDS}
    for number, user in enumerate(users):
        asked = {"user_id": f"stranger{number}" if number % STRANGERS == 0 else user}
        items = {"candidates": given[number], "query": f"c{number % 50}"}
        page: dict[str, Any] = {"n": PAGE}
        for kind, more in zip(KINDS, (page, page | items, items), strict=True):
            found[kind].append(json.dumps(asked | more).encode())
    return found
