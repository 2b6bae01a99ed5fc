"""A version waits for the letters below it, and for no others."""

import os
import signal
from types import SimpleNamespace

from models.records.rejections import Rejection
from streaming.intake.dead_letter_writer import DeadLetterWriter
from streaming.kafka.producer import EventProducer
from streaming.kafka.topics import ensure_topics
from tests.conftest import eventually

WHY = Rejection("json", "$", "an object", "nothing")


def bad(offset: int) -> SimpleNamespace:
    return SimpleNamespace(
        topic="events", partition=0, offset=offset, timestamp=1_700_000_000_000, key=b"ann", value=b"{", headers=[]
    )


def test_letters_are_settled_in_order_and_only_when_the_broker_has_them(kafka_settings):
    ensure_topics(kafka_settings)
    with EventProducer(kafka_settings) as producer:
        writer = DeadLetterWriter(producer)
        assert (writer.accepted, writer.settled) == (0, 0)
        for offset in range(700):  # more than the writer hands over at once
            assert writer.write(bad(offset), WHY)
        assert writer.accepted == 700
        assert eventually(lambda: writer.settled == 700)
        assert writer.close()


def test_letters_of_a_broker_that_does_not_answer_are_held_back_and_arrive_later(kafka_settings, embedded_broker):
    ensure_topics(kafka_settings)
    with EventProducer(kafka_settings) as producer:
        writer = DeadLetterWriter(producer)
        writer.write(bad(0), WHY)
        assert eventually(lambda: writer.settled == 1)
        os.kill(embedded_broker.pid, signal.SIGSTOP)
        try:
            for offset in range(1, 4):
                writer.write(bad(offset), WHY)
            assert not writer.flush(0.5)
            assert (writer.accepted, writer.settled) == (4, 1)
            assert writer.wait_settled(1, 0.0)
            assert not writer.wait_settled(2, 0.05)
        finally:
            os.kill(embedded_broker.pid, signal.SIGCONT)
        assert writer.wait_settled(4, 30.0)
        assert writer.settled == 4
        assert writer.close()
