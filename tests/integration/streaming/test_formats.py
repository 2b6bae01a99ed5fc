"""Records of a schema registry in Kafka: learned, waiting while it is away, or refused with the reason."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest
from kafka import KafkaProducer

from service.doctor.schema_registry import examine_registry
from streaming.consumer import KafkaSource, consumer, of_topic
from streaming.formats import decoders, formats
from streaming.jobs import redrive
from streaming.kafka import DataUnreadable, Record, ensure_topics
from streaming.settings import Settings
from streaming.store import Store
from tests.conftest import eventually
from tests.integration.streaming.test_learner_cutting import UnderWay
from tests.support.processes.schema_registry import Registry
from tests.support.processes.serving import changed
from tests.unit.streaming.test_formats_avro import written
from tests.unit.streaming.test_formats_formats import EVENT, framed

SCHEMA = json.dumps(EVENT)


@pytest.fixture
def registry() -> Iterator[Registry]:
    with Registry() as opened:
        yield opened


@pytest.fixture
def at(settings: Settings, registry: Registry, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """The settings of the test with its registry, which is asked again soon."""
    monkeypatch.setattr(decoders, "AGAIN", 0.1)
    monkeypatch.setattr(consumer, "AGAIN", 0.2)
    there = changed(settings, witness={"estimators": ()}, schema_registry={"url": registry.url, "timeout": 60.0})
    ensure_topics(there)
    return there


def avro(number: int, user: str) -> bytes:
    """A click as the Avro serializer of a schema registry writes it."""
    event = {"event_type": "click", "user_id": user, "item_id": "tea", "timestamp": int(time.time() * 1000)}
    return framed(number, written(EVENT, event))


def write(settings: Settings, partition: int, *values: bytes, headers: Any = None) -> None:
    """Write to a partition of topic `events` as a client that is not ours does, each value in a batch of its own.

    Of a batch the embedded broker lists the first record as the last.
    """
    producer = KafkaProducer(bootstrap_servers=settings.kafka.bootstrap)
    try:
        for value in values:
            producer.send(settings.topic("events"), value=value, partition=partition, headers=headers or [])
            producer.flush(60)
    finally:
        producer.close(5)


def polled(source: KafkaSource) -> list[Record]:
    """What one poll hands out; nothing when it says that something waits."""
    try:
        return [record for records in source.poll(0.1, 100) for record in records]
    except DataUnreadable:
        return []


def user_of(record: Record) -> str:
    return str(json.loads(record.value or b"")["user_id"])


def test_a_partition_waits_for_the_registry_the_others_go_on_and_nothing_is_lost_or_repeated(
    at: Settings, registry: Registry
) -> None:
    number = registry.register("events-value", SCHEMA)
    topic = at.topic("events")
    with KafkaSource(at, [topic]) as source:
        source.assign({})
        registry.close()
        plain = json.dumps({"event_type": "click", "user_id": "first", "item_id": "tea", "timestamp": time.time()})
        write(at, 1, plain.encode(), *(avro(number, f"u{each}") for each in range(3)))
        assert [user_of(each) for each in eventually(lambda: polled(source), timeout=30.0)] == ["first"]
        eventually(lambda: polled(source) or source.unreadable)
        write(at, 2, plain.replace("first", "elsewhere").encode())
        assert [user_of(each) for each in eventually(lambda: polled(source))] == ["elsewhere"]
        (error,) = source.unreadable
        assert (error.topic, error.partition, error.offset, error.kind) == (topic, 1, 1, "schema")
        assert f"the record at offset 1 of {topic}[1] cannot be read: the schema registry at" in str(error)
        assert source.positions()[topic][1] == 1
        assert source.lag()[topic][1] == 3
        with pytest.raises(DataUnreadable, match="does not answer"):
            of_topic(at, topic, 10)
        registry.open()
        found: list[Record] = []
        eventually(lambda: found.extend(polled(source)) or len(found) >= 3, timeout=30.0)
        assert [(user_of(each), each.offset) for each in found] == [("u0", 1), ("u1", 2), ("u2", 3)]
        eventually(lambda: polled(source) or not source.unreadable)


def test_the_learner_learns_what_can_be_decoded_and_the_rest_goes_to_the_dead_letter(
    at: Settings, registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(formats, "NEW", 3_600.0)
    number = registry.register("events-value", SCHEMA)
    unknown, broken = framed(99, b"\x06ann"), framed(number, b"\x06an")
    write(at, 0, avro(number, "ann"), unknown, broken)
    half = json.dumps({"user_id": "cat"}).encode()
    envelope = [("ce_specversion", b"1.0"), ("ce_id", b"e-7"), ("ce_source", b"/"), ("ce_type", b"click")]
    write(at, 1, half, headers=[*envelope, ("ce_time", b"2026-03-01T10:00:00Z")])
    with closing(Store.for_histories(at)) as histories:
        term = UnderWay(at, histories)
        with term.stack:
            # The record of an unknown schema is new: it waits for the registry's other replicas, and then no longer.
            term.begin()
            shown = term.parts.telemetry.registry.get_sample_value
            eventually(lambda: "has no schema 99 yet" in term.poller.cannot_read, timeout=60.0)
            eventually(lambda: shown("sluicegate_unreadable_partitions", {"reason": "schema"}) == 1.0)
            monkeypatch.setattr(formats, "NEW", 0.0)
            term.learn(4)
            assert term.history("ann") == ["tea"]
            eventually(lambda: shown("sluicegate_unreadable_partitions", {"reason": "schema"}) == 0.0)
            assert term.parts.dead_letters.flush(60.0)
    letters = {letter.reason: letter for letter in redrive.letters(at)}
    assert sorted(letters) == ["missing_field", "undecodable", "unknown_schema"]
    assert (letters["unknown_schema"].value, letters["undecodable"].value) == (unknown, broken)
    assert letters["missing_field"].value == half
    assert letters["missing_field"].envelope[1] == ("ce_id", b"e-7")
    # They are sent again as they were written, with the headers that make one of them whole.
    assert redrive.redrive(at).sent == 3
    with KafkaSource(changed(at, schema_registry={"url": None}), [at.topic("events")]) as source:
        source.assign({})
        found: list[Record] = []
        eventually(lambda: found.extend(polled(source)) or len(found) >= 7, timeout=30.0)
    again = [each for each in found if any(name == redrive.REDRIVEN for name, _ in each.headers)]
    assert sorted(each.value or b"" for each in again if (each.value or b"")[:1] == b"\0") == sorted([unknown, broken])
    assert [dict(each.headers)["ce_id"] for each in again if "ce_id" in dict(each.headers)] == [b"e-7"]


def test_the_doctor_asks_the_registry(at: Settings, registry: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    registry.register(f"{at.topic('events')}-value", SCHEMA)
    (found,) = examine_registry(at)
    assert (found.check, found.state) == ("schemas.reachable", "ok")
    assert f"{at.topic('events')} has AVRO" in found.text
    registry.register(f"{at.topic('items')}-value", '{"type": "array", "items": "null"}')
    unusable, _ = examine_registry(at)
    assert (unusable.check, unusable.state) == ("schemas.usable", "failure")
    with monkeypatch.context() as without:
        without.setattr(
            decoders, "EXTRAS", {"AVRO": ("avro", "no_such_module"), "PROTOBUF": ("protobuf", "grpc_tools")}
        )
        missing, _ = [each for each in examine_registry(at) if each.check == "schemas.packages"]
        assert "pip install 'sluicegate[avro]'" in missing.mend
    registry.close()
    (away,) = examine_registry(at)
    assert (away.check, away.state) == ("schemas.reachable", "failure")
    assert list(examine_registry(changed(at, schema_registry={"url": None}))) == []
