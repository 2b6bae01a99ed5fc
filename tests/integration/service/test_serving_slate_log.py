"""Slates go from an answer through their topic into the learner's metrics, with a real broker and service."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from functools import partial
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from models.records.events import CLICK, IMPRESSION, PURCHASE, Event
from models.records.slates import SlateRecord, decode_slate
from streaming.consumer.consumer import KafkaSource
from streaming.evidence.attribution import SlateAttributor
from streaming.kafka.producer import EventProducer
from streaming.kafka.topics import ensure_topics
from streaming.settings.loading import Settings
from streaming.telemetry import LearnerTelemetry
from tests.conftest import eventually
from tests.support.processes.serving import Learner, Served, changed, learner, service, shop

Sample = Callable[..., float]


@pytest.fixture
def taught(settings: Settings) -> Iterator[Learner]:
    """A learner that has learned a small shop; all topics exist."""
    ensure_topics(settings)
    with learner(settings) as made:
        made.learn(shop())
        yield made


@pytest.fixture
def attributing(settings: Settings) -> Iterator[tuple[SlateAttributor, Sample]]:
    """What the learner runs next to learning, and a way to read its metrics."""
    ensure_topics(settings)
    registry = CollectorRegistry()

    def sample(name: str, **labels: str) -> float:
        found = registry.get_sample_value(name, labels)
        assert found is not None, f"no sample {name} {labels}"
        return found

    with closing(SlateAttributor(settings, LearnerTelemetry(registry))) as made:
        eventually(made.following.is_set, timeout=30.0)
        yield made, sample


def ready(served: Served, version: str) -> None:
    eventually(lambda: served.get("/readyz").json()["version"] == version)
    eventually(lambda: served.context.intake.producer)


def slates(settings: Settings, count: int) -> list[SlateRecord]:
    """The first `count` slates of the topic, once they are there."""
    with KafkaSource(settings, [settings.topic("slates")]) as source:
        source.assign({})
        found: list[SlateRecord] = []

        def enough() -> bool:
            for records in source.poll(0.1, 100):
                found.extend(slate for record in records if (slate := decode_slate(record.value)) is not None)
            return len(found) >= count

        eventually(enough)
        return sorted(found, key=lambda slate: slate.timestamp)


def test_an_answer_is_a_record_with_version_items_and_propensities(settings: Settings, taught: Learner) -> None:
    version = taught.commit()
    with service(settings) as served:
        ready(served, version)
        plain = served.get("/recommend/user-3?n=4").json()
        drawn = served.get("/recommend/user-3?n=3&explore=0.5&context=device:phone").json()
        first, second = slates(settings, 2)
        assert first.request_id == plain["request_id"]
        assert (first.user_id, first.model_version, first.served_by) == ("user-3", version, plain["served_by"])
        assert first.items == [item["item_id"] for item in plain["items"]]
        assert first.propensities is None
        assert second.propensities == [item["propensity"] for item in drawn["items"]]
        assert (second.explore, second.context) == (0.5, {"device": "phone"})
        # Counted by the thread that hands them over, just after that.
        eventually(lambda: served.sample("sluicegate_slate_records_total", outcome="sent") == 2)


def test_only_the_share_that_is_set_is_written_and_never_more_than_the_rate(
    settings: Settings, taught: Learner
) -> None:
    version = taught.commit()
    with service(changed(settings, service={"slate_sample": 0.0})) as served:
        ready(served, version)
        served.get("/recommend/user-3")
        assert served.sample("sluicegate_slate_records_total", outcome="left_out") == 1
    with service(changed(settings, service={"slates_per_second": 1.0})) as served:
        ready(served, version)
        began = time.monotonic()
        for _ in range(10):
            served.get("/recommend/user-3")
        written = 1 + (time.monotonic() - began)
        assert served.sample("sluicegate_slate_records_total", outcome="left_out") >= 10 - math.ceil(written)


def test_without_a_broker_answers_go_on_and_what_does_not_fit_is_counted(
    settings: Settings, taught: Learner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("service.serving.slate_log.ROOM", 5)
    version = taught.commit()
    with service(changed(settings, kafka={"bootstrap": "127.0.0.1:1"})) as served:
        eventually(lambda: served.get("/readyz").json()["version"] == version)
        for _ in range(12):
            assert served.get("/recommend/user-3").status_code == 200
        assert served.sample("sluicegate_slate_records_total", outcome="dropped") == 7


def test_clicks_and_purchases_are_attributed_to_the_version_of_their_slate(
    settings: Settings, taught: Learner, attributing: tuple[SlateAttributor, Sample]
) -> None:
    follower, sample = attributing
    version = taught.commit()
    with service(settings) as served:
        ready(served, version)
        answers = [served.get("/recommend/user-3?n=4").json() for _ in range(4)]

        def event(kind: int, answer: Any, place: int = 0) -> Event:
            item = answer["items"][place]["item_id"]
            return Event(kind, "user-3", item, time.time(), request_id=answer["request_id"])

        follower.offer([event(IMPRESSION, answers[0], place) for place in range(4)])
        follower.offer([event(CLICK, answers[0]), event(CLICK, answers[1]), event(PURCHASE, answers[1])])
        follower.offer([
            Event(CLICK, "user-3", "item-1", time.time()),
            Event(CLICK, "u", "x", 1.0, request_id="no one's"),
        ])
        eventually(lambda: sample("sluicegate_slates_total") == 4)
        eventually(lambda: sample("sluicegate_attributed_events_total", version="current", kind="purchase") == 1)
        assert sample("sluicegate_attributed_events_total", version="current", kind="click") == 2
        assert sample("sluicegate_attributed_events_total", version="current", kind="impression") == 4
        # The gauges are set by the same thread, after the counts.
        eventually(lambda: sample("sluicegate_version_slates", version="current") == 4)
        for kind, rate in (("click", 0.5), ("purchase", 0.25), ("impression", 0.25)):
            shown = partial(sample, "sluicegate_version_event_rate", version="current", kind=kind)
            eventually(lambda shown=shown, rate=rate: shown() == rate)
        sequence = served.get("/model").json()["sequence"]
        assert sample("sluicegate_version_first_sequence", version="current") == sequence


def test_after_a_restart_events_find_earlier_slates_which_are_not_counted_again(
    settings: Settings, attributing: tuple[SlateAttributor, Sample]
) -> None:
    _, before = attributing
    with EventProducer(settings) as producer:
        producer.send("slates", "ann", b'{"request_id":"5f","timestamp":1.0,"items":["tea"],"sequence":3}')
        producer.send("slates", "ann", b"no slate")
    eventually(lambda: before("sluicegate_slates_total") == 1)
    eventually(lambda: before("sluicegate_slates_unreadable_total") == 1)
    registry = CollectorRegistry()
    with closing(SlateAttributor(settings, LearnerTelemetry(registry))) as again:
        again.offer([Event(CLICK, "ann", "tea", 2.0, request_id="5f")])
        older = {"version": "older", "kind": "click"}
        eventually(lambda: registry.get_sample_value("sluicegate_attributed_events_total", older) == 1, timeout=30.0)
        assert registry.get_sample_value("sluicegate_slates_total") == 0
