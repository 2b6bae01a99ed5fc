"""Runs a whole Sluicegate with a shop's history behind the live page."""

from __future__ import annotations

import contextlib
import json
import os
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from service.local.demo import Feed, await_learned
from service.local.demo_client import Client
from service.local.demo_data import Purchases, purchases
from service.local.embedded import Child, free_port
from service.local.stack import Stack, running
from streaming.kafka.producer import EventProducer
from streaming.kafka.topics import ensure_topics
from streaming.settings.loading import Settings, load_settings

HISTORY = 6_000
"""Purchases learned before the first page opens."""
PACE = 40
"""Purchases per second that keep arriving, so that versions appear."""
PICTURE = "data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' width='8' height='8'/%3E"
HOSTILE = "<img src=x onerror=\"document.title='owned'\"><script>document.title='owned'</script>"
"""A title that a malicious seller might write."""


@dataclass
class Stage:
    """A running stack, and what a test does to it."""

    stack: Stack
    client: Client
    producer: EventProducer

    @property
    def address(self) -> str:
        """Where the page is."""
        return self.stack.address

    @property
    def service(self) -> Child:
        """The service's process."""
        return self.stack._children[-1]

    def describe(self, item: str, **facts: object) -> None:
        """Put an item into the catalogue, through the topic."""
        self.producer.send("items", item, json.dumps(facts).encode()).wait(10.0)


def _settings() -> Settings:
    # Ports of their own: somebody may be looking at a demo on this machine.
    return load_settings(None, {"SLUICEGATE_LEARNER__METRICS_PORT": str(free_port())})


class Trickle(threading.Thread):
    """Sends purchases at a shop's pace until told to stop."""

    def __init__(self, feed: Feed, start: int, stop: int) -> None:
        super().__init__(name="trickle", daemon=True)
        self._feed, self._next, self._last = feed, start, stop
        self.ended = threading.Event()

    def run(self) -> None:
        while self._next < self._last and not self.ended.wait(0.5):
            self._feed.send(self._next, self._next + PACE // 2)
            self._next += PACE // 2


@contextlib.contextmanager
def staged(history: int = HISTORY, holdout: float = 0.0) -> Iterator[Stage]:
    """Broker, Redis, learner, service, and a shop whose history is learned; `holdout`: share with popular items."""
    environ = {name: value for name, value in os.environ.items() if not name.startswith("SLUICEGATE_")}
    environ["SLUICEGATE_EXPERIMENTS__HOLDOUT"] = str(holdout)
    environ["SLUICEGATE_LEARNER__SEGMENTS"] = '["plan:pro", "plan:free"]'
    data: Purchases = purchases(history + 40_000, time.time())
    with tempfile.TemporaryDirectory(prefix="sluicegate-page-") as folder:
        stack = Stack(_settings(), Path(folder), environ, free_port(), "127.0.0.1")
        with running(stack, lambda _: None):
            mine = load_settings(None, {"SLUICEGATE_KAFKA__BOOTSTRAP": stack.bootstrap})
            ensure_topics(mine)
            client = Client(stack.port, stack.metrics_port)
            with contextlib.closing(EventProducer(mine)) as producer:
                feed = Feed(producer, data)
                feed.send(0, history)
                await_learned(client, history, 120.0, stack.check)
                trickle = Trickle(feed, history, len(data))
                trickle.start()
                try:
                    yield Stage(stack, client, producer)
                finally:
                    trickle.ended.set()
                    trickle.join()
