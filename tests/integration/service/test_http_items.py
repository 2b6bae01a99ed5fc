"""Items over real HTTP: sent, shown with their attributes, found by filters, one variant of a product on a page."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any

import pytest

from models.records.attributes import checked
from models.records.items import ItemFacts, decode_item
from streaming.kafka.topics import ensure_topics
from streaming.settings.loading import Settings
from tests.conftest import eventually
from tests.integration.service.test_http import event, in_topic, problem
from tests.support.processes.serving import Learner, Served, changed, connected, learner, serving, shop


@pytest.fixture
def sending(settings: Settings) -> Iterator[Served]:
    """A service whose topics exist and whose producer is connected."""
    ensure_topics(settings)
    with connected(settings) as running:
        yield running


def test_one_item_a_list_and_ndjson_reach_the_topic_with_an_outcome_each(sending: Served, settings: Settings) -> None:
    one = sending.post("/items", json={"item_id": "tea", "price": 3, "stock": 4})
    assert (one.status_code, one.json()["accepted"], one.json()["attributes"]) == (202, 1, {"stock": 1})
    listed = sending.post("/items", json=[{"item_id": "pot", "size": {"s": 1}}, {"item_id": 7}, {"price": 3}])
    outcomes = listed.json()["outcomes"]
    assert [each["outcome"] for each in outcomes] == ["accepted", "rejected", "rejected"]
    assert (outcomes[0]["item_id"], outcomes[0]["left_out"]) == ("pot", ["size"])
    assert [each["path"] for each in outcomes[1:]] == ["$.item_id", "$.item_id"]
    lines = b'{"item_id":"cup","attributes":{"url":"https://s/cup"}}\n{"item_id":"jug"}\n'
    many = sending.post("/items", content=lines, headers={"content-type": "application/x-ndjson"})
    assert many.json()["accepted"] == 2
    found = {key: decode_item(key, value) for key, value in in_topic(settings, "items", 4)}
    assert found.keys() == {b"tea", b"pot", b"cup", b"jug"}
    assert found[b"tea"] == ItemFacts(price=3.0, attributes=checked({"stock": 4})[0])
    assert found[b"cup"] == ItemFacts(attributes=checked({"url": "https://s/cup"})[0])
    assert sending.sample("sluicegate_items_accepted_total", outcome="accepted") == 4
    assert sending.sample("sluicegate_items_accepted_total", outcome="rejected") == 2


def test_when_no_item_is_valid_the_answer_is_a_problem_with_their_paths(sending: Served) -> None:
    document = problem(sending.post("/items", json=[{"item_id": "tea", "price": -1}, {}]), 422)
    assert [each["path"] for each in document["errors"]] == ["$[0].price", "$[1].item_id"]
    assert "items" in document["detail"]
    assert problem(sending.post("/items", content=b"[]", headers={"content-type": "application/json"}), 400)


def test_too_many_items_are_413_and_a_fact_that_cannot_be_used_refuses_a_put(settings: Settings) -> None:
    ensure_topics(settings)
    with connected(changed(settings, service={"max_events_per_request": 2})) as served:
        document = problem(served.post("/items", json=[{"item_id": f"i{n}"} for n in range(3)]), 413)
        assert "sluicegate items" in document["next"]
        answer = served.http.put("/items/tea", json={"price": 3, "colour": "red", "sizes": {"s": 1}})
        assert (answer.status_code, answer.json()["left_out"]) == (202, ["sizes"])
        assert problem(served.http.put("/items/tea", json={"price": "3"}), 422)


def test_an_event_without_a_time_happened_now_and_one_that_will_not_be_learned_is_warned_of(
    settings: Settings,
) -> None:
    ensure_topics(settings)
    with connected(changed(settings, admission={"cap_per_minute": 2})) as served:
        undated = {name: value for name, value in event(event_id="1").items() if name != "timestamp"}
        before = time.time()
        answer = served.post("/events", json=[undated, event(timestamp=None), event(), event(user_id="bob")])
        assert answer.json()["accepted"] == 4
        warnings = [each.get("warning", "") for each in answer.json()["outcomes"]]
        assert [each.partition(":")[0] for each in warnings] == ["", "", "capped", ""]
        day = 86_400.0
        answer = served.post("/events", json=[event(timestamp=before - 9 * day), event(timestamp=before + day)])
        warnings = [each["warning"] for each in answer.json()["outcomes"]]
        assert [each.partition(":")[0] for each in warnings] == ["late", "future"]
        records = [json.loads(value or b"") for _, value in in_topic(settings, "events", 6)]
        dated = [each for each in records if each.get("event_id") == "1"]
        assert before - 1 <= dated[0]["timestamp"] <= time.time()


RED = {"colour": "red", "url": "https://s/red", "stock": 3}


def facts() -> dict[str, ItemFacts | None]:
    """Each item has a colour by its number and a stock; those from 20 on are variants, five of a product."""
    return {
        f"item-{n}": ItemFacts(
            category="even" if n % 2 == 0 else "odd",
            price=float(n),
            title=f"Item {n}",
            tags=("a", "b"),
            group_id=f"product-{n // 5}" if n >= 20 else None,
            attributes=checked({"colour": "red" if n % 3 == 0 else "blue", "url": f"https://s/{n}", "stock": n})[0],
        )
        for n in range(30)
    }


@pytest.fixture
def served(settings: Settings, taught: Learner) -> Iterator[Served]:
    """One whose catalogue or users the test changes."""
    with serving(settings, taught, facts()) as made:
        yield made


@pytest.fixture(scope="module")
def shared(shared_settings: Settings) -> Iterator[Served]:
    """One for all tests that only ask."""
    with learner(shared_settings) as taught:
        taught.learn(shop())
        with serving(shared_settings, taught, facts()) as made:
            yield made


def page(served: Served, path: str) -> list[dict[str, Any]]:
    answer = served.get(path)
    assert answer.status_code == 200, answer.text
    items: list[dict[str, Any]] = answer.json()["items"]
    return items


def test_a_slate_shows_the_attributes_that_are_asked_for_and_no_others(shared: Served) -> None:
    for path in ("/recommend/user-3?n=5&", "/popular?n=5&", "/items/item-3/similar?n=5&"):
        for item in page(shared, f"{path}attributes=url,price,tags,never"):
            number = int(item["item_id"].removeprefix("item-"))
            assert item["attributes"] == {"url": f"https://s/{number}", "price": float(number), "tags": ["a", "b"]}
        assert all("attributes" not in item for item in page(shared, path.rstrip("?&")))
    (item,) = page(shared, "/recommend/user-3?n=1&attributes=*")
    assert item["attributes"].keys() == {"colour", "url", "stock"}
    body = shared.post("/recommend", json={"user_id": "user-3", "n": 1, "attributes": ["url"]}).json()["items"]
    assert body[0]["attributes"].keys() == {"url"}


def numbers(served: Served, path: str) -> set[int]:
    return {int(item["item_id"].removeprefix("item-")) for item in page(served, path)}


def test_filters_by_attributes_show_every_match_and_nothing_else(shared: Served) -> None:
    red = {n for n in range(30) if n % 3 == 0}
    single = {n for n in red if n < 20}
    assert single <= numbers(shared, "/recommend/user-3?n=50&filter=attributes.colour:red") <= red
    both = "filter=attributes.colour:red&filter=attributes.stock%3E=12&filter=attributes.stock%3C20"
    assert numbers(shared, f"/recommend/user-3?n=50&{both}") == {12, 15, 18}
    assert numbers(shared, f"/popular?n=50&{both}") == {12, 15, 18}
    assert numbers(shared, "/recommend/user-3?n=50&filter=attributes.colour:green") == set()
    assert numbers(shared, "/recommend/user-3?n=50&category=even&filter=attributes.stock:6") == {6}


@pytest.mark.parametrize("text", ["colour:red", "attributes.stock%3Emany", "attributes.colour"])
def test_what_is_no_filter_is_named(shared: Served, text: str) -> None:
    document = problem(shared.get(f"/recommend/user-3?filter=attributes.colour:red&filter={text}"), 422)
    assert document["errors"][0]["path"] == "query.filter[1]"
    document = problem(shared.post("/recommend", json={"filter": ["?"]}), 422)
    assert document["errors"][0]["path"] == "$.filter[0]"


def products(items: list[str]) -> list[int]:
    return [int(item.removeprefix("item-")) // 5 for item in items if int(item.removeprefix("item-")) >= 20]


@pytest.mark.parametrize(
    "path",
    [
        "/recommend/user-3?n=50&exclude_in_view=false",
        "/popular?n=50",
        "/recommend/nobody?n=50&diversity=0.5",
        "/recommend/user-3?n=50&rotate=1&exclude_in_view=false",
    ],
)
def test_a_page_holds_one_variant_of_a_product_and_every_other_item(shared: Served, path: str) -> None:
    items = [item["item_id"] for item in page(shared, path)]
    assert sorted(products(items)) == [4, 5]
    assert {f"item-{n}" for n in range(20)} <= set(items)
    assert len(items) == 22


def test_the_variant_that_a_request_names_comes_before_the_others(shared: Served) -> None:
    first = [item["item_id"] for item in page(shared, "/recommend/user-3?n=50&pinned=3:item-27&boosted=item-23")]
    assert first[2] == "item-27"
    assert "item-23" in first
    assert sorted(products(first)) == [4, 5]
    pinned = [item["item_id"] for item in page(shared, "/recommend/user-3?n=50&pinned=1:item-26&pinned=2:item-27")]
    assert pinned[:2] == ["item-26", "item-27"]
    assert sorted(products(pinned)) == [4, 5, 5]


def test_a_request_with_its_own_candidates_gets_every_variant(shared: Served) -> None:
    items = page(shared, "/recommend/user-3?candidates=item-25,item-26,item-27")
    assert {item["item_id"] for item in items} == {"item-25", "item-26", "item-27"}


def test_a_product_of_which_the_user_has_a_variant_is_left_out_and_none_stands_next_to_its_own(
    served: Served, taught: Learner
) -> None:
    taught.learn([("carl", "item-25")], kind=3)
    bought = "/recommend/carl?n=50&exclude_seen=purchased"
    eventually(lambda: products([item["item_id"] for item in page(served, bought)]) == [4])
    assert products([item["item_id"] for item in page(served, "/items/item-25/similar?n=50")]) == [4]


def test_the_best_of_the_variants_that_are_left_is_shown(served: Served, taught: Learner) -> None:
    def shown() -> list[str]:
        return [item["item_id"] for item in page(served, "/recommend/user-3?n=50") if item["item_id"] >= "item-25"]

    before = [item for item in shown() if products([item]) == [5]]
    gone = ItemFacts(group_id="product-5", available=False)
    taught.describe({before[0]: gone})
    eventually(lambda: before[0] not in shown())
    after = [item for item in shown() if products([item]) == [5]]
    assert len(after) == 1


def test_the_catalogue_and_an_item_show_attributes_and_group(shared: Served) -> None:
    item = shared.get("/items/item-25").json()
    assert (item["group_id"], item["attributes"]["url"]) == ("product-5", "https://s/25")
    listed = {each["item_id"]: each for each in shared.get("/items?limit=200").json()["items"]}
    assert listed["item-25"]["attributes"]["stock"] == 25
    assert "group_id" not in listed["item-3"]
