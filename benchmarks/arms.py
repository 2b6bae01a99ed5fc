"""Measures what an experiment of three arms and a scenario cost /recommend: one service, with and without, in turns.

The processor time that the service takes for a request is compared, each turn with its neighbour: other processes on
the machine change that time less than the rate. Turns are short and many, because what other processes do changes
within seconds. Both turns of a pair ask for the same slates, of one length and with the same options: what an option
costs, it costs without an experiment or a scenario too.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from statistics import NormalDist, median
from typing import Any, Final

import uvloop

from benchmarks import load, processes, workload
from benchmarks.report import spread, verdict
from benchmarks.standing import Standing, paths, standing
from models.experiments import Arm, Experiment
from streaming.settings import load_settings
from streaming.store import Store
from tests.support.processes.serving import keep

SUMMARY = "/recommend with an experiment of three arms and a scenario, and without: processor time, requests/s"
CONNECTIONS = 8
STRIDE = 700
"""Requests from the first one of a pair to that of the next: some more than a turn asks."""

EXPERIMENT: Final = Experiment("arms", "0f" * 16, (Arm("one", 0.3), Arm("two", 0.3), Arm("three", 0.4)), start=1.0)
SCENARIO: Final = "product-page"
"""Of the defaults: it sets `n` alone, which the paths say too."""

SURE: Final = 0.95
"""Probability that the bounds of a median hold."""


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of this benchmark."""
    parser.add_argument(
        "--past", type=workload.past, default=200_000, help="events learned before (default: %(default)s)"
    )
    parser.add_argument("--turns", type=int, default=30, help="pairs of turns in each run (default: %(default)s)")
    parser.add_argument("--seconds", type=float, default=0.5, help="of each turn (default: %(default)s)")


def run(options: argparse.Namespace) -> dict[str, Any]:
    """Ask without and with the experiment in turns, as often as asked."""
    pairs: list[dict[bool, dict[str, float]]] = []
    with standing(options, options.past) as found:
        store = Store.for_service(load_settings(None, found.env))
        plain = paths(found.around.folder, options.seed).read_text().split()
        named = [f"{path}&scenario={SCENARIO}" for path in plain]
        asked = {
            running: load.requests(found.service.address, each) for running, each in ((False, plain), (True, named))
        }
        for running in (False, True):
            _turn(found, store, asked[running], 3.0, running)
        for number in range(options.runs * options.turns):
            first = STRIDE * number % len(plain)
            order = (False, True) if number % 2 == 0 else (True, False)
            pairs.append({
                running: _turn(found, store, asked[running][first:] + asked[running][:first], options.seconds, running)
                for running in order
            })  # fmt: skip
        store.close()
    ratios = [each[True]["cpu_us"] / each[False]["cpu_us"] for each in pairs]
    low, high = between(ratios)
    return {
        "figures": [
            verdict(
                "processor time, 1 without experiment and scenario", round(median(ratios), 3), "", 1.05, 1.02, False
            )
        ],
        "between": {"low": round(low, 3), "high": round(high, 3)},
        "cpu_us_per_request": {
            "without": spread([each[False]["cpu_us"] for each in pairs], 1),
            "with": spread([each[True]["cpu_us"] for each in pairs], 1),
        },
        "rate_with_over_without": round(median(each[True]["rate"] / each[False]["rate"] for each in pairs), 3),
        "pairs": len(pairs),
    }


def between(values: Sequence[float], sure: float = SURE) -> tuple[float, float]:
    """Return bounds of the median that hold with a probability, whatever the values are distributed like.

    They are values themselves: how many of n lie below the median is binomial, approximated by a normal distribution.

    >>> between([float(n) for n in range(101)])
    (40.0, 60.0)
    """
    ordered = sorted(values)
    reach = NormalDist().inv_cdf((1 + sure) / 2) * len(ordered) ** 0.5 / 2
    first = max(0, int(len(ordered) / 2 - reach))
    return ordered[first], ordered[len(ordered) - 1 - first]


def _turn(found: Standing, store: Store, requests: Sequence[bytes], seconds: float, running: bool) -> dict[str, float]:
    address = found.service.address
    keep(store, *((EXPERIMENT,) if running else ()))

    def as_wanted() -> bool:
        return ("experiments" in processes.fetch(address, "/recommend/somebody")) == running

    processes.until(as_wanted, "the experiment as wanted", 30)
    host, _, port = address.partition(":")
    before = _cpu(found.service.pid or 0)
    asked = uvloop.run(load.closed_loop(host, int(port), requests, CONNECTIONS, seconds))
    used = _cpu(found.service.pid or 0) - before
    if set(asked["statuses"]) != {"200"}:
        raise RuntimeError(f"not every request was answered: {asked['statuses']}")
    return {"rate": asked["per_second"], "cpu_us": 1e6 * used / asked["requests"]}


def _cpu(pid: int) -> float:
    """Seconds of processor time that a process has used: its clock, as clock_getcpuclockid(3) makes the name of it."""
    return time.clock_gettime(~pid << 3 | 2)
