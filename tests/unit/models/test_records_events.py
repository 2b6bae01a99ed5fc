"""Any bytes are an event or a refusal that says where, what was expected and what was found."""

from __future__ import annotations

import json
import math
from collections import Counter
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.records.events import (
    ALIASES,
    KINDS,
    MAX_EVENT_BYTES,
    WEIGHTS,
    Event,
    EventRules,
    decode,
    decode_many,
    encode,
)
from models.records.rejections import REASONS, Rejection, describe
from models.records.timestamps import EARLIEST, LATEST, epoch_seconds
from tests.support.streams.malformed import malformed

RULES = EventRules()
GOOD: dict[str, Any] = {"event_type": "click", "user_id": "u", "item_id": "i", "timestamp": 1569888000}


def raw(**changes: Any) -> bytes:
    """A good event with some fields changed; None leaves a field out."""
    document = {name: value for name, value in (GOOD | changes).items() if value is not None}
    return json.dumps(document).encode()


def refused(data: bytes | None, rules: EventRules = RULES) -> Rejection:
    result = decode(data, rules)
    assert isinstance(result, Rejection), result
    return result


def accepted(data: bytes, rules: EventRules = RULES) -> Event:
    result = decode(data, rules)
    assert isinstance(result, Event), str(result)
    return result


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


def check(result: Event | Rejection) -> None:
    if isinstance(result, Rejection):
        assert result.reason in REASONS
        assert result.path == "key" or result.path.startswith("$")
        assert result.expected
        assert result.found
        assert len(result.found) < 600
        str(result).encode()
        return
    assert 1 <= len(result.user_id) <= 256
    assert EARLIEST <= result.timestamp <= LATEST
    assert 0 <= result.kind < len(KINDS)
    for number in (result.price, result.quantity, *(result.context or {}).values()):
        assert not isinstance(number, float) or math.isfinite(number)
    assert decode(encode(result), RULES) == result


@given(st.binary(max_size=300))
def test_any_bytes_are_an_event_or_a_refusal(data: bytes) -> None:
    check(decode(data, RULES))


@given(json_values)
def test_any_json_is_an_event_or_a_refusal(value: Any) -> None:
    check(decode(json.dumps(value).encode(), RULES))


@given(st.dictionaries(st.sampled_from([*Event.__struct_fields__, "event_type", "other"]), json_values))
def test_a_good_event_with_anything_in_any_field_is_an_event_or_a_refusal(changes: dict[str, Any]) -> None:
    check(decode(json.dumps(GOOD | changes, ensure_ascii=False).encode(errors="surrogatepass"), RULES))


@given(st.binary(min_size=1, max_size=4), st.integers(0, 80))
def test_a_good_event_with_bytes_damaged_is_an_event_or_a_refusal(damage: bytes, at: int) -> None:
    good = raw()
    check(decode(good[:at] + damage + good[at + len(damage) :], RULES))


@pytest.mark.parametrize(
    ("data", "reason", "path"),
    [
        (None, "empty", "$"),
        (b"", "empty", "$"),
        (b" " * (MAX_EVENT_BYTES + 1), "oversize", "$"),
        (b"\xff\xfe", "not_json", "$"),
        (raw()[:-1], "not_json", "$"),
        (raw() + b"x", "not_json", "$"),
        (raw(timestamp=math.nan), "not_json", "$"),
        (raw(price=math.inf), "not_json", "$"),
        (b"[]", "wrong_type", "$"),
        (b"null", "wrong_type", "$"),
        (b'{"x":' + b"[" * 20_000 + b"]" * 20_000 + b"}", "nesting", "$"),
        (b'{"x":' * 10_000 + b"1" + b"}" * 10_000, "nesting", "$"),
        (raw(user_id=None), "missing_field", "$.user_id"),
        (raw(item_id=None), "missing_field", "$.item_id"),
        (raw(event_type=None), "missing_field", "$.event_type"),
        (raw(timestamp=None), "missing_field", "$.timestamp"),
        (raw(event_type="search", item_id=None), "missing_field", "$.query"),
        (raw(user_id=7), "wrong_type", "$.user_id"),
        (raw(timestamp=True), "wrong_type", "$.timestamp"),
        (raw(timestamp=[1]), "wrong_type", "$.timestamp"),
        (raw(user_id=""), "bad_value", "$.user_id"),
        (raw(user_id="u" * 257), "bad_value", "$.user_id"),
        (raw(user_id="a\x00b"), "bad_value", "$.user_id"),
        (raw(item_id="a\nb"), "bad_value", "$.item_id"),
        (
            b'{"event_type":"click","user_id":"u","item_id":"i","timestamp":1569888000,"price":1e999}',
            "bad_value",
            "$.price",
        ),
        (
            b'{"event_type":"click","user_id":"u","item_id":"i","timestamp":1' + b"0" * 5000 + b"}",
            "bad_timestamp",
            "$.timestamp",
        ),
        (raw(timestamp="yesterday"), "bad_timestamp", "$.timestamp"),
        (raw(timestamp="2020-01-01T00:00:00"), "bad_timestamp", "$.timestamp"),
        (raw(timestamp="2020-02-30T00:00:00Z"), "bad_timestamp", "$.timestamp"),
        (raw(timestamp=0), "bad_timestamp", "$.timestamp"),
        (raw(timestamp=-5), "bad_timestamp", "$.timestamp"),
        (raw(timestamp=1569888000 * 10**6), "bad_timestamp", "$.timestamp"),
        (raw(event_type="clock"), "unknown_type", "$.event_type"),
        (raw(event_type="Click"), "unknown_type", "$.event_type"),
    ],
)
def test_each_kind_of_bad_record_has_its_reason_and_path(data: bytes | None, reason: str, path: str) -> None:
    rejection = refused(data)
    assert (rejection.reason, rejection.path) == (reason, path)
    assert rejection.expected
    assert rejection.found


