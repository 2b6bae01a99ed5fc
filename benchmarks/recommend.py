"""Measures a service with 100,000 items next to a busy learner: latency at 200 requests/s, and the highest rate.

Load generator, event source, learner, service, Kafka and Redis are six processes that share the machine's cores.
"""

from __future__ import annotations

import argparse
import time
import uuid
from typing import Any

from benchmarks import load, processes, workload
from benchmarks.feeder import feeding
from benchmarks.report import spread, verdict
from benchmarks.standing import Standing, paths, standing

SUMMARY = (
    "/recommend while the learner learns 2,000 events/s: latency at 200 requests/s, requests/s at 1, 8, 32 connections"
)
RATE, EVENTS = 200.0, 2_000.0
CONNECTIONS = (1, 8, 32)


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of this benchmark."""
    parser.add_argument(
        "--past", type=workload.past, default=300_000, help="events learned before (default: %(default)s)"
    )
    parser.add_argument("--open-seconds", type=float, default=20.0, help="of each open loop (default: %(default)s)")
    parser.add_argument("--closed-seconds", type=float, default=8.0, help="of each closed loop (default: %(default)s)")
    parser.add_argument("--events", type=float, default=EVENTS, help="events/s meanwhile (default: %(default)s)")


def run(options: argparse.Namespace) -> dict[str, Any]:
    """Run the open loop, then 1, 8 and 32 connections, as often as asked, while events arrive."""
    rounds: list[dict[Any, Any]] = []
    with standing(options, options.past) as found:
        file = paths(found.around.folder, options.seed)
        load.ask(found.service.address, file, 3.0, connections=8)
        rounds.extend(_round(found, file, options, number) for number in range(options.runs))
        page = processes.fetch(found.service.address, file.read_text().split()[1])
        service = processes.metrics(found.service.address)
    open_loops = [each["open"] for each in rounds]
    p50, p99 = (spread([each[name] for each in open_loops]) for name in ("p50", "p99"))
    most = {count: spread([each[count]["per_second"] for each in rounds], 1) for count in CONNECTIONS}
    return {
        "figures": [
            verdict("p50 at 200 requests/s", p50["median"], "ms", 5.0, 3.0, higher=False),
            verdict("p99 at 200 requests/s", p99["median"], "ms", 25.0, 15.0, higher=False),
            verdict("requests/s at 32 connections", most[32]["median"], "1/s", 500.0, 1000.0, higher=True),
        ],
        "open_loop": {
            "p50_ms": p50,
            "p99_ms": p99,
            "p999_ms": spread([each["p999"] for each in open_loops]),
            "max_ms": spread([each["max"] for each in open_loops]),
            "statuses": [each["statuses"] for each in open_loops],
            "unanswered": [each["unanswered"] for each in open_loops],
            "generator_late_ms": [each["generator_late_ms"] for each in open_loops],
        },
        "saturated_requests_per_second": {str(count): each for count, each in most.items()},
        "saturated_p99_ms": {str(count): spread([each[count]["p99"] for each in rounds]) for count in CONNECTIONS},
        "events_per_second_learnt": spread([each["events_per_second"] for each in rounds], 1),
        "items_served": processes.total(service, "sluicegate_serving_items"),
        "served_by": page["served_by"],
        "degraded": page["degraded"],
        "items_on_page": len(page["items"]),
    }


def _round(found: Standing, file: Any, options: argparse.Namespace, number: int) -> dict[Any, Any]:
    lasts = options.open_seconds + len(CONNECTIONS) * (options.closed_seconds + 2) + 30
    run = uuid.uuid4().hex[:6]
    with feeding(found.around.bootstrap, found.events, options.events, lasts, options.seed, run, 1 + number):
        before = processes.consumed(found.learner.address, found.events)
        processes.until(lambda: processes.consumed(found.learner.address, found.events) > before, "events learned", 20)
        before, begin = processes.consumed(found.learner.address, found.events), time.perf_counter()
        result: dict[Any, Any] = {"open": load.ask(found.service.address, file, options.open_seconds, rate=RATE)}
        after = processes.consumed(found.learner.address, found.events)
        result["events_per_second"] = (after - before) / (time.perf_counter() - begin)
        for count in CONNECTIONS:
            result[count] = load.ask(found.service.address, file, options.closed_seconds, connections=count)
    return result
