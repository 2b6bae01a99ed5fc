"""The suites of source, dead letter and `send` once more, on Apache Kafka; and what only it can do."""

from __future__ import annotations

import json
import secrets
import time
from pathlib import Path

import pytest
from kafka import KafkaAdminClient, TopicPartition

from streaming.consumer.consumer import KafkaSource
from streaming.jobs import redrive as letters_again
from streaming.jobs.send import Options, Sender
from streaming.kafka import stuck_producer
from streaming.kafka.errors import BrokerAway, KafkaTrouble, OffsetsGone
from streaming.kafka.producer import Delivery, EventProducer
from streaming.kafka.topics import ensure_topics
from streaming.settings.loading import Settings
from tests.acceptance.conftest import limit
from tests.conftest import eventually
from tests.integration.commands.test_send import *  # noqa: F403
from tests.integration.streaming.test_consumer import *  # noqa: F403
from tests.integration.streaming.test_consumer import read, send
from tests.integration.streaming.test_dead_letters import *  # noqa: F403
from tests.integration.streaming.test_dead_letters import refuse
from tests.support.processes.apache_kafka import ApacheKafka


@pytest.fixture
def broker(kafka: ApacheKafka) -> str:
    """host:port of Apache Kafka, in place of the embedded broker."""
    return kafka.bootstrap


def test_partitions_added_while_reading_are_read_from_their_beginning(
    producer: EventProducer, source: KafkaSource, events: str, admin: KafkaAdminClient, kafka_settings: Settings
) -> None:
    send(producer, 100)
    source.assign({})
    read(source, 100)
    assert source.refresh_partitions() == []
    admin.create_partitions({events: 7})
    new: list[tuple[str, int]] = []
    eventually(lambda: new.extend(source.refresh_partitions()) or len(new) == 3)
    assert new == [(events, 4), (events, 5), (events, 6)]
    with EventProducer(kafka_settings) as fresh:
        send(fresh, 500, 100)
    more = read(source, 500)
    assert {int(record.value or b"") for record in more} == set(range(100, 600))
    assert {record.partition for record in more} & {4, 5, 6}


def test_what_arrives_while_fetched_records_wait_is_behind_us_too(
    producer: EventProducer, source: KafkaSource, events: str
) -> None:
    send(producer, 2_000)
    source.assign({})
    read(source, 10, at_once=10)
    send(producer, 3_000, 2_000)
    read(source, 10, at_once=10)
    handed = sum(source.positions()[events].values())
    assert sum((source.backlog(5.0) or {})[events].values()) == 5_000 - handed
    assert sum(source.lag()[events].values()) < 5_000 - handed


def test_offsets_that_retention_removed_are_named(
    producer: EventProducer, source: KafkaSource, events: str, admin: KafkaAdminClient
) -> None:
    send(producer, 400)
    source.assign({})
    start = read(source, 400)[0]
    end = source.end_offsets()[events]
    admin.delete_records({TopicPartition(events, start.partition): 5})
    with pytest.raises(OffsetsGone, match="retention removed the oldest") as caught:
        source.assign({events: dict.fromkeys(end, 0)})
    assert (caught.value.partition, caught.value.wanted, caught.value.first) == (start.partition, 0, 5)
    assert source.assign({})[events][start.partition] == 5


def test_retention_that_overtakes_a_reader_is_named(
    producer: EventProducer, source: KafkaSource, events: str, admin: KafkaAdminClient
) -> None:
    send(producer, 400)
    source.assign({})
    end = source.end_offsets()[events]
    admin.delete_records({TopicPartition(events, part): offset for part, offset in end.items()})

    def overtaken() -> bool:
        try:
            source.poll(0.1, 1)
        except OffsetsGone as gone:
            return gone.first == end[gone.partition]
        return False

    # What was fetched before is still handed out; then the next fetch finds the log without it.
    eventually(overtaken)


def test_a_record_for_a_topic_that_does_not_exist_is_refused(kafka: ApacheKafka, kafka_settings: Settings) -> None:
    with EventProducer(kafka_settings) as producer:
        with pytest.raises(BrokerAway, match="does the topic exist"):
            producer.send("slates", "k", b"v")
        assert (producer.waiting, producer.failures) == (0, 1)


def test_records_under_way_when_the_broker_dies_do_not_keep_later_ones_from_it(
    kafka: ApacheKafka, kafka_settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stuck_producer, "STUCK", 1.0)
    quick = kafka_settings.kafka.model_copy(update={"request_timeout": 2.0, "bootstrap_timeout": 2.0})
    settings = kafka_settings.model_copy(update={"kafka": quick})
    ensure_topics(settings)

    def taken(producer: EventProducer) -> bool:
        try:
            producer.send("events", "user", b"{}").wait(3.0)
        except BrokerAway:
            return False
        return True

    with EventProducer(settings) as producer:
        assert taken(producer)
        for number in range(20):
            producer.send("events", f"user-{number}", b"{}")
        kafka.kill()
        assert not taken(producer)
        kafka.start()
        eventually(lambda: taken(producer), timeout=60.0)


