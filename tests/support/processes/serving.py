"""Writes versions into Redis with the real checkpointer, and runs a real service on a port."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import httpx
import msgspec
import uvicorn
from fastapi import FastAPI

from models.experiments.changes import encoded
from models.experiments.definition import Experiment
from models.ledger.admission import Admission, AdmissionRules
from models.ledger.progress import Progress
from models.recommender.recommender import Recommender, new_state
from models.recommender.types import RecommenderOptions
from models.records.events import Event
from models.records.items import ItemFacts
from models.state.schema import SCHEMA
from models.statistics.comparison import Standing
from service.app import create_app
from streaming.checkpoint.checkpointer import Checkpointer
from streaming.live import facts, histories
from streaming.settings.loading import Settings
from streaming.store.store import Store
from tests.conftest import eventually
from tests.support.oracles import described

START = 1_700_000_000.0
PATIENCE = 60.0
"""Seconds for what takes far less on an idle machine."""


class Learner:
    """The learner without its topic: learns given events, and commits a version on request."""

    def __init__(self, settings: Settings, clock: float | None = None) -> None:
        self.store = Store.for_learner(settings)
        lease = self.store.acquire_lease("test", 600.0)
        assert lease is not None
        self.recommender = Recommender(new_state(RecommenderOptions(items=300_000, users=10_000)))
        self.checkpointer = Checkpointer(self.store, lease, SCHEMA)
        self.progress = Progress(cluster="test", topics={"events": "t"})
        self.admission = Admission(AdmissionRules())
        self.now = clock if clock is not None else time.time()
        self._facts = 0

    def learn(self, events: Sequence[tuple[str, str]], kind: int = 0, query: str | None = None) -> None:
        """Learns (user, item) events, and writes them into the users' histories."""
        real = []
        entries: dict[str, list[tuple[int, int, float, int, str]]] = {}
        first = self.progress.consumed
        for number, (user, item) in enumerate(events):
            self.now += 0.001
            real.append(Event(kind, user, item, self.now, query=query))
            entries.setdefault(user, []).append((0, first + number, self.now, kind, item))
        histories.write(self.store, entries, "t")
        self.recommender.learn_events(real, [event.timestamp for event in real])
        self.progress.advance("events", 0, list(range(first, first + len(real))), self.now)

    def describe(self, items: dict[str, ItemFacts | None]) -> None:
        """Sets the facts of items; None removes one."""
        changes = []
        for item, found in items.items():
            changes.append((0, self._facts, item, found))
            self._facts += 1
        facts.write(self.store, changes, "items")
        self.recommender.describe([(item, found) for item, found in items.items() if found is not None])

    def commit(self, standing: Standing | None = None, **more: Any) -> str:
        """Writes a version with a standing, and `more` evidence, and returns its id."""
        evidence: dict[str, Any] = {"record_times": [self.progress.watermark] * 2, **more}
        if standing is not None:
            evidence["standing"] = msgspec.to_builtins(standing)
        state, progress = self.recommender.state, self.progress
        assert self.checkpointer.cut(state, progress, self.admission, lambda: evidence, force=True)
        assert self.checkpointer.flush(PATIENCE)
        assert self.checkpointer.last is not None
        return self.checkpointer.last.id

    def close(self) -> None:
        """Stops its threads."""
        self.checkpointer.close()
        self.store.close()


def shop(users: int = 20, items: int = 30, rounds: int = 3) -> list[tuple[str, str]]:
    """Returns events with a known taste: user n likes items that equal n modulo 5."""
    return [
        (f"user-{user}", f"item-{(user + 5 * turn * (user + 1)) % items}")
        for turn in range(rounds)
        for user in range(users)
    ]


@contextlib.contextmanager
def learner(settings: Settings) -> Iterator[Learner]:
    """Yields a learner and closes it."""
    made = Learner(settings)
    try:
        yield made
    finally:
        made.close()


