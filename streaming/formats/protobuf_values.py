"""A Protobuf message in; the JSON-like value of it out, with field names as in the .proto.

Not protobuf's own json_format: that raises for a whole message when one field of it has no JSON form (an Any of another
type, a time beyond the year 9999), and turns whole numbers of 64 bits into text.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from google.protobuf.descriptor import FieldDescriptor

from streaming.formats.decoded import NotDecodable, number_of_digits

MOST: Final = 100_000
"""Values of one message. Two bytes can be a message whose fields all have their defaults."""

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_TOLD: Final = frozenset({FieldDescriptor.TYPE_ENUM, FieldDescriptor.TYPE_BOOL})


class Reader:
    """Reads one message. Make a new one for each: it counts the values.

    A field that the message does not have is absent. So is a number, text or list without presence (proto3 without
    `optional`) that is 0 or empty, since it looks like one that was never set. An enumeration and a truth value without
    presence are there always: their default, such as the first word, is often what the sender means.
    """

    def __init__(self) -> None:
        self._left = MOST

    def value(self, message: Any) -> object:
        """The value of a message. Raises NotDecodable for more than MOST values."""
        known = WELL_KNOWN.get(message.DESCRIPTOR.full_name)
        if known is not None:
            return known(self, message)
        found: dict[str, object] = {}
        for field, held in message.ListFields():
            if not field.is_extension:
                found[field.name] = self._field(field, held)
        for field in message.DESCRIPTOR.fields:
            if field.type in _TOLD and not field.is_repeated and not field.has_presence and field.name not in found:
                found[field.name] = self._one(field, getattr(message, field.name))
        if message.DESCRIPTOR.full_name == "google.type.Money":
            found["amount"] = message.units + message.nanos / 1e9
        return found

    def _field(self, field: Any, held: Any) -> object:
        if not field.is_repeated:
            return self._one(field, held)
        entry = field.message_type
        if entry is not None and entry.GetOptions().map_entry:
            to = entry.fields_by_name["value"]
            return {_key(key): self._one(to, held[key]) for key in held}
        return [self._one(field, each) for each in held]

    def _one(self, field: Any, held: Any) -> object:
        self._left -= 1
        if self._left < 0:
            raise NotDecodable(f"more than {MOST} values")
        if field.type == FieldDescriptor.TYPE_ENUM:
            known = field.enum_type.values_by_number.get(held)
            return held if known is None else known.name
        return self.value(held) if field.message_type is not None else held

    def struct(self, message: Any) -> object:
        """An object of google.protobuf.Struct."""
        return {name: self.loose(message.fields[name]) for name in message.fields}

    def items(self, message: Any) -> object:
        """A list of google.protobuf.ListValue."""
        return [self.loose(each) for each in message.values]

    def loose(self, message: Any) -> object:
        """A value of google.protobuf.Value."""
        self._left -= 1
        if self._left < 0:
            raise NotDecodable(f"more than {MOST} values")
        kind = message.WhichOneof("kind")
        if kind in {None, "null_value"}:
            return None
        held = getattr(message, kind)
        return self.struct(held) if kind == "struct_value" else self.items(held) if kind == "list_value" else held


def _key(key: object) -> str:
    return str(key).lower() if isinstance(key, bool) else str(key)


def _timestamp(_: Reader, message: Any) -> object:
    try:
        return _EPOCH + timedelta(seconds=message.seconds, microseconds=message.nanos // 1000)
    except OverflowError:
        return message.seconds


def _seconds(_: Reader, message: Any) -> object:
    return message.seconds + message.nanos / 1e9


def _wrapped(_: Reader, message: Any) -> object:
    return message.value


def _any(_: Reader, message: Any) -> object:
    return {"@type": message.type_url, "value": message.value}


def _decimal(_: Reader, message: Any) -> object:
    return number_of_digits(message.value, message.scale)


WELL_KNOWN: Final[dict[str, Callable[[Reader, Any], object]]] = {
    "google.protobuf.Timestamp": _timestamp,
    "google.protobuf.Duration": _seconds,
    "google.protobuf.Any": _any,
    "google.protobuf.Struct": Reader.struct,
    "google.protobuf.Value": Reader.loose,
    "google.protobuf.ListValue": Reader.items,
    "confluent.type.Decimal": _decimal,
} | {
    f"google.protobuf.{kind}Value": _wrapped
    for kind in ("Double", "Float", "Int64", "UInt64", "Int32", "UInt32", "Bool", "String", "Bytes")
}
"""Messages that stand for a value."""

__all__ = ["MOST", "WELL_KNOWN", "Reader"]
