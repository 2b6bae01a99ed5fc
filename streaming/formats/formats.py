"""A record as others write it in; the record with JSON as its value out. Stage 0.

What cannot be decoded stays as it is and carries the reason, so that its dead letter holds the original bytes.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any, Final

import msgspec

from models.records import REGISTRY_PREFIX, Rejection, Unconverted
from streaming.formats.decoded import NotDecodable
from streaming.formats.registry import SchemaWaits, UnusableSchema
from streaming.formats.schemas import Schemas
from streaming.kafka import Converted, Cut, Record
from streaming.settings import Settings

LARGEST: Final = 1 << 20
"""Bytes of JSON that a record may become: as many as the longest record that is loaded."""

NEW: Final = 10.0
"""Seconds for which a record waits for a schema that the registry does not have. Its replicas learn of a new schema one
after the other, so the first records of one may be here before it."""

QUOTED: Final = 200
"""Most characters of an error of a decoder in a rejection."""

KEY: Final = "@key"


class Formats:
    """Decodes records of the topics that the learner reads. One thread uses it.

    Args:
        settings: The registry, and the mappings of topics of another shape.
        topics: Names of the topics that are read.
        wall: Epoch seconds.
    """

    def __init__(self, settings: Settings, topics: Sequence[str], wall: Callable[[], float] = time.time) -> None:
        registry = settings.schema_registry
        mapped = {each.topic: each for each in settings.mapping}
        ours = {settings.topic("events"), settings.topic("items")}
        self._wall, self._url = wall, registry.url
        self._decoded = frozenset(topics) & (ours | mapped.keys()) if registry.url is not None else frozenset()
        self._keyed = {settings.topic("items"), *(name for name, each in mapped.items() if KEY in each.fields.values())}
        self._schemas = Schemas(registry) if self._decoded else None

    def wanted(self, topic: str) -> bool:
        """Whether records of this topic may have to be converted."""
        return topic in self._decoded

    def converted(self, record: Record) -> Record:
        """The record with its value, and where it is used its key, as JSON. Raises SchemaWaits."""
        key, value = record.key, record.value
        if value is not None and value[:1] == b"\0":
            value = self.value(value, record.timestamp)
        if key is not None and key[:1] == b"\0" and record.topic in self._keyed:
            key = self._key(key)
        return record if key is record.key and value is record.value else _Read(record, key, value)

    def value(self, raw: bytes, timestamp_ms: float = 0.0) -> bytes:
        """A value as JSON: `Converted`, as it is where it is no record of a schema, or `Unconverted`.

        Args:
            raw: A value that begins with a zero byte.
            timestamp_ms: Time of its record, epoch milliseconds; a new record waits for its schema.

        Raises:
            SchemaWaits: Its schema cannot be had now.
        """
        if self._schemas is None or len(raw) <= REGISTRY_PREFIX or isinstance(raw, Cut) or _holds_json(raw):
            return raw
        number = int.from_bytes(raw[1:REGISTRY_PREFIX], "big")
        try:
            decode = self._schemas.decoder(number)
        except UnusableSchema as error:
            return _unusable(raw, "unusable_schema", f"schema {number} to be one that can be read", str(error))
        if decode is None:
            if 0.0 <= self._wall() - timestamp_ms * 1e-3 < NEW:
                raise SchemaWaits(f"the registry at {self._url} has no schema {number} yet")
            return _unusable(raw, "unknown_schema", f"schema {number} in {self._url}", "no such schema")
        try:
            found = decode(raw[REGISTRY_PREFIX:])
        except NotDecodable as error:
            return _unusable(raw, "undecodable", f"a record of schema {number}", str(error))
        json = found if isinstance(found, bytes) else msgspec.json.encode(found)
        if len(json) > LARGEST:
            return _unusable(raw, "oversize", f"at most {LARGEST} bytes as JSON", f"{len(json)} bytes")
        return Converted(json, raw)

    def _key(self, raw: bytes) -> bytes:
        """A key as the text that it stands for: a text, a number, or a record of one field that holds one of them."""
        value = self.value(raw)
        if not isinstance(value, Converted):
            return raw
        found: Any = msgspec.json.decode(value)
        if isinstance(found, dict) and len(found) == 1:
            (found,) = found.values()
        if isinstance(found, bool) or not isinstance(found, str | int):
            return raw
        return Converted(str(found).encode(), raw)

    def close(self) -> None:
        """Ask the registry nothing more."""
        if self._schemas is not None:
            self._schemas.close()


class _Read:
    """A record with another key and value in place of its own."""

    __slots__ = ("headers", "key", "offset", "partition", "timestamp", "topic", "value")

    def __init__(self, record: Record, key: bytes | None, value: bytes | None) -> None:
        self.topic, self.partition, self.offset = record.topic, record.partition, record.offset
        self.timestamp, self.headers = record.timestamp, record.headers
        self.key, self.value = key, value


def _holds_json(raw: bytes) -> bool:
    """Whether JSON follows the prefix, as the JSON serializer writes it: then nobody has to be asked."""
    if raw[REGISTRY_PREFIX : REGISTRY_PREFIX + 1] != b"{":
        return False
    try:
        msgspec.json.decode(raw[REGISTRY_PREFIX:], type=dict[str, msgspec.Raw])
    except (msgspec.DecodeError, RecursionError):
        return False
    return True


def _unusable(raw: bytes, reason: str, expected: str, found: str) -> Unconverted:
    return Unconverted(raw, Rejection(reason, "$", expected, found[:QUOTED]))


__all__ = ["Formats"]
