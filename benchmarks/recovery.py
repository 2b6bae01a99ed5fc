"""Kills a learner with about 100 MB of state, and measures the seconds until it learns again, and of each start."""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
import uuid
from pathlib import Path
from typing import Any

from benchmarks import processes, workload
from benchmarks.feeder import feeding
from benchmarks.report import spread, verdict
from benchmarks.servers import info
from benchmarks.standing import Standing, standing

SUMMARY = (
    "learner killed with 100 MB of state: seconds until it learns again; start with warm caches; processor time of a "
    "compile from cold"
)
EVENTS = 500.0
DEADLINE = 60.0


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of this benchmark."""
    parser.add_argument(
        "--past", type=workload.past, default=600_000, help="events learned before (default: %(default)s)"
    )
    parser.add_argument("--cold", type=int, default=2, help="compilations from cold (default: %(default)s)")


def run(options: argparse.Namespace) -> dict[str, Any]:
    """Kill and start, as often as asked, while events arrive; then compile with an empty cache."""
    with standing(options, options.past) as whole:
        lasts = options.runs * 60.0 + 60
        with feeding(whole.around.bootstrap, whole.events, EVENTS, lasts, options.seed, uuid.uuid4().hex[:6]):
            time.sleep(5)
            samples = processes.metrics(whole.learner.address)
            stored = info(whole.around.redis, "used_memory_dataset")
            killed = [_kill(whole) for _ in range(options.runs)]
            learner = [_restart(whole) for _ in range(options.runs)]
            service = [_service(whole) for _ in range(options.runs)]
        cold = [_compile() for _ in range(options.cold)]
    again, started, serves = spread(killed), spread(learner), spread(service)
    figures = [
        verdict("kill -9 to learning again", again["median"], "s", 10.0, 5.0, higher=False),
        verdict("start of the learner, warm caches", started["median"], "s", 4.0, 2.0, higher=False),
        verdict("start of the service, warm caches", serves["median"], "s", 4.0, 2.0, higher=False),
    ]
    if cold:
        figures.append(verdict("compile from cold", spread(cold)["median"], "s", 40.0, 25.0, higher=False))
    return {
        "figures": figures,
        "killed_to_learning_s": again,
        "learner_start_to_learning_s": started,
        "service_start_to_recommending_s": serves,
        "compile_from_cold_s": spread(cold) if cold else None,
        "redis_dataset_megabytes": round(stored / 1e6, 1),
        "model_megabytes": round(processes.total(samples, "sluicegate_model_bytes") / 1e6, 1),
        "keys": {name: value for name, value in samples.items() if name.startswith("sluicegate_model_keys")},
    }


def _learns(whole: Standing) -> bool:
    try:
        return processes.consumed(whole.learner.address, whole.events) > 0
    except OSError:
        return False


def _started(whole: Standing) -> float:
    begin = time.perf_counter()
    whole.learner.start(DEADLINE)
    processes.until(lambda: _learns(whole), "the learner learning", DEADLINE, pause=0.01)
    seconds = time.perf_counter() - begin
    time.sleep(3)  # a few versions, so that the next round begins with an ordinary state
    return seconds


def _kill(whole: Standing) -> float:
    begin = time.perf_counter()
    whole.learner.kill()
    return time.perf_counter() - begin + _started(whole)


def _restart(whole: Standing) -> float:
    whole.learner.stop(30)
    return _started(whole)


def _service(whole: Standing) -> float:
    whole.service.stop(30)
    begin = time.perf_counter()
    whole.service.start(DEADLINE)
    page = processes.fetch(whole.service.address, "/recommend/u000001?n=5")
    seconds = time.perf_counter() - begin
    assert page["model_version"], page
    return seconds


def _compile() -> float:
    """Processor seconds, user and system, of a compile with an empty cache in all its processes."""
    with tempfile.TemporaryDirectory() as empty:
        begin = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run(
            [sys.executable, "-m", "models.warmup"],
            env=os.environ | {"NUMBA_CACHE_DIR": empty},
            check=True,
            cwd=Path(__file__).parents[1],
            stdout=subprocess.DEVNULL,
        )
        end = resource.getrusage(resource.RUSAGE_CHILDREN)
        return end.ru_utime + end.ru_stime - begin.ru_utime - begin.ru_stime
