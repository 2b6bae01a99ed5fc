"""Writes the types of the Python client from the API's description.

What is sent becomes a TypedDict, whose values a type checker knows and the service checks; what comes back becomes a
frozen msgspec struct, which reads the fields it knows and passes over those of a later version.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any, Final

from service.app import description

SENT: Final = {
    "Pin": ("Pin", ()),
    "RecentItem": ("RecentItem", ()),
    "Ask": ("Ask", ("user_id",)),
    "ListAsk": ("Ask", ("n", "category", "attributes", "candidates", "query", "recent_items")),
    "SentEvent": ("SentEvent", ()),
    "EventFields": ("SentEvent", ("event_type", "user_id", "item_id")),
    "SentItem": ("SentItem", ()),
}
"""Types of requests: the schema of each, and the fields that are arguments of their own instead."""

RECEIVED: Final = (
    *("ValueProblem", "ProblemDocument", "Contribution", "Item", "Slate", "EventOutcome", "EventsAnswer"),
    *("ItemOutcome", "ItemsAnswer", "ItemAccepted", "UserAccepted", "IdentifyAnswer"),
)
"""Types of answers, each after those it is made of."""

OPENING: Final = '''"""Types of what is sent and of what comes back.

Written by `python -m tests.support.documents.pages` from the API's description; see `sluicegate openapi`.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal, Required, TypedDict

from msgspec import Struct
'''

PLAIN: Final = {"string": "str", "integer": "int", "number": "float", "boolean": "bool", "null": "None"}
EMPTY: Final = {"str": '""', "int": "0", "float": "0.0", "bool": "False"}


@cache
def _schemas() -> dict[str, Any]:
    found: dict[str, Any] = description()["components"]["schemas"]
    return found


def _type(schema: Mapping[str, Any], listed: str) -> str:
    """The Python type of a schema; `listed` is that of a list of {}."""
    if "$ref" in schema:
        return str(schema["$ref"]).rpartition("/")[2]
    if "anyOf" in schema:
        kinds = dict.fromkeys(_type(each, listed) for each in schema["anyOf"])
        return " | ".join(sorted(kinds, key=lambda kind: kind == "None"))
    if "enum" in schema and listed.startswith("tuple"):
        return "str"  # a later version may answer with further words
    if "enum" in schema:
        return f"Literal[{', '.join(map(repr, schema['enum']))}]".replace("'", '"')
    if schema.get("format") == "date-time":
        return "datetime | str"
    kind = schema.get("type")
    if kind == "array":
        return listed.format(_type(schema["items"], listed))
    if kind == "object":
        values = schema.get("additionalProperties")
        return f"dict[str, {_type(values, listed) if isinstance(values, dict) else 'Any'}]"
    return PLAIN[kind] if kind else "Any"


def _docstring(schema: Mapping[str, Any], more: str = "") -> str:
    lines = [line.strip() for line in str(schema["description"]).split("\n")]
    text = re.sub(r"\s+", " ", " ".join(lines[:1]))
    return f'    """{text}{more}"""\n'


def _sent(name: str, schema: Mapping[str, Any], apart: tuple[str, ...]) -> Iterator[str]:
    yield f"class {name}(TypedDict, total=False):\n"
    yield _docstring(schema)
    yield "\n"
    needed = schema.get("required", ())
    for field, each in schema["properties"].items():
        if field not in apart:
            kind = _type(each, "list[{}]")
            yield f"    {field}: {f'Required[{kind}]' if field in needed else kind}\n"


def _received(name: str, schema: Mapping[str, Any]) -> Iterator[str]:
    yield f"class {name}(Struct, frozen=True):\n"
    yield _docstring(schema)
    yield "\n"
    needed = schema.get("required", ())
    # A field without a default may not stand behind one with a default.
    for field, each in sorted(schema["properties"].items(), key=lambda entry: entry[0] not in needed):
        kind = _type(each, "tuple[{}, ...]")
        if field in needed:
            yield f"    {field}: {kind}\n"
        elif kind.endswith("None"):
            yield f"    {field}: {kind} = None\n"
        else:
            empty = "{}" if kind.startswith("dict") else EMPTY.get(kind, "()")
            yield f"    {field}: {kind} = {empty}\n"


def module() -> str:
    """The text of the module."""
    schemas = _schemas()
    parts = [OPENING]
    for name, (schema, apart) in SENT.items():
        parts.append("".join(_sent(name, schemas[schema], apart)))
    parts += ["".join(_received(name, schemas[name])) for name in RECEIVED]
    return "\n\n".join(parts)


__all__ = ["RECEIVED", "SENT", "module"]
