"""What requests hand to Kafka, over a real broker whose first answer is a failure."""

from __future__ import annotations

from typing import Any

import pytest

from service.intake import Intake, KafkaUnavailable, Outgoing
from streaming.connection import BrokerAway
from streaming.producer import Delivery, EventProducer, ensure_topics
from streaming.settings import Settings
from tests.conftest import eventually


class Faltering(EventProducer):
    """A producer whose broker is away for the first record."""

    refusals = 1

    def send(self, *args: Any, **options: Any) -> Delivery:
        if self.refusals:
            self.refusals -= 1
            raise BrokerAway("away")
        return super().send(*args, **options)


def test_after_a_total_failure_the_next_request_sends_all_its_records(settings: Settings) -> None:
    ensure_topics(settings)
    intake = Intake(settings, lambda: Faltering(settings))
    intake.start()
    try:
        eventually(lambda: not intake.error, timeout=20.0)
        records = [Outgoing(f"user-{number}", b"{}") for number in range(5)]
        with pytest.raises(KafkaUnavailable, match="away"):
            intake.send("events", records)
        assert intake.error == "away"

        def taken() -> list[bool]:
            try:
                return intake.send("events", records)
            except KafkaUnavailable:  # the breaker rests for a moment
                return []

        assert eventually(taken) == [True] * 5
        assert intake.error == ""
    finally:
        intake.stop()
