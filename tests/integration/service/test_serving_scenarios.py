"""Scenarios, what is in view, lists with options, batches and reasons over real HTTP."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from models.dimensions import CLICK, PURCHASE
from models.records.items import ItemFacts
from service.serving import BadLanguage
from streaming.settings.loading import Settings
from streaming.settings.scenarios import ScenarioSettings
from tests.conftest import eventually
from tests.support.processes.serving import Learner, Served, changed, service

SCENARIOS: dict[str, Any] = {
    "deals": {"n": 4, "price_max": 12, "exclude": ["item-3"]},
    "sentences": {"n": 20, "reasons": "shopper"},
}


def described(count: int = 30) -> dict[str, ItemFacts | None]:
    return {
        f"item-{n}": ItemFacts(category="even" if n % 2 == 0 else "odd", price=float(n + 1), title=f"Thing {n}")
        for n in range(count)
    }


def orders(learner: Learner) -> None:
    """Item 7 is bought with 11 three times and with 12 once; 13 is clicked by the same users, and never bought."""
    for user in range(4):
        learner.now += 1_000.0
        name, other = f"buyer-{user}", "item-11" if user else "item-12"
        learner.learn([(name, "item-7"), (name, other)], kind=PURCHASE)
        learner.learn([(name, "item-13")], kind=CLICK)


@pytest.fixture
def served(settings: Settings, taught: Learner) -> Iterator[Served]:
    taught.describe({**described(), "new-1": ItemFacts(category="odd", price=3.0, title="Novelty")})
    orders(taught)
    version = taught.commit()
    own = {name: ScenarioSettings.model_validate(options) for name, options in SCENARIOS.items()}
    asked = changed(settings, service={"exclude_seen": "purchased"}).model_copy(
        update={"scenario": {**settings.scenario, **own}}
    )
    with service(asked) as made:
        eventually(lambda: made.get("/readyz").json()["version"] == version)
        eventually(lambda: made.get("/items/new-1").status_code == 200)
        yield made


def numbers(items: list[str]) -> set[int]:
    return {int(item.removeprefix("item-")) for item in items if item.startswith("item-")}


def test_a_scenario_gives_options_what_is_said_comes_first_and_each_has_its_metrics(served: Served) -> None:
    deals = served.items("/recommend/user-3?scenario=deals")
    assert len(deals) == 4
    assert max(numbers(deals)) <= 11
    assert "item-3" not in deals
    assert served.post("/recommend", json={"user_id": "user-3", "scenario": "deals"}).json()["items"]
    more = served.items("/recommend/user-3?scenario=deals&n=30&exclude=item-5")
    assert {"item-3"} <= set(more)  # the list that the request names replaces that of the scenario
    assert max(numbers(more)) <= 11
    assert len(served.items("/popular?scenario=deals")) == 4
    assert served.sample("sluicegate_scenario_slates_total", scenario="deals") == 4
    assert served.sample("sluicegate_scenario_short_slates_total", scenario="deals") == 1
    assert served.sample("sluicegate_scenario_duration_seconds_count", scenario="deals") == 4
    assert served.sample("sluicegate_scenario_slates_total", scenario="home") == 0
    for answer in (
        served.get("/recommend/user-3?scenario=sale"),
        served.post("/recommend", json={"user_id": "user-3", "scenario": "sale"}),
    ):
        assert answer.status_code == 422
        assert "home, product-page, cart, email, deals, sentences" in answer.json()["detail"]


def test_what_was_just_clicked_and_what_was_bought_is_not_recommended(served: Served, taught: Learner) -> None:
    taught.now = served.context.clock()
    taught.learn([("user-3", "item-4")], kind=PURCHASE)
    taught.learn([("user-3", "item-20"), ("user-3", "item-21")], kind=CLICK)
    found = set(served.items("/recommend/user-3?n=30"))
    assert not {"item-4", "item-21"} & found
    assert "item-20" in found
    assert "item-21" in served.items("/recommend/user-3?n=30&exclude_in_view=false")
    assert "item-4" in served.items("/recommend/user-3?n=30&exclude_seen=none")
    assert not {"item-4", "item-20", "item-21"} & set(served.items("/recommend/user-3?scenario=cart&n=30"))
    assert "item-9" not in served.post("/recommend", json={"recent_items": ["item-9", "item-8"], "n": 30}).text
    ranked = served.post("/recommend", json={"user_id": "user-3", "candidates": ["item-21", "item-20"]}).json()
    assert {item["item_id"] for item in ranked["items"]} == {"item-20", "item-21"}


def test_every_list_takes_filters_exclusions_and_a_user(served: Served, taught: Learner) -> None:
    taught.now = served.context.clock()
    taught.learn([("walker", "item-9"), ("walker", "item-5")], kind=CLICK)
    options = "n=30&category=odd&price_max=14&exclude=item-1"
    for path in ("/popular", "/trending", "/items/item-7/similar"):
        expected = {3, 5, 7, 9, 11, 13} - ({7} if "similar" in path else set())
        assert numbers(served.items(f"{path}?{options}")) == expected, path
        assert numbers(served.items(f"{path}?{options}&user_id=walker")) == expected - {5}, path
        assert numbers(served.items(f"{path}?{options}&user_id=walker&exclude_seen=all")) == expected - {5, 9}, path
        assert served.items(f"{path}?{options}&pinned=1:item-2")[0] == "item-2"
        assert served.get(f"{path}?candidates=item-1").status_code == 422
    assert served.items("/items/item-7/bought-together?category=odd") == ["item-11"]
    assert served.items("/items/item-7/bought-together?exclude=item-11") == ["item-12"]
    taught.learn([("walker", "item-11")], kind=CLICK)
    assert served.items("/items/item-7/bought-together?user_id=walker") == ["item-12"], "item-11 is in view"
    assert served.items("/items/item-7/bought-together?price_max=12") == ["item-11"]


def test_bought_together_is_of_orders_alone_and_trending_of_growth(served: Served, taught: Learner) -> None:
    assert served.items("/items/item-7/bought-together") == ["item-11", "item-12"]
    assert served.items("/items/item-13/bought-together") == []
    assert "item-13" in served.items("/items/item-7/similar?n=30")
    assert served.get("/items/nobody-knows/bought-together").status_code == 404
    # 6,000 events of a past that is even, then one item that everybody wants.
    taught.learn([(f"u{n}", f"item-{n % 30}") for n in range(6_000)])
    taught.learn([(f"v{n}", f"item-{29 if n % 3 == 0 else n % 30}") for n in range(1_500)])
    version = taught.commit()
    eventually(lambda: served.get("/readyz").json()["version"] == version)
    found = served.get("/trending?n=5&reasons=shopper").json()
    assert (found["items"][0]["item_id"], found["served_by"]) == ("item-29", "trending")
    assert found["items"][0]["reason"].startswith("Asked for ")
    moved = served.get("/trending?n=5&reasons=shopper&pinned=1:item-2&diversity=0.9").json()["items"]
    assert {each["item_id"]: each["reason"] for each in moved}["item-29"] == found["items"][0]["reason"]
    assert "popular" in {item["source"] for item in found["items"][1:]}


def lines(served: Served, **body: Any) -> list[dict[str, Any]]:
    answer = served.post("/recommend/batch", json=body)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "application/x-ndjson"
    return [json.loads(line) for line in answer.text.splitlines()]


def test_a_batch_answers_each_user_as_alone_and_one_failure_is_its_line(served: Served, taught: Learner) -> None:
    served.stop_clock()
    users = [f"user-{n}" for n in range(20)] * 3
    found = lines(served, user_ids=users, scenario="deals", n=6)
    assert [line["user_id"] for line in found] == users
    for line in found[:20]:
        alone = served.items(f"/recommend/{line['user_id']}?scenario=deals&n=6")
        assert [item["item_id"] for item in line["items"]] == alone
    assert len({line["request_id"] for line in found}) == 60
    taught.store.call("SET", taught.store.key("h", "user-2"), "not a list")
    mixed = lines(served, user_ids=["user-1", "x" * 300, "user-2", "user-3"])
    assert [line.get("degraded") for line in mixed] == [[], None, ["history_unavailable"], []]
    assert mixed[1]["problem"]["status"] == 422
    assert [item["item_id"] for item in mixed[3]["items"]] == served.items("/recommend/user-3")
    for body, path in (
        ({"user_ids": []}, "$.user_ids"),
        ({"user_ids": ["a"] * 1_001}, "$.user_ids"),
        ({"user_ids": ["a"], "recent_items": ["b"]}, "$.recent_items"),
        ({"user_ids": ["a"], "scenario": "sale"}, "$.scenario"),
    ):
        refused = served.post("/recommend/batch", json=body)
        assert (refused.status_code, refused.json()["errors"][0]["path"]) == (422, path)
    for _ in range(3):  # the places of those that were answered are free again
        assert lines(served, user_ids=["user-1"])


def test_reasons_are_sentences_in_the_language_and_the_words_of_who_reads_them(
    served: Served, taught: Learner, settings: Settings, tmp_path: Path
) -> None:
    taught.now = served.context.clock() - 2 * 86_400
    taught.learn([("reader", "item-7")], kind=CLICK)

    def reasons(path: str, **more: Any) -> dict[str, str]:
        answer = served.get(path, **more)
        assert answer.status_code == 200, answer.text
        return {item["item_id"]: item["reason"] for item in answer.json()["items"]}

    english = reasons("/recommend/reader?scenario=sentences&n=40")
    assert english["item-7"] == "You looked at it 2 days ago"
    assert english["item-11"] == "Often bought with Thing 7"
    assert english["new-1"] == "New in odd"
    assert not any("_" in text or "{" in text for text in english.values())
    chinese = reasons("/recommend/reader?scenario=sentences&n=40", headers={"Accept-Language": "zh-CN,en;q=0.5"})
    assert chinese["item-7"] == "您2 天前看过"
    assert chinese == reasons("/recommend/reader?scenario=sentences&n=40&language=zh-Hans")
    operator = reasons("/recommend/reader?reasons=operator&n=40")
    assert operator["item-11"] == "Bought in the same orders as Thing 7"
    assert reasons("/items/item-7/bought-together?reasons=shopper")["item-12"] == "Often bought with Thing 7"
    next_to = reasons("/items/item-7/similar?reasons=shopper&user_id=user-3&n=4&exclude_in_view=false")
    assert all("Thing 7" in text or text.startswith(("You ", "Popular")) for text in next_to.values())
    assert "reason" not in served.get("/recommend/reader").json()["items"][0]
    unknown = served.get("/recommend/reader?reasons=shopper&language=tlh")
    assert (unknown.status_code, "en, zh" in unknown.json()["detail"]) == (422, True)
    (tmp_path / "de.toml").write_text('[shopper]\nown_click = "{ago} angesehen"\n[operator]\n[ago]\n')
    with (
        pytest.raises(BadLanguage, match=r"de\.toml lacks bought_together"),
        service(changed(settings, service={"languages_dir": tmp_path})),
    ):
        pass