class Served:
    """A service on a port of its own, in a thread, and a client for it."""

    def __init__(self, app: FastAPI, base: str) -> None:
        self.app = app
        self.context = app.state.context
        self.base = base
        # Every answer that a test gets must be one that the API's description promises. No certificate is verified on
        # loopback, and to load those of all authorities takes a quarter of what starting a service does.
        self.http = httpx.Client(
            base_url=base, timeout=PATIENCE, verify=False, event_hooks={"response": [described.check]}
        )

    def get(self, path: str, **more: Any) -> httpx.Response:
        """GET."""
        return self.http.get(path, **more)

    def post(self, path: str, **more: Any) -> httpx.Response:
        """POST."""
        return self.http.post(path, **more)

    def items(self, path: str, **more: Any) -> list[str]:
        """Returns the item ids of a slate."""
        answer = self.get(path, **more)
        assert answer.status_code == 200, answer.text
        return [item["item_id"] for item in answer.json()["items"]]

    def stop_clock(self) -> None:
        """Let it be now from here on: what happened seconds ago moves a young ranker from one second to the next."""
        now = self.context.clock()
        self.app.state.context = self.context = dataclasses.replace(self.context, clock=lambda: now)

    def sample(self, name: str, **labels: str) -> float:
        """Returns the value of a metric."""
        found = self.context.telemetry.registry.get_sample_value(name, labels)
        assert found is not None, f"no sample {name} {labels}"
        return float(found)


@contextlib.contextmanager
def service(settings: Settings, port: int = 0, budget: float = 5.0, **how: Any) -> Iterator[Served]:
    """Runs a service: it answers when the block begins, and is gone when it ends.

    `port`: 0 for a free one. `budget`: seconds that a request waits for a history. The service's own are so few that a
    busy machine looks like a Redis that hangs.
    """
    app = create_app(settings, **how)
    app.state.context.histories._budget = budget
    server = uvicorn.Server(
        uvicorn.Config(
            app,
            host="127.0.0.1",
            port=port,
            loop="uvloop",
            http="httptools",
            access_log=False,
            log_config=None,
            proxy_headers=False,
        )
    )
    thread = threading.Thread(target=lambda: asyncio.run(server.serve()), daemon=True)
    thread.start()
    limit = time.monotonic() + PATIENCE
    while not server.started:
        assert thread.is_alive(), "the service did not start"
        assert time.monotonic() < limit, "the service did not start in time"
        time.sleep(0.005)
    port = server.servers[0].sockets[0].getsockname()[1]
    served = Served(app, f"http://127.0.0.1:{port}")
    try:
        yield served
    finally:
        served.http.close()
        server.should_exit = True
        thread.join(PATIENCE)
        assert not thread.is_alive(), "the service did not end"


@contextlib.contextmanager
def connected(settings: Settings, **how: Any) -> Iterator[Served]:
    """Runs a service that is ready and whose producer is connected. The topics must exist, and Redis must answer."""

    def is_up() -> bool:
        answer = running.get("/readyz")
        return answer.status_code == httpx.codes.OK and answer.json()["kafka"] == "ok"

    with service(settings, **how) as running:
        eventually(is_up, timeout=100.0)  # it may have to compile first
        yield running


@contextlib.contextmanager
def serving(settings: Settings, taught: Learner, facts: dict[str, ItemFacts | None]) -> Iterator[Served]:
    """Runs a service that serves what `taught` has learned, and knows these facts of items."""
    taught.describe(facts)
    version = taught.commit()
    with service(settings) as running:
        eventually(lambda: running.get("/readyz").json()["version"] == version)
        eventually(lambda: all(running.context.catalogue.get(item) is not None for item in facts))
        yield running


def keep(store: Store, *experiments: Experiment) -> None:
    """Keeps these experiments and no others, as the gate does for an operator; they may have begun already."""

    def kept() -> bool:
        record = store.gate()
        return store.decide(record.revision, record.state or b"{}", b"", experiments=encoded(experiments))

    eventually(kept)


def changed(settings: Settings, **sections: dict[str, Any]) -> Settings:
    """Returns the settings with some values of some sections replaced."""
    return settings.model_copy(
        update={name: getattr(settings, name).model_copy(update=values) for name, values in sections.items()}
    )


def ids(answer: httpx.Response) -> Iterable[str]:
    """Returns the item ids of an answer."""
    return [item["item_id"] for item in answer.json()["items"]]
