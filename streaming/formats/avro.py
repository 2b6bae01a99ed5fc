"""An Avro schema in; what decodes its records to JSON-like values out. Needs the extra `avro`.

Logical types become what they mean: a time is RFC 3339 text, a decimal a number, a uuid its text. A value that its
logical type cannot hold, such as a timestamp beyond the year 9999, stays the number that it is: it must not cost the
record.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final
from uuid import UUID

import msgspec
from fastavro import parse_schema, schemaless_reader
from fastavro.read import LOGICAL_READERS

from streaming.formats.avro_bounds import check
from streaming.formats.decoded import Decoder, NotDecodable, number_of_digits
from streaming.formats.registry import Registered, UnusableSchema

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_LOCAL_EPOCH: Final = _EPOCH.replace(tzinfo=None)
_DAY: Final = timedelta(days=1)


def avro_decoder(schema: Registered) -> Decoder:
    """Return what decodes the records of a schema.

    Raises:
        UnusableSchema: It is no Avro schema, or its records have no bound.
    """
    named: dict[str, Any] = {}
    try:
        for _, text in schema.named:
            parse_schema(msgspec.json.decode(text), named_schemas=named)
        parsed = parse_schema(_schema(schema.text), named_schemas=named)
        check(parsed, named)
    except UnusableSchema:
        raise
    except RecursionError:
        raise UnusableSchema("it is nested too deep") from None
    except Exception as error:  # fastavro raises nearly anything for what is no schema
        raise UnusableSchema(f"it is no Avro schema: {error!r}") from error

    def decode(raw: bytes) -> object:
        stream = io.BytesIO(raw)
        try:
            value: object = schemaless_reader(stream, parsed, None)
        except Exception as error:  # nor does it say which errors bytes that do not fit can raise
            raise NotDecodable(f"bytes that do not fit it ({error or type(error).__name__})") from error
        if left := len(raw) - stream.tell():
            raise NotDecodable(f"{left} bytes more than it has fields for")
        return value

    return decode


def _schema(text: str) -> Any:
    """The parsed JSON. A primitive type alone is also written without quotes."""
    try:
        return msgspec.json.decode(text)
    except msgspec.DecodeError:
        return text


def _time(epoch: datetime, **unit: int) -> Callable[..., object]:
    tick = timedelta(**unit)

    def read(data: int, *_: object) -> object:
        try:
            return epoch + data * tick
        except OverflowError:
            return data

    return read


def _nanoseconds(epoch: datetime) -> Callable[..., object]:
    microseconds = _time(epoch, microseconds=1)
    return lambda data, *_: microseconds(data // 1000)


def _date(data: int, *_: object) -> object:
    try:
        return date(1970, 1, 1) + data * _DAY
    except OverflowError:
        return data


def _clock(ticks: int) -> Callable[..., object]:
    """A time of day in so many parts of a second."""

    def read(data: int, *_: object) -> object:
        if not 0 <= data < 86_400 * ticks:
            return data
        return (_LOCAL_EPOCH + timedelta(microseconds=data * 1_000_000 // ticks)).time()

    return read


def _decimal(data: bytes, schema: Any, *_: object) -> object:
    return number_of_digits(data, schema.get("scale", 0))


def _uuid(data: str | bytes, *_: object) -> object:
    return str(UUID(bytes=data)) if isinstance(data, bytes) and len(data) == 16 else data


# How fastavro is told to read logical types (documented as "Custom Logical Types"); its own readers raise for values
# that do not fit.
LOGICAL_READERS.update({
    "long-timestamp-millis": _time(_EPOCH, milliseconds=1),
    "long-timestamp-micros": _time(_EPOCH, microseconds=1),
    "long-timestamp-nanos": _nanoseconds(_EPOCH),
    "long-local-timestamp-millis": _time(_LOCAL_EPOCH, milliseconds=1),
    "long-local-timestamp-micros": _time(_LOCAL_EPOCH, microseconds=1),
    "long-local-timestamp-nanos": _nanoseconds(_LOCAL_EPOCH),
    "int-date": _date,
    "int-time-millis": _clock(1_000),
    "long-time-micros": _clock(1_000_000),
    "bytes-decimal": _decimal,
    "fixed-decimal": _decimal,
    "string-uuid": _uuid,
    "fixed-uuid": _uuid,
})

__all__ = ["avro_decoder"]
