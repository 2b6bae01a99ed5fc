"""The consumer reads every record once and in order from the offsets it is given, and names those that are gone."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from kafka import KafkaAdminClient
from kafka.admin import NewTopic
from kafka.errors import TopicAlreadyExistsError, UnknownTopicOrPartitionError

from models.records.events import Event, EventRules, Rejection, decode
from streaming.consumer.consumer import KafkaSource
from streaming.consumer.record_batches import WireRecord
from streaming.intake.dead_letter_writer import DeadLetterWriter
from streaming.jobs.redrive import letters
from streaming.kafka.errors import BrokerAway, OffsetsGone, TopicMissing, TopicRecreated
from streaming.kafka.producer import EventProducer
from streaming.kafka.records import Record, is_backfill
from streaming.kafka.topics import ensure_topics
from streaming.settings.loading import Settings, load_settings
from tests.conftest import eventually


@pytest.fixture
def events(kafka_settings: Settings) -> str:
    """The test's own topic of events, with four partitions."""
    ensure_topics(kafka_settings)
    return kafka_settings.topic("events")


@pytest.fixture
def producer(kafka_settings: Settings, events: str) -> Iterator[EventProducer]:
    with EventProducer(kafka_settings) as producer:
        yield producer


@pytest.fixture
def source(kafka_settings: Settings, events: str) -> Iterator[KafkaSource]:
    with KafkaSource(kafka_settings, [events]) as source:
        yield source


@pytest.fixture
def admin(broker: str) -> Iterator[KafkaAdminClient]:
    admin = KafkaAdminClient(bootstrap_servers=broker)
    yield admin
    admin.close()


def send(producer: EventProducer, count: int, start: int = 0) -> None:
    for number in range(start, start + count):
        producer.send("events", f"u{number % 13}", b"%d" % number)
    assert producer.flush(60.0)


def read(source: KafkaSource, count: int, at_once: int = 700) -> list[Record]:
    found: list[Record] = []
    eventually(lambda: found.extend(r for batch in source.poll(0.1, at_once) for r in batch) or len(found) >= count)
    return found


def test_every_record_arrives_once_and_those_of_a_key_in_order(producer: EventProducer, source: KafkaSource) -> None:
    send(producer, 5000)
    source.assign({})
    records = read(source, 5000)
    assert sorted(int(record.value or b"") for record in records) == list(range(5000))
    assert {type(record) for record in records} == {WireRecord}, "this kafka-python is read the slow way"
    for key in {record.key for record in records}:
        numbers = [int(record.value or b"") for record in records if record.key == key]
        assert numbers == sorted(numbers)


def test_reading_goes_on_from_the_offsets_of_a_version(
    producer: EventProducer, source: KafkaSource, events: str
) -> None:
    send(producer, 1000)
    source.assign({})
    first = read(source, 600)
    positions = source.positions()
    assert sum(positions[events].values()) == len(first)
    send(producer, 500, 1000)
    assert source.assign(positions) == positions
    rest = read(source, 1500 - len(first))
    assert len(first) + len(rest) == 1500
    assert not {(r.partition, r.offset) for r in first} & {(r.partition, r.offset) for r in rest}
    assert source.lag() == source.backlog(5.0) == {events: dict.fromkeys(range(4), 0)}
    assert source.end_offsets() == source.positions()


def test_header_timestamp_and_a_missing_value_arrive(producer: EventProducer, source: KafkaSource) -> None:
    producer.send("events", "u", None, timestamp=1_569_888_000.25, backfill=True).wait(10)
    source.assign({})
    (record,) = read(source, 1)
    assert (record.key, record.value, record.timestamp) == (b"u", None, 1_569_888_000_250)
    assert is_backfill(record)


def test_an_offset_beyond_the_log_is_named_and_the_end_itself_is_fine(
    producer: EventProducer, source: KafkaSource, events: str
) -> None:
    producer.send("events", "u", b"1").wait(10)
    send(producer, 200)
    source.assign({})
    read(source, 201)
    end = source.end_offsets()
    assert source.assign(end) == end
    part = max(end[events], key=lambda part: end[events][part])
    with pytest.raises(OffsetsGone) as caught:
        source.assign({events: end[events] | {part: end[events][part] + 1}})
    gone = caught.value
    assert (gone.topic, gone.partition, gone.wanted, gone.end) == (
        events,
        part,
        end[events][part] + 1,
        end[events][part],
    )
    assert "the log is shorter than it was" in str(gone)


