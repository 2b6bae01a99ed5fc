"""The suites of source, dead letter and `send` once more, on Apache Kafka; and what only it can do."""

from __future__ import annotations

import pytest
from kafka import KafkaAdminClient, TopicPartition

from streaming.consumer.consumer import KafkaSource
from streaming.kafka import stuck_producer
from streaming.kafka.errors import BrokerAway, OffsetsGone
from streaming.kafka.producer import EventProducer
from streaming.kafka.topics import ensure_topics
from streaming.settings.loading import Settings
from tests.conftest import eventually
from tests.integration.commands.test_send import *  # noqa: F403
from tests.integration.streaming.test_consumer import *  # noqa: F403
from tests.integration.streaming.test_consumer import read, send
from tests.integration.streaming.test_dead_letters import *  # noqa: F403
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
