"""Measures what an experiment of three arms costs /recommend: the same service with and without one, in turns.

The processor time of the service for a request is compared as well as the rate: other processes on the machine change
the rate, and hardly that time.
"""

from __future__ import annotations

import argparse
import json
import urllib.request
from pathlib import Path
from typing import Any, Final

from benchmarks import load, processes, workload
from benchmarks.report import spread, verdict
from benchmarks.standing import Standing, paths, standing

SUMMARY = "/recommend with an experiment of three arms and without one, in turns: requests/s, processor time"
CONNECTIONS = 8

EXPERIMENT: Final = {
    "name": "arms",
    "reason": "benchmark",
    "arm": [{"name": name, "share": 0.3} for name in ("one", "two")] + [{"name": "three", "share": 0.4}],
}
"""Arms without options: what an option costs, it costs without an experiment too."""


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of this benchmark."""
    parser.add_argument(
        "--past", type=workload.past, default=200_000, help="events learned before (default: %(default)s)"
    )
    parser.add_argument("--seconds", type=float, default=8.0, help="of each turn (default: %(default)s)")


def run(options: argparse.Namespace) -> dict[str, Any]:
    """Ask without and with the experiment in turns, as often as asked."""
    turns: dict[bool, list[dict[str, float]]] = {False: [], True: []}
    with standing(options, options.past) as found:
        file = paths(found.around.folder, options.seed)
        load.ask(found.service.address, file, 3.0, connections=CONNECTIONS)
        for number in range(options.runs):
            for running in (False, True) if number % 2 == 0 else (True, False):
                turns[running].append(_turn(found, file, options.seconds, running))
    cpu = {running: spread([each["cpu_us"] for each in found], 1) for running, found in turns.items()}
    rate = {running: spread([each["per_second"] for each in found], 1) for running, found in turns.items()}
    ratio = cpu[True]["median"] / cpu[False]["median"]
    return {
        "figures": [verdict("processor time with an experiment, without it 1", round(ratio, 3), "", 1.05, 1.02, False)],
        "cpu_us_per_request": {"without": cpu[False], "with": cpu[True]},
        "requests_per_second": {"without": rate[False], "with": rate[True]},
        "rate_with_over_without": round(rate[True]["median"] / rate[False]["median"], 3),
    }


def _turn(found: Standing, file: Path, seconds: float, running: bool) -> dict[str, float]:
    address = found.service.address
    if running:
        _post(address, "/experiments", EXPERIMENT)
        processes.until(lambda: "experiments" in processes.fetch(address, "/recommend/somebody"), "the experiment", 30)
    before = _cpu(address)
    asked = load.ask(address, file, seconds, connections=CONNECTIONS)
    after = _cpu(address)
    if running:
        _post(address, "/experiments/arms/stop", {"reason": "benchmark"})
    answered = asked["per_second"] * seconds
    return {"per_second": asked["per_second"], "cpu_us": 1e6 * (after - before) / answered}


def _cpu(address: str) -> float:
    """Seconds of processor time that the service has used."""
    return processes.total(processes.metrics(address), "process_cpu_seconds_total")


def _post(address: str, path: str, body: dict[str, Any]) -> None:
    """Send an order."""
    headers = {"Content-Type": "application/json"}
    request = urllib.request.Request(f"http://{address}{path}", json.dumps(body).encode(), headers)
    urllib.request.urlopen(request, timeout=10).close()
