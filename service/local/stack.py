"""Runs all of Sluicegate as child processes: broker, Redis, learner and service.

Broker and Redis are embedded unless their addresses were configured. All children die with this process.
"""

from __future__ import annotations

import contextlib
import http
import json
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path

from service.local import embedded
from service.local.embedded import Child, EmbeddedError
from service.local.fetch import fetch
from service.local.folder import make_private
from streaming.settings import Settings

START_DEADLINE = 60.0
"""Seconds until learner and service answer /livez: both do after their imports, also when kernels must be compiled."""
NEEDED = ("kernels", "redis", "served_version")
"""Fields of the service's /readyz without which it is not ready, as it words them."""
NICE = 5
"""Niceness of the learner, which shares the processors with the service: answers come before versions."""
LOOK = 0.2
"""Seconds between looks at whether both are ready."""


class Stack:
    """Broker, Redis, learner and service. `start` starts them in this order, `stop` stops them in reverse."""

    def __init__(
        self,
        settings: Settings,
        folder: Path,
        environ: Mapping[str, str],
        port: int,
        host: str,
        metrics_port: int | None = None,
    ) -> None:
        """Choose the ports; `metrics_port` 0: any free one, None: the configured one, or another when it is in use.

        Raises:
            EmbeddedError: The port that was asked for is in use.
        """
        self.folder = folder.resolve()
        self.settings = settings
        self.host, self.port = host, port
        self.metrics_port = metrics_port or settings.learner.metrics_port
        if metrics_port == 0 or embedded.port_taken(self.metrics_port):
            if metrics_port:
                raise EmbeddedError(
                    f"port {metrics_port} is in use: stop what uses it, or name another: --metrics-port"
                )
            self.metrics_port = embedded.free_port()
        self._environ = dict(environ)
        self._children: list[Child] = []
        self._probes: dict[str, Callable[[], str]] = {}
        self.embeds_kafka = settings.origin("kafka.bootstrap") == "default"
        self.embeds_redis = settings.origin("redis.url") == "default"
        self.bootstrap = settings.kafka.bootstrap
        self.redis_url = settings.redis.url

    @property
    def _reachable(self) -> str:
        return "127.0.0.1" if self.host in {"0.0.0.0", "::"} else self.host  # noqa: S104 - only compared

    @property
    def address(self) -> str:
        """Where the service answers."""
        return f"http://{self._reachable}:{self.port}"

    def environment(self) -> dict[str, str]:
        """The environment of the learner and the service."""
        addresses = {
            "SLUICEGATE_KAFKA__BOOTSTRAP": self.bootstrap,
            "SLUICEGATE_REDIS__URL": self.redis_url,
            "SLUICEGATE_LEARNER__METRICS_PORT": str(self.metrics_port),
            "SLUICEGATE_LEARNER__INSTANCE": self.settings.learner.instance or f"stack-{self.folder.name}",
        }
        if self.embeds_kafka:
            # The embedded broker forgets its log when it stops: the learned state is kept, and reading starts at 0.
            addresses["SLUICEGATE_LEARNER__ON_NEW_LOG"] = "restart"
        if self.settings.origin("learner.nice") == "default":
            addresses["SLUICEGATE_LEARNER__NICE"] = str(NICE)
        return {**self._environ, **addresses}

    def start(self, say: Callable[[str], None]) -> None:
        """Start everything and wait until it answers; `await_ready` waits until it can do its work, too.

        Raises EmbeddedError with the reason and the end of the log.
        """
        make_private(self.folder)
        if self.embeds_kafka:
            broker = self._run(embedded.broker(self.folder))
            self.bootstrap = broker.address
            say(f"Kafka    embedded, {broker.address} (keeps nothing on disk)")
            self._create_mapped_topics(say)
        if self.embeds_redis:
            redis = self._run(embedded.redis(self.folder / "redis"))
            self.redis_url = f"redis://{redis.address}/0"
            say(f"Redis    embedded, {redis.address} (data in {self.folder / 'redis'})")
        python = [sys.executable, "-m"]
        learner = Child(
            "learner",
            [*python, "streaming"],
            self.metrics_port,
            self.folder / "learner.log",
            _lives,
            self.environment(),
        )
        service = Child(
            "service",
            [*python, "service", "--host", self.host, "--port", str(self.port)],
            self.port,
            self.folder / "service.log",
            partial(_lives, host=self._reachable),
            self.environment(),
        )
        self._run(learner)
        say(f"learner  metrics at http://127.0.0.1:{self.metrics_port}/metrics, log in {learner.log}")
        self._run(service)
        say(f"service  {self.address}, log in {service.log}")
        self._probes = {
            "learner": partial(_learner_lacks, self.metrics_port),
            "service": partial(_service_lacks, self.port, self._reachable),
        }

    def _create_mapped_topics(self, say: Callable[[str], None]) -> None:
        """The embedded broker is empty at each start, and the learner waits until the topics of mappings are there."""
        if not self.settings.mapped_topics:
            return
        from streaming.kafka import KafkaTrouble, ensure_mapped_topics  # the client, for which no other start waits

        kafka = self.settings.kafka.model_copy(update={"bootstrap": self.bootstrap})
        try:
            created = ensure_mapped_topics(self.settings.model_copy(update={"kafka": kafka}))
        except KafkaTrouble as trouble:
            raise EmbeddedError(f"the topics of mappings cannot be created: {trouble}") from None
        for topic in created:
            say(f"         topic {topic} created, which a mapping reads")

    def await_ready(self, say: Callable[[str], None], pause: Callable[[float], bool]) -> bool:
        """Wait until /readyz of both says so, for as long as it takes.

        Args:
            say: Told what keeps a process from being ready, whenever that changes.
            pause: Waits for that many seconds; returns whether to give up.

        Returns:
            Whether they are ready.

        Raises:
            EmbeddedError: A process has died.
        """
        said: dict[str, str] = {}
        while lacking := {name: lack for name, probe in self._probes.items() if (lack := probe())}:
            for name, lack in lacking.items():
                if said.get(name) != lack:
                    say(f"{name:8} not ready yet: {lack}")
            said |= lacking
            if pause(LOOK):
                return False
            self.check()
        return True

    def _run(self, child: Child) -> Child:
        child.start(START_DEADLINE)
        self._children.append(child)
        return child

    def check(self) -> None:
        """Raise EmbeddedError when one of the processes has died."""
        for child in self._children:
            child.check()

    def stop(self) -> None:
        """Service first, then the learner (it writes its last version), then Redis and broker."""
        while self._children:
            self._children.pop().stop(self.settings.learner.shutdown_grace)


