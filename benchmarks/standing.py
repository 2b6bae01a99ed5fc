"""Starts broker, Redis, learner and service, with a past that is already learned."""

from __future__ import annotations

import argparse
import contextlib
import itertools
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from benchmarks import processes, workload
from benchmarks.servers import Servers, fill, servers, topic
from tests.support.processes.processes import Server

PER_SECOND = 2_000.0  # of the past's own time
LEARN_SECONDS = 300.0


class Standing(NamedTuple):
    """A running installation."""

    around: Servers
    namespace: str
    env: dict[str, str]
    learner: Server
    service: Server
    events: str  # name of the topic

    def sequence(self) -> float:
        """Return the number of the served version."""
        return processes.total(processes.metrics(self.service.address), "sluicegate_serving_version_sequence")


@contextlib.contextmanager
def standing(options: argparse.Namespace, past: int, with_service: bool = True) -> Iterator[Standing]:
    """Start everything: 100,000 items known, `past` events learned and, with a service, served."""
    with servers(options) as around, contextlib.ExitStack() as stack:
        namespace = f"bench-{uuid.uuid4().hex[:8]}"
        events = fill_past(around.bootstrap, namespace, options.seed, past)
        env = processes.environment(around.bootstrap, around.redis, namespace)
        learner = processes.learner(around.folder, env).start(processes.READY_SECONDS)
        stack.callback(learner.stop, 30.0)
        processes.until(lambda: _learned(learner, events) >= past, "learning the past", LEARN_SECONDS)
        service = processes.service(around.folder, env)
        found = Standing(around, namespace, env, learner, service, events)
        if with_service:
            service.start(processes.READY_SECONDS)
            stack.callback(service.stop, 30.0)
            wait_for_offsets(found)
        yield found


def _learned(learner: Server, events: str) -> float:
    try:
        return processes.consumed(learner.address, events)
    except ConnectionError:
        learner.check()  # raises, with the end of its log, when it has died; a reset connection alone is asked again
        return 0.0


def fill_past(bootstrap: str, namespace: str, seed: int, past: int) -> str:
    """Send the catalogue and `past` events to their topics; return the name of the events' topic."""
    goods = workload.catalogue(seed)
    made = workload.stream(seed, past, PER_SECOND, parade=True)
    start = time.time() - past / PER_SECOND
    events, items = f"{namespace}.events", f"{namespace}.items"
    for name in (events, items):
        topic(bootstrap, name, compact=name == items)
    fill(bootstrap, items, workload.facts(goods))
    fill(bootstrap, events, workload.lines(made, goods, start, "past"), (made.time + start).tolist())
    return events


def wait_for_offsets(found: Standing) -> None:
    """Wait until the served version covers all records that the learner had consumed at the call."""
    goal = processes.total(processes.metrics(found.learner.address), "sluicegate_records_consumed_total")

    def served() -> bool:
        progress = processes.fetch(found.service.address, "/model").get("progress") or {}
        return float(progress.get("consumed", 0)) >= goal

    # No event follows the past: an alarm at its end holds the last version for a minute (docs/gate.md).
    processes.until(served, "a version that covers the past being served", 120)


def paths(folder: Path, seed: int, count: int = 5_000, n: int = 20) -> Path:
    """Write a file of /recommend paths: returning users of the workload, one in ten never seen."""
    users = workload.stream(seed, 20 * count, PER_SECOND).user[::20].tolist()
    asked = [f"stranger{number}" if number % 10 == 0 else f"u{user:06d}" for number, user in enumerate(users)]
    file = folder / "paths.txt"
    file.write_text("\n".join(f"/recommend/{user}?n={n}" for user in itertools.islice(asked, count)))
    return file
