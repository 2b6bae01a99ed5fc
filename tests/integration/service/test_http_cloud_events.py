"""POST /events takes CloudEvents in each of HTTP's three modes: structured, batch and binary."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from models.records import Event, EventRules, decode
from streaming.kafka import ensure_topics
from streaming.settings import Settings
from tests.integration.service.test_http import in_topic, problem
from tests.support.processes.serving import Served, connected

DATA = {"user_id": "ann", "item_id": "tea"}


@pytest.fixture
def served(settings: Settings) -> Iterator[Served]:
    ensure_topics(settings)
    with connected(settings) as running:
        yield running


def envelope(number: int, **data: Any) -> dict[str, Any]:
    return {
        "specversion": "1.0",
        "id": f"e-{number}",
        "source": "/shop",
        "type": "com.shop.click",
        "time": "2026-03-01T10:00:00Z",
        "data": {**DATA, **data},
    }


def test_each_mode_reaches_the_topic_as_an_event_of_ours(served: Served, settings: Settings) -> None:
    structured = served.post(
        "/events", content=json.dumps(envelope(1)), headers={"content-type": "application/cloudevents+json"}
    )
    batch = served.post(
        "/events",
        content=json.dumps([envelope(2), envelope(3, user_id=7), envelope(4, event_id="mine")]),
        headers={"content-type": "application/cloudevents-batch+json; charset=UTF-8"},
    )
    attributes = {f"ce-{name}": value for name, value in envelope(5).items() if name != "data"}
    binary = served.post("/events", json=DATA, headers=attributes)
    assert [answer.status_code for answer in (structured, batch, binary)] == [202] * 3
    assert [entry["outcome"] for entry in batch.json()["outcomes"]] == ["accepted", "rejected", "accepted"]
    assert batch.json()["outcomes"][1]["path"] == "$.user_id"
    records = in_topic(settings, "events", 4)
    events = [decode(value, EventRules()) for _, value in records]
    assert all(isinstance(event, Event) and event.timestamp == 1_772_359_200.0 for event in events)
    assert sorted(str(getattr(event, "event_id", "")) for event in events) == ["e-1", "e-2", "e-5", "mine"]


def test_an_envelope_without_an_event_is_refused(served: Served) -> None:
    answer = served.post("/events", json={**envelope(1), "data": None})
    assert "$.user_id" in problem(answer, 422)["detail"]
