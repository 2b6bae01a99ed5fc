"""Records of another shape over real HTTP: by a mapping of the settings or a preset, each line with its outcome."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from models.records import ItemFacts, completion_key
from streaming.kafka.topics import ensure_topics
from streaming.live.facts import write
from streaming.settings.loading import Settings
from streaming.settings.mapping import MappingSettings
from streaming.store.store import Store
from tests.conftest import eventually
from tests.integration.service.test_http import in_topic, problem
from tests.integration.service.test_ingest_beacons import KEYS, SHOP, open_to_pages
from tests.support.processes.serving import Served, connected

WEB = MappingSettings(
    name="web",
    fields={"event_type": "what", "user_id": "who", "item_id": "lines[*].sku", "event_id": "id", "price": "lines[*].p"},
    types={"BUY": "purchase", "LOOK": "click", "PING": "none"},
)
STOCK = WEB.model_copy(update={"name": "stock", "fields": WEB.fields | {"available": "lines[*].there", "rating": "r"}})


def timed(mapping: MappingSettings) -> MappingSettings:
    return mapping.model_copy(update={"fields": mapping.fields | {"timestamp": "@time"}})


@contextmanager
def mapping(settings: Settings) -> Iterator[Served]:
    """A service with keys, an origin and a mapping of its own."""
    ensure_topics(settings)
    named = open_to_pages(settings).model_copy(update={"mapping": (timed(WEB), timed(STOCK))})
    with connected(named, trusted=False) as running:
        yield running


@pytest.fixture
def served(settings: Settings) -> Iterator[Served]:
    """One whose topics only this test writes to."""
    with mapping(settings) as running:
        yield running


@pytest.fixture(scope="module")
def shared(shared_settings: Settings) -> Iterator[Served]:
    """One for all tests that look at answers alone."""
    with mapping(shared_settings) as running:
        yield running


def post(served: Served, mapping: str, *records: Any) -> Any:
    body = "\n".join(json.dumps(record) for record in records)
    headers = {"x-api-key": KEYS["events"], "content-type": "application/x-ndjson"}
    return served.post(f"/events?mapping={mapping}", content=body, headers=headers)


def test_each_line_of_each_record_has_an_outcome_and_events_of_ours_reach_the_topic(
    served: Served, settings: Settings
) -> None:
    began = time.time()
    lines = [{"sku": "tea", "p": "3,50 €"}, {"sku": None}, {"sku": "pot", "p": "free"}]
    answer = post(
        served,
        "web",
        {"what": "BUY", "who": 7, "id": "o1", "lines": lines},
        {"what": "PING"},
        {"what": "SHRUG", "who": 7},
    )
    assert answer.status_code == 202, answer.text
    found = answer.json()
    assert {name: found[name] for name in ("accepted", "rejected", "ignored")} == {
        "accepted": 2,
        "rejected": 2,
        "ignored": 1,
    }
    assert [(each["index"], each.get("part"), each["outcome"], each.get("path")) for each in found["outcomes"]] == [
        (0, 1, "accepted", None),
        (0, 2, "rejected", "$.lines[1].sku"),
        (0, 3, "accepted", None),
        (1, None, "ignored", None),
        (2, None, "rejected", "$.what"),
    ]
    assert [each.get("left_out") for each in found["outcomes"][:3]] == [None, None, ["price"]]
    assert served.sample("sluicegate_fields_left_out_total", field="price") == 1
    found_in_topic = [json.loads(value) for _, value in in_topic(settings, "events", 2)]
    sent = sorted(found_in_topic, key=lambda event: str(event["event_id"]))
    assert [(event["event_id"], event["user_id"], event["item_id"], event.get("price")) for event in sent] == [
        ("o1:1", "7", "tea", 3.5),
        ("o1:3", "7", "pot", None),
    ]
    assert began <= sent[0]["timestamp"] <= time.time(), "the time of the request stands for that of the record"
    assert "unread" not in found
    said = post(served, "stock", {"what": "LOOK", "who": 7, "r": 5, "lines": [{"sku": "tea", "there": False}]}).json()
    assert (said["accepted"], said["unread"]) == (1, ["available", "rating"])


def test_a_preset_is_named_as_it_is_and_another_name_is_answered_with_those_there_are(shared: Served) -> None:
    track = {
        "messageId": "m1",
        "anonymousId": "a7",
        "event": "Product Viewed",
        "properties": {"product_id": "tea"},
        "timestamp": time.time(),
    }
    assert post(shared, "segment", track).json()["accepted"] == 1
    assert post(shared, "segment", track | {"event": "Signed Up"}).json()["ignored"] == 1
    detail = problem(post(shared, "segmnt", track), 404)["detail"]
    assert detail.startswith("There is no mapping 'segmnt'; there are web, stock, cloudevents, ga4, gorse, ")


def test_records_that_are_all_refused_are_a_problem_with_the_place_in_them(shared: Served) -> None:
    answer = problem(post(shared, "web", {"what": "BUY", "who": 7, "lines": [{}, {}]}), 422)
    assert [(each["index"], each["part"], each["path"]) for each in answer["errors"]] == [
        (0, 1, "$.lines[0].sku"),
        (0, 2, "$.lines[1].sku"),
    ]
    crowd = {"what": "BUY", "who": 7, "lines": [{"sku": str(n)} for n in range(400)]}
    most = shared.context.settings.service.max_events_per_request
    assert "hold more than" in problem(post(shared, "web", *[crowd] * (most // 400 + 1)), 413)["detail"]


def test_a_page_may_name_a_mapping_and_still_sends_no_purchase(served: Served, settings: Settings) -> None:
    body = json.dumps([{"what": kind, "who": "ann", "lines": [{"sku": "tea"}]} for kind in ("LOOK", "BUY")])
    headers = {"content-type": "text/plain", "origin": SHOP}
    answer = served.post(f"/events?key={KEYS['beacon']}&mapping=web", content=body, headers=headers)
    assert [each["outcome"] for each in answer.json()["outcomes"]] == ["accepted", "rejected"]
    assert len(in_topic(settings, "events", 1)) == 1


def described(sku: str, **more: Any) -> dict[str, Any]:
    """A call of Segment's that describes its product."""
    product = {"product_id": sku, "name": "Green tea", "category": "drinks", "price": "3,50 €", **more}
    call = {"messageId": f"m-{sku}-{time.time()}", "userId": "ann", "event": "Product Viewed", "timestamp": time.time()}
    return call | {"properties": product}


