"""Runs real learners on a backlog, alone and as shards of Ray, and kills a shard and a coordinator.

The rate counts from the first learned record to the last. Broker, Redis and all learners share the machine's cores, so
the processor time an event takes in each kind of process is given next to it. `python -m benchmarks shards --engine`
runs it.
"""

from __future__ import annotations

import argparse
import os
import signal
import time
import uuid
from pathlib import Path
from typing import Any, Literal

from benchmarks import processes, workload
from benchmarks.feeder import feeding
from benchmarks.report import spread, verdict
from benchmarks.servers import Servers, fill, servers, topic
from tests.support.processes.actors import actors, leader, shards
from tests.support.processes.processes import Server

PER_SECOND = 2_000.0
STEADY = 500.0
DEADLINE = 300.0
KINDS: tuple[Literal["Coordinator", "Shard"], ...] = ("Coordinator", "Shard")


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of this benchmark."""
    parser.add_argument("--engine", action="store_true", help="also run real learners on Ray, and kill some of them")
    parser.add_argument("--records", type=int, default=200_000, help="records of the backlog (default: %(default)s)")
    parser.add_argument("--learners", type=int, nargs="+", default=[1, 2], help="how many (default: %(default)s)")


def run(options: argparse.Namespace) -> dict[str, Any]:
    """Learn the same backlog with each number of learners, then kill."""
    with servers(options) as around:
        rates = {number: _rate(around, options, number) for number in options.learners}
        recovery = _recovery(around, options, max(options.learners))
    most = max(options.learners)
    figures = []
    if 1 in rates and most > 1:
        ratio = rates[most]["events_per_s"] / rates[1]["events_per_s"]
        figures.append(verdict(f"{most} learners against one", round(ratio, 2), "x", 1.3, None, True))
    figures += [
        verdict(f"{kind.lower()} killed to learning again", found["median"], "s", 10.0, None, False)
        for kind, found in recovery.items()
    ]
    return {"figures": figures, "rate": {str(number): found for number, found in rates.items()}, "recovery_s": recovery}


def _learner(around: Servers, namespace: str, number: int) -> Server:
    env = processes.environment(
        around.bootstrap,
        around.redis,
        namespace,
        LEARNER__SHARDS=str(number),
        LEARNER__SPLIT_WHEN="start",
        WITNESS__ESTIMATORS="",
    )
    return processes.learner(_folder(around, namespace), env)


def _folder(around: Servers, namespace: str) -> Path:
    folder = around.folder / namespace
    folder.mkdir(exist_ok=True)
    return folder


def _rate(around: Servers, options: argparse.Namespace, number: int) -> dict[str, Any]:
    """Events a second through a backlog, and microseconds of processor time an event by kind of process."""
    namespace = f"bench-{uuid.uuid4().hex[:8]}"
    goods = workload.catalogue(options.seed)
    made = workload.stream(options.seed, options.records, PER_SECOND, parade=True)
    start = time.time() - options.records / PER_SECOND
    events, items = f"{namespace}.events", f"{namespace}.items"
    topic(around.bootstrap, events)
    topic(around.bootstrap, items, compact=True)
    learner = _learner(around, namespace, number).start(DEADLINE)
    try:
        _until_split(learner, number)
        before = _cpu(learner, number)
        fill(around.bootstrap, events, workload.lines(made, goods, start), (made.time + start).tolist())
        first = processes.consumed(learner.address, events)
        begun = time.perf_counter()
        processes.until(
            lambda: processes.consumed(learner.address, events) >= options.records, "the backlog", DEADLINE, pause=0.05
        )
        seconds = time.perf_counter() - begun
        spent = {kind: used - before[kind] for kind, used in _cpu(learner, number).items()}
    finally:
        learner.stop(30)
    cost = {kind: round(1e6 * used / options.records, 2) for kind, used in spent.items()}
    return {"events_per_s": round((options.records - first) / seconds), "processor_us_per_event": cost}


def _until_split(learner: Server, number: int) -> None:
    def split() -> bool:
        try:
            return processes.metrics(learner.address).get("sluicegate_split", 0.0) == float(number > 1)
        except OSError:
            return False

    processes.until(lambda: split() and processes.ready(learner.port), "the learners", DEADLINE, pause=0.1)


def _cpu(learner: Server, number: int) -> dict[str, float]:
    """Seconds of processor time used so far, by kind of process."""
    if number == 1:
        return {"learner": _used([learner.pid or 0])}
    return {kind.lower(): _used(actors(learner, kind)) for kind in KINDS}


def _used(pids: list[int]) -> float:
    fields = [Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split() for pid in pids]
    return sum(int(each[11]) + int(each[12]) for each in fields) / os.sysconf("SC_CLK_TCK")


def _recovery(around: Servers, options: argparse.Namespace, number: int) -> dict[str, Any]:
    """Seconds from a kill until the shard takes part again, or until a coordinator has committed a version."""
    if number == 1:
        return {}
    namespace = f"bench-{uuid.uuid4().hex[:8]}"
    events = f"{namespace}.events"
    topic(around.bootstrap, events)
    topic(around.bootstrap, f"{namespace}.items", compact=True)
    learner = _learner(around, namespace, number).start(DEADLINE)
    try:
        _until_split(learner, number)
        with feeding(around.bootstrap, events, STEADY, options.runs * 120.0, options.seed, uuid.uuid4().hex[:6]):
            shard = [_killed(learner, "Shard", number) for _ in range(options.runs)]
            coordinator = [_killed(learner, "Coordinator", number) for _ in range(options.runs)]
    finally:
        learner.stop(30)
    return {"shard": spread(shard), "coordinator": spread(coordinator)}


def _killed(learner: Server, kind: Literal["Shard", "Coordinator"], number: int) -> float:
    pids: list[int] = []

    def there() -> bool:
        pids[:] = leader(learner) if kind == "Coordinator" else shards(learner)
        return bool(pids)

    processes.until(there, f"the process of the {kind}", DEADLINE)
    before, begun = _restarts(learner), time.perf_counter()
    os.kill(pids[0], signal.SIGKILL)

    def back() -> bool:
        # A coordinator that was started again counts from 0, and answers nothing before.
        return _learning(learner, number) and (kind == "Coordinator" or _restarts(learner) > before)

    processes.until(back, f"the {kind} again", DEADLINE)
    seconds = time.perf_counter() - begun
    time.sleep(3)  # a few versions, so that the next kill meets an ordinary state
    return seconds


def _restarts(learner: Server) -> float:
    return processes.total(processes.metrics(learner.address), "sluicegate_shard_restarts_total")


def _learning(learner: Server, number: int) -> bool:
    try:
        found = processes.metrics(learner.address)
    except OSError:
        return False
    return found.get("sluicegate_split") == 1.0 and all(
        found.get(f'sluicegate_shard_learning{{shard="{shard}"}}') == 1.0 for shard in range(number)
    )
