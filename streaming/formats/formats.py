"""A record as others write it in; the record with JSON as its value out. Stage 0.

What cannot be decoded stays as it is and carries the reason, so that its dead letter holds the original bytes.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any, Final

import msgspec

from models.records import KEY, REGISTRY_PREFIX, Rejection, Unconverted, cloud_events
from streaming.formats.decoded import NotDecodable
from streaming.formats.decoders import Decoders
from streaming.formats.registry import SchemaWaits, UnusableSchema
from streaming.kafka import Converted, Cut, Record
from streaming.settings import Settings

LARGEST: Final = 1 << 20
"""Bytes of JSON that a record may become: as many as the longest record that is loaded."""

NEW: Final = 10.0
"""Seconds for which a record waits for a schema that the registry does not have. Its replicas learn of a new schema one
after the other, so the first records of one may be here before it."""

QUOTED: Final = 200
"""Most characters of an error of a decoder in a rejection."""


class Formats:
    """Reads records of the topics that the learner reads. One thread uses it.

    Args:
        settings: The registry, and the mappings of topics of another shape.
        topics: Names of the topics that are read.
        wall: Epoch seconds.
    """

    def __init__(self, settings: Settings, topics: Sequence[str], wall: Callable[[], float] = time.time) -> None:
        registry = settings.schema_registry
        mapped = {each.topic: each for each in settings.mapping if each.topic}
        self._events, self._items = settings.topic("events"), settings.topic("items")
        self._wall, self._url, self._types = wall, registry.url, settings.events.rules().kinds
        self._topics = frozenset(topics) & {self._events, self._items, *mapped}
        self._enclosed = {name for name, each in mapped.items() if each.envelope == "cloudevents"}
        self._keyed = {self._items, *(name for name, each in mapped.items() if KEY in each.fields.values())}
        self._decoders = Decoders(registry) if registry.url is not None and self._topics else None

    def wanted(self, topic: str) -> bool:
        """Whether records of this topic may be in another format than ours."""
        return topic in self._topics

    def converted(self, records: Sequence[Record]) -> tuple[list[Record], SchemaWaits | None]:
        """The records of one topic with their values, and where they are used their keys, as JSON.

        Returns:
            All of them and None; or those before the first whose schema cannot be had now, and why.
        """
        keyed = records[0].topic in self._keyed
        done: list[Record] = []
        try:
            for record in records:
                # Nearly every record is JSON of ours without an envelope: it must cost next to nothing here.
                value, headers = record.value, record.headers
                if (
                    (value is None or (value[:1] != b"\0" and cloud_events.MARK not in value))
                    and not (headers and _enclosing(headers))
                    and not (keyed and (record.key or b"")[:1] == b"\0")
                ):
                    done.append(record)
                else:
                    key, value = self.read(record.topic, record.key, value, headers, record.timestamp)
                    done.append(_Read(record, key, value))
        except SchemaWaits as why:
            return done, why
        return done, None

    def read(
        self,
        topic: str,
        key: bytes | None,
        value: bytes | None,
        headers: Sequence[tuple[str, bytes]],
        timestamp_ms: float,
    ) -> tuple[bytes | None, bytes | None]:
        """The key and the value of a record, out of the formats and the envelope that others wrote them in.

        Args:
            topic: Where it is from.
            key: Its key.
            value: Its value.
            headers: Its headers, which can be an envelope.
            timestamp_ms: Its time, epoch milliseconds.

        Raises:
            SchemaWaits: Its schema cannot be had now.
        """
        if value:
            plain = self.value(value, timestamp_ms) if value[:1] == b"\0" else value
            if not isinstance(plain, Cut | Unconverted):
                opened = self._out_of_envelope(topic, plain, headers)
                plain = plain if opened is plain else Converted(opened, value)
            value = plain
        if key is not None and key[:1] == b"\0" and topic in self._keyed:
            key = self._key(key)
        return key, value

    def _out_of_envelope(self, topic: str, raw: bytes, headers: Sequence[tuple[str, bytes]]) -> bytes:
        """An event or facts of ours without the envelope; for a mapping, binary mode as structured mode."""
        found = cloud_events.attributes(headers, "ce_") if headers else {}
        if topic == self._events:
            return cloud_events.event_of(raw, self._types, found)
        if topic == self._items:
            return cloud_events.facts_of(raw)
        return cloud_events.enclosed(raw, found) if found and topic in self._enclosed else raw

    def value(self, raw: bytes, timestamp_ms: float = 0.0) -> bytes:
        """A value as JSON: `Converted`, as it is where it is no record of a schema, or `Unconverted`.

        Args:
            raw: A value that begins with a zero byte.
            timestamp_ms: Time of its record, epoch milliseconds; a new record waits for its schema.

        Raises:
            SchemaWaits: Its schema cannot be had now.
        """
        if isinstance(raw, Cut) or len(raw) <= REGISTRY_PREFIX:
            return raw
        if _holds_json(raw):
            return Converted(raw[REGISTRY_PREFIX:], raw)
        if self._decoders is None:
            return raw
        number = int.from_bytes(raw[1:REGISTRY_PREFIX], "big")
        try:
            decode = self._decoders.decoder(number)
        except UnusableSchema as error:
            return _unusable(raw, "unusable_schema", f"schema {number} to be one that can be read", str(error))
        if decode is None:
            if 0.0 <= self._wall() - timestamp_ms * 1e-3 < NEW:
                raise SchemaWaits(f"the registry at {self._url} has no schema {number} yet")
            return _unusable(raw, "unknown_schema", f"schema {number} in {self._url}", "no such schema")
        try:
            found = decode(raw[REGISTRY_PREFIX:])
            json = found if isinstance(found, bytes) else msgspec.json.encode(found)
        except (NotDecodable, UnicodeEncodeError, OverflowError, RecursionError) as error:
            return _unusable(raw, "undecodable", f"a record of schema {number}", str(error))
        if len(json) > LARGEST:
            return _unusable(raw, "oversize", f"at most {LARGEST} bytes as JSON", f"{len(json)} bytes")
        return Converted(json, raw)

    def _key(self, raw: bytes) -> bytes:
        """A key as the text that it stands for: a text, a number, or a record of one field that holds one of them."""
        value = self.value(raw)
        if not isinstance(value, Converted):
            return raw
        try:
            found: Any = msgspec.json.decode(value)
        except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
            return raw  # its names were read, its values were not: no text, or a number without end
        if isinstance(found, dict) and len(found) == 1:
            (found,) = found.values()
        if isinstance(found, bool) or not isinstance(found, str | int):
            return raw
        return Converted(str(found).encode(), raw)

    def close(self) -> None:
        """Ask the registry nothing more."""
        if self._decoders is not None:
            self._decoders.close()


class _Read:
    """A record with another key and value in place of its own."""

    __slots__ = ("headers", "key", "offset", "partition", "timestamp", "topic", "value")

    def __init__(self, record: Record, key: bytes | None, value: bytes | None) -> None:
        self.topic, self.partition, self.offset = record.topic, record.partition, record.offset
        self.timestamp, self.headers = record.timestamp, record.headers
        self.key, self.value = key, value


def _enclosing(headers: Sequence[tuple[str, bytes]]) -> bool:
    """Whether headers are those of a CloudEvent in binary mode."""
    return any(name.startswith("ce_") for name, _ in headers)


def _holds_json(raw: bytes) -> bool:
    """Whether JSON follows the prefix, as the JSON serializer writes it: then nobody has to be asked."""
    if raw[REGISTRY_PREFIX : REGISTRY_PREFIX + 1] != b"{":
        return False
    try:
        msgspec.json.decode(raw[REGISTRY_PREFIX:], type=dict[str, msgspec.Raw])
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        return False
    return True


def _unusable(raw: bytes, reason: str, expected: str, found: str) -> Unconverted:
    return Unconverted(raw, Rejection(reason, "$", expected, found[:QUOTED]))


__all__ = ["Formats"]
