"""Avro records, as any producer writes them, become JSON-like values; a schema without a bound is refused."""

from __future__ import annotations

import io
import json
from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Any
from uuid import UUID

import fastavro
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streaming.formats.avro import avro_decoder
from streaming.formats.decoded import NotDecodable
from streaming.formats.registry import Registered, UnusableSchema

LINE = {
    "type": "record",
    "name": "Line",
    "namespace": "shop",
    "fields": [{"name": "sku", "type": "string"}, {"name": "count", "type": "int"}],
}
ORDER = {
    "type": "record",
    "name": "Order",
    "namespace": "shop",
    "fields": [
        {"name": "kind", "type": {"type": "enum", "name": "Kind", "symbols": ["VIEWED", "BOUGHT"]}},
        {"name": "customer", "type": "long"},
        {"name": "at", "type": {"type": "long", "logicalType": "timestamp-millis"}},
        {
            "name": "price",
            "type": ["null", {"type": "bytes", "logicalType": "decimal", "precision": 9, "scale": 2}],
            "default": None,
        },
        {"name": "lines", "type": {"type": "array", "items": LINE}},
        {"name": "notes", "type": {"type": "map", "values": ["null", "double", "shop.Line"]}},
        {"name": "trace", "type": {"type": "string", "logicalType": "uuid"}},
        {"name": "raw", "type": "bytes"},
    ],
}


def written(schema: Any, value: Any) -> bytes:
    """Bytes as a producer writes them."""
    stream = io.BytesIO()
    fastavro.schemaless_writer(stream, fastavro.parse_schema(schema), value)
    return stream.getvalue()


def read(schema: Any, raw: bytes, *named: Any) -> Any:
    texts = tuple((each["name"], json.dumps(each)) for each in named)
    return avro_decoder(Registered("AVRO", json.dumps(schema), texts))(raw)


def test_a_record_with_every_kind_of_field_is_read() -> None:
    raw = written(
        ORDER,
        {
            "kind": "BOUGHT",
            "customer": 7,
            "at": datetime(2026, 3, 1, 10, 0, 0, 250_000, tzinfo=UTC),
            "price": Decimal("39.90"),
            "lines": [{"sku": "tea", "count": 2}],
            "notes": {"none": None, "weight": 0.5, "first": {"sku": "pot", "count": 1}},
            "trace": UUID(int=7),
            "raw": b"\xff\0",
        },
    )
    assert json.loads(msgspec.json.encode(read(ORDER, raw))) == {
        "kind": "BOUGHT",
        "customer": 7,
        "at": "2026-03-01T10:00:00.250000Z",
        "price": 39.9,
        "lines": [{"sku": "tea", "count": 2}],
        "notes": {"none": None, "weight": 0.5, "first": {"sku": "pot", "count": 1}},
        "trace": "00000000-0000-0000-0000-000000000007",
        "raw": "/wA=",
    }


@pytest.mark.parametrize(
    ("schema", "plain", "means"),
    [
        ({"type": "long", "logicalType": "timestamp-micros"}, 1, datetime(1970, 1, 1, 0, 0, 0, 1, tzinfo=UTC)),
        ({"type": "long", "logicalType": "timestamp-nanos"}, 1_500, datetime(1970, 1, 1, 0, 0, 0, 1, tzinfo=UTC)),
        (
            {"type": "long", "logicalType": "local-timestamp-millis"},
            1,
            datetime.fromisoformat("1970-01-01T00:00:00.001"),
        ),
        (
            {"type": "long", "logicalType": "local-timestamp-micros"},
            -1,
            datetime.fromisoformat("1969-12-31T23:59:59.999999"),
        ),
        ({"type": "long", "logicalType": "timestamp-millis"}, 10**15, 10**15),
        ({"type": "long", "logicalType": "timestamp-millis"}, -(2**63), -(2**63)),
        ({"type": "int", "logicalType": "date"}, 20_513, date(2026, 3, 1)),
        ({"type": "int", "logicalType": "date"}, 2**31 - 1, 2**31 - 1),
        ({"type": "int", "logicalType": "time-millis"}, 3_600_001, time(1, 0, 0, 1_000)),
        ({"type": "int", "logicalType": "time-millis"}, -1, -1),
        ({"type": "long", "logicalType": "time-micros"}, 86_400_000_000, 86_400_000_000),
        ({"type": "string", "logicalType": "uuid"}, "no uuid", "no uuid"),
        ({"type": "fixed", "name": "U", "size": 16, "logicalType": "uuid"}, bytes(16), str(UUID(int=0))),
        ({"type": "string", "logicalType": "of their own"}, "tea", "tea"),
    ],
)
def test_a_logical_type_is_what_it_means_or_the_value_itself(schema: Any, plain: Any, means: Any) -> None:
    bare = {name: each for name, each in schema.items() if name != "logicalType"}
    assert read(schema, written(bare, plain)) == means