def test_an_offset_before_the_beginning_of_the_log_is_named(source: KafkaSource, events: str) -> None:
    # The embedded broker deletes nothing; Apache Kafka trims a log in tests/acceptance/test_log_changes.py.
    with pytest.raises(OffsetsGone) as caught:
        source.assign({events: {2: -1}})
    gone = caught.value
    assert (gone.topic, gone.partition, gone.wanted, gone.first) == (events, 2, -1, 0)


def create_again(admin: KafkaAdminClient, topic: str) -> None:
    """Delete a topic and make it again; a broker may take a moment to forget the old one."""
    admin.delete_topics([topic])

    def made() -> bool:
        try:
            admin.create_topics([NewTopic(topic, 4, 1)])
        except TopicAlreadyExistsError:
            with suppress(UnknownTopicOrPartitionError):
                admin.delete_topics([topic])  # whoever asks for it in between may have made it, or the first was lost
            return False
        return True

    eventually(made)
    admin.wait_for_topics([topic])


def test_a_topic_created_again_while_it_is_read_is_named(
    source: KafkaSource, events: str, admin: KafkaAdminClient
) -> None:
    source.assign({})
    before = source.topic_ids()[events]
    create_again(admin, events)
    with pytest.raises(TopicRecreated) as caught:
        source.refresh_partitions()
    assert caught.value.before == before
    assert caught.value.after == source.topic_ids()[events] != before


def test_a_topic_that_does_not_exist_is_named(kafka_settings: Settings) -> None:
    with (
        KafkaSource(kafka_settings, ["nowhere"]) as source,
        pytest.raises(TopicMissing, match="'nowhere' does not exist"),
    ):
        source.assign({})


def test_the_mirror_is_committed_from_another_thread(source: KafkaSource, events: str) -> None:
    source.assign({})
    told: list[bool] = []
    thread = threading.Thread(target=lambda: told.append(source.commit_mirror({events: {0: 5, 1: 7}})))
    thread.start()
    thread.join(10)
    assert told == [True]
    assert source.committed() == {events: {0: 5, 1: 7}}
    assert source.mirror_failures == 0


def test_no_broker_is_an_error_that_says_where_and_leaves_no_thread(broker: str) -> None:
    settings = load_settings(
        None, {"SLUICEGATE_KAFKA__BOOTSTRAP": "127.0.0.1:1", "SLUICEGATE_KAFKA__BOOTSTRAP_TIMEOUT": "0.3"}
    )
    before = threading.active_count()
    for open_one in (
        lambda: KafkaSource(settings, ["events"]),
        lambda: EventProducer(settings),
        lambda: ensure_topics(settings),
    ):
        with pytest.raises(BrokerAway, match=r"no Kafka broker answers at 127\.0\.0\.1:1") as caught:
            open_one()
        assert caught.value.retriable
    assert threading.active_count() == before


BROKER_DIES = """
import json, pathlib, sys, time
from service.local import embedded
from streaming.kafka.errors import BrokerAway
from streaming.consumer.consumer import KafkaSource
from streaming.kafka.producer import EventProducer
from streaming.kafka.topics import ensure_topics
from streaming.settings.loading import load_settings

def outcome(call):
    began = time.monotonic()
    try:
        answer = repr(call())
    except BrokerAway:
        answer = "BrokerAway"
    return answer, time.monotonic() - began

with embedded.broker(pathlib.Path(sys.argv[1])) as child:
    environ = {"SLUICEGATE_KAFKA__BOOTSTRAP": child.address, "SLUICEGATE_KAFKA__REQUEST_TIMEOUT": "1"}
    settings = load_settings(None, environ)
    ensure_topics(settings)
    with KafkaSource(settings, ["events"]) as source, EventProducer(settings) as producer:
        source.assign({})
        child.stop()
        sent = []
        calls = {
            "poll": lambda: source.poll(0.2, 100),
            "end_offsets": source.end_offsets,
            "backlog": lambda: source.backlog(0.5),
            "refresh": source.refresh_partitions,
            "mirror": lambda: source.commit_mirror({"events": {0: 1}}),
            "send": lambda: sent.append(producer.send("events", "u", b"x")),
            "flush": lambda: producer.flush(0.2),
            "wait": lambda: sent[0].wait(30),
            "counts": lambda: (producer.waiting, producer.failures, source.mirror_failures),
        }
        print(json.dumps({name: outcome(call) for name, call in calls.items()}))
"""


