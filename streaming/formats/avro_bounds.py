"""A parsed Avro schema in; whether its records can be decoded within bounds out.

Avro writes nothing for null, for a record without fields and for a fixed of no bytes, so a record of a few bytes can be
a list of a billion of them. And the decoder of a schema that contains itself calls itself in C, once a level, until the
process dies. Both are seen in the schema alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from streaming.formats.registry import UnusableSchema

RATE: Final = 128
"""Bytes of JSON that a byte of a record may become, lists of optional fields with long names included."""

FIXED: Final = 1 << 20
"""Bytes of JSON that a record of no bytes may become: the names of its fields."""

DEPTH: Final = 64
"""Types within one another; the decoder calls itself for each."""

_NUMBERS: Final = {"int": 1, "long": 1, "float": 4, "double": 8}
_NUMBER_TEXT: Final = 25


def check(schema: Any, named: Mapping[str, Any]) -> None:
    """Refuse a schema whose records have no bound.

    Args:
        schema: As fastavro parsed it.
        named: Its named types.

    Raises:
        UnusableSchema: It contains itself, is too deep, or a byte of a record can become too much.

    >>> check({"type": "array", "items": "null"}, {})
    Traceback (most recent call last):
    streaming.formats.registry.UnusableSchema: a list or map of it can hold more than 128 bytes of JSON in a byte
    >>> check({"type": "array", "items": ["null", "string"]}, {})
    """
    if _Bounds(named).excess(schema, ()) > FIXED:
        raise UnusableSchema(f"a record of it has more than {FIXED} bytes as JSON in any case")


class _Bounds:
    def __init__(self, named: Mapping[str, Any]) -> None:
        self._named = named
        self._known: dict[str, int] = {}

    def excess(self, schema: Any, inside: tuple[str, ...]) -> int:
        """Most bytes of JSON beyond RATE times the bytes of the record, over all values of this type."""
        if len(inside) > DEPTH:
            raise UnusableSchema(f"it has more than {DEPTH} types within one another")
        if isinstance(schema, list):
            return max((self.excess(branch, (*inside, "")) for branch in schema), default=0) - RATE
        if isinstance(schema, str):
            return self._primitive(schema) if schema not in self._named else self._by_name(schema, inside)
        kind = schema["type"]
        if not isinstance(kind, str):
            return self.excess(kind, (*inside, ""))
        if kind in {"record", "error"}:
            return self._by_name(schema["name"], inside, schema)
        if kind in {"array", "map"}:
            item = self.excess(schema["items" if kind == "array" else "values"], (*inside, ""))
            if item - (RATE if kind == "map" else 0) > 0:
                raise UnusableSchema(f"a list or map of it can hold more than {RATE} bytes of JSON in a byte")
            return 2 - RATE
        if kind == "fixed":
            return 2 + (2 - RATE) * int(schema["size"])
        if kind == "enum":
            return 2 + max(map(len, schema["symbols"]), default=0) - RATE
        return self.excess(kind, inside)

    def _by_name(self, name: str, inside: tuple[str, ...], schema: Any = None) -> int:
        if name in inside:
            raise UnusableSchema(f"{name} contains itself, so that its records can be nested without a bound")
        if name not in self._known:
            found = self._named[name] if schema is None else schema
            if found["type"] in {"record", "error"}:
                fields = (
                    len(each["name"]) + 4 + self.excess(each["type"], (*inside, name)) for each in found["fields"]
                )
                self._known[name] = 2 + sum(fields)
            else:
                self._known[name] = self.excess(found, inside)
        return self._known[name]

    @staticmethod
    def _primitive(name: str) -> int:
        if name == "null":
            return 4
        if name == "boolean":
            return 5 - RATE
        if name in _NUMBERS:
            return _NUMBER_TEXT - RATE * _NUMBERS[name]
        return 2 - RATE  # text and bytes: their length takes a byte, and each of their bytes becomes six at most
