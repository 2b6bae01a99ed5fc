"""A record that a JSON Schema of ours accepts is read whole, and whatever is read makes a record that it accepts."""

from __future__ import annotations

import json
from collections import Counter
from datetime import datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator, FormatChecker
from typer.testing import CliRunner

from models.records import (
    KINDS,
    SCHEMA_ROLES,
    Drop,
    Erase,
    Event,
    EventRules,
    ItemFacts,
    Quarantine,
    Rejection,
    Replay,
    SlateRecord,
    decode,
    decode_control,
    decode_item,
    decode_slate,
    encode,
    encode_control,
    encode_item,
    encode_slate,
    schema_of,
)
from service.cli.main import app

RULES = EventRules()
FORMATS = FormatChecker(formats=())
FORMATS.checks("date-time", raises=ValueError)(lambda value: not isinstance(value, str) or bool(moment(value)))


def moment(text: str) -> datetime:
    return datetime.fromisoformat(text.replace("z", "Z"))


CHECKS = {role: Draft202012Validator(schema_of(role, RULES), format_checker=FORMATS) for role in SCHEMA_ROLES}
GOOD: dict[str, Any] = {"event_type": "click", "user_id": "ann", "item_id": "tea", "timestamp": 1_772_359_200}

ODD = st.one_of(
    st.none(), st.booleans(), st.integers(-(2**70), 2**70), st.floats(allow_nan=False, allow_infinity=False),
    st.text(max_size=8), st.sampled_from(["", " ", "\n", "\x7f", "a\x85", "x" * 256, "x" * 257, "\U0001f375"]),
    st.lists(st.text(max_size=3), max_size=2), st.dictionaries(st.text(max_size=3), st.text(max_size=3), max_size=2),
)  # fmt: skip
ID = st.one_of(st.text(st.characters(exclude_categories=("C",)), min_size=1, max_size=9), st.just("x" * 256))
NUMBER = st.one_of(st.integers(0, 10), st.floats(0, 1e12), st.sampled_from([1e12, 10**12, -1, 1e13]))
TIME = st.one_of(
    st.integers(10**8 - 2, 10**8 + 2),
    st.integers(4_102_444_798, 4_102_444_802),
    st.integers(10**11 - 2, 10**11 + 2),
    st.floats(1e9, 2e9),
    st.datetimes(datetime(1970, 1, 1), datetime(2101, 1, 1)).map(lambda at: at.isoformat() + "Z"),  # noqa: DTZ001
    st.from_regex(
        r"\A(197[3-5]|20(26|9[89]))-[01]\d-[0-3]\dT[0-2]\d:[0-5]\d:[0-6]\d(\.\d{1,9})?(Z|[+-][0-2]\d:[0-5]\d)\n?\Z"
    ),
)
CONTEXT = st.dictionaries(
    st.one_of(st.text(max_size=3), st.just("k" * 64), st.just("k" * 65)),
    st.one_of(st.text(max_size=3), st.integers(-(10**300), 10**300), st.floats(allow_nan=False, allow_infinity=False)),
    max_size=34,
)