@pytest.mark.parametrize(
    ("changes", "kept", "left_out"),
    [
        ({"price": "39.90"}, {"price": 39.9}, {}),
        ({"price": "nan"}, {}, {"price"}),
        ({"price": "free"}, {}, {"price"}),
        ({"price": -1}, {}, {"price"}),
        ({"price": True}, {}, {"price"}),
        ({"price": 1e300, "quantity": 2}, {"quantity": 2.0}, {"price"}),
        ({"quantity": 10**300}, {}, {"quantity"}),
        ({"session_id": "", "event_id": "", "request_id": "r"}, {"request_id": "r"}, {}),
        ({"session_id": 7}, {}, {"session_id"}),
        ({"event_id": "a\x85b", "price": "x"}, {}, {"event_id", "price"}),
        ({"query": "q" * 1025}, {}, {"query"}),
        ({"context": []}, {}, {"context"}),
        ({"context": {"campaign": None, "device": "phone"}}, {"context": {"device": "phone"}}, {}),
        ({"context": {"logged_in": True, "n": 1}}, {"context": {"logged_in": "true", "n": 1.0}}, {}),
        ({"context": {"geo": {"lat": 1}, "device": "phone"}}, {"context": {"device": "phone"}}, {"context"}),
        ({"context": {str(n): n for n in range(33)}}, {"context": {str(n): float(n) for n in range(32)}}, {"context"}),
    ],
)
def test_only_what_an_event_cannot_be_without_refuses_it(
    changes: dict[str, Any], kept: dict[str, Any], left_out: set[str]
) -> None:
    counted: Counter[str] = Counter()
    wanted = msgspec.structs.replace(accepted(raw()), **kept)
    assert decode(raw(**changes), RULES, counted) == wanted
    assert counted == dict.fromkeys(left_out, 1)
    counted.clear()
    assert decode_many([raw(), raw(**changes)], RULES, counted) == [accepted(raw()), wanted]
    assert counted == dict.fromkeys(left_out, 1)


def test_a_byte_order_mark_is_skipped() -> None:
    assert decode(b"\xef\xbb\xbf" + raw(), RULES) == accepted(raw())


def test_a_field_that_cannot_be_used_does_not_hide_why_the_event_is_refused() -> None:
    counted: Counter[str] = Counter()
    rejection = decode(raw(price="free", user_id=7), RULES, counted)
    assert isinstance(rejection, Rejection)
    assert (rejection.path, counted) == ("$.user_id", {})


def test_a_refusal_reads_as_a_sentence() -> None:
    assert str(refused(raw(user_id=7))) == (
        "wrong_type at $.user_id: expected string of 1 to 256 characters without control characters, found integer 7"
    )


def test_all_optional_fields_arrive() -> None:
    event = accepted(
        raw(
            event_type="purchase",
            event_id="e",
            session_id="s",
            price=3,
            quantity=-2.5,
            request_id="r",
            query="",
            context={"device": "phone", "hour": 12},
        )
    )
    assert event == Event(3, "u", "i", 1569888000.0, "e", "s", 3.0, -2.5, "r", "", {"device": "phone", "hour": 12.0})


def test_null_in_an_optional_field_is_as_good_as_its_absence() -> None:
    document = GOOD | dict.fromkeys(["event_id", "session_id", "price", "quantity", "request_id", "query", "context"])
    assert decode(json.dumps(document).encode(), RULES) == accepted(raw())


def test_unknown_fields_are_ignored_whatever_they_hold() -> None:
    assert accepted(raw(extra={"deep": [1, {"x": None}]})) == accepted(raw())


def test_a_search_needs_a_query_or_an_item() -> None:
    assert accepted(raw(event_type="search", item_id=None, query="shoes")).item_id is None
    assert accepted(raw(event_type="search")).item_id == "i"


@pytest.mark.parametrize("name", ["Zoë 42", "商品", "a b", "👟", "u" * 256, "a\u2028b"])
def test_ids_may_hold_any_characters_but_controls(name: str) -> None:
    assert accepted(raw(user_id=name)).user_id == name


