"""An erasure through Kafka, the learner and Redis: the user is gone, once, and stays gone through restarts."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from models.records.control import Erase, encode_control
from streaming.consumer.consumer import KafkaSource
from streaming.kafka.producer import EventProducer
from streaming.kafka.topics import ensure_topics
from streaming.live import erasures as erasing
from streaming.live.writer import Erased, LiveWriter
from streaming.settings.loading import Settings
from streaming.store.store import Store
from tests.conftest import eventually
from tests.support.oracles.past import NOTHING, history
from tests.support.processes.harness import Installation, counts
from tests.support.streams.streams import Shop

Open = Callable[..., Installation]
TOPICS = {"events": "topic-1", "items": "topic-2", "control": "topic-3"}


@pytest.fixture
def open_installation(broker: str, redis_url: str, tmp_path: Path) -> Iterator[Open]:
    """An installation on the embedded broker and Redis; its processes end with the test."""
    with ExitStack() as stack:
        yield lambda **settings: stack.enter_context(Installation(broker, redis_url, tmp_path, 1, **settings))


def order(ours: Installation, *orders: Erase) -> None:
    """Orders in topic control, acknowledged."""
    for each in orders:
        ours.post_order(encode_control(each), time.time())
    ours.flush()


def test_orders_are_read_to_their_end_before_any_event(kafka_settings: Settings) -> None:
    ensure_topics(kafka_settings)
    events, control = kafka_settings.topic("events"), kafka_settings.topic("control")
    with EventProducer(kafka_settings) as producer:
        for number in range(300):
            producer.send("events", str(number), b"%d" % number)
            producer.send("control", None, b"%d" % number)
        assert producer.flush(60.0)
    with KafkaSource(kafka_settings, [events, control], first=control) as source:
        source.assign({})
        read: list[str] = []
        eventually(lambda: read.extend(r.topic for part in source.poll(0.1, 70) for r in part) or len(read) >= 600)
        assert read[:300] == [control] * 300
        source.refresh_partitions()
        source.assign(source.positions())  # nothing is left of it, so the others are not held up
        with EventProducer(kafka_settings) as producer:
            producer.send("events", "x", b"x").wait(10.0)
        assert eventually(lambda: source.poll(0.1, 10))


def test_a_history_is_removed_once_and_what_came_after_it_stays(store: Store) -> None:
    before, after = (0, 1, 10.0, 0, "tea"), (0, 2, 20.0, 0, "cup")
    for _ in range(2):  # the second time as after a crash: all of it is sent again
        mirror = LiveWriter(store, TOPICS, time.monotonic, lambda: None)
        mirror.add([{"ann": [before], "bob": [before]}], [])
        mirror.add([Erased(0, 7, "ann", "r7"), {"ann": [after]}], [])
        assert mirror.waiting == 4
        assert mirror.flush()
    assert history(store, "ann").items == ["cup"]
    assert history(store, "bob").items == ["tea"]
    assert erasing.read(store, "r7") == {"history": "1", "shown": "0", "attributes": "0"}


def test_a_model_that_begins_at_the_topics_beginning_does_not_learn_of_an_erased_user(open_installation: Open) -> None:
    shop, ours = Shop(seed=42), open_installation()
    planned = list(shop.stream(600, time.time() - 20.0, interval=0.01))
    ours.send(planned)
    ours.flush()
    user = planned[0].event["user_id"]
    order(ours, Erase("one", user), Erase("other", "nobody"))
    mine, others = ours.ledger.per_user()[user], ours.ledger.per_user()
    del others[user]
    learner = ours.learner()
    ours.wait_learnt(learner)
    assert counts(ours.load().state, "user", "user") == others
    assert ours.load().manifest.progress.outcomes == {"learnt": 600 - mine, "erased": mine}
    assert history(ours.store, user) == NOTHING
