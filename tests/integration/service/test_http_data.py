"""The routes behind the views of data and of looking up, over real HTTP: counts, search, comparison, mappings."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from models.experiments.definition import Arm, Experiment
from models.records.attributes import checked
from models.records.items import ItemFacts
from service.http.auth import digest
from streaming.settings.loading import load_settings
from streaming.settings.mapping import MappingSettings
from tests.conftest import eventually
from tests.integration.service.test_http import problem
from tests.support.processes.serving import Served, changed, keep, learner, service, shop

COUNTS: dict[str, Any] = {
    "since": 1_700_000_000.0,
    "types": {"click": {"learnt": 9, "late": 2}},
    "refused": {"not_json": 3},
    "left_out": {},
}
VIEW = '{"event_time":"2026-01-31 12:00:00 UTC","event_type":"view","product_id":7,"user_id":9,"brand":"acme"}'


def facts() -> dict[str, ItemFacts | None]:
    """A kettle with a picture, cups, and one that is not available."""
    pictured = checked({"image_url": "https://shop.example/kettle.png"})[0]
    return {
        "item-1": ItemFacts(title="Kettle", category="kitchen", price=20.0, attributes=pictured),
        **{f"item-{n}": ItemFacts(title=f"Cup {n}", category="kitchen") for n in range(2, 5)},
        "item-9": ItemFacts(title="Cup of last year", available=False),
    }


@pytest.fixture(scope="module")
def served(broker: str, redis_url: str) -> Iterator[Served]:
    """A service with a version that carries counts, a small catalogue, and keys for each role."""
    where = {"SLUICEGATE_KAFKA__BOOTSTRAP": broker, "SLUICEGATE_REDIS__URL": redis_url}
    settings = load_settings(None, {**where, "SLUICEGATE_NAMESPACE": "looked-into"})
    with learner(settings) as taught:
        taught.learn(shop())
        taught.describe(facts())
        taught.progress.count("learnt", 11)
        version = taught.commit(intake=COUNTS)
    mapping = MappingSettings(
        name="till",
        fields={"event_type": "what", "user_id": "who", "item_id": "sku", "timestamp": "@time"},
        types={"SOLD": "purchase", "PING": "none"},
    )
    keys = tuple(f"{role}:{digest(role)}" for role in ("read", "events", "admin"))
    shown = changed(settings, service={"keys": keys}).model_copy(update={"mapping": (mapping,)})
    with service(shown, trusted=False) as made:
        made.http.headers["X-API-Key"] = "admin"
        eventually(lambda: made.get("/readyz").json()["version"] == version, timeout=60.0)
        eventually(lambda: made.get("/items/item-4").status_code == 200)
        yield made


def test_data_has_the_counts_of_the_newest_version_and_what_of_the_catalogue_can_be_used(served: Served) -> None:
    served.get("/recommend/user-1?n=3")
    found = served.get("/data").json()
    assert found["outcomes"]["learnt"] >= 11
    assert found["counts"] == COUNTS
    assert found["posted"] == {"accepted": 0, "rejected": 0, "unavailable": 0, "ignored": 0}
    catalogue = found["catalogue"]
    assert {name: catalogue[name] for name in ("items", "hidden", "title", "price", "picture")} == {
        "items": 4, "hidden": 1, "title": 4, "price": 1, "picture": 1,
    }  # fmt: skip
    assert 0 <= catalogue["recommended"] <= 3
    assert found["at"] is not None


def test_what_was_refused_over_http_is_sampled_and_its_values_are_for_an_admin(served: Served) -> None:
    bad = [{"event_type": "click", "user_id": 7, "item_id": "cup", "timestamp": 1.0}] * 2
    assert served.post("/items", json=[{"item_id": "cup", "price": "much"}]).status_code == 422
    assert served.post("/events", json=bad).status_code == 422
    newest, before = served.get("/data").json()["refused"]
    assert newest.pop("last") >= before.pop("last")
    assert newest == {
        "sent": "events", "reason": "wrong_type", "field": "$.user_id", "count": 2, "found": "integer 7",
        "expected": newest["expected"],
    }  # fmt: skip
    assert (before["sent"], before["field"], before["found"]) == ("items", "$.price", 'string "much"')
    seen = served.get("/data", headers={"X-API-Key": "read"}).json()["refused"]
    assert [(each["field"], each["count"], each["found"]) for each in seen] == [
        ("$.user_id", 2, None),
        ("$.price", 1, None),
    ]


def test_items_are_found_by_parts_of_titles_and_ids(served: Served) -> None:
    def found(query: str) -> list[str]:
        return [item["item_id"] for item in served.get(f"/items?{query}").json()["items"]]

    assert found("q=kett") == ["item-1"]
    assert found("q=cup&limit=2") == ["item-2", "item-3"]
    assert found("q=item-4") == ["item-4"]
    assert found("q=cup&category=none") == []
    assert len(found("q=+")) == 4, "nothing to search for is the catalogue"
    answer = served.get("/items?q=cup").json()
    assert (answer["whole"], answer["next"], answer["items"][0]["title"]) == (True, None, "Cup 2")
    assert "query.after" in problem(served.get("/items?q=cup&after=item-1"), 422)["detail"]
    assert problem(served.get(f"/items?q={'x' * 257}"), 422)


def test_searches_beyond_those_allowed_at_once_are_put_off(served: Served) -> None:
    searches, taken = served.context.searches, 0
    while searches.acquire(blocking=False):
        taken += 1
    try:
        assert problem(served.get("/items?q=cup"), 429)
    finally:
        searches.release(taken)
    assert served.get("/items?q=cup").status_code == 200


def test_a_history_has_titles_and_pictures(served: Served) -> None:
    done = {event["item_id"]: event for event in served.get("/users/user-1").json()["history"]}
    known = served.get("/users/user-1").json()["history"][0]
    assert known["event_type"] == "click"
    for item, event in done.items():
        assert event.get("title") == (facts().get(item) or ItemFacts()).title
        assert ("image_url" in event) == (item == "item-1")


def compared(served: Served, **ask: Any) -> dict[str, Any]:
    answer = served.post("/recommend/compare", json={"user_id": "user-1", "n": 6, **ask})
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def test_two_that_order_and_two_versions_are_compared_and_nothing_counts_as_shown(served: Served) -> None:
    plain = [item["item_id"] for item in served.get("/recommend/user-1?n=6").json()["items"]]
    before = served.sample("sluicegate_recommendations_total", served_by="ranker")
    shown = served.context.lately.items(0.0)
    found = compared(served, other="popularity", rotate=0.5, reasons="operator")
    assert len(found["one"]["items"]) == len(found["other"]["items"]) == 6
    both = [{item["item_id"] for item in found[side]["items"]} for side in ("one", "other")]
    assert found["same"] == len(both[0] & both[1])
    assert found["other"]["items"][0]["reason"]
    assert [item["item_id"] for item in compared(served)["one"]["items"]] == plain
    assert compared(served)["same"] == 6, "there is no other reference yet"
    assert served.sample("sluicegate_recommendations_total", served_by="ranker") == before
    assert served.context.lately.items(0.0) == shown
    assert len(served.context.showings) == 0


def test_an_arm_is_compared_by_its_name_and_an_unknown_side_is_named(served: Served) -> None:
    arms = (Arm("plain", 0.5), Arm("kitchen", 0.5, category="kitchen"))
    keep(served.context.store, Experiment("rooms", arms=arms, salt="s", metric="click", control="plain", start=0.0))
    eventually(lambda: served.context.gatekeeper.experiments.kept)
    found = compared(served, one="rooms/plain", other="rooms/kitchen", n=4)
    assert {item["category"] for item in found["other"]["items"]} == {"kitchen"}
    assert "experiments" not in found["other"]
    document = problem(served.post("/recommend/compare", json={"other": "nobody"}), 422)
    assert "rooms/kitchen" in document["detail"]
    keep(served.context.store)
    eventually(lambda: not served.context.gatekeeper.experiments.kept)


def test_the_mappings_are_named_and_tried_on_what_is_pasted(served: Served) -> None:
    named = served.get("/mappings").json()["mappings"]
    assert (named[0]["name"], named[0]["preset"]) == ("till", False)
    assert {"ga4", "rees46"} <= {each["name"] for each in named if each["preset"] and each["about"]}
    found = served.post("/mappings/try", json={"mapping": "rees46", "records": VIEW}).json()
    assert (found["events"], found["ignored"], found["refused"]) == (1, 0, 0)
    assert found["records"][0]["event"]["item_id"] == "7"
    assert found["fields"]["item_id"] == "product_id"
    assert (found["unread"], found["records"][0]["facts"]) == ([], {"brand": "acme"})
    lines = '{"what":"SOLD","who":1,"sku":"a"}\n{"what":"PING"}\n{"what":"SOLD","sku":"a"}\n{"what":"EATEN","who":1}'
    own = served.post("/mappings/try", json={"mapping": "till", "records": lines}).json()
    assert [each["outcome"] for each in own["records"]] == ["event", "ignored", "refused", "refused"]
    assert own["records"][2]["path"] == "$.who"
    assert any("EATEN" in text for text in own["advice"])
    order = '{"id":1,"status":"refunded","line_items":[{"product_id":7}]}'
    skipped = served.post("/mappings/try", json={"mapping": "woocommerce", "records": order}).json()
    assert skipped["records"] == [{"at": "record 1", "outcome": "ignored", "found": "status is refunded"}]
    listed = served.post("/mappings/try", json={"mapping": "till", "records": f"[{lines.splitlines()[0]}]"}).json()
    assert listed["events"] == 1
    assert problem(served.post("/mappings/try", json={"mapping": "nobody's", "records": VIEW}), 404)
    broken = served.post("/mappings/try", json={"mapping": "till", "records": "what?"}).json()
    assert broken["records"][0]["reason"] == "not_json"
    assert problem(served.post("/mappings/try", json={"mapping": "till", "records": "  "}), 400)


@pytest.mark.parametrize(
    ("method", "path", "role"),
    [
        ("GET", "/data", "read"),
        ("GET", "/items?q=cup", "read"),
        ("GET", "/mappings", "read"),
        ("POST", "/recommend/compare", "read"),
        ("POST", "/mappings/try", "events"),
        ("GET", "/dead-letters", "admin"),
        ("POST", "/dead-letters/redrive", "admin"),
    ],
)
def test_each_route_needs_its_role(served: Served, method: str, path: str, role: str) -> None:
    for key, status in (("", 401), *((other, 403) for other in ("read", "events") if other != role)):
        answer = served.http.request(method, path, json={} if method == "POST" else None, headers={"X-API-Key": key})
        assert problem(answer, status)


def test_wishes_about_dead_letters_are_checked_before_anything_is_read(served: Served) -> None:
    assert "one of empty" in problem(served.get("/dead-letters?reason=bad"), 422)["detail"]
    assert problem(served.get("/dead-letters?limit=0"), 422)
    assert "$.reason" in problem(served.post("/dead-letters/redrive", json={"reason": "bad"}), 422)["detail"]
    assert problem(served.post("/dead-letters/redrive", json={"limit": 501}), 422)
