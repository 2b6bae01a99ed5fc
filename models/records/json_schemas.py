"""Describes the records that the decoders of this room accept, as JSON Schema (2020-12).

A schema is stricter than its decoder, which passes over an optional field that it cannot use: whatever a schema accepts
is read whole, and whatever is read becomes a record that the schema accepts.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from models.records.attributes import (
    ENTRY_LENGTH,
    EXACT,
    LIST_LENGTH,
    MOST_ATTRIBUTES,
    NAME_LENGTH,
    TEXT_LENGTH,
    Attributes,
)
from models.records.control import Order
from models.records.events import SEARCH, EventRules
from models.records.items import ItemFacts
from models.records.slates import SlateRecord
from models.records.timestamps import EARLIEST, EXPECTED, LATEST

DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"
BASE: Final = "https://github.com/sluicegate/sluicegate/blob/main/docs/schemas/"

_NO_CONTROL: Final = {"not": {"type": "string", "pattern": "[\\u0000-\\u001f\\u007f-\\u009f]"}}
_ID: Final[dict[str, Any]] = {"type": "string", "minLength": 1, "maxLength": 256, **_NO_CONTROL}
_NAMED_YEARS: Final = "(19(7[4-9]|[89]\\d)|20([0-8]\\d|9[0-8]))"
_TIME: Final = (
    f"^{_NAMED_YEARS}-(0[1-9]|1[0-2])-(0[1-9]|[12]\\d|3[01])T([01]\\d|2[0-3]):[0-5]\\d:[0-5]\\d(\\.\\d{{1,9}})?"
    "(Z|[+-]([01]\\d|2[0-3]):[0-5]\\d)$"
)
_LARGEST: Final = 1e300


def event_schema(rules: EventRules) -> dict[str, Any]:
    """The schema of an event, as in topic `events` and in the body of POST /events.

    Args:
        rules: The accepted types and their other spellings.

    >>> event_schema(EventRules())["required"]
    ['event_type', 'user_id', 'timestamp']
    """
    fields: dict[str, tuple[str, dict[str, Any]]] = {
        "event_id": ("By which it is recognised when it is sent twice.", _ID),
        "session_id": ("The shop's own id of the visit.", _ID),
        "price": ("Per unit.", {"type": "number", "minimum": 0, "maximum": 1e12}),
        "quantity": ("How many; negative for a correction.", {"type": "number", "minimum": -1e9, "maximum": 1e9}),
        "request_id": ("The answer of /recommend that led to it.", _ID),
        "query": ("The text of a search.", {"type": "string", "maxLength": 1024}),
        "context": ("The shop's own fields, by name.", _context()),
    }
    named: list[dict[str, Any]] = [{"properties": {"item_id": {"type": "string"}}, "required": ["item_id"]}]
    searches = sorted(word for word, kind in rules.kinds.items() if kind == SEARCH)
    if searches:
        query = {"event_type": {"enum": searches}, "query": {"type": "string", "minLength": 1}}
        named.append({"properties": query, "required": ["query"]})
    return {
        "$schema": DIALECT,
        "$id": f"{BASE}events.json",
        "title": "Event",
        "description": f"What a user did. At most {rules.max_bytes} bytes. Other fields are ignored.",
        "type": "object",
        "properties": {
            "event_type": {"description": "What happened.", "enum": sorted(rules.kinds)},
            "user_id": {"description": "Who.", **_ID, "pattern": "\\S"},
            "item_id": {"description": "Which item; a search can do without.", **_or_null(_ID)},
            "timestamp": {"description": f"When: {EXPECTED}.", "anyOf": _moments()},
            **{name: {"description": text, **_or_null(kind)} for name, (text, kind) in fields.items()},
        },
        "required": ["event_type", "user_id", "timestamp"],
        "anyOf": named,
    }


def item_schema() -> dict[str, Any]:
    """The schema of the facts of an item, as in topic `items` and in the body of PUT /items/{id}.

    Names of attributes must be printable, and all attributes take 4,096 bytes at most, which it cannot say.
    """
    text = "Facts of an item. They replace all earlier ones. Other fields are attributes, as those in `attributes`."
    schema = _of(ItemFacts, "items", text)
    _, name = schema["$ref"].rsplit("/", 1)
    schema["$defs"][name]["additionalProperties"] = {"anyOf": [*_values(), {"type": "null"}]}
    return schema


def order_schema() -> dict[str, Any]:
    """The schema of an order, as in topic `control`."""
    return _of(Order, "control", "An order to the learner.")


def slate_schema() -> dict[str, Any]:
    """The schema of a slate that was shown, as in topic `slates`."""
    return _of(SlateRecord, "slates", "A slate that was shown.")


SCHEMA_ROLES: Final = ("events", "items", "control", "slates")
"""Topics whose records have a schema."""


def schema_of(role: str, rules: EventRules) -> dict[str, Any]:
    """The schema of the records of a topic, one of SCHEMA_ROLES.

    >>> schema_of("items", EventRules())["$id"][-18:]
    'schemas/items.json'
    """
    if role == "events":
        return event_schema(rules)
    if role == "items":
        return item_schema()
    return order_schema() if role == "control" else slate_schema()


def _of(kind: Any, name: str, text: str) -> dict[str, Any]:
    schema = msgspec.json.schema(kind, schema_hook=attributes_schema)
    return {"$schema": DIALECT, "$id": f"{BASE}{name}.json", "description": text, **schema}


def attributes_schema(kind: type) -> dict[str, Any]:
    """The schema of an item's attributes, which have a form of their own in memory; a hook for msgspec.

    Raises NotImplementedError for another type.
    """
    if kind is not Attributes:
        raise NotImplementedError(f"{kind.__name__} has no schema")
    return {
        "type": "object",
        "maxProperties": MOST_ATTRIBUTES,
        "propertyNames": {"minLength": 1, "maxLength": NAME_LENGTH},
        "additionalProperties": {"anyOf": _values()},
    }


def _values() -> list[dict[str, Any]]:
    """What an attribute can be."""
    entry = {"type": "string", "maxLength": ENTRY_LENGTH}
    return [
        {"type": "string", "maxLength": TEXT_LENGTH},
        {"type": "number", "minimum": -EXACT, "maximum": EXACT},
        {"type": "boolean"},
        {"type": "array", "items": entry, "maxItems": LIST_LENGTH},
    ]


def _or_null(kind: dict[str, Any]) -> dict[str, Any]:
    return {**kind, "type": [kind["type"], "null"]}


def _moments() -> list[dict[str, Any]]:
    """The forms of a time: RFC 3339, seconds and milliseconds."""
    return [
        {"type": "string", "format": "date-time", "pattern": _TIME, "not": {"pattern": "\\s"}},
        {"type": "number", "minimum": EARLIEST, "maximum": LATEST},
        {"type": "number", "minimum": EARLIEST * 1000, "maximum": LATEST * 1000},
    ]


def _context() -> dict[str, Any]:
    value = [{"type": "string", "maxLength": 256}, {"type": "number", "minimum": -_LARGEST, "maximum": _LARGEST}]
    return {
        "type": "object",
        "maxProperties": 32,
        "propertyNames": {"minLength": 1, "maxLength": 64},
        "additionalProperties": {"anyOf": value},
    }


__all__ = [
    "SCHEMA_ROLES",
    "attributes_schema",
    "event_schema",
    "item_schema",
    "order_schema",
    "schema_of",
    "slate_schema",
]
