"""Public keys over real HTTP: what a page may send, from where and how much, and that it can do nothing else."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from models.records.attributes import Attributes
from models.records.items import ItemFacts
from service.http.auth import digest
from streaming.consumer import KafkaSource
from streaming.kafka.records import is_public
from streaming.kafka.topics import ensure_topics
from streaming.settings.loading import BadSettings, Settings, load_settings
from streaming.settings.scenarios import ScenarioSettings
from tests.conftest import eventually
from tests.integration.service.test_http import in_topic, problem
from tests.support.processes.serving import Learner, Served, changed, connected

SHOP, PREVIEW = "https://shop.example", "https://preview.shop.example:8443"
KEYS = {role: f"key-of-{role}" for role in ("read", "events", "beacon", "admin")}


def open_to_pages(settings: Settings, **more: Any) -> Settings:
    """Settings with a key for each role, and two origins."""
    keys = tuple(f"{role}:{digest(key)}" for role, key in KEYS.items())
    return changed(settings, service={"keys": keys, "beacon_origins": (SHOP, PREVIEW), **more})


@pytest.fixture
def served(settings: Settings) -> Iterator[Served]:
    """A service whose topics only this test writes to."""
    ensure_topics(settings)
    with connected(open_to_pages(settings), trusted=False) as running:
        yield running


@pytest.fixture(scope="module")
def shared(shared_settings: Settings) -> Iterator[Served]:
    """A service for all tests that look at answers alone."""
    ensure_topics(shared_settings)
    with connected(open_to_pages(shared_settings, beacon_client_rate=1e4), trusted=False) as running:
        yield running


VISITOR = f"v-{'0a' * 16}"
"""An id that nobody guesses, as far as its form says."""


def event(**more: Any) -> dict[str, Any]:
    return {"event_type": "click", "user_id": "ann", "item_id": "tea", "timestamp": time.time(), **more}


def beacon(served: Served, *events: Any, key: str = KEYS["beacon"], origin: str | None = SHOP) -> httpx.Response:
    """What `navigator.sendBeacon` sends: text/plain, no own header, the key in the address."""
    headers = {"content-type": "text/plain;charset=UTF-8"} | ({"origin": origin} if origin else {})
    body = json.dumps(events[0] if len(events) == 1 else events)
    return served.post(f"/events?key={key}", content=body, headers=headers)


def marks_in_topic(settings: Settings, count: int) -> list[bool]:
    """For each record of topic events, of which there are `count`, whether it says that a public key sent it."""
    found: list[bool] = []
    with KafkaSource(settings, [settings.topic("events")]) as source:
        source.assign({})

        def enough() -> bool:
            found.extend(is_public(record) for part in source.poll(0.2, 100) for record in part)
            return len(found) >= count

        eventually(enough)
    return found


def test_a_page_of_an_allowed_origin_writes_events_and_may_see_the_answer(served: Served, settings: Settings) -> None:
    for origin in (SHOP, PREVIEW):
        answer = beacon(served, event(), event(event_type="favourite"), origin=origin)
        assert (answer.status_code, answer.json()["accepted"]) == (202, 2)
        assert answer.headers["access-control-allow-origin"] == origin
        assert answer.headers["vary"] == "Origin"
        assert answer.headers.get_list("cross-origin-resource-policy") == ["cross-origin"]
    assert len(in_topic(settings, "events", 4)) == 4
    assert marks_in_topic(settings, 4) == [True] * 4
    by_fetch = served.post("/events", json=event(), headers={"x-api-key": KEYS["beacon"], "origin": SHOP})
    assert by_fetch.status_code == 202


@pytest.mark.parametrize(
    "origin", [None, "null", "https://evil.example", "https://shop.example.evil.example", f"{SHOP}:444"]
)
def test_a_page_of_another_origin_cannot_write_events(shared: Served, origin: str | None) -> None:
    answer = beacon(shared, event(), origin=origin)
    assert "beacon_origins" in problem(answer, 403)["next"]
    assert "access-control-allow-origin" not in answer.headers


def test_a_public_key_reads_nothing_and_changes_nothing(shared: Served) -> None:
    headers = {"x-api-key": KEYS["beacon"], "origin": SHOP}
    for method, path in [
        ("GET", "/recommend/ann"),
        ("GET", "/users/ann"),
        ("GET", "/items"),
        ("GET", "/model"),
        ("PUT", "/items/tea"),
        ("DELETE", "/items/tea"),
        ("DELETE", "/users/ann"),
        ("POST", "/gate/freeze"),
    ]:
        answer = shared.http.request(method, path, headers=headers, content=b"{}" if method != "GET" else None)
        assert "role beacon" in problem(answer, 403)["detail"], path
        assert "access-control-allow-origin" not in answer.headers, path
        # In the address it is looked at for events alone.
        in_address = shared.http.request(method, f"{path}?key={KEYS['beacon']}", headers={"origin": SHOP})
        problem(in_address, 401)


def asks_for(served: Served, **ask: Any) -> httpx.Response:
    """What a page asks for with a public key, as text, so that no preflight is needed."""
    headers = {"content-type": "text/plain;charset=UTF-8", "origin": ask.pop("origin", SHOP)}
    return served.post(f"/recommend?key={KEYS['beacon']}", content=json.dumps(ask), headers=headers)


def test_a_page_asks_for_its_visitor_where_the_shop_says_so_and_for_nothing_it_should_not_learn(
    settings: Settings, taught: Learner
) -> None:
    ensure_topics(settings)
    taught.describe({"item-1": ItemFacts(attributes=Attributes(b'{"url":"/1","margin":0.4}'))})
    taught.commit()
    scenarios = {
        "dear": ScenarioSettings(filter=("attributes.margin>0.3",)),
        "telling": ScenarioSettings(attributes=("margin",)),
    }
    shop = open_to_pages(settings, beacon_recommend=True, beacon_client_rate=100.0).model_copy(
        update={"scenario": scenarios}
    )
    with connected(shop, trusted=False) as served:
        admin = {"x-api-key": KEYS["admin"]}
        eventually(lambda: served.get("/gate", headers=admin).json()["serving"])
        eventually(lambda: served.get("/items/item-1", headers=admin).json().get("attributes"))
        answer = asks_for(served, user_id=VISITOR, n=3, attributes=["url"], candidates=["item-1", "item-2"])
        assert answer.status_code == 200
        assert answer.headers["access-control-allow-origin"] == SHOP
        assert answer.headers["access-control-expose-headers"] == "retry-after"
        assert {"url": "/1"} in [item.get("attributes") for item in answer.json()["items"]]
        chosen = asks_for(served, user_id=VISITOR, scenario="dear")
        assert [item["item_id"] for item in chosen.json()["items"]] == ["item-1"], "the shop chose what this filters by"
        for ask in (
            {"user_id": "ann"},
            {"user_id": f"{VISITOR}0"},
            {"recent_items": ["item-1"]},
            {"user_id": VISITOR, "attributes": ["url", "margin"]},
            {"user_id": VISITOR, "attributes": ["*"]},
            {"user_id": VISITOR, "filter": ["attributes.margin>0.3"]},
            {"user_id": VISITOR, "explain": True},
            {"user_id": VISITOR, "reasons": "operator"},
            {"user_id": VISITOR, "scenario": "telling"},
            {"user_id": VISITOR, "origin": "https://evil.example"},
        ):
            problem(asks_for(served, **ask), 403)
        problem(asks_for(served, user_id=f"{VISITOR}\n"), 422)
        problem(asks_for(served, user_id=VISITOR, exclude=["x" * 200] * 100), 413)
        reader = {"x-api-key": KEYS["read"]}
        assert served.post("/recommend", json={"user_id": "ann", "explain": True}, headers=reader).status_code == 200
        problem(served.post("/recommend", json={"user_id": "ann"}, headers={"x-api-key": KEYS["events"]}), 403)


def test_a_page_asks_for_nothing_unless_the_shop_says_so(shared: Served) -> None:
    assert "service.beacon_recommend" in problem(asks_for(shared, user_id=VISITOR), 403)["next"]


def test_the_script_for_pages_may_be_loaded_and_kept_by_other_origins(shared: Served) -> None:
    answer = shared.get("/static/sluicegate.js")
    assert len(answer.content) < 4_000
    assert answer.headers["content-type"].startswith("text/javascript")
    assert answer.headers["cross-origin-resource-policy"] == "cross-origin"
    assert answer.headers["access-control-allow-origin"] == "*"
    assert "max-age=3600" in answer.headers["cache-control"]
    again = shared.get("/static/sluicegate.js", headers={"if-none-match": answer.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert shared.get("/static/widget.js").headers["cross-origin-resource-policy"] == "same-origin"


@pytest.mark.parametrize("role", ["events", "admin", "read"])
def test_a_secret_key_in_an_address_is_not_accepted(shared: Served, role: str) -> None:
    assert "X-API-Key" in problem(beacon(shared, event(), key=KEYS[role]), 401)["next"]
    problem(beacon(shared, event(), key="unknown"), 401)


def test_fields_that_only_the_shop_can_know_are_not_accepted_from_a_page(shared: Served) -> None:
    answer = beacon(shared, event(event_type="purchase"))
    assert problem(answer, 422)["errors"][0]["path"] == "$.event_type"
    mixed = beacon(shared, event(), event(event_type="return"))
    assert [entry["outcome"] for entry in mixed.json()["outcomes"]] == ["accepted", "rejected"]
    from_the_server = shared.post("/events", json=event(event_type="purchase"), headers={"x-api-key": KEYS["events"]})
    assert from_the_server.status_code == 202


def asks(served: Served, origin: str, method: str, path: str = "/events") -> httpx.Response:
    headers = {
        "origin": origin,
        "access-control-request-method": method,
        "access-control-request-headers": "content-type",
    }
    return served.http.request("OPTIONS", path, headers=headers)


def test_a_preflight_is_answered_for_posting_events_from_allowed_origins_and_for_nothing_else(shared: Served) -> None:
    allowed = asks(shared, SHOP, "POST")
    assert (allowed.status_code, allowed.content) == (204, b"")
    assert allowed.headers["access-control-allow-origin"] == SHOP
    assert allowed.headers["access-control-allow-methods"] == "POST"
    assert "content-type" in allowed.headers["access-control-allow-headers"]
    assert "access-control-allow-credentials" not in allowed.headers
    for refused in (
        asks(shared, "https://evil.example", "POST"),
        asks(shared, SHOP, "PUT"),
        asks(shared, SHOP, "GET", "/recommend/ann"),
        asks(shared, SHOP, "PUT", "/items/tea"),
    ):
        assert refused.status_code in {403, 405}
        assert "access-control-allow-origin" not in refused.headers


def test_a_beacon_that_is_too_long_is_refused(shared: Served) -> None:
    answer = beacon(shared, *[event(query="x" * 900) for _ in range(20)])
    assert "16384" in problem(answer, 413)["detail"]
    assert answer.headers["access-control-allow-origin"] == SHOP


def test_too_many_beacons_are_limited_and_the_shop_is_not_delayed(settings: Settings) -> None:
    ensure_topics(settings)
    with connected(open_to_pages(settings, beacon_client_rate=0.5), trusted=False) as running:
        answers = [beacon(running, event()) for _ in range(3)]
        assert [answer.status_code for answer in answers] == [202, 429, 429]
        assert 1 <= int(answers[1].headers["retry-after"]) <= 4
        assert answers[1].headers["access-control-allow-origin"] == SHOP
        shop = running.post("/events", json=event(), headers={"x-api-key": KEYS["events"]})
        assert shop.status_code == 202


def test_beacons_that_wait_for_kafka_leave_the_shop_its_places(served: Served, settings: Settings) -> None:
    intake = served.context.intake
    taken = 0
    while intake.public_slots.acquire(blocking=False):
        taken += 1
    try:
        assert beacon(served, event()).status_code == 429
        shop = served.post("/events", json=event(event_type="purchase"), headers={"x-api-key": KEYS["events"]})
        assert shop.status_code == 202
        assert marks_in_topic(settings, 1) == [False]
    finally:
        intake.public_slots.release(taken)


def test_impressions_of_pages_do_not_push_out_those_of_the_shop(served: Served) -> None:
    intake = served.context.intake
    answer = beacon(served, event(event_type="impression", request_id="5f"))
    assert answer.status_code == 202
    assert (len(intake.impressions), len(intake.public_impressions)) == (0, 1)
    shop = event(event_type="impression", request_id="5f")
    assert served.post("/events", json=shop, headers={"x-api-key": KEYS["events"]}).status_code == 202
    assert (len(intake.impressions), len(intake.public_impressions)) == (1, 1)
    served.context.erasures.forget(["ann"])
    assert not intake.impressions
    assert not intake.public_impressions


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("BEACON_ORIGINS", "https://shop.example/", "is no origin"),
        ("BEACON_ORIGINS", "*", "is no origin"),
        ("BEACON_TYPES", "click,buy!", "unknown event type 'buy!'"),
    ],
)
def test_settings_that_cannot_work_are_refused(name: str, value: str, says: str) -> None:
    with pytest.raises(BadSettings, match=says):
        load_settings(None, {f"SLUICEGATE_SERVICE__{name}": value})