def mostly(good: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Three times of four a value as it should be, otherwise anything."""
    return st.one_of(good, good, good, ODD)


ATTRIBUTE = st.sampled_from(["url", "stock", "", "x" * 64, "x" * 65])
VALUE = st.one_of(
    st.text(max_size=5), st.booleans(), st.integers(-(2**53) - 1, 2**53 + 1), st.lists(st.text(max_size=3), max_size=66)
)

EVENTS = st.fixed_dictionaries(
    {"event_type": mostly(st.sampled_from([*RULES.kinds])), "user_id": mostly(ID), "timestamp": mostly(TIME)},
    optional={
        "item_id": mostly(ID), "event_id": mostly(ID), "session_id": mostly(ID), "request_id": mostly(ID),
        "price": mostly(NUMBER), "quantity": mostly(NUMBER), "query": mostly(st.text(max_size=5)),
        "context": mostly(CONTEXT), "other": ODD,
    },
)  # fmt: skip
ITEMS = st.fixed_dictionaries(
    {},
    optional={
        "category": mostly(ID), "brand": mostly(ID), "title": mostly(st.text(max_size=5)), "price": mostly(NUMBER),
        "tags": mostly(st.lists(ID, max_size=66)), "rating": mostly(NUMBER), "available": mostly(st.booleans()),
        "embedding": mostly(st.lists(st.floats(-1, 1), max_size=4)), "other": ODD,
        "attributes": mostly(st.dictionaries(ATTRIBUTE, mostly(VALUE), max_size=4)),
    },
)  # fmt: skip


@given(EVENTS)
def test_an_event_that_the_schema_accepts_is_read_whole(document: dict[str, Any]) -> None:
    left_out: Counter[str] = Counter()
    answer = decode(json.dumps(document).encode(), RULES, left_out)
    if CHECKS["events"].is_valid(document):
        assert isinstance(answer, Event), answer
        assert not left_out
    elif isinstance(answer, Event):
        # Read all the same: what it became is as the schema wants it.
        assert CHECKS["events"].is_valid(json.loads(encode(answer)))


@given(ITEMS)
def test_facts_that_the_schema_accepts_are_read_whole(document: dict[str, Any]) -> None:
    left_out: Counter[str] = Counter()
    answer = decode_item(b"tea", json.dumps(document).encode(), left_out)
    if CHECKS["items"].is_valid(document):
        assert isinstance(answer, ItemFacts), answer
        assert not left_out
    elif isinstance(answer, ItemFacts):
        assert CHECKS["items"].is_valid(json.loads(encode_item(answer)))


@pytest.mark.parametrize(
    ("change", "valid"),
    [
        ({}, True),
        ({"event_type": "view", "timestamp": "2026-03-01T10:00:00.25+01:00"}, True),
        ({"timestamp": 1_772_359_200_250}, True),
        ({"event_type": "search", "item_id": None, "query": "tea"}, True),
        ({"price": None, "context": {"page": "home", "place": 3}}, True),
        ({"event_type": "search", "item_id": None, "query": ""}, False),
        ({"event_type": "click", "item_id": None, "query": "tea"}, False),
        ({"event_type": "look"}, False),
        ({"timestamp": "2026-03-01T10:00:00"}, False),
        ({"timestamp": "2026-02-30T10:00:00Z"}, False),
        ({"timestamp": 1_772_359_200_000_000}, False),
        ({"user_id": 7}, False),
        ({"user_id": "a\nb"}, False),
        ({"price": "3"}, False),
        ({"context": {"a": {}}}, False),
        ({"event_id": ""}, False),
    ],
    ids=str,
)
def test_the_schema_of_events_knows_good_from_bad(change: dict[str, Any], valid: bool) -> None:
    assert CHECKS["events"].is_valid(GOOD | change) == valid


@pytest.mark.parametrize(
    ("facts", "valid"),
    [
        ({}, True),
        ({"price": 3, "tags": ["a"], "available": False}, True),
        ({"price": -1}, False),
        ({"tags": "a"}, False),
    ],
)
def test_the_schema_of_items_knows_good_from_bad(facts: dict[str, Any], valid: bool) -> None:
    assert CHECKS["items"].is_valid(facts) == valid


def test_types_of_the_shop_are_those_of_the_schema() -> None:
    rules = EventRules(types=("click", "purchase"), aliases={"like": "click"})
    check = Draft202012Validator(schema_of("events", rules))
    assert check.is_valid(GOOD | {"event_type": "like"})
    assert not check.is_valid(GOOD | {"event_type": "cart"})
    assert not check.is_valid({**GOOD, "event_type": "search", "item_id": None, "query": "tea"})


@pytest.mark.parametrize("order", [Erase("5f", "ann"), Quarantine("q", "1-a"), Replay("r", "q"), Drop("d", "q", "me")])
def test_orders_and_slates_have_schemas_too(order: Any) -> None:
    raw = encode_control(order)
    assert CHECKS["control"].is_valid(json.loads(raw))
    assert not isinstance(decode_control(raw), Rejection)
    bad = json.loads(raw) | {"id": "no id"}
    assert not CHECKS["control"].is_valid(bad)
    assert isinstance(decode_control(json.dumps(bad).encode()), Rejection)
    slate = encode_slate(SlateRecord("5f", 1.0, ["tea"], context={"page": "home"}))
    assert CHECKS["slates"].is_valid(json.loads(slate))
    assert not CHECKS["slates"].is_valid({"request_id": "5f"})
    assert decode_slate(b'{"request_id": "5f"}') is None


def test_each_kind_of_event_has_its_word() -> None:
    assert set(KINDS) <= set(schema_of("events", RULES)["properties"]["event_type"]["enum"])


def test_the_command_prints_a_schema_that_is_one(tmp_path: Any) -> None:
    for role in SCHEMA_ROLES:
        done = CliRunner().invoke(app, ["schema", role])
        assert done.exit_code == 0
        assert json.loads(done.output) == json.loads(json.dumps(schema_of(role, RULES)))
        Draft202012Validator.check_schema(json.loads(done.output))
    (tmp_path / "shop.toml").write_text('[events]\ntypes = ["click"]\n')
    done = CliRunner().invoke(app, ["schema", "--config", str(tmp_path / "shop.toml")])
    assert "purchase" not in json.loads(done.output)["properties"]["event_type"]["enum"]
    wrong = CliRunner().invoke(app, ["schema", "orders"])
    assert (wrong.exit_code, "events, items, control, slates" in wrong.output) == (2, True)
