"""Measures what traces cost /recommend and learning: off, at the default share, and with every request traced.

One installation with three services that differ in `tracing` alone, asked in turns; the processor time of a request is
compared with that of its neighbours, because other processes change the rate more than that time. Learning is measured
without a broker: batches of 500 in turns, with no trace and with as many as are followed of one, the worst case.
"""

from __future__ import annotations

import argparse
import contextlib
import time
from statistics import median
from typing import Any, Final

from benchmarks import load, processes, workload
from benchmarks.catalogues import BATCH, Event, batches, grown
from benchmarks.report import spread, verdict
from benchmarks.standing import paths, standing
from streaming.consumer.record_batches import WireRecord
from streaming.learner.traces import BatchTraces
from streaming.tracing import TRACEPARENT, tracer_of
from tests.support.processes.http_receiver import Receiver
from tests.support.processes.processes import Server

SUMMARY = "/recommend and learning without traces, with 1 % and with all of them: processor time"
CONNECTIONS = 8
SHARES: Final = {"off": None, "default": 0.01, "all": 1.0}
"""Name of each contender, and the share of its requests that are traced."""

ITEMS = 30_000


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of this benchmark."""
    parser.add_argument(
        "--past", type=workload.past, default=200_000, help="events learned before (default: %(default)s)"
    )
    parser.add_argument("--turns", type=int, default=4, help="turns in each run (default: %(default)s)")
    parser.add_argument("--seconds", type=float, default=2.0, help="of each turn (default: %(default)s)")


def run(options: argparse.Namespace) -> dict[str, Any]:
    """Ask each service in turns, then learn batches in turns."""
    asked, learned = _asking(options), _learning(options)
    ratios = {
        name: median(one / off for one, off in zip(asked[name], asked["off"], strict=True))
        for name in ("default", "all")
    }
    learning = median(one / off for one, off in zip(learned["all"], learned["off"], strict=True))
    return {
        "figures": [
            verdict("/recommend, 1 % traced over off", round(ratios["default"], 3), "", 1.05, 1.02, higher=False),
            verdict("/recommend, all traced over off", round(ratios["all"], 3), "", 2.0, 1.5, higher=False),
            verdict("learning, 32 traces a batch over off", round(learning, 3), "", 1.5, 1.25, higher=False),
        ],
        "recommend_cpu_us": {name: spread(values, 1) for name, values in asked.items()},
        "learning_us_per_event": {name: spread(values, 2) for name, values in learned.items()},
    }


def _asking(options: argparse.Namespace) -> dict[str, list[float]]:
    """Processor time of a request in µs, by contender."""
    found: dict[str, list[float]] = {name: [] for name in SHARES}
    with Receiver() as receiver, standing(options, options.past) as there, contextlib.ExitStack() as stack:
        services = {"off": there.service}
        for name in ("default", "all"):
            traced = {
                "SLUICEGATE_TRACING__ENDPOINT": f"http://{receiver.address}/v1/traces",
                "SLUICEGATE_TRACING__SHARE": str(SHARES[name]),
            }
            folder = there.around.folder / name
            folder.mkdir()
            services[name] = processes.service(folder, there.env | traced).start(processes.READY_SECONDS)
            stack.callback(services[name].stop, 30.0)
        file = paths(there.around.folder, options.seed)
        for service in services.values():
            load.ask(service.address, file, 3.0, connections=CONNECTIONS)
        names = list(SHARES)
        for turn in range(options.runs * options.turns):
            for name in names[turn % len(names) :] + names[: turn % len(names)]:
                found[name].append(_request(services[name], file, options.seconds))
        assert receiver.posted, "no span was exported"
    return found


def _request(service: Server, file: Any, seconds: float) -> float:
    before = _cpu(service)
    asked = load.ask(service.address, file, seconds, connections=CONNECTIONS)
    return 1e6 * (_cpu(service) - before) / (float(asked["per_second"]) * seconds)


def _cpu(service: Server) -> float:
    """Seconds of processor time that a service has used."""
    return processes.total(processes.metrics(service.address), "process_cpu_seconds_total")


def _learning(options: argparse.Namespace) -> dict[str, list[float]]:
    """Processor time of one event's step in µs, by contender."""
    made = grown(ITEMS, 2 * BATCH * options.runs * options.turns, options.seed)
    found: dict[str, list[float]] = {"off": [], "all": []}
    with Receiver() as receiver:
        tracer = tracer_of(f"http://{receiver.address}/v1/traces", 1.0, "learner", "benchmark")
        assert tracer is not None
        traces = BatchTraces(tracer, time.time)
        for number, batch in enumerate(batches(made.later)):
            records = _records(batch)
            times = [event.timestamp for event in batch]
            began = time.thread_time()
            if number % 2:
                contexts = traces.found([records])
                at = time.time()
            made.recommender.learn_events(batch, times, made.facts)
            if number % 2:
                traces.learned(contexts, at, len(batch))
                traces.carried()
            found["all" if number % 2 else "off"].append((time.thread_time() - began) / len(batch) * 1e6)
        tracer.close()
    return found


def _records(batch: list[Event]) -> list[Any]:
    """Records of these events, each of a request of its own whose trace is recorded."""
    return [
        WireRecord(
            "events", 0, place, 0, None, b"", ((TRACEPARENT, f"00-{place + 1:032x}-{place + 1:016x}-01".encode()),)
        )
        for place in range(len(batch))
    ]