def outcomes(deliveries: list[Delivery]) -> list[str]:
    """What became of each: "taken", or the name of the error and its kind."""

    def outcome(delivery: Delivery) -> str:
        try:
            delivery.wait(20.0)
        except KafkaTrouble as error:
            return f"{type(error).__name__} {getattr(error, 'kind', '')}".strip()
        return "taken"

    return [outcome(delivery) for delivery in deliveries]


def test_a_record_beyond_the_limit_of_its_topic_fails_alone(
    producer: EventProducer, source: KafkaSource, events: str, admin: KafkaAdminClient
) -> None:
    source.assign({})
    limit(admin, events, max_message_bytes="4000")
    values = [secrets.token_bytes(8_000) if n % 9 == 4 else b"%d" % n for n in range(90)]
    # Together, so that large and small ones share batches, and those of other partitions are under way meanwhile.
    found = outcomes([producer.send("events", f"user-{n % 7}", value) for n, value in enumerate(values)])
    assert found == ["RecordRefused too_large" if n % 9 == 4 else "taken" for n in range(90)]
    assert outcomes([producer.send("events", "user-1", b"90")]) == ["taken"]
    assert producer.renewals == 0
    records = read(source, 81)
    assert source.poll(0.5, 100) == []
    written = [int(record.value or b"") for record in records]
    assert sorted(written) == [n for n in range(91) if n % 9 != 4]
    for user in range(7):  # in order, as if the large ones had never been
        own = [
            int(record.value or b"") for record in records if record.key == b"user-%d" % user and record.value != b"90"
        ]
        assert own == sorted(own)


def test_records_with_a_time_that_the_broker_does_not_take_fail_alone(
    producer: EventProducer, source: KafkaSource, events: str, admin: KafkaAdminClient
) -> None:
    source.assign({})
    limit(admin, events, message_timestamp_before_max_ms="60000")
    now = time.time()
    times = [now - 3600.0 * (n % 5 == 2) for n in range(50)]
    sent = [producer.send("events", f"user-{n % 7}", b"%d" % n, timestamp=at) for n, at in enumerate(times)]
    assert outcomes(sent) == ["RecordRefused timestamp" if n % 5 == 2 else "taken" for n in range(50)]
    old = [producer.send("events", f"user-{n % 7}", b"x", timestamp=now - 3600.0) for n in range(50)]
    assert outcomes(old) == ["RecordRefused timestamp"] * 50
    assert sorted(int(record.value or b"") for record in read(source, 40)) == [n for n in range(50) if n % 5 != 2]


def test_a_clock_that_was_wrong_for_a_moment_costs_no_later_record(
    producer: EventProducer, events: str, admin: KafkaAdminClient
) -> None:
    limit(admin, events, message_timestamp_before_max_ms="0")  # no record is as young as that
    refused = producer.send("events", "user", b"{}")
    assert outcomes([refused]) == ["ClockRefused"]
    assert refused.error is not None
    assert refused.error.retriable
    limit(admin, events, message_timestamp_before_max_ms=str(2**63 - 1))
    eventually(lambda: outcomes([producer.send("events", "user", b"{}")]) == ["taken"])
    assert producer.renewals == 0


def test_a_line_that_kafka_refuses_for_good_is_one_refused_line_of_the_file(
    events: str, source: KafkaSource, admin: KafkaAdminClient, kafka_settings: Settings, tmp_path: Path
) -> None:
    limit(admin, events, max_message_bytes="4000")
    lines = [
        {"event_type": "search", "user_id": f"u{n % 3}", "query": "tea", "timestamp": time.time()} for n in range(20)
    ]
    for bad in (4, 11):
        lines[bad]["context"] = {f"k{n}": secrets.token_urlsafe(150) for n in range(30)}
    file = tmp_path / "shop.ndjson"
    file.write_text("".join(json.dumps(line) + "\n" for line in lines))
    settings = kafka_settings.model_copy(update={"data_dir": tmp_path})
    source.assign({})
    with EventProducer(settings) as producer:
        report = Sender(settings, file, Options()).run(producer)
    assert (report.sent, report.refused, report.complete) == (18, 2, True)
    assert report.by_type == {"search": 18}
    assert [row.line for row in report.refusals] == [5, 12]
    assert all("max.message.bytes" in row.reason for row in report.refusals)
    assert len(read(source, 18)) == 18


def test_a_letter_that_kafka_refuses_for_good_does_not_stop_the_redrive(
    settings: Settings, admin: KafkaAdminClient
) -> None:
    long = b"{" + secrets.token_hex(5_000).encode()
    refuse(settings, [b"{", long, b"{1"])
    limit(admin, settings.topic("events"), max_message_bytes="4000")
    done = letters_again.redrive(settings)
    assert (done.sent, done.refused, done.by_reason) == (2, 1, {"not_json": 2})
    assert letters_again.redrive(settings) == letters_again.Redriven()