@pytest.mark.parametrize(
    ("digits", "scale", "means"),
    [
        (b"\x0f\x96", 2, 39.9),
        (b"\x10\x68", 2, 42),
        (b"\xff", 0, -1),
        (b"", 2, 0),
        (b"\x7f" * 9, 0, "2351923699311548792703"),
        (b"\1" * 40, 2, b"\1" * 40),
    ],
)
def test_a_decimal_is_a_number_and_a_long_one_keeps_its_digits(digits: bytes, scale: int, means: Any) -> None:
    schema = {"type": "bytes", "logicalType": "decimal", "precision": 60, "scale": scale}
    assert read(schema, written("bytes", digits)) == means


def test_a_schema_may_name_others() -> None:
    outer = {"type": "record", "name": "O", "fields": [{"name": "line", "type": "shop.Line"}]}
    raw = written(LINE, {"sku": "tea", "count": 1})
    assert read(outer, raw, LINE) == {"line": {"sku": "tea", "count": 1}}


def test_a_primitive_type_may_stand_without_quotes() -> None:
    assert avro_decoder(Registered("AVRO", "string"))(b"\x06ann") == "ann"


@pytest.mark.parametrize(
    ("schema", "says"),
    [
        ({"type": "array", "items": "null"}, "bytes of JSON in a byte"),
        ({"type": "array", "items": {"type": "record", "name": "E", "fields": []}}, "bytes of JSON in a byte"),
        ({"type": "array", "items": {"type": "fixed", "name": "F", "size": 0}}, "bytes of JSON in a byte"),
        ({"type": "array", "items": {"type": "array", "items": "null"}}, "bytes of JSON in a byte"),
        (
            {
                "type": "array",
                "items": {
                    "type": "record",
                    "name": "W",
                    "fields": [{"name": f"{'n' * 200}{at}", "type": "null"} for at in range(9)],
                },
            },
            "bytes of JSON in a byte",
        ),
        ({"type": "record", "name": "N", "fields": [{"name": "n", "type": ["null", "N"]}]}, "contains itself"),
        ({"type": "record", "name": "N", "fields": [{"name": "n", "type": "N"}]}, "contains itself"),
        ({"type": "record", "name": "N", "fields": [{"name": "n", "type": "Other"}]}, "no Avro schema"),
        ({"type": "number"}, "no Avro schema"),
        (7, "no Avro schema"),
    ],
    ids=str,
)
def test_a_schema_without_a_bound_is_refused_before_any_record(schema: Any, says: str) -> None:
    with pytest.raises(UnusableSchema, match=says):
        avro_decoder(Registered("AVRO", json.dumps(schema)))


def test_a_record_that_doubles_with_each_level_is_refused() -> None:
    fields = [
        [{"name": each, "type": f"L{level - 1}" if level else "null"} for each in ("a", "b")] for level in range(40)
    ]
    named = [{"type": "record", "name": f"L{level}", "fields": each} for level, each in enumerate(fields)]
    texts = tuple((each["name"], json.dumps(each)) for each in named[:-1])
    with pytest.raises(UnusableSchema, match="1048576 bytes as JSON"):
        avro_decoder(Registered("AVRO", json.dumps(named[-1]), texts))


def test_a_chain_of_names_is_as_deep_as_what_it_names() -> None:
    named = [
        {"type": "record", "name": f"L{level}", "fields": [{"name": "n", "type": f"L{level - 1}" if level else "int"}]}
        for level in range(100)
    ]
    texts = tuple((each["name"], json.dumps(each)) for each in named[:-1])
    with pytest.raises(UnusableSchema, match="more than 64 types within one another"):
        avro_decoder(Registered("AVRO", json.dumps(named[-1]), texts))


@pytest.mark.parametrize("nested", [70, 5_000, 200_000])
def test_a_deep_schema_is_refused(nested: int) -> None:
    text = '{"type": "array", "items": ' * nested + '"string"' + "}" * nested
    with pytest.raises(UnusableSchema, match=r"types within one another|nested too deep"):
        avro_decoder(Registered("AVRO", text))


@pytest.mark.parametrize(
    ("raw", "says"),
    [(b"", "do not fit"), (b"\x06an", "do not fit"), (b"\x06ann\0", "1 bytes more"), (b"\x04\xff\xff", "do not fit")],
)
def test_bytes_that_do_not_fit_are_named(raw: bytes, says: str) -> None:
    with pytest.raises(NotDecodable, match=says):
        read("string", raw)


DECODE = avro_decoder(Registered("AVRO", json.dumps(ORDER)))


@given(st.binary(max_size=200))
def test_any_bytes_become_a_value_that_is_json_or_are_refused(raw: bytes) -> None:
    try:
        value = DECODE(raw)
    except NotDecodable:
        return
    assert isinstance(json.loads(msgspec.json.encode(value)), dict)
