"""Protobuf messages, as any producer writes them, become JSON-like values with the names of the .proto."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from google.protobuf import descriptor_pool, message_factory
from hypothesis import given
from hypothesis import strategies as st

from streaming.formats import protobuf, protobuf_values
from streaming.formats.decoded import NotDecodable
from streaming.formats.protobuf import compiled, message_indexes, protobuf_decoder
from streaming.formats.registry import Registered, UnusableSchema

ITEM = 'syntax = "proto3"; package shop; message Item { string sku = 1; bool in_stock = 2; }'
TEXT = """
syntax = "proto3";
package shop;
import "confluent/meta.proto";
import "confluent/type/decimal.proto";
import "google/protobuf/any.proto";
import "google/protobuf/duration.proto";
import "google/protobuf/struct.proto";
import "google/protobuf/timestamp.proto";
import "google/protobuf/wrappers.proto";
import "google/type/money.proto";
import "shop/item.proto";
message Ping { string note = 1; }
message Event {
  map<string, int64> counts = 1;
  message Source { string page = 1 [(confluent.field_meta).doc = "where"]; Source before = 2; }
  Kind kind = 2;
  string user_id = 3;
  Item item = 4;
  google.protobuf.Timestamp at = 5;
  optional double price = 6;
  confluent.type.Decimal exact = 7;
  google.type.Money money = 8;
  repeated int32 numbers = 9;
  google.protobuf.StringValue text = 10;
  google.protobuf.Struct more = 11;
  uint64 big = 12;
  google.protobuf.Any any = 13;
  google.protobuf.Duration lasted = 14;
  bytes raw = 15;
  repeated Item items = 16;
  oneof either { string left = 17; int32 right = 18; }
  Source source = 19;
}
enum Kind { VIEW = 0; BUY = 1; }
"""
SCHEMA = Registered("PROTOBUF", TEXT, (("shop/item.proto", ITEM),))
DECODE = protobuf_decoder(SCHEMA)
POOL = descriptor_pool.DescriptorPool()
for file in compiled(SCHEMA).file:
    POOL.AddSerializedFile(file.SerializeToString())


def message(name: str, **fields: Any) -> bytes:
    """Bytes as a producer writes them."""
    made = message_factory.GetMessageClass(POOL.FindMessageTypeByName(name))(**fields)
    raw: bytes = made.SerializeToString()
    return raw


def event(**fields: Any) -> Any:
    """The event with these fields, as it is read: the second message of its file."""
    return json.loads(msgspec.json.encode(DECODE(b"\x02\x02" + message("shop.Event", **fields))))


def test_every_kind_of_field_is_read() -> None:
    found = event(
        counts={"a": 2**40},
        kind="BUY",
        user_id="ann",
        item={"sku": "tea"},
        at={"seconds": 1_772_359_200, "nanos": 250_000_000},
        price=0.0,
        exact={"value": b"\x0f\x96", "scale": 2},
        money={"currency_code": "EUR", "units": 39, "nanos": 900_000_000},
        numbers=[1, 0],
        text={"value": "a"},
        big=2**64 - 1,
        any={"type_url": "type.googleapis.com/nobody.Knows", "value": b"\1"},
        lasted={"seconds": 1, "nanos": 500_000_000},
        raw=b"\xff",
        items=[{"sku": "pot", "in_stock": True}],
        right=0,
        source={"page": "home", "before": {"page": "search"}},
    )
    assert found == {
        "counts": {"a": 2**40},
        "kind": "BUY",
        "user_id": "ann",
        "item": {"sku": "tea", "in_stock": False},
        "at": "2026-03-01T10:00:00.250000Z",
        "price": 0.0,
        "exact": 39.9,
        "money": {"currency_code": "EUR", "units": 39, "nanos": 900_000_000, "amount": 39.9},
        "numbers": [1, 0],
        "text": "a",
        "big": 2**64 - 1,
        "any": {"@type": "type.googleapis.com/nobody.Knows", "value": "AQ=="},
        "lasted": 1.5,
        "raw": "/w==",
        "items": [{"sku": "pot", "in_stock": True}],
        "right": 0,
        "source": {"page": "home", "before": {"page": "search"}},
    }


def test_a_word_or_a_truth_that_is_not_written_is_its_default_and_nothing_else_is_made_up() -> None:
    assert event(user_id="ann", big=0, text=None) == {"kind": "VIEW", "user_id": "ann"}


def test_a_word_that_the_schema_does_not_know_stays_a_number() -> None:
    assert event(kind=7)["kind"] == 7


def test_a_structure_of_json_is_what_it_says() -> None:
    more = POOL.FindMessageTypeByName("google.protobuf.Struct")
    struct = message_factory.GetMessageClass(more)()
    struct.fields["a"].number_value = 1.5
    struct.fields["b"].list_value.values.add().string_value = "x"
    struct.fields["c"].struct_value.fields["d"].bool_value = True
    struct.fields["e"].null_value = 0
    assert event(more=struct)["more"] == {"a": 1.5, "b": ["x"], "c": {"d": True}, "e": None}


@pytest.mark.parametrize("seconds", [2**62, -(2**62)])
def test_a_time_that_no_calendar_has_costs_no_record(seconds: int) -> None:
    assert event(user_id="ann", at={"seconds": seconds})["at"] == seconds


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (b"\0" + message("shop.Ping", note="a"), {"note": "a"}),
        (b"\x02\0" + message("shop.Ping", note="a"), {"note": "a"}),
        # Maps are messages of their own to protoc, and not to those who number the messages of a schema.
        (b"\x04\x02\0" + message("shop.Event.Source", page="a"), {"page": "a"}),
    ],
)
def test_a_record_says_which_message_it_is(raw: bytes, expected: dict[str, str]) -> None:
    assert DECODE(raw) == expected


@pytest.mark.parametrize(
    ("raw", "says"),
    [
        (b"", "no message number"),
        (b"\xff\xff\xff\xff\xff\xff", "no message number"),
        (b"\x01", "a message number of -1 parts"),
        (b"\x80\x01", "a message number of 64 parts"),
        (b"\x02\x06", r"message number \[3\]"),
        (b"\x04\x02\x02", r"message number \[1, 1\]"),
        (b"\x02\x01", r"message number \[-1\]"),
        (b"\x02\x02\x1a\xff", r"no shop\.Event"),
        (b"\x02\x02" + message("shop.Event", user_id="ann").replace(b"ann", b"\xff\xff\xff"), r"no shop\.Event"),
    ],
)
def test_bytes_that_do_not_fit_are_named(raw: bytes, says: str) -> None:
    with pytest.raises(NotDecodable, match=says):
        DECODE(raw)


def test_text_that_is_not_utf_8_stays_bytes_where_the_schema_lets_it_through() -> None:
    old = protobuf_decoder(Registered("PROTOBUF", 'syntax = "proto2"; message A { optional string a = 1; }'))
    assert old(b"\0\x0a\x01x") == {"a": "x"}
    assert old(b"\0\x0a\x02\xff\xfe") == {"a": b"\xff\xfe"}


def test_messages_within_one_another_end() -> None:
    raw = b""
    for _ in range(3_000):
        size, head = len(raw), b"\x12"
        while size >= 128:
            head, size = head + bytes([size & 127 | 128]), size >> 7
        raw = head + bytes([size]) + raw
    with pytest.raises(NotDecodable, match=r"no shop\.Event\.Source"):
        DECODE(b"\x04\x02\0" + raw)


def test_a_small_record_cannot_become_many_values(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(protobuf_values, "MOST", 1_000)
    with pytest.raises(NotDecodable, match="more than 1000 values"):
        event(items=[{}] * 600)
    assert len(event(items=[{}] * 400)["items"]) == 400


@pytest.mark.parametrize(
    ("schema", "says"),
    [
        (Registered("PROTOBUF", "message {"), "does not compile: schema-of-the-record.proto"),
        (Registered("PROTOBUF", 'syntax = "proto3";'), "no message"),
        (Registered("PROTOBUF", 'syntax = "proto3"; import "shop/item.proto"; message A {}'), "shop/item.proto"),
        (Registered("PROTOBUF", 'import "/etc/passwd"; message A {}'), "does not compile"),
        (Registered("PROTOBUF", "message A {}", (("../a.proto", ITEM),)), "no name of a file"),
        (Registered("PROTOBUF", "message A {}", (("/tmp/a.proto", ITEM),)), "no name of a file"),
        (Registered("PROTOBUF", "message A " + "{ message B " * 3_000 + "{}" + "}" * 3_000), "does not compile"),
    ],
    ids=lambda each: each if isinstance(each, str) else "",
)
def test_a_schema_that_cannot_be_compiled_is_named(schema: Registered, says: str) -> None:
    with pytest.raises(UnusableSchema, match=says) as caught:
        protobuf_decoder(schema)
    assert "sluicegate-proto" not in str(caught.value)


def test_a_compiler_that_takes_too_long_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(protobuf, "PATIENCE", 0.001)
    with pytest.raises(UnusableSchema, match=r"within 0\.001 s"):
        protobuf_decoder(SCHEMA)


@given(st.binary(max_size=12))
def test_the_numbers_of_a_message_are_read_or_refused(raw: bytes) -> None:
    try:
        indexes, start = message_indexes(raw)
    except NotDecodable:
        return
    assert indexes
    assert 1 <= start <= len(raw)


@given(st.binary(max_size=100))
def test_any_bytes_become_a_value_that_is_json_or_are_refused(raw: bytes) -> None:
    try:
        value = DECODE(b"\x02\x02" + raw)
    except NotDecodable:
        return
    assert isinstance(json.loads(msgspec.json.encode(value)), dict)