@contextlib.contextmanager
def running(stack: Stack, say: Callable[[str], None]) -> Iterator[Stack]:
    """The stack, started; stopped at the end whatever happens."""
    try:
        stack.start(say)
        yield stack
    except EmbeddedError:
        stack.check()  # a process that died is the better explanation of an answer that did not come
        raise
    finally:
        stack.stop()


def choose_port(wanted: int | None, default: int, say: Callable[[str], None]) -> int:
    """The port to listen on: the wanted one, else the default, else a free one when the default is in use.

    Raises EmbeddedError when a port that was asked for is in use.
    """
    if wanted:
        if embedded.port_taken(wanted):
            raise EmbeddedError(f"port {wanted} is in use: stop what uses it, or name another with --port")
        return wanted
    if wanted == 0 or embedded.port_taken(default):
        port = embedded.free_port()
        if wanted is None:
            say(f"port {default} is in use, listening on {port} instead (choose with --port)")
        return port
    return default


def _lives(port: int, host: str = "127.0.0.1") -> bool:
    try:
        return fetch(port, "/livez", timeout=1.0, host=host)[0] == http.HTTPStatus.OK
    except OSError:
        return False


def _learner_lacks(port: int) -> str:
    """What the learner says that keeps it from being ready; "" when it is."""
    try:
        status, body = fetch(port, "/readyz", timeout=2.0)
    except OSError as error:
        return str(error)
    return "" if status == http.HTTPStatus.OK else body.decode(errors="replace").strip()


def _service_lacks(port: int, host: str) -> str:
    """The same of the service, whose answer is a document."""
    try:
        status, body = fetch(port, "/readyz", timeout=2.0, host=host)
    except OSError as error:
        return str(error)
    if status == http.HTTPStatus.OK:
        return ""
    document = json.loads(body)
    lacks = [f"{name}: {document[name]}" for name in NEEDED if document.get(name, "ok") != "ok"]
    return "; ".join(lacks) or "it looks for a version"


def default_folder() -> Path:
    """Where state is kept by default: the user's state folder."""
    base = os.environ.get("XDG_STATE_HOME") or str(Path.home() / ".local" / "state")
    return Path(base) / "sluicegate"
