"""A request for recommendations becomes a `PageAsk` at the edge, or a problem that names the field."""

from __future__ import annotations

import json
from typing import Any

import pytest

from models.slate import Wanted
from service.http import NOBODY, History, Problem, RequestOptions, ask_from_body, ask_from_query

NOW = 1_800_000_000.0


def problem(call: Any, *args: Any) -> str:
    """The path that a problem names."""
    with pytest.raises(Problem) as found:
        call(*args)
    return str(found.value.extra["errors"][0]["path"])


def body(**fields: Any) -> bytes:
    return json.dumps(fields).encode()


def test_a_query_string_and_a_body_that_say_the_same_are_the_same_ask() -> None:
    query = b"n=3&tags_all=a,b&price_min=2&pinned=2:tea,1:mug&recent_items=x,y&context=device:phone&explore=0.5"
    sent = body(
        user_id="ann",
        n=3,
        tags_all=["a", "b"],
        price_min=2,
        pinned=["2:tea", {"item_id": "mug", "place": 1}],
        recent_items=["x", {"item_id": "y"}],
        context={"device": "phone"},
        explore=0.5,
    )
    ask = ask_from_query(query, NOW, user_id="ann")
    assert ask == ask_from_body(sent, NOW)
    assert ask.pins == {2: "tea", 1: "mug"}
    assert ask.recent == History(["x", "y"], [NOW, NOW - 30.0], [0, 0])
    assert ask.wanted == Wanted(tags_all=frozenset({"a", "b"}), price_min=2.0)
    assert ask.context == {"device": "phone"}


def test_a_control_character_in_the_id_of_a_user_is_refused_wherever_it_stands() -> None:
    assert problem(ask_from_query, b"user_id=a%00", NOW) == "query.user_id"
    assert problem(ask_from_body, body(user_id="a\n"), NOW) == "$.user_id"
    assert ask_from_query(b"user_id=%E2%80%8B", NOW).user_id == "\u200b"


def test_an_ask_without_options_has_ten_items_and_an_empty_history() -> None:
    ask = ask_from_query(b"", NOW, user_id="ann")
    assert (ask.user_id, ask.count, ask.recent, ask.pins) == ("ann", 10, NOBODY, {})
    assert ask.wanted.anything


def test_recent_items_keep_their_types_and_times() -> None:
    items = ["a", {"item_id": "b", "event_type": "cart"}, {"item_id": "c", "timestamp": NOW - 500}]
    assert ask_from_body(body(recent_items=items), NOW).recent == History(
        ["a", "b", "c"], [NOW, NOW - 30.0, NOW - 500.0], [0, 2, 0]
    )


@pytest.mark.parametrize(
    ("query", "path"),
    [
        (b"price_min=5&price_max=4", "query.price_max"),
        (b"pinned=tea", "query.pinned[0]"),
        (b"pinned=1:tea,1:mug", "query.pinned[1]"),
        (b"pinned=1:tea,2:tea", "query.pinned[1]"),
        (b"pinned=0:tea", "query.pinned[0]"),
        (b"context=device", "query.context"),
        (b"n=3&n=4", "query.n"),
        (b"n=many", "query.n"),
    ],
)
def test_a_problem_names_the_parameter(query: bytes, path: str) -> None:
    assert problem(ask_from_query, query, NOW) == path


@pytest.mark.parametrize(
    ("fields", "path"),
    [
        ({"price_min": 5, "price_max": 4}, "$.price_max"),
        ({"pinned": ["tea"]}, "$.pinned[0]"),
        ({"pinned": [{"item_id": "tea", "place": 0}]}, "$.pinned[0].place"),
        ({"recent_items": [{"item_id": "a", "event_type": "glance"}]}, "$.recent_items[0].event_type"),
        ({"recent_items": ["a", {"item_id": "b", "timestamp": -1e9}]}, "$.recent_items[1].timestamp"),
        ({"colour": "red"}, "$.colour"),
    ],
)
def test_a_problem_names_the_field_of_the_body(fields: dict[str, Any], path: str) -> None:
    assert problem(ask_from_body, body(**fields), NOW) == path


def test_what_a_request_says_comes_before_its_scenario_and_that_before_the_settings() -> None:
    options = RequestOptions(
        {"exclude_seen": "purchased", "exclude_in_view": True},
        {"cart": {"n": 6, "exclude_seen": "all", "exclude": ["x"]}},
    )
    for asked in (
        ask_from_query(b"scenario=cart&exclude_in_view=false&exclude=a,b", NOW, options, user_id="ann"),
        ask_from_body(body(user_id="ann", scenario="cart", exclude_in_view=False, exclude=["a", "b"]), NOW, options),
    ):
        assert (asked.scenario, asked.count, asked.exclude_seen) == ("cart", 6, "all")
        assert (asked.exclude_in_view, asked.exclude) == (False, ["a", "b"])
    plain = ask_from_query(b"", NOW, options)
    assert (plain.scenario, plain.count, plain.exclude_seen, plain.exclude_in_view) == (None, 10, "purchased", True)
    # A request may name the value that would be there without it.
    assert ask_from_query(b"scenario=cart&exclude_seen=none", NOW, options).exclude_seen == "none"
    assert problem(ask_from_query, b"scenario=sale", NOW, options) == "query.scenario"
    assert problem(ask_from_body, body(scenario="sale"), NOW, options) == "$.scenario"
    assert problem(ask_from_body, body(scenario=7), NOW, options) == "$.scenario"
    assert problem(ask_from_body, b"[1]", NOW, options) == "$"
    assert problem(ask_from_query, b"reasons=everybody", NOW) == "query.reasons"
