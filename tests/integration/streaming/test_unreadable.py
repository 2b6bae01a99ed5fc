"""What cannot be read in Kafka's log is named, and the rest is learned; snappy is read like any other codec."""

from __future__ import annotations

import json
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import pytest
from kafka import KafkaProducer
from prometheus_client import CollectorRegistry

from models.records import SlateRecord, encode_slate
from streaming.consumer import KafkaSource, consumer, of_topic
from streaming.evidence import SlateAttributor
from streaming.kafka import DataUnreadable, Record, Role, ensure_topics
from streaming.settings import Settings
from streaming.store import Store
from streaming.telemetry import LearnerTelemetry
from tests.conftest import eventually
from tests.integration.streaming.test_learner_cutting import UnderWay
from tests.support.processes.harness import Installation
from tests.support.processes.serving import changed


def write(
    settings: Settings, partition: int, values: list[bytes], codec: str | None = None, role: Role = "events"
) -> None:
    """Write to a partition of that topic with that codec, as a client that is not ours does."""
    producer = KafkaProducer(bootstrap_servers=settings.kafka.bootstrap, compression_type=codec, linger_ms=50)
    try:
        for value in values:
            producer.send(settings.topic(role), value=value, partition=partition)
        producer.flush(60)
    finally:
        producer.close(5)


def clicked(user: str) -> bytes:
    event = {"event_type": "click", "user_id": user, "item_id": "lamp", "timestamp": time.time()}
    return json.dumps(event).encode()


@pytest.fixture
def source(kafka_settings: Settings) -> Iterator[KafkaSource]:
    ensure_topics(kafka_settings)
    with KafkaSource(kafka_settings, [kafka_settings.topic("events")]) as source:
        source.assign({})
        yield source


def polled(source: KafkaSource) -> list[Record]:
    """What one poll hands out; nothing when it meets data that cannot be read."""
    try:
        return [record for records in source.poll(0.1, 100) for record in records]
    except DataUnreadable:
        return []


@pytest.mark.parametrize("codec", ["gzip", "snappy", "lz4", "zstd"])
def test_every_codec_of_kafka_is_read(kafka_settings: Settings, source: KafkaSource, codec: str) -> None:
    values = [b"%d" % number * 50 for number in range(30)]
    write(kafka_settings, 0, values, codec)
    found: list[Record] = []
    eventually(lambda: found.extend(polled(source)) or len(found) >= 30)
    assert [record.value for record in found] == values


def test_a_partition_that_cannot_be_read_waits_and_the_others_go_on(
    kafka_settings: Settings, source: KafkaSource, monkeypatch: pytest.MonkeyPatch
) -> None:
    topic = kafka_settings.topic("events")
    write(kafka_settings, 1, [b"before"])
    eventually(lambda: polled(source))
    write(kafka_settings, 1, [b"x" * 100] * 3, "snappy")
    monkeypatch.setattr(consumer, "AGAIN", 0.2)
    with monkeypatch.context() as without:
        without.setitem(sys.modules, "snappy", None)
        eventually(lambda: polled(source) or source.unreadable)
        write(kafka_settings, 2, [b"elsewhere"])
        assert [record.value for record in eventually(lambda: polled(source))] == [b"elsewhere"]
        (error,) = source.unreadable
        assert (error.topic, error.partition, error.offset, error.kind) == (topic, 1, 1, "codec")
        assert "pip install python-snappy" in str(error)
        assert source.backlog(5.0) == source.lag() == {topic: {0: 0, 1: 3, 2: 0, 3: 0}}
        with pytest.raises(DataUnreadable, match="python-snappy"):
            of_topic(kafka_settings, topic, 10)
    assert [record.value for record in eventually(lambda: polled(source))] == [b"x" * 100] * 3
    polled(source)
    assert source.unreadable == []


def test_slates_that_cannot_be_read_keep_no_others_from_being_followed(
    kafka_settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    ensure_topics(kafka_settings)
    slates = [encode_slate(SlateRecord(f"page-{number}", 1.0, ["lamp"], sequence=1)) for number in range(3)]
    monkeypatch.setitem(sys.modules, "snappy", None)
    with closing(SlateAttributor(kafka_settings, LearnerTelemetry(CollectorRegistry()))) as attributor:
        assert attributor.following.wait(60.0)
        monkeypatch.undo()
        write(kafka_settings, 1, slates[:2], "snappy", role="slates")
        monkeypatch.setitem(sys.modules, "snappy", None)
        write(kafka_settings, 2, slates[2:], role="slates")
        eventually(lambda: attributor.attribution.slates == 1)


def test_a_term_that_ends_leaves_nothing_to_be_reported(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    quiet = changed(settings, witness={"estimators": ()})
    ensure_topics(quiet)
    write(quiet, 1, [clicked("ann")] * 3, "snappy")
    monkeypatch.setitem(sys.modules, "snappy", None)
    with closing(Store.for_histories(quiet)) as histories:
        term = UnderWay(quiet, histories)
        registry = term.parts.telemetry.registry
        with term.stack:
            term.begin()
            eventually(lambda: "python-snappy" in term.poller.cannot_read)
            assert registry.get_sample_value("sluicegate_unreadable_partitions", {"reason": "codec"}) == 1.0
        assert registry.get_sample_value("sluicegate_unreadable_partitions", {"reason": "codec"}) == 0.0


@pytest.fixture
def open_installation(broker: str, redis_url: str, tmp_path: Path) -> Iterator[Callable[..., Installation]]:
    with ExitStack() as stack:
        yield lambda **settings: stack.enter_context(Installation(broker, redis_url, tmp_path, **settings))


def test_a_learner_that_cannot_read_says_so_and_ends_when_it_is_asked_to(
    open_installation: Callable[..., Installation], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "without").mkdir()
    (tmp_path / "without" / "snappy.py").write_text("raise ImportError('not installed')\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "without"))
    ours = open_installation()
    learner = ours.learner()
    write(ours.settings, 3, [clicked("ann")] * 5, "snappy")
    text = f"cannot read: the batch at offset 0 of {ours.events}[3]"
    ours.wait(lambda: text in str(learner.get("/readyz")), "it says what it cannot read", learner)
    assert not learner.ready()
    write(ours.settings, 0, [clicked("bob")] * 2)

    def shown() -> Any:
        metrics = learner.metrics()
        lag = metrics.get(f"sluicegate_consumer_lag_records{{partition=3,topic={ours.events}}}")
        unreadable = metrics.get("sluicegate_unreadable_partitions{reason=codec}")
        learned = metrics.get("sluicegate_events_total{outcome=learnt}")
        return (unreadable, lag, metrics.get("sluicegate_kafka_away"), learned) == (1.0, 5.0, 0.0, 2.0)

    ours.wait(shown, "the metrics say what is and what is not read", learner)
    assert learner.said("pip install python-snappy")
    learner.signal(signal.SIGTERM)
    assert learner.wait_exit() == 0
    head = ours.head()
    assert head is not None
    offsets = head.progress.offsets[ours.events]
    assert (offsets[0], offsets.get(3, 0)) == (2, 0)