def test_a_broker_that_dies_means_empty_polls_and_bounded_calls(tmp_path: Path) -> None:
    # A process of its own: kafka-python leaves the sockets of refused attempts to the garbage collector.
    command = [sys.executable, "-W", "ignore", "-c", BROKER_DIES, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=100, check=True)
    outcomes = json.loads(done.stdout)
    assert {name: answer for name, (answer, _) in outcomes.items()} == {
        "poll": "[]",
        "end_offsets": "BrokerAway",
        "backlog": "None",
        "refresh": "BrokerAway",
        "mirror": "False",
        "send": "None",
        "flush": "False",
        "wait": "BrokerAway",
        "counts": "(0, 1, 1)",
    }
    assert max(seconds for _, seconds in outcomes.values()) < 20


def malformed(number: int) -> bytes | None:
    good = {"event_type": "click", "user_id": f"u{number}", "item_id": "i", "timestamp": 1569888000}
    kinds: list[bytes | None] = [
        b"\xff\xfe" + b"%d" % number,
        b'{"event_type": "cl',
        json.dumps(good | {"timestamp": float("nan")}).encode(),
        json.dumps(good | {"item_id": "i" * 257}).encode(),
        b'{"a":' * 5000 + b"1" + b"}" * 5000,
        json.dumps(good | {"user_id": ["u"]}).encode(),
        json.dumps(good | {"pad": "x" * 70_000}).encode(),
        json.dumps(good | {"event_type": "clonk"}).encode(),
        json.dumps(good | {"timestamp": "soon"}).encode(),
        None,
    ]
    return kinds[number % len(kinds)]


REASON_OF = (
    *("not_json", "not_json", "not_json", "bad_value", "nesting"),
    *("wrong_type", "oversize", "unknown_type", "bad_timestamp", "empty"),
)


def test_a_thousand_malformed_records_then_a_thousand_good_ones(
    kafka_settings: Settings, producer: EventProducer, source: KafkaSource
) -> None:
    for number in range(1000):
        producer.send("events", f"{number}", malformed(number))
    for number in range(1000):
        good = {"event_type": "click", "user_id": f"u{number}", "item_id": "i", "timestamp": 1569888000}
        producer.send("events", f"u{number}", json.dumps(good).encode())
    assert producer.flush(60.0)
    source.assign({})
    writer = DeadLetterWriter(producer)
    users = set()
    for record in read(source, 2000):
        result = decode(record.value, EventRules())
        if isinstance(result, Event):
            users.add(result.user_id)
        else:
            assert isinstance(result, Rejection)
            assert writer.write(record, result)
    assert users == {f"u{number}" for number in range(1000)}
    assert writer.close(20)
    assert (writer.accepted, writer.settled) == (1000, 1000)
    found = list(letters(kafka_settings))
    assert len(found) == 1000
    for letter in found:
        number = int(letter.key or b"")
        assert (letter.reason, letter.value) == (REASON_OF[number % 10], malformed(number)), letter


def test_an_answer_that_lacks_a_partition_is_asked_for_again_a_bounded_number_of_times(
    kafka_settings: Settings,
) -> None:
    ensure_topics(kafka_settings)
    events = kafka_settings.topic("events")
    left = [KeyError(), KeyError()]

    def ask(parts: list[str], timeout_ms: int) -> dict[str, int]:
        if left:
            raise left.pop()
        return dict.fromkeys(parts, timeout_ms)

    with KafkaSource(kafka_settings, [events]) as source:
        assert set(source._edges(ask, ["one", "two"])) == {"one", "two"}
        left = [KeyError()] * 100
        with pytest.raises(BrokerAway, match="where all partitions begin"):
            source._edges(ask, ["one"])
        assert len(left) == 95
