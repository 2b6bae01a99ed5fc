"""Measures the cost of versions at 2,000 events/s over 100,000 items: bytes to Redis, upload time, cadence."""

from __future__ import annotations

import argparse
import time
import uuid
from typing import Any

from benchmarks import processes, workload
from benchmarks.feeder import feeding
from benchmarks.report import spread, verdict
from benchmarks.servers import info
from benchmarks.standing import Standing, standing
from streaming.settings import LearnerSettings

SUMMARY = (
    "bytes a second to Redis at 2,000 events/s over 100,000 items, the upload's share of the time, versions a minute"
)
EVENTS = 2_000.0
PHASES = ("cut", "encode", "upload", "commit")


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of this benchmark."""
    parser.add_argument(
        "--past", type=workload.past, default=300_000, help="events learned before (default: %(default)s)"
    )
    parser.add_argument("--seconds", type=float, default=40.0, help="of each run (default: %(default)s)")


def run(options: argparse.Namespace) -> dict[str, Any]:
    """Measure windows of time, one after the other, while events arrive."""
    with standing(options, options.past) as whole:
        lasts = options.runs * options.seconds + 60
        with feeding(whole.around.bootstrap, whole.events, EVENTS, lasts, options.seed, uuid.uuid4().hex[:6]):
            time.sleep(5)  # the first versions after a catch-up are larger than those of a steady stream
            windows = [_window(whole, options.seconds) for _ in range(options.runs)]
        after = processes.metrics(whole.learner.address)
    base = processes.total(after, "sluicegate_version_size_bytes", kind="base")
    delta = spread([each["delta"] for each in windows], 0)
    every = _base_every(base, delta["median"])
    in_all = delta["median"] + base / every
    return {
        "figures": [verdict("to Redis, bases included", round(in_all / 1e6, 3), "MB/s", None, 12.0, higher=False)],
        "megabytes_per_second": {
            "deltas": spread([each["delta"] / 1e6 for each in windows]),
            "bases_in_the_windows": spread([each["base"] / 1e6 for each in windows]),
            "bases_spread_over_their_interval": round(base / every / 1e6, 3),
            "redis_received_in_all": spread([each["received"] / 1e6 for each in windows]),
        },
        "base_megabytes": round(base / 1e6, 2),
        "base_every_seconds": round(every, 1),
        "versions_per_minute": spread([60 * each["versions"] for each in windows], 1),
        "kilobytes_per_delta": spread([each["delta"] / max(each["versions"], 1e-9) / 1e3 for each in windows], 1),
        "share_of_time": {name: spread([each[name] for each in windows], 4) for name in PHASES},
        "events_per_second_learnt": spread([each["events"] for each in windows], 1),
        "model_megabytes": round(processes.total(after, "sluicegate_model_bytes") / 1e6, 1),
    }


def _base_every(base: float, deltas: float) -> float:
    """Return the seconds between bases: when the deltas exceed twice a base's size, or ten minutes."""
    return max(1.0, min(LearnerSettings().base_interval, 2 * base / max(deltas, 1.0)))


def _window(whole: Standing, seconds: float) -> dict[str, float]:
    before, begin = _look(whole), time.perf_counter()
    time.sleep(seconds)
    after, lasted = _look(whole), time.perf_counter() - begin
    return {name: (after[name] - before[name]) / lasted for name in before}


def _look(whole: Standing) -> dict[str, float]:
    samples = processes.metrics(whole.learner.address)
    found = {name: processes.total(samples, "sluicegate_version_duration_seconds_sum", phase=name) for name in PHASES}
    for kind in ("base", "delta"):
        found[kind] = processes.total(samples, "sluicegate_version_bytes_total", kind=kind)
    found["versions"] = processes.total(samples, "sluicegate_version_sequence")
    found["events"] = processes.total(samples, "sluicegate_records_consumed_total", topic=whole.events)
    found["received"] = info(whole.around.redis, "total_net_input_bytes")
    return found