@pytest.mark.parametrize(
    "stamp",
    [
        1569888000,
        1569888000.0,
        1569888000000,
        "2019-10-01T00:00:00Z",
        "2019-10-01t02:00:00+02:00",
        "2019-10-01 00:00:00.000Z",
    ],
)
def test_every_way_to_write_one_moment_is_the_same_moment(stamp: Any) -> None:
    assert accepted(raw(timestamp=stamp)).timestamp == 1569888000.0


@given(st.integers(int(EARLIEST * 1000), int(LATEST * 1000)))
def test_seconds_milliseconds_and_text_agree(milliseconds: int) -> None:
    seconds = milliseconds / 1000
    assert epoch_seconds(seconds) == seconds
    assert epoch_seconds(milliseconds) == seconds
    moment = datetime.fromtimestamp(seconds, UTC)
    assert accepted(raw(timestamp=moment.isoformat())).timestamp == pytest.approx(seconds, abs=1e-6)


def test_aliases_and_types_are_configuration() -> None:
    for alias, name in ALIASES.items():
        assert accepted(raw(event_type=alias)).kind == KINDS.index(name)
    rules = EventRules(
        types=("click", "purchase"), aliases={"like": "favourite", "order": "purchase"}, weights={"click": 2}
    )
    assert accepted(raw(event_type="order"), rules).kind == 3
    assert accepted(raw(event_type="view"), rules).kind == 0
    assert refused(raw(event_type="like"), rules).reason == "unknown_type"
    assert refused(raw(event_type="cart"), rules).reason == "unknown_type"
    assert rules.weights[0] == 2
    assert rules.weights[3] == WEIGHTS["purchase"]


def test_a_type_that_does_not_exist_cannot_be_configured() -> None:
    with pytest.raises(ValueError, match="unknown event type 'favorit'"):
        EventRules(aliases={"like": "favorit"})


def test_the_size_limit_is_exact() -> None:
    event = raw()
    assert accepted(event, EventRules(max_bytes=len(event)))
    assert refused(event, EventRules(max_bytes=len(event) - 1)).reason == "oversize"


# What, joined with its neighbours, could be read as other records than those that were sent.
JOINTS = (
    b"",
    b"\n",
    b" ",
    raw() + b"\n" + raw(),
    raw()[:-1],
    b"}",
    b'{"event_type":"click",\n',
    b'"',
    raw() + b"\r",
    None,
)
WHOLE = (
    raw(),
    raw(),
    raw(item_id=None),
    raw(user_id="caf\u00e9"),
    raw(timestamp=7),
    raw(event_type="search", query="q"),
)


@given(st.lists(st.sampled_from(JOINTS + WHOLE), max_size=140))
def test_many_together_are_what_each_is_alone(records: list[bytes | None]) -> None:
    assert decode_many(records, RULES) == [decode(record, RULES) for record in records]


@given(st.integers(0, 2**32), st.integers(0, 63))
def test_a_malformed_record_harms_none_of_those_it_is_parsed_with(seed: int, at: int) -> None:
    (bad,) = malformed(1, seed)
    found = decode_many([raw()] * at + [bad.value] + [raw()] * 70, RULES)
    refusal = found.pop(at)
    assert isinstance(refusal, Rejection)
    assert refusal.reason == bad.reason
    assert found == [accepted(raw())] * (at + 70)


@given(json_values)
def test_a_value_in_words_is_short(value: Any) -> None:
    assert len(describe(value)) < 600


PREFIX = b"\x00\x00\x00\x00\x07"
"""What the serializers of a schema registry write before a record: zero, and the number of the schema."""


def test_the_prefix_of_a_schema_registry_is_skipped() -> None:
    assert decode(PREFIX + raw(), RULES) == accepted(raw())
    assert decode_many([raw(), PREFIX + raw()], RULES) == [accepted(raw())] * 2
    refusal = decode(PREFIX + raw(user_id=7), RULES)
    assert isinstance(refusal, Rejection)
    assert (refusal.reason, refusal.path) == ("wrong_type", "$.user_id")


@pytest.mark.parametrize("value", [b"\x02\x06ann", b"\x00", b"{" + b"\xff", b"{", b""])
def test_a_record_of_a_schema_registry_that_is_no_json_is_refused(value: bytes) -> None:
    refusal = decode(PREFIX + value, RULES)
    assert isinstance(refusal, Rejection)
    assert refusal.reason == "not_json"


def test_avro_is_named_with_its_schema() -> None:
    assert "schema registry (schema 7)" in str(decode(PREFIX + b"\x02\x06ann", RULES))


def test_a_user_id_of_blanks_alone_is_refused_as_an_empty_one_is() -> None:
    raw = b'{"event_type":"click","user_id":"%s","item_id":"i","timestamp":1569888000}'
    found = decode_many([raw % each.encode() for each in ("", "  ", "\u00a0", " a ")], EventRules())
    assert [each.path if isinstance(each, Rejection) else each.user_id for each in found] == ["$.user_id"] * 3 + [" a "]
