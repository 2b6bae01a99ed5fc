"""Every group of options of /recommend over real HTTP: filters, candidates, diversity, pins, rotation, explanations."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from models.records.items import ItemFacts
from models.slate.vocabulary import meaning
from streaming.settings.loading import Settings
from tests.conftest import eventually
from tests.support.processes.serving import Learner, Served, learner, service, serving, shop


def facts(count: int = 30) -> dict[str, ItemFacts | None]:
    """Category by parity, price by number, tags by the divisors of the number."""
    return {
        f"item-{n}": ItemFacts(
            category="even" if n % 2 == 0 else "odd",
            price=float(n + 1),
            brand=f"brand-{n % 3}",
            tags=tuple(f"by-{d}" for d in (3, 5) if n % d == 0),
        )
        for n in range(count)
    }


@pytest.fixture
def served(settings: Settings, taught: Learner) -> Iterator[Served]:
    """One whose catalogue or users the test changes."""
    with serving(settings, taught, facts()) as made:
        yield made


@pytest.fixture(scope="module")
def shared(shared_settings: Settings) -> Iterator[Served]:
    """One for all tests that only ask, and do not rotate."""
    with learner(shared_settings) as taught:
        taught.learn(shop())
        with serving(shared_settings, taught, facts()) as made:
            yield made


def page(served: Served, **ask: Any) -> list[dict[str, Any]]:
    """The items of a POST."""
    answer = served.post("/recommend", json={"user_id": "user-3", **ask})
    assert answer.status_code == 200, answer.text
    items: list[dict[str, Any]] = answer.json()["items"]
    return items


def order(served: Served, **ask: Any) -> list[str]:
    return [item["item_id"] for item in page(served, **ask)]


def numbers(items: list[str]) -> set[int]:
    return {int(item.removeprefix("item-")) for item in items}


def assert_falling(items: list[dict[str, Any]]) -> None:
    scores = [item["score"] for item in items]
    assert scores == sorted(scores, reverse=True)


def test_filters_show_every_match_and_nothing_else(shared: Served) -> None:
    def shown(**ask: Any) -> set[int]:
        return numbers(order(shared, n=50, **ask))

    every = range(30)
    assert shown(tags_all=["by-3"]) == {n for n in every if n % 3 == 0}
    assert shown(tags_all=["by-3", "by-5"]) == {0, 15}
    assert shown(tags_any=["by-3", "by-5"]) == {n for n in every if n % 3 == 0 or n % 5 == 0}
    assert shown(price_min=10, price_max=12) == {9, 10, 11}
    assert shown(category="even", tags_any=["by-5"], price_max=15) == {0, 10}
    assert shown(category="even", tags_any=["by-5"], exclude=["item-0"]) == {10, 20}
    assert shown(tags_all=["nobody has this"]) == set()


def test_the_same_names_work_in_a_query_string_and_for_popular_items(shared: Served) -> None:
    path = "n=50&tags_any=by-3,by-5&price_max=12&exclude=item-0"
    expected = {3, 5, 6, 9, 10}
    assert numbers(shared.items(f"/recommend/user-3?{path}")) == expected
    assert numbers(shared.items(f"/recommend?user_id=user-3&{path}")) == expected
    assert numbers(shared.items(f"/popular?{path}")) == expected
    pinned = shared.items("/recommend/user-3?n=5&pinned=2:item-7&boosted=item-1,item-2&boost_share=0.4&diversity=0.5")
    assert pinned[1] == "item-7"
    assert {"item-1", "item-2"} <= set(pinned)


def test_a_filter_finds_the_one_match_among_many_untouched_items(served: Served, taught: Learner) -> None:
    many = {f"cold-{n}": ItemFacts(category="cold", price=5.0, tags=("plain",)) for n in range(3_000)}
    many["cold-2999"] = ItemFacts(category="cold", price=5.0, tags=("plain", "rare"))
    taught.describe(dict(many))
    eventually(lambda: served.get("/items/cold-2999").status_code == 200)
    assert order(served, tags_all=["plain", "rare"]) == ["cold-2999"]
    assert len(order(served, tags_all=["plain"], n=200)) == 200


def test_an_unavailable_or_removed_item_is_in_no_filter(served: Served, taught: Learner) -> None:
    taught.describe({"item-9": None, "item-10": ItemFacts(price=11.0, available=False), "item-11": ItemFacts(price=99)})
    eventually(lambda: order(served, price_min=10, price_max=12, n=50) == [])
    assert order(served, price_min=98, n=50) == ["item-11"]
    assert "item-9" not in order(served, pinned=[{"item_id": "item-9", "place": 1}], boosted=["item-9"], n=50)


def test_candidates_are_ranked_and_nothing_else_is_shown_unknown_ones_last(served: Served, taught: Learner) -> None:
    # Where an item stands depends a little on which others are ranked with it: on a page there are more.
    served.stop_clock()
    everything = [item["item_id"] for item in page(served, n=50) if item["source"] not in {"untouched", "catalogue"}]
    mine = ["nobody-b", *everything[::-2], "nobody-a"]
    ranked = page(served, candidates=mine)
    assert {item["item_id"] for item in ranked[:-2]} == set(everything) & set(mine)
    assert ranked[0]["item_id"] == next(item for item in everything if item in mine)
    assert [item["item_id"] for item in ranked[-2:]] == ["nobody-b", "nobody-a"]
    assert [item["source"] for item in ranked[-2:]] == ["requested", "requested"]
    assert_falling(ranked)
    assert order(served, candidates=mine, n=3) == [item["item_id"] for item in ranked[:3]]
    assert order(served, candidates=mine, exclude=mine[:-1]) == ["nobody-a"]
    assert order(served, candidates=["nobody-a", "nobody-b"]) == ["nobody-a", "nobody-b"]
    assert len(order(served, candidates=[f"item-{n}" for n in range(30)])) == 30
    taught.describe({everything[0]: None, everything[1]: ItemFacts(available=False)})
    eventually(lambda: set(order(served, candidates=everything)) == set(everything[2:]))
    assert set(order(served, candidates=[*everything, "item-28"], price_max=12)) == {
        item for item in everything[2:] if int(item.removeprefix("item-")) <= 11
    }


def test_candidates_keep_their_order_before_anything_is_learned(settings: Settings) -> None:
    with service(settings) as made:
        eventually(lambda: made.get("/readyz").status_code == 200, timeout=100.0)
        assert order(made, candidates=["c", "a", "b"]) == ["c", "a", "b"]


def test_diversity_brings_up_other_kinds_of_items(served: Served, taught: Learner) -> None:
    same = {f"item-{n}": ItemFacts(category=f"c{n % 5}", brand=f"c{n % 5}") for n in range(30)}
    taught.describe(dict(same))
    eventually(lambda: served.get("/items/item-29").json()["category"] == "c4")

    def kinds(**ask: Any) -> int:
        return len({int(item.removeprefix("item-")) % 5 for item in order(served, n=5, **ask)})

    assert kinds(diversity=1.0) == 5
    assert kinds(diversity=1.0) >= kinds(diversity=0.5) >= kinds()
    varied = page(served, n=10, diversity=0.5)
    assert_falling(varied)
    assert varied[0]["item_id"] == order(served, n=1)[0]


def test_pins_stand_at_their_places_and_boosted_items_have_their_share(shared: Served) -> None:
    everything = order(shared, n=30)
    last = everything[-4:]
    pinned = page(shared, n=6, pinned=[{"item_id": last[0], "place": 1}, f"4:{last[1]}", "6:not-yet-known"])
    assert [pinned[at]["item_id"] for at in (0, 3, 5)] == [last[0], last[1], "not-yet-known"]
    assert [item["item_id"] for item in pinned if item["item_id"] in everything[:3]] == everything[:3]
    assert_falling(pinned)
    boosted = order(shared, n=10, boosted=last, boost_share=0.3)
    assert len(set(boosted) & set(last)) == 3
    assert [item for item in boosted if item not in last] == everything[:7]
    assert set(order(shared, n=10, boosted=last, boost_share=1.0)[:4]) == set(last)
    assert set(order(shared, n=10, boosted=last)) & set(last)
    assert not set(order(shared, n=10, boosted=last, exclude=last)) & set(last)


def test_an_item_that_was_shown_and_ignored_goes_down_and_returns_when_it_is_used(
    served: Served, taught: Learner
) -> None:
    plain = order(served, n=30)
    first = order(served, n=3, rotate=1.0)
    assert first == plain[:3]
    second = order(served, n=3, rotate=1.0)
    assert second != first
    assert order(served, n=30) == plain
    taught.now = max(taught.now, served.context.clock()) + 1.0
    taught.learn([("user-3", first[0])])
    again = order(served, n=30, rotate=1.0, exclude_in_view=False)
    assert again.index(first[0]) < again.index(first[1])
    assert order(served, n=3, rotate=1.0, user_id="user-4") == order(served, n=3, user_id="user-4")


def test_an_impression_doubles_the_weight_of_a_place_on_a_page(served: Served) -> None:
    shown = page(served, n=2, rotate=1.0)
    seen, unseen = (item["item_id"] for item in shown)
    event = {"event_type": "impression", "user_id": "user-3", "item_id": seen, "timestamp": served.context.clock()}
    eventually(lambda: served.post("/events", json=event).status_code == 202)
    again = {item["item_id"]: item["contributions"] for item in page(served, n=30, rotate=1.0, explain=True)}
    rotated = {
        item: sum(part["contribution"] for part in again[item] if part["name"] == "rotation") for item in (seen, unseen)
    }
    # log2(1 + 1) against log2(1 + 1/2), a few seconds later.
    assert rotated[seen] / rotated[unseen] == pytest.approx(1 / 0.585, rel=0.02)
    assert rotated[seen] < rotated[unseen] < 0


def test_exploring_draws_pages_and_gives_each_propensity(shared: Served) -> None:
    assert "propensity" not in page(shared, n=5)[0]
    pages = [page(shared, n=5, explore=1.0) for _ in range(12)]
    assert len({tuple(item["item_id"] for item in each) for each in pages}) > 3
    assert all(0 < item["propensity"] <= 1 for each in pages for item in each)
    for each in pages:
        assert_falling(each)

    def scores(**ask: Any) -> list[float]:
        return [item["score"] for item in page(shared, n=5, **ask)]

    for _ in range(3):  # next to no chance: only equals change places
        best, drawn, after = scores(), scores(explore=1e-7), scores()
        while best != after:  # scores depend on the second that is asked in
            best, drawn, after = after, scores(explore=1e-7), scores()
        assert drawn == best


ASKS: list[dict[str, Any]] = [
    {},
    {"category": "even", "n": 50},
    {"diversity": 0.7},
    {"pinned": ["1:item-28", "3:unknown"], "boosted": ["item-1", "item-3", "new"], "boost_share": 0.5},
    {"candidates": ["item-1", "nobody", "item-2"]},
    {"explore": 0.5, "diversity": 0.2, "boosted": ["item-5"]},
    {"rotate": 1.0, "n": 30},
    {"user_id": "nobody-we-know", "n": 40},
]


@pytest.mark.parametrize("chosen", ["ranker", "popularity_middle", "own_recent"])
def test_contributions_add_up_to_the_score_and_have_words(settings: Settings, taught: Learner, chosen: str) -> None:
    from models.recommender.prequential import CONTENDERS

    taught.describe(facts())
    taught.describe({"shelf-warmer": ItemFacts(category="even")})
    taught.learn(shop(rounds=20))
    taught.recommender.state.tables["chosen"].columns["contender"][0] = CONTENDERS.index(chosen)
    version = taught.commit()
    with service(settings) as made:
        eventually(lambda: made.get("/readyz").json()["version"] == version)
        eventually(lambda: made.get("/items/shelf-warmer").status_code == 200)
        page(made, rotate=1.0)  # so that the page that rotates has something to say
        for ask in ASKS:
            for item in page(made, **ask, explain=True):
                parts = item["contributions"]
                assert sum(part["contribution"] for part in parts) == pytest.approx(item["score"], abs=1e-6), (
                    ask,
                    item,
                )
                assert all(part["words"] == meaning(part["name"]) != part["name"] for part in parts)
                # Nothing is left unexplained but what single precision leaves.
                assert "guard" not in {part["name"] for part in parts}
                for part in parts:
                    if "value" in part:
                        assert part["value"] * part["weight"] == pytest.approx(part["contribution"])
        # Scores depend on the second that is asked in: two equal pages around the explained one are of its second.
        for _ in range(20):
            plain, explained, after = page(made, n=20), page(made, n=20, explain=True), page(made, n=20)
            if plain == after:
                break
        assert plain == after
        assert [(i["item_id"], i["score"]) for i in plain] == [(i["item_id"], i["score"]) for i in explained]
        assert "contributions" not in plain[0]
        names = {part["name"] for part in explained[0]["contributions"]}
        assert names == {chosen} if chosen != "ranker" else len(names) > 10


@pytest.mark.parametrize(
    ("ask", "path"),
    [
        ({"price_min": 5, "price_max": 4}, "$.price_max"),
        ({"pinned": ["first:item-1"]}, "$.pinned[0]"),
        ({"pinned": ["1:a", "1:b"]}, "$.pinned[1]"),
        ({"pinned": [{"item_id": "a", "place": 0}]}, "$.pinned[0].place"),
        ({"diversity": 1.5}, "$.diversity"),
        ({"boost_share": -0.1}, "$.boost_share"),
        ({"candidates": ["x"] * 401}, "$.candidates"),
        ({"context": {"deep": {"er": 1}}}, "$.context[...]"),
        ({"n": 201}, "$.n"),
    ],
)
def test_an_impossible_wish_is_named_by_its_path(shared: Served, ask: dict[str, Any], path: str) -> None:
    answer = shared.post("/recommend", json=ask)
    assert answer.status_code == 422, answer.text
    assert answer.json()["errors"][0]["path"] == path


def test_a_problem_in_a_query_string_names_the_parameter(shared: Served) -> None:
    for query, path in {
        "price_min=5&price_max=4": "query.price_max",
        "pinned=x:y": "query.pinned[0]",
        "context=phone": "query.context",
        "explore=2": "query.explore",
    }.items():
        answer = shared.get(f"/recommend/user-3?{query}")
        assert answer.status_code == 422, query
        assert answer.json()["errors"][0]["path"] == path
