"""Starts everything a soak runs on: Kafka, a Redis with its replica, a learner, two services, and their load.

Every process ends with this one, however this one ends.
"""

from __future__ import annotations

import contextlib
import json
import shutil
import sys
import time
import uuid
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from benchmarks import processes, standing, workload
from benchmarks.endurance import names
from benchmarks.endurance.redis_pair import WAYS, RedisPair, own_environment
from benchmarks.servers import fill, topic
from service.local import free_port
from service.local.stack import NICE
from streaming.settings.loading import Settings, load_settings
from tests.support.processes.apache_kafka import ApacheKafka
from tests.support.processes.processes import Server

PAST_PER_SECOND: Final = 2_000.0
PAST_SECONDS: Final = 300.0
"""To learn the past, at most."""
STOP_SECONDS: Final = 30.0


class Stage:
    """A whole installation that runs, has learned a past, and serves it."""

    def __init__(self, folder: Path, kafka: ApacheKafka, redis: RedisPair, seed: int) -> None:
        self.folder, self.kafka, self.redis, self._seed = folder, kafka, redis, seed
        self.namespace = f"soak-{uuid.uuid4().hex[:8]}"
        self.env = processes.environment(kafka.bootstrap, redis.url, self.namespace, LEARNER__NICE=str(NICE))
        self.settings: Settings = load_settings(None, self.env)
        self.events, self.items = self.settings.topic("events"), self.settings.topic("items")
        self.learner = processes.learner(folder / "learner", self.env)
        self.services = [processes.service(folder / f"service-{letter}", self.env) for letter in "ab"]
        self.deaths: list[dict[str, Any]] = []
        """Processes that ended by themselves: nobody killed them."""
        self._lives = 0
        self._tools: list[Server] = []

    @property
    def ours(self) -> list[Server]:
        """The product's processes."""
        return [self.learner, *self.services]

    def label(self, server: Server) -> str:
        """What a process is called in results: learner, service a, service b."""
        return server.log.parent.name.replace("-", " ")

    def start(self, server: Server) -> None:
        """Start one of ours, again if need be; the log of the life before is kept."""
        if server.log.exists():
            self._lives += 1
            server.log.rename(server.log.with_suffix(f".{self._lives}.log"))
        server.start(processes.READY_SECONDS)

    def supervise(self) -> None:
        """Start what has died by itself, as a supervisor would, and take note of it.

        Raises EmbeddedError when it is one of the soak's own tools, without which nothing is measured.
        """
        for tool in (*self._tools, *self.redis.guides.values()):
            tool.check()
        for server in self.ours:
            if not server.alive:
                self.deaths.append({"what": self.label(server), "at": time.time(), "log": server.log_tail()})
                self.start(server)

    def tool(self, module: str, name: str, task: Mapping[str, Any]) -> Server:
        """Start a module of this package as a process with a task; it must live until `end`."""
        file = self.folder / f"{name}.json"
        file.write_text(json.dumps(task))
        command = [sys.executable, "-m", f"benchmarks.endurance.{module}", str(file)]
        server = Server(name, command, free_port(), self.folder / f"{name}.log", lambda _: True, own_environment())
        server.start()
        self._tools.append(server)
        return server

    def end(self, tool: Server, seconds: float) -> None:
        """SIGTERM, and some seconds for it to end; then kill -9."""
        self._tools.remove(tool)
        tool.stop(seconds)

    def feed(self, run: int, rate: float, events: int = 0, ago: float = 0.0) -> Server:
        """Start a feeder. `rate` 0: as fast as possible. `ago`: seconds before now of the first event."""
        return self.tool(
            "feeder",
            f"feeder-{run}",
            {
                "bootstrap": self.kafka.bootstrap,
                "topic": self.events,
                "rate": rate,
                "per_second": rate or PAST_PER_SECOND,
                "events": events,
                "seed": self._seed,
                "run": run,
                "begin": time.time() - ago,
                "ledger": str(self.folder / f"{run}.ledger"),
                "status": str(self.folder / f"{run}.status"),
            },
        )

    def fed(self, run: int) -> dict[str, Any]:
        """What a feeder says of itself; empty before it says anything."""
        file = self.folder / f"{run}.status"
        found: dict[str, Any] = json.loads(file.read_text()) if file.exists() else {}
        return found

    def balance(self, rate: float) -> tuple[Server, Path]:
        """Start the balancer: the process, and the file of its rows."""
        paths, rows = standing.paths(self.folder, self._seed), self.folder / "requests.rows"
        addresses = [service.address for service in self.services]
        task = {"addresses": addresses, "paths": str(paths), "rate": rate, "rows": str(rows)}
        return self.tool("balancer", "balancer", task), rows

    def model(self, service: Server) -> dict[str, Any]:
        """What a service says of the model it serves; empty while it does not answer or has none."""
        try:
            found: dict[str, Any] = processes.fetch(service.address, "/model", 1.0)
        except (OSError, ValueError):
            return {}
        return found

    def fresh(self, service: Server, since: float, seconds: float) -> bool:
        """Whether a service serves a version made after `since` that has learned up to some seconds ago."""
        found = self.model(service)
        progress = found.get("progress") or {}
        return bool(found.get("created_at", 0.0) > since) and bool(
            progress.get("watermark", 0.0) > time.time() - seconds
        )

    def learn_past(self, events: int) -> None:
        """Fill the topics, and wait until learner and services have the past."""
        for name in (self.events, self.items):
            topic(self.kafka.bootstrap, name, compact=name == self.items)
        fill(self.kafka.bootstrap, self.items, workload.facts(workload.catalogue(self._seed)))
        self.start(self.learner)
        feeder = self.feed(names.PAST, 0.0, events, ago=events / PAST_PER_SECOND)
        processes.until(lambda: not feeder.alive, "the past in the topic", PAST_SECONDS)
        self.end(feeder, STOP_SECONDS)
        acknowledged = self.fed(names.PAST).get("acknowledged", 0)
        if acknowledged != events:
            raise TimeoutError(f"Kafka acknowledged {acknowledged} of {events} events of the past")
        for service in self.services:
            self.start(service)

        def served() -> bool:
            read = [(self.model(service).get("progress") or {}).get("offsets", {}) for service in self.services]
            return all(sum(map(int, each.get(self.events, {}).values())) >= events for each in read)

        processes.until(served, "the past learned and served", PAST_SECONDS)

    def copy_logs(self, folder: Path) -> None:
        """Copy the logs of all processes, as FOLDER-NAME, into a folder."""
        folder.mkdir(parents=True, exist_ok=True)
        for log in sorted(self.folder.glob("**/*.log")):
            if "data" not in log.parts:  # what Kafka calls a log is its data
                shutil.copy(log, folder / "-".join(log.relative_to(self.folder).parts))

    def close(self) -> None:
        """End every process but Kafka and Redis; what does not end in time is killed."""
        for tool in self._tools:
            tool.kill()  # those that had to say something have been ended before
        for server in self.ours:
            server.stop(STOP_SECONDS)


@contextlib.contextmanager
def stage(folder: Path, seed: int, way: str) -> Iterator[Stage]:
    """Servers and processes, none of ours started yet; clients find Redis in one of `WAYS`.

    Raises Missing, EmbeddedError.
    """
    with contextlib.ExitStack() as stack:
        kafka = stack.enter_context(ApacheKafka(folder / "kafka"))
        redis = stack.enter_context(WAYS[way](folder))
        found = Stage(folder, kafka, redis, seed)
        stack.callback(found.close)
        yield found
