"""A version waits for what belongs before it: the histories of its events in Redis, and its dead letters in Kafka."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from service.local import embedded
from streaming.intake import DeadLetterWriter
from streaming.jobs import redrive
from streaming.kafka import BrokerAway, EventProducer, ensure_topics
from streaming.learner import stuck_source
from streaming.learner.assembly import Assembly
from streaming.learner.cutting import VersionCutter
from streaming.learner.parts import Parts
from streaming.learner.polling import Poller
from streaming.learner.resume import Resumption
from streaming.learner.stopping import Stop
from streaming.learning import Model, advance
from streaming.settings import Settings
from streaming.store import Leadership, Store
from streaming.telemetry import LearnerTelemetry
from tests.conftest import eventually
from tests.support.oracles.past import history
from tests.support.processes.serving import changed

BAD = b"{"


class UnderWay:
    """A term between its threads and its versions: records are polled and prepared, and counted as learned."""

    def __init__(self, settings: Settings, histories_in: Store) -> None:
        self.stack = ExitStack()
        self.settings, self.histories = settings, histories_in
        self.store = self.stack.enter_context(closing(Store.for_learner(settings)))
        stop, telemetry = Stop(20.0, time.monotonic), LearnerTelemetry(CollectorRegistry())
        lease = self.store.acquire_lease("test", 60.0)
        assert lease is not None
        leadership = self.stack.enter_context(closing(Leadership(self.store, lease, 1.0, time.monotonic)))
        resumption = Resumption(settings, self.store, telemetry)
        start = resumption.load()
        source = self.stack.enter_context(closing(resumption.open(start.model.progress)))
        assembly = Assembly(settings, self.store, histories_in, telemetry, stop)
        self.model: Model = start.model
        self.parts: Parts = self.stack.enter_context(assembly.parts(leadership, source, start))
        self.stop = stop

    def begin(self) -> None:
        """Start to poll."""
        self.poller = self.stack.enter_context(closing(Poller(self.parts, self.model, self.stop)))
        self.cutter = VersionCutter(self.model, self.parts, self.stop)
        self.poller.start()

    def learn(self, records: int) -> None:
        """Count so many records as learned."""
        while self.model.progress.consumed < records:
            batch = eventually(lambda: self.poller.next(0.05), timeout=60.0)
            advance(self.model.progress, batch)
            self.cutter.learned(batch)

    def committed(self) -> int:
        """Records of the newest version, 0 when there is none."""
        assert self.parts.checkpointer.flush(60.0) or self.parts.checkpointer.last is None
        head = self.store.head()
        return self.store.manifest(head.id).progress.consumed if head is not None else 0

    def history(self, user: str) -> list[str]:
        """The items of a user's history."""
        return list(history(self.histories, user).items)


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """Without River's estimators: nothing is learned here."""
    return changed(settings, witness={"estimators": ()})


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as made:
        yield made


def send(settings: Settings, values: list[bytes]) -> None:
    """Send values to topic `events`."""
    ensure_topics(settings)
    with EventProducer(settings) as producer:
        for value in values:
            producer.send("events", "key", value)
        assert producer.flush(60.0)


def clicked(user: str, item: str) -> bytes:
    event = {"event_type": "click", "user_id": user, "item_id": item, "timestamp": time.time()}
    return json.dumps(event).encode()


def test_a_version_waits_for_the_histories_of_its_events(settings: Settings, stack: ExitStack, tmp_path: Path) -> None:
    redis = stack.enter_context(embedded.redis(tmp_path / "histories"))
    elsewhere = changed(settings, redis={"url": f"redis://{redis.address}/0"})
    send(settings, [clicked("ann", "lamp"), clicked("bob", "sofa")])
    term = UnderWay(settings, stack.enter_context(closing(Store.for_histories(elsewhere))))
    with term.stack:
        redis.stop()
        term.begin()
        term.learn(2)
        for last in (False, True):
            assert not term.cutter.cut(last=last)
            assert not term.parts.checkpointer.busy
        assert term.committed() == 0
        redis.start()
        eventually(term.cutter.cut)
        assert (term.history("ann"), term.history("bob")) == (["lamp"], ["sofa"])
        assert term.committed() == 2


def test_a_version_waits_for_its_dead_letters(settings: Settings, stack: ExitStack, tmp_path: Path) -> None:
    broker = stack.enter_context(embedded.broker(tmp_path / "letters"))
    elsewhere = changed(settings, kafka={"bootstrap": broker.address})
    ensure_topics(elsewhere)
    letters = DeadLetterWriter(stack.enter_context(EventProducer(elsewhere)))
    stack.callback(letters.close)
    send(settings, [clicked("ann", "lamp"), BAD])
    term = UnderWay(settings, stack.enter_context(closing(Store.for_histories(settings))))
    with term.stack:
        term.parts.dead_letters = letters
        assert broker.pid is not None
        os.kill(broker.pid, signal.SIGSTOP)
        try:
            term.begin()
            term.learn(2)
            eventually(lambda: term.parts.live_writer.flushed)
            assert not term.cutter.cut()
            assert not term.parts.checkpointer.busy
            assert term.committed() == 0
        finally:
            os.kill(broker.pid, signal.SIGCONT)
        eventually(term.cutter.cut, timeout=30.0)
        assert [letter.value for letter in redrive.letters(elsewhere)] == [BAD]
        assert term.committed() == 2


def test_a_client_of_kafka_that_comes_to_a_stand_ends_the_term(
    settings: Settings, stack: ExitStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    send(settings, [clicked("ann", "lamp")])
    term = UnderWay(settings, stack.enter_context(closing(Store.for_histories(settings))))
    with term.stack:
        term.begin()
        term.learn(1)
        client = term.parts.source._consumer  # type: ignore[attr-defined]
        client.pause(*client.assignment())  # it answers every poll with nothing from now on, and raises no error
        monkeypatch.setattr(stuck_source, "QUIET", 0.5)  # not half a minute
        monkeypatch.setattr(stuck_source, "SURE", 0.2)
        send(settings, [clicked("bob", "sofa")])
        with pytest.raises(BrokerAway, match="handed out none"):
            eventually(lambda: term.poller.next(0.05), timeout=60.0)