def test_facts_in_records_complete_those_of_their_items_and_are_sent_once(served: Served, settings: Settings) -> None:
    store = Store.for_learner(settings)
    try:
        known = ItemFacts(category="drinks", title="Pot", brand="Kyusu", price=1.0)
        write(store, [(0, 0, "pot", known), (0, 1, "gone", None), (0, 2, "cup", ItemFacts(title="Cup"))], "i")
        eventually(lambda: served.context.catalogue.get("cup"))
        first = post(
            served, "segment", *map(described, ("tea", "pot", "gone", "cup")), described("tea", brand=["Kyusu"])
        )
        assert [each["outcome"] for each in first.json()["outcomes"]] == ["accepted"] * 5
        assert "warning" not in first.text
        assert first.json()["outcomes"][4]["left_out"] == ["brand"]
        assert served.sample("sluicegate_fields_left_out_total", field="brand") == 1
        assert post(served, "segment", described("tea")).json()["accepted"] == 1
        assert post(served, "segment", described("last", category="c" * 300)).json()["accepted"] == 1
        assert post(served, "segment", described("tea", brand="Kyusu", category="food")).json()["accepted"] == 1
        sent = {key.decode(): json.loads(value or b"") for key, value in in_topic(settings, "items", 4)}
        assert sent == {  # compaction keeps the newest record of a key, so it says what those before it said
            completion_key("tea"): {"category": "drinks", "price": 3.5, "title": "Green tea", "brand": "Kyusu"},
            completion_key("cup"): {"category": "drinks", "price": 3.5, "title": "Cup"},
            completion_key("last"): {"price": 3.5, "title": "Green tea"},
        }
    finally:
        store.close()


def test_a_page_describes_no_item_and_is_told(served: Served, settings: Settings) -> None:
    headers = {"content-type": "text/plain", "origin": SHOP}
    body = json.dumps([described("tea"), described("pot", name=None, category=None, price=None)])
    answer = served.post(f"/events?key={KEYS['beacon']}&mapping=segment", content=body, headers=headers)
    one, other = answer.json()["outcomes"]
    assert (one["outcome"], other["outcome"]) == ("accepted", "accepted")
    assert one["warning"].startswith("facts: a public key says nothing of items")
    assert "warning" not in other
    assert post(served, "segment", described("last")).json()["accepted"] == 1
    assert [key.decode() for key, _ in in_topic(settings, "items", 1)] == [completion_key("last")]


def test_a_misspelled_parameter_is_refused_by_its_name_and_one_that_is_given_twice(shared: Served) -> None:
    headers = {"x-api-key": KEYS["events"], "content-type": "application/json"}
    answer = problem(shared.post("/events?maping=segment", content=json.dumps(described("tea")), headers=headers), 422)
    assert "query.maping" in answer["detail"]
    assert "one of the parameters mapping, key" in answer["detail"]
    twice = shared.post("/events?mapping=segment&mapping=web", content=json.dumps(described("tea")), headers=headers)
    assert "At query.mapping: expected one value" in problem(twice, 422)["detail"]
