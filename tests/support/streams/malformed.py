"""Makes records that are no events, each with the reason of its rejection.

The reasons are written by hand from the contract, not taken from the decoder.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from typing import Any, NamedTuple

GOOD: dict[str, Any] = {"event_type": "click", "user_id": "user-1", "item_id": "item-1-1", "timestamp": 1_735_689_600}


class Bad(NamedTuple):
    """The bytes of a record (None: a record without a value), the reason of its rejection, and a name for messages."""

    value: bytes | None
    reason: str
    kind: str


def _with(**fields: Any) -> bytes:
    return json.dumps(GOOD | fields).encode()


def _without(field: str) -> bytes:
    return json.dumps({name: value for name, value in GOOD.items() if name != field}).encode()


def _raw(field: str, text: str) -> bytes:
    """Returns a good event with a bare text as the value of one field, for values that json.dumps does not write."""
    rest = json.dumps({name: value for name, value in GOOD.items() if name != field})
    return f'{rest[:-1]}, "{field}": {text}}}'.encode()


def _nested(depth: int) -> bytes:
    return _raw("unknown_to_us", "[" * depth + "]" * depth)


# Every kind: its bytes, or a function of a random generator where the kind has many.
KINDS: dict[str, tuple[str, bytes | Callable[[random.Random], bytes] | None]] = {
    "null value": ("empty", None),
    "no bytes": ("empty", b""),
    "one byte too many": ("oversize", _with(query="x" * 65_536)),
    "half a megabyte": ("oversize", lambda rng: _with(context={"note": "y" * rng.randrange(400_000, 500_000)})),
    "broken UTF-8 in an id": ("not_json", _with(user_id="u").replace(b'"u"', b'"u\xff\xfe"')),
    "a cut multi-byte character": ("not_json", _with(item_id="caf").replace(b"caf", b"caf\xc3")),
    "UTF-16": ("not_json", json.dumps(GOOD).encode("utf-16")),
    "only noise": ("not_json", lambda rng: b"\x00\xff" + rng.randbytes(rng.randrange(1, 300))),
    "cut in the middle": ("not_json", lambda rng: _with()[: rng.randrange(1, 60)]),
    "a trailing comma": ("not_json", _with()[:-1] + b",}"),
    "two documents": ("not_json", _with() + _with()),
    "single quotes": ("not_json", str(GOOD).encode()),
    "XML": ("not_json", lambda rng: b"<event user='%d'/>" % rng.randrange(1000)),
    "NaN as price": ("not_json", _raw("price", "NaN")),
    "Infinity as quantity": ("not_json", _raw("quantity", "-Infinity")),
    "NaN as timestamp": ("not_json", _raw("timestamp", "NaN")),
    "a control character, not escaped": ("not_json", _with(user_id="ab").replace(b"ab", b"a\x01b")),
    "an array": ("wrong_type", json.dumps([GOOD]).encode()),
    "a string": ("wrong_type", lambda rng: json.dumps(f"hello {rng.random()}").encode()),
    "a number": ("wrong_type", lambda rng: str(rng.randrange(10**9)).encode()),
    "null": ("wrong_type", b"null"),
    "true": ("wrong_type", b"true"),
    "a number as user": ("wrong_type", lambda rng: _with(user_id=rng.randrange(10**6))),
    "an array as item": ("wrong_type", _with(item_id=[1, 2])),
    "an object as type": ("wrong_type", _with(event_type={"a": 1})),
    "an array as timestamp": ("wrong_type", _with(timestamp=[2026, 1, 1])),
    "no user": ("missing_field", _without("user_id")),
    "no item": ("missing_field", _without("item_id")),
    "no timestamp": ("missing_field", _without("timestamp")),
    "no type": ("missing_field", _without("event_type")),
    "an empty object": ("missing_field", b"{}"),
    "a search for nothing": ("missing_field", _with(event_type="search", item_id=None)),
    "an empty user": ("bad_value", _with(user_id="")),
    "a very long item": ("bad_value", lambda rng: _with(item_id="i" * rng.randrange(257, 5000))),
    "a control character in the user": ("bad_value", _with(user_id="a\x00b")),
    "a line feed in the item": ("bad_value", _with(item_id="a\nb")),
    "a price beyond doubles": ("bad_value", _raw("price", "1e999")),
    "a date without a zone": ("bad_timestamp", _with(timestamp="2026-01-01T00:00:00")),
    "no date at all": ("bad_timestamp", _with(timestamp="yesterday")),
    "a timestamp before 1973": ("bad_timestamp", lambda rng: _with(timestamp=rng.randrange(1, 10**7))),
    "a timestamp in microseconds": ("bad_timestamp", _with(timestamp=1_735_689_600_000_000)),
    "a timestamp of 300 digits": ("bad_timestamp", _raw("timestamp", "1" * 300)),
    "a negative timestamp": ("bad_timestamp", _with(timestamp=-5)),
    "an unknown type": ("unknown_type", lambda rng: _with(event_type=f"teleport{rng.randrange(99)}")),
    "an empty type": ("unknown_type", _with(event_type="")),
    "a type in capitals": ("unknown_type", _with(event_type="CLICK")),
    "20,000 arrays deep": ("nesting", _nested(20_000)),
    "20,000 arrays deep where no array belongs": ("wrong_type", b"[" * 20_000 + b"]" * 20_000),
}


def malformed(count: int, seed: int) -> list[Bad]:
    """Returns `count` records, every kind in turn, in shuffled order."""
    rng = random.Random(seed)
    names = list(KINDS)
    records = []
    for number in range(count):
        kind = names[number % len(names)]
        reason, make = KINDS[kind]
        records.append(Bad(make(rng) if callable(make) else make, reason, kind))
    rng.shuffle(records)
    return records
