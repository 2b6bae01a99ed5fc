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
    excess, _ = _Bounds(named).of(schema, ())
    if excess > FIXED:
        raise UnusableSchema(f"a record of it has more than {FIXED} bytes as JSON in any case")


class _Bounds:
    """Of each type: most bytes of JSON beyond RATE times the bytes of a record, and how many types it is deep."""

    def __init__(self, named: Mapping[str, Any]) -> None:
        self._named = named
        self._known: dict[str, tuple[int, int]] = {}

    def of(self, schema: Any, above: tuple[str, ...]) -> tuple[int, int]:
        """The bounds of a type within the named types `above`."""
        if isinstance(schema, list):
            branches = [self.of(each, above) for each in schema]
            return max((excess for excess, _ in branches), default=0) - RATE, _deeper(branches)
        if isinstance(schema, str):
            return self._of_name(schema, above) if schema in self._named else (_primitive(schema), 1)
        kind = schema["type"]
        if not isinstance(kind, str):
            return self.of(kind, above)
        if kind in {"record", "error", "enum", "fixed"}:
            return self._of_name(schema["name"], above, schema)
        if kind in {"array", "map"}:
            excess, height = self.of(schema["items" if kind == "array" else "values"], above)
            if excess - (RATE if kind == "map" else 0) > 0:
                raise UnusableSchema(f"a list or map of it can hold more than {RATE} bytes of JSON in a byte")
            return 2 - RATE, _deeper([(excess, height)])
        return self.of(kind, above)

    def _of_name(self, name: str, above: tuple[str, ...], schema: Any = None) -> tuple[int, int]:
        if name in above:
            raise UnusableSchema(f"{name} contains itself, so that its records can be nested without a bound")
        if name not in self._known:
            self._known[name] = self._of_named(self._named[name] if schema is None else schema, (*above, name))
        return self._known[name]

    def _of_named(self, schema: Any, above: tuple[str, ...]) -> tuple[int, int]:
        if schema["type"] == "fixed":
            return 2 + (2 - RATE) * int(schema["size"]), 1
        if schema["type"] == "enum":
            return 2 + max(map(len, schema["symbols"]), default=0) - RATE, 1
        fields = [self.of(each["type"], above) for each in schema["fields"]]
        names = sum(len(each["name"]) + 4 for each in schema["fields"])
        return 2 + names + sum(excess for excess, _ in fields), _deeper(fields)


def _deeper(within: list[tuple[int, int]]) -> int:
    height = 1 + max((height for _, height in within), default=0)
    if height > DEPTH:
        raise UnusableSchema(f"it has more than {DEPTH} types within one another")
    return height


def _primitive(name: str) -> int:
    if name == "null":
        return 4
    if name == "boolean":
        return 5 - RATE
    if name in _NUMBERS:
        return _NUMBER_TEXT - RATE * _NUMBERS[name]
    return 2 - RATE  # text and bytes: their length takes a byte, and each of their bytes becomes six at most
