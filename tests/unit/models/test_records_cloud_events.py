"""A CloudEvents envelope around an event of ours is taken off, and completes it; anything else is left as it is."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.records import Event, EventRules, Rejection, cloud_events, decode

RULES = EventRules()
DATA = {"user_id": "ann", "item_id": "tea"}
ENVELOPE = {
    "specversion": "1.0",
    "id": "e-7",
    "source": "/shop",
    "type": "click",
    "time": "2026-03-01T10:00:00Z",
    "datacontenttype": "application/json",
}


def event(envelope: dict[str, Any]) -> Event | Rejection:
    return decode(cloud_events.event_of(json.dumps(envelope).encode(), RULES.kinds), RULES)


READ = Event(0, "ann", "tea", 1_772_359_200.0, "e-7")


def test_id_time_and_type_come_from_the_envelope() -> None:
    assert event({**ENVELOPE, "data": DATA}) == READ


def test_what_the_data_says_comes_first() -> None:
    data = {**DATA, "event_id": "mine", "timestamp": 1_772_359_201, "event_type": "buy", "price": None}
    assert event({**ENVELOPE, "data": data}) == Event(3, "ann", "tea", 1_772_359_201.0, "mine")
    assert event({**ENVELOPE, "data": {**DATA, "event_id": None, "timestamp": None}}) == READ


@pytest.mark.parametrize("word", ["view", "com.shop.click", "com.shop.v1.view"])
def test_the_last_part_of_a_type_is_a_word_of_ours(word: str) -> None:
    assert event({**ENVELOPE, "type": word, "data": DATA}) == READ


def test_a_type_with_dots_can_be_an_alias() -> None:
    rules = EventRules(aliases={"shop.buy": "click"})
    raw = cloud_events.event_of(json.dumps({**ENVELOPE, "type": "shop.buy", "data": DATA}).encode(), rules.kinds)
    assert decode(raw, rules) == READ


def test_data_may_be_in_base64() -> None:
    assert event({**ENVELOPE, "data_base64": base64.b64encode(json.dumps(DATA).encode()).decode()}) == READ
    for wrong in ("?", base64.b64encode(b"{").decode(), base64.b64encode(b"\xff").decode()):
        answer = event({**ENVELOPE, "data_base64": wrong})
        assert str(answer).startswith("missing_field at $.user_id")


@pytest.mark.parametrize("data", [None, "text", [1], 7])
def test_data_that_is_no_object_is_no_event(data: Any) -> None:
    assert str(event({**ENVELOPE, "data": data})).startswith("missing_field at $.user_id")


def test_binary_mode_completes_the_data_alone() -> None:
    headers = [(f"ce_{name}", value.encode()) for name, value in ENVELOPE.items()] + [("content-type", b"x")]
    found = cloud_events.attributes(headers, "ce_")
    assert found == ENVELOPE
    assert decode(cloud_events.event_of(json.dumps(DATA).encode(), RULES.kinds, found), RULES) == READ
    assert cloud_events.attributes([("ce_id", b"1")], "ce_") == {}
    assert cloud_events.event_of(b"{", RULES.kinds, found) == b"{"


def test_headers_of_http_are_decoded() -> None:
    headers = [("Ce-Specversion", "1.0"), ("ce-id", "a%20b%22")]
    assert cloud_events.attributes(headers, "ce-") == {"specversion": "1.0", "id": 'a b"'}


@pytest.mark.parametrize(
    "raw",
    [
        b'{"specversion": "1.0"',
        b'{"user_id": "u", "note": "specversion"}',
        json.dumps({name: value for name, value in ENVELOPE.items() if name != "id"}).encode(),
        json.dumps({**ENVELOPE, "specversion": 1}).encode(),
        json.dumps([ENVELOPE]).encode(),
        b'"specversion"' + b"[" * 5_000,
        b'["specversion", "\xff"]',
    ],
)
def test_what_is_no_envelope_is_left_as_it_is(raw: bytes) -> None:
    assert cloud_events.event_of(raw, RULES.kinds) is raw
    assert cloud_events.facts_of(raw) is raw


def test_facts_are_the_data() -> None:
    assert json.loads(cloud_events.facts_of(json.dumps({**ENVELOPE, "data": {"price": 3}}).encode())) == {"price": 3}


def test_binary_mode_becomes_structured_mode_for_a_mapping() -> None:
    raw = cloud_events.enclosed(json.dumps(DATA).encode(), ENVELOPE)
    assert json.loads(raw) == {**ENVELOPE, "data": DATA}
    assert cloud_events.enclosed(b"\xff", ENVELOPE) == b"\xff"


@given(st.binary(max_size=40).map(lambda each: b'{"specversion":"1.0",' + each), st.booleans())
def test_no_bytes_raise(raw: bytes, binary: bool) -> None:
    cloud_events.event_of(raw, RULES.kinds, {"id": "e"} if binary else {})
    cloud_events.facts_of(raw)
    cloud_events.enclosed(raw, {"id": "e"})


def test_half_of_a_surrogate_pair_beside_nan_is_no_envelope() -> None:
    """JSON of Python may hold both, and UTF-8 cannot: nothing could be written of it."""
    data = b'{"user_id":"\\ud800","item_id":"tea","price":NaN}'
    whole = b'{"specversion":"1.0","id":"e","source":"/s","type":"click","data":%s}' % data
    assert cloud_events.event_of(whole, RULES.kinds) == whole
    assert cloud_events.event_of(data, RULES.kinds, {"specversion": "1.0", "id": "e"}) == data
    assert cloud_events.enclosed(data, {"specversion": "1.0"}) == data
