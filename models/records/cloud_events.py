"""A CloudEvents envelope around data of ours in; the data, completed from the envelope, out. Stage 1.

https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/spec.md: in structured mode the envelope is a JSON object
with the data in it; in binary mode the data stands alone, and headers hold the rest. What the data says comes first.
"""

from __future__ import annotations

import binascii
from base64 import b64decode
from collections.abc import Container, Iterable, Mapping
from typing import Any, Final
from urllib.parse import unquote

import msgspec

from models.records.events import written
from models.records.foreign.mapping import parsed

REQUIRED: Final = ("specversion", "id", "source", "type")
"""Attributes that every CloudEvent has."""

MARK: Final = b'"specversion"'
"""Bytes that every envelope of structured mode holds, and hardly any other record."""


def attributes(headers: Iterable[tuple[str, bytes | str]], prefix: str) -> dict[str, str]:
    """The attributes that headers of binary mode hold, by name; empty where they are no envelope.

    Args:
        headers: Name and value of each.
        prefix: What their names begin with: `ce_` in Kafka, `ce-` in HTTP, where values are percent-encoded.

    >>> attributes([("ce_specversion", b"1.0"), ("ce_id", b"e-7"), ("other", b"x")], "ce_")
    {'specversion': '1.0', 'id': 'e-7'}
    """
    found: dict[str, str] = {}
    for name, value in headers:
        if name.lower().startswith(prefix):
            text = value if isinstance(value, str) else (value or b"").decode(errors="replace")
            found[name.lower().removeprefix(prefix)] = unquote(text) if prefix == "ce-" else text
    return found if "specversion" in found else {}


def envelope_of(raw: bytes) -> dict[str, Any] | None:
    """The envelope of structured mode, None for any other bytes.

    >>> envelope_of(b'{"specversion": "1.0", "id": "e-7", "source": "/shop", "type": "click", "data": {}}')["id"]
    'e-7'
    >>> envelope_of(b'{"user_id": "the specversion"}') is None
    True
    """
    if MARK not in raw:
        return None
    try:
        document = parsed(raw)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        return None
    if isinstance(document, dict) and all(isinstance(document.get(name), str) for name in REQUIRED):
        return document
    return None


def enclosed(raw: bytes, found: Mapping[str, str]) -> bytes:
    """What binary mode says, as the envelope of structured mode; the bytes themselves where they are no JSON.

    >>> enclosed(b'{"sku": "tea"}', {"specversion": "1.0", "id": "e-7"})
    b'{"specversion":"1.0","id":"e-7","data":{"sku":"tea"}}'
    """
    try:
        return written({**found, "data": parsed(raw)})
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        return raw


def event_of(raw: bytes, types: Container[str], found: Mapping[str, str] = {}) -> bytes:
    """An event of ours: the data, with event_id, timestamp and event_type from the envelope where the data has none.

    Args:
        raw: A record, in an envelope or not; the bytes themselves come back where there is none.
        types: Words that are event types. Of another type in the envelope, such as `com.shop.click`, what follows the
            last dot counts.
        found: The attributes of binary mode.

    >>> envelope = b'{"specversion": "1.0", "id": "e-7", "source": "/", "type": "shop.click", "data": {"user_id": "u"}}'
    >>> event_of(envelope, {"click"})
    b'{"event_id":"e-7","event_type":"click","user_id":"u"}'
    >>> event_of(b'{"user_id": "u", "event_id": "mine"}', {"click"}, {"id": "e-7", "time": "2026-03-01T10:00:00Z"})
    b'{"event_id":"mine","timestamp":"2026-03-01T10:00:00Z","user_id":"u"}'
    """
    envelope = _whole(raw, found)
    if envelope is None:
        return raw
    word = envelope.get("type")
    if isinstance(word, str) and word not in types:
        word = word.rpartition(".")[2]
    outer = {"event_id": envelope.get("id"), "timestamp": envelope.get("time"), "event_type": word}
    inner = _data(envelope)
    event = {name: value for name, value in outer.items() if value is not None}
    event |= {name: value for name, value in inner.items() if value is not None or name not in event}
    return written(event)


def facts_of(raw: bytes) -> bytes:
    """Facts of an item: the data of an envelope of structured mode, or the bytes themselves."""
    envelope = envelope_of(raw)
    return raw if envelope is None else written(_data(envelope))


def _whole(raw: bytes, found: Mapping[str, str]) -> dict[str, Any] | None:
    if not found:
        return envelope_of(raw)
    try:
        return {**found, "data": parsed(raw)}
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        return None


def _data(envelope: Mapping[str, Any]) -> dict[str, Any]:
    """The data as an object; empty where it is none."""
    data = envelope.get("data")
    encoded = envelope.get("data_base64")
    if data is None and isinstance(encoded, str):
        try:
            data = parsed(b64decode(encoded, validate=True))
        except (binascii.Error, msgspec.DecodeError, RecursionError, ValueError):
            data = None
    return data if isinstance(data, dict) else {}


__all__ = ["MARK", "attributes", "enclosed", "envelope_of", "event_of", "facts_of"]
