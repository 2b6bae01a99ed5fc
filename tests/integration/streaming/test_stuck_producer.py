"""A Kafka producer that is broken, or stuck while the broker answers, is replaced; one whose broker is away is not."""

from __future__ import annotations

import time
from typing import Any

import pytest
from kafka import errors as kafka_errors

from streaming.kafka import stuck_producer
from streaming.kafka.errors import BrokerAway, KafkaTrouble
from streaming.kafka.producer import EventProducer
from streaming.kafka.topics import ensure_topics
from streaming.settings.loading import Settings
from tests.conftest import eventually


@pytest.fixture
def producer(kafka_settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A producer that looks for trouble more often than usual."""
    monkeypatch.setattr(stuck_producer, "LOOK", 0.05)
    monkeypatch.setattr(stuck_producer, "STUCK", 0.2)
    ensure_topics(kafka_settings)
    with EventProducer(kafka_settings) as made:
        yield made


def stuck(*_: object, **__: object) -> None:
    raise kafka_errors.KafkaTimeoutError("never taken")


def taken(producer: EventProducer) -> bool:
    try:
        producer.send("events", "user", b"{}").wait(5.0)
    except BrokerAway:
        return False
    return True


def test_a_stuck_client_is_replaced_while_the_broker_answers(
    producer: EventProducer, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert taken(producer)
    monkeypatch.setattr(producer._producer, "send", stuck)
    assert not taken(producer)
    eventually(lambda: taken(producer))
    assert producer.renewals == 1
    assert taken(producer)
    assert producer.renewals == 1


def test_a_client_whose_broker_does_not_answer_is_left_alone(
    producer: EventProducer, monkeypatch: pytest.MonkeyPatch
) -> None:
    questions: list[float] = []
    monkeypatch.setattr(producer._producer, "send", stuck)
    monkeypatch.setattr(producer, "answers", questions.append)
    eventually(lambda: taken(producer) or len(questions) > 20)
    assert producer.renewals == 0


@pytest.mark.parametrize("end", ["error", "thread"])
def test_a_client_that_failed_for_good_is_replaced_at_once_and_not_at_every_record(
    producer: EventProducer, monkeypatch: pytest.MonkeyPatch, end: str
) -> None:
    def break_client() -> None:
        if end == "error":
            error = kafka_errors.ClusterAuthorizationFailedError("an access rule was withdrawn")
            producer._producer._transaction_manager.transition_to_fatal_error(error)
        else:
            producer._producer._sender.force_close()
            producer._producer._sender.join(5.0)

    monkeypatch.setattr(stuck_producer, "STUCK", 60.0)
    assert taken(producer)
    break_client()
    assert taken(producer)
    assert producer.renewals == 1
    monkeypatch.setattr("streaming.kafka.producer.LOOK", 60.0)
    monkeypatch.setattr(stuck_producer, "LOOK", 60.0)
    eventually(lambda: producer._watch._look_at < time.monotonic())
    break_client()
    assert taken(producer)  # the successor of this one rests for a minute
    break_client()
    with pytest.raises(KafkaTrouble):
        producer.send("events", "user", b"{}").wait(2.0)
    assert producer.renewals == 2
