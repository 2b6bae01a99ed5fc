"""Decodes query strings and bodies into msgspec types, and says by path what does not fit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache, lru_cache
from typing import Any, Final, TypeVar
from urllib.parse import parse_qsl

import msgspec
from msgspec import inspect

from service.http.problems import Problem, invalid
from service.http.request_options import PLAIN, RequestOptions

T = TypeVar("T")

LISTS: Final = frozenset({
    "exclude", "tags_all", "tags_any", "recent_items", "candidates", "pinned", "boosted", "attributes",
})  # fmt: skip
"""Parameters that may be repeated, or hold several values separated by commas."""

MAX_PARAMETERS: Final = 2_000
"""Parameters of one query: more than the longest lists of all parameters together."""

SHORT_QUERY, REMEMBERED_QUERIES = 256, 1_024
"""Bytes of a query that is remembered, and how many are: at most a MiB."""


@cache
def choices_of(kind: Any) -> dict[str, tuple[str, ...]]:
    """The values of the fields with a closed set of them, by the name of the field, of a type and all that it holds.

    >>> from service.http.schemas import Ask
    >>> choices_of(Ask)["reasons"]
    ('none', 'operator', 'shopper')
    """
    found: dict[str, tuple[str, ...]] = {}
    _note_choices(inspect.type_info(kind), "", found)
    return found


def _note_choices(info: Any, name: str, found: dict[str, tuple[str, ...]]) -> None:
    if isinstance(info, inspect.LiteralType):
        found[name] = tuple(map(str, info.values))
    for field in getattr(info, "fields", ()):
        _note_choices(field.type, field.encode_name, found)
    inner = [*getattr(info, "types", ()), *getattr(info, "item_types", ())]
    inner += [getattr(info, each, None) for each in ("item_type", "value_type")]
    if isinstance(info, inspect.Metadata):
        inner.append(info.type)
    for part in inner:
        if part is not None:
            _note_choices(part, name, found)


def decode_body(raw: bytes, kind: type[T], begin: RequestOptions | None = None) -> T:
    """Decode a JSON body.

    Args:
        raw: The body as it was sent.
        kind: The type to decode into.
        begin: Options that the body is put together with.

    Raises:
        Problem: The body is no JSON, or a value in it does not fit `kind`; the problem names its path.

    >>> from service.http.schemas import Ask
    >>> decode_body(b'{"user_id": "u"}', Ask).user_id
    'u'
    """
    try:
        if begin is None:
            return msgspec.json.decode(raw, type=kind)
        # Values stay as they were sent until they are decoded together with the others.
        sent = msgspec.json.decode(raw, type=dict[str, msgspec.Raw])
        scenario = msgspec.json.decode(sent["scenario"]) if "scenario" in sent else None
        return msgspec.json.decode(msgspec.json.encode(begin.together(sent, "$", scenario)), type=kind)
    except msgspec.ValidationError as error:
        raise _misfit(str(error), kind) from None
    except UnicodeDecodeError as error:
        raise invalid("$", "UTF-8", error.reason) from None
    except (msgspec.DecodeError, RecursionError) as error:
        raise Problem(
            "bad-request", f"The body is not JSON: {error}.", "Send a JSON object; /docs has the schema."
        ) from None


def decode_query(raw: bytes, kind: type[T], begin: RequestOptions = PLAIN, /, **known: Any) -> T:
    """Decode a query string. A list is a repeated parameter, or one value with commas; `context` is KEY:VALUE.

    Args:
        raw: The query string as it was sent.
        kind: The type to decode into.
        begin: Options that the query is put together with.
        known: Fields that the path has named already.

    Raises:
        Problem: A value does not fit `kind`; the problem names its path.

    >>> from service.http.schemas import Ask
    >>> decode_query(b"n=3&exclude=a,b&exclude=c", Ask, user_id="u").exclude
    ['a', 'b', 'c']
    >>> decode_query(b"context=device:phone&pinned=1:tea", Ask).context
    {'device': 'phone'}
    """
    sent = _sent(raw, known)
    try:
        found = msgspec.convert(begin.together(sent, "query", sent.get("scenario")), kind, strict=False)
    except msgspec.ValidationError as error:
        raise _misfit(str(error), kind, "query") from None
    for name, value in sent.items():
        # The text "null" would count as a value that was not sent.
        if getattr(found, name) is None and value is not None:
            raise invalid(f"query.{name}", "a value", repr(value))
    return found


def _sent(raw: bytes, known: dict[str, Any]) -> dict[str, Any]:
    """What a query string says, by name."""
    values: dict[str, Any] = dict(known)
    for name, value in _pairs(raw):
        if name in LISTS:
            values.setdefault(name, []).extend(part for part in value.split(",") if part)
        elif name == "filter":  # a value may hold commas
            values.setdefault(name, []).append(value)
        elif name == "context":
            key, colon, text = value.partition(":")
            if not colon:
                raise invalid("query.context", "KEY:VALUE", repr(value[:40]))
            values.setdefault(name, {})[key] = text
        elif name in values:
            raise invalid(f"query.{name}", "one value", "more than one")
        else:
            values[name] = value
    return values


def check_parameters(raw: bytes, known: Mapping[str, bool]) -> None:
    """Check the names in a query string, so that a misspelled one is noticed.

    Args:
        raw: The query string as it was sent.
        known: Whether a parameter may be repeated, by its name.

    Raises:
        Problem: A parameter has another name, or one that has one value is repeated.

    >>> check_parameters(b"n=3&exclude=a&exclude=b", {"n": False, "exclude": True})
    >>> try:
    ...     check_parameters(b"m=3", {"n": False})
    ... except Problem as problem:
    ...     print(problem)
    At query.m: expected one of the parameters n, found a parameter of another name.
    """
    seen: set[str] = set()
    for name, _ in _pairs(raw):
        if name not in known:
            path, found = f"query.{name[:80]}", "a parameter of another name"
            expected = f"one of the parameters {', '.join(known)}" if known else "no parameters"
            raise Problem(
                "invalid",
                f"At {path}: expected {expected}, found {found}.",
                f"Leave {name[:80]!r} out, or spell it as it is meant.",
                errors=[{"path": path, "expected": expected, "found": found}],
            )
        if name in seen and not known[name]:
            raise invalid(f"query.{name}", "one value", "more than one")
        seen.add(name)


def _pairs(raw: bytes) -> Sequence[tuple[str, str]]:
    """Name and value of each parameter."""
    try:
        return _remembered_pairs(raw) if len(raw) <= SHORT_QUERY else _parsed_pairs(raw)
    except ValueError:
        raise invalid("query", f"at most {MAX_PARAMETERS} parameters", "more") from None


def _parsed_pairs(raw: bytes) -> Sequence[tuple[str, str]]:
    return tuple(parse_qsl(raw.decode("latin-1"), keep_blank_values=True, max_num_fields=MAX_PARAMETERS))


_remembered_pairs = lru_cache(maxsize=REMEMBERED_QUERIES)(_parsed_pairs)
"""A shop asks with the same options again and again; each query is looked at for its names and for its values."""


def _misfit(message: str, kind: Any, root: str = "$") -> Problem:
    """The problem that a validation error of msgspec stands for."""
    wanted, _, where = message.partition(" - at `")
    path = (where.rstrip("`") or "$").replace("$", root, 1)
    expected, _, found = wanted.removeprefix("Expected ").partition(", got ")
    expected = expected.replace(" | null", "")
    if expected.startswith("Object contains unknown field "):
        fields = ", ".join(kind.__struct_fields__)
        return invalid(f"{path}.{expected.split('`')[1]}", f"only the fields {fields}", "a field of another name")
    if expected.startswith("Object missing required field "):
        return invalid(f"{path}.{expected.split('`')[1]}", "a value", "nothing")
    if expected.startswith("Invalid enum value "):
        choices = choices_of(kind)[path.rpartition(".")[2].partition("[")[0]]
        return invalid(path, f"one of {', '.join(choices)}", expected.removeprefix("Invalid enum value "))
    if "out of range" in expected:
        return invalid(path, "a number of at most 64 bits", "a larger one")
    return invalid(path, expected.replace("`", ""), found.replace("`", "") or "a value outside of that")


def whole_number(text: str, path: str, low: int, high: int) -> int:
    """Parse a whole number of a query string.

    Args:
        text: What was sent.
        path: Where it stands, for the problem.
        low: Least number allowed.
        high: Largest number allowed.

    Raises:
        Problem: It is no whole number, or outside `low` to `high`.

    >>> whole_number("7", "query.limit", 1, 9)
    7
    """
    if not (text.isascii() and text.isdigit() and low <= int(text[:20]) <= high):
        raise invalid(path, f"a whole number from {low} to {high}", repr(text[:40]))
    return int(text)


__all__ = ["check_parameters", "decode_body", "decode_query", "whole_number"]
