"""Records of requests reach Kafka through a real broker whose first answer is a failure."""

from __future__ import annotations

from typing import Any

import pytest

from service.ingest.publisher import EventPublisher, KafkaUnavailable, Outgoing
from streaming.kafka.errors import BrokerAway
from streaming.kafka.producer import Delivery, EventProducer
from streaming.kafka.topics import ensure_topics
from streaming.settings.loading import Settings
from tests.conftest import eventually


class Faltering(EventProducer):
    """A producer whose broker is away for the first record."""

    refusals = 1

    def send(self, *args: Any, **options: Any) -> Delivery:
        if self.refusals:
            self.refusals -= 1
            raise BrokerAway("away")
        return super().send(*args, **options)


class Hung(EventProducer):
    """A producer whose broker answers the first question and the third."""

    asked = 0

    def answers(self, timeout: float) -> bool:
        self.asked += 1
        return self.asked != 2 and super().answers(timeout)


def test_the_observer_hears_when_kafka_is_away_and_when_it_is_back(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("service.ingest.publisher.LOOK", 0.5)
    monkeypatch.setattr("service.ingest.publisher.RETRY", 0.05)
    ensure_topics(settings)
    brokers: list[EventProducer | None] = [None, Hung(settings)]

    def connect() -> EventProducer:
        found = brokers.pop(0)
        if found is None:
            raise BrokerAway("away")
        return found

    told: list[bool] = []
    intake = EventPublisher(settings, connect, told.append)
    intake.start()
    try:
        eventually(lambda: told[:4] == [True, False, True, False])
    finally:
        intake.stop()


def test_after_a_total_failure_the_next_request_sends_all_its_records(settings: Settings) -> None:
    ensure_topics(settings)
    intake = EventPublisher(settings, lambda: Faltering(settings))
    intake.start()
    try:
        eventually(lambda: not intake.error)
        records = [Outgoing(f"user-{number}", b"{}") for number in range(5)]
        with pytest.raises(KafkaUnavailable, match="away"):
            intake.send("events", records)
        assert intake.error == "away"

        def troubles() -> list[Any]:
            try:
                return intake.send("events", records)
            except KafkaUnavailable:  # the breaker rests for a moment
                return []

        assert eventually(troubles) == [None] * 5
        assert intake.error == ""
    finally:
        intake.stop()
