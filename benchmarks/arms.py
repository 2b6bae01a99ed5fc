"""Measures what an experiment of three arms and a scenario cost /recommend: one service, with and without, in turns.

The processor time that the service takes for a request is compared as well as the rate, each turn with its neighbour:
other processes on the machine change the rate a great deal, and that time less. Both turns ask for slates of one length
and with the same options: what an option costs, it costs without an experiment or a scenario too.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from statistics import median
from typing import Any, Final

from benchmarks import load, processes, workload
from benchmarks.report import spread, verdict
from benchmarks.standing import Standing, paths, standing
from models.experiments import Arm, Experiment
from streaming.settings import load_settings
from streaming.store import Store
from tests.support.processes.serving import keep

SUMMARY = "/recommend with an experiment of three arms and a scenario, and without: processor time, requests/s"
CONNECTIONS = 8

EXPERIMENT: Final = Experiment("arms", "0f" * 16, (Arm("one", 0.3), Arm("two", 0.3), Arm("three", 0.4)), start=1.0)
SCENARIO: Final = "product-page"
"""Of the defaults: it sets `n` alone, which the paths say too."""


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of this benchmark."""
    parser.add_argument(
        "--past", type=workload.past, default=200_000, help="events learned before (default: %(default)s)"
    )
    parser.add_argument("--turns", type=int, default=6, help="pairs of turns in each run (default: %(default)s)")
    parser.add_argument("--seconds", type=float, default=2.0, help="of each turn (default: %(default)s)")


def run(options: argparse.Namespace) -> dict[str, Any]:
    """Ask without and with the experiment in turns, as often as asked."""
    pairs: list[dict[bool, dict[str, float]]] = []
    with standing(options, options.past) as found:
        store = Store.for_service(load_settings(None, found.env))
        plain = paths(found.around.folder, options.seed)
        named = plain.with_name("named.txt")
        named.write_text("\n".join(f"{path}&scenario={SCENARIO}" for path in plain.read_text().splitlines()))
        files = {False: plain, True: named}
        load.ask(found.service.address, plain, 3.0, connections=CONNECTIONS)
        for number in range(options.runs * options.turns):
            order = (False, True) if number % 2 == 0 else (True, False)
            pairs.append({running: _turn(found, store, files[running], options.seconds, running) for running in order})
        store.close()
    ratios = [each[True]["cpu_us"] / each[False]["cpu_us"] for each in pairs]
    return {
        "figures": [
            verdict(
                "processor time, 1 without experiment and scenario", round(median(ratios), 3), "", 1.05, 1.02, False
            )
        ],
        "cpu_us_per_request": {
            "without": spread([each[False]["cpu_us"] for each in pairs], 1),
            "with": spread([each[True]["cpu_us"] for each in pairs], 1),
        },
        "rate_with_over_without": round(median(each[True]["rate"] / each[False]["rate"] for each in pairs), 3),
        "pairs": len(pairs),
    }


def _turn(found: Standing, store: Store, file: Path, seconds: float, running: bool) -> dict[str, float]:
    address = found.service.address
    keep(store, *((EXPERIMENT,) if running else ()))

    def as_wanted() -> bool:
        return ("experiments" in processes.fetch(address, "/recommend/somebody")) == running

    processes.until(as_wanted, "the experiment as wanted", 30)
    before = _cpu(address)
    asked = load.ask(address, file, seconds, connections=CONNECTIONS)
    return {"rate": asked["per_second"], "cpu_us": 1e6 * (_cpu(address) - before) / (asked["per_second"] * seconds)}


def _cpu(address: str) -> float:
    """Seconds of processor time that the service has used."""
    return processes.total(processes.metrics(address), "process_cpu_seconds_total")
