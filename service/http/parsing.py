"""The parameters or the body of a request in; a typed ask, or a problem that says what is wrong, out."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final, TypeVar
from urllib.parse import parse_qsl

import msgspec

from models.records import EXPECTED as TIMESTAMP
from models.records import KINDS, epoch_seconds
from models.slate import SEEN
from service.http.problems import Problem, invalid
from service.http.schemas import MAX_N, Ask, Pin, RecentItem

T = TypeVar("T")

LISTS: Final = frozenset({
    "exclude", "tags_all", "tags_any", "recent_items", "candidates", "pinned", "boosted",
})  # fmt: skip
"""Parameters that may be repeated, or hold several values with commas between."""


def pins(ask: Ask, place: str = "$") -> dict[int, str]:
    """Place to item id. Raises Problem for a pin that is none, and for two on one place.

    >>> pins(Ask(pinned=["2:tea", Pin("mug", 1)]))
    {2: 'tea', 1: 'mug'}
    """
    found: dict[int, str] = {}
    for position, entry in enumerate(ask.pinned):
        path = f"{place}.pinned[{position}]"
        pin = _pin(entry, path) if isinstance(entry, str) else entry
        if pin.place in found or pin.item_id in found.values():
            raise invalid(path, "each place and each item once", f"place {pin.place} or {pin.item_id!r} again")
        found[pin.place] = pin.item_id
    return found


def _pin(text: str, path: str) -> Pin:
    at, colon, item = text.partition(":")
    if not colon or not 1 <= len(item) <= 256:
        raise invalid(path, "PLACE:ITEM, or an object with item_id and place", repr(text[:40]))
    return Pin(item, whole(at, path, 1, MAX_N))


def sensible(ask: Ask, place: str = "$") -> Ask:
    """The request, if its fields fit together. Raises Problem."""
    if ask.price_min is not None and ask.price_max is not None and ask.price_min > ask.price_max:
        raise invalid(f"{place}.price_max", f"at least price_min, {ask.price_min:g}", f"{ask.price_max:g}")
    return ask


def body(raw: bytes, kind: type[T]) -> T:
    """The body as `kind`. Raises Problem that names the place in it that does not fit.

    >>> body(b'{"user_id": "u"}', Ask).user_id
    'u'
    """
    try:
        return msgspec.json.decode(raw, type=kind)
    except msgspec.ValidationError as error:
        raise _misfit(str(error), kind) from None
    except (msgspec.DecodeError, RecursionError) as error:
        raise Problem(
            "bad-request", f"The body is not JSON: {error}.", "Send a JSON object; /docs has the schema."
        ) from None


def query(raw: bytes, kind: type[T], **known: Any) -> T:
    """The query string as `kind`, `known` fields put in. A list is a repeated parameter, or one with commas.

    >>> query(b"n=3&exclude=a,b&exclude=c", Ask, user_id="u").exclude
    ['a', 'b', 'c']
    >>> query(b"context=device:phone&pinned=1:tea", Ask).context
    {'device': 'phone'}
    """
    if not raw:
        return msgspec.convert(known, kind)
    values: dict[str, Any] = dict(known)
    for name, value in parse_qsl(raw.decode("latin-1"), keep_blank_values=True, max_num_fields=2_000):
        if name in LISTS:
            values.setdefault(name, []).extend(part for part in value.split(",") if part)
        elif name == "context":
            key, colon, told = value.partition(":")
            if not colon:
                raise invalid("query.context", "KEY:VALUE", repr(value[:40]))
            values.setdefault(name, {})[key] = told
        elif name in values:
            raise invalid(f"query.{name}", "one value", "more than one")
        else:
            values[name] = value
    try:
        return msgspec.convert(values, kind, strict=False)
    except msgspec.ValidationError as error:
        raise _misfit(str(error), kind, "query") from None


def _misfit(message: str, kind: Any, place: str = "$") -> Problem:
    wanted, _, where = message.partition(" - at `")
    path = (where.rstrip("`") or "$").replace("$", place, 1)
    expected, _, found = wanted.removeprefix("Expected ").partition(", got ")
    expected = expected.replace(" | null", "")
    if expected.startswith("Object contains unknown field "):
        fields = ", ".join(kind.__struct_fields__)
        return invalid(f"{path}.{expected.split('`')[1]}", f"only the fields {fields}", "a field of another name")
    if expected.startswith("Object missing required field "):
        return invalid(f"{path}.{expected.split('`')[1]}", "a value", "nothing")
    if expected.startswith("Invalid enum value "):
        return invalid(path, f"one of {', '.join(SEEN)}", expected.removeprefix("Invalid enum value "))
    return invalid(path, expected.replace("`", ""), found.replace("`", "") or "a value outside of that")


def whole(text: str, path: str, low: int, high: int) -> int:
    """A whole number of a query string. Raises Problem when it is none, or outside `low` to `high`.

    >>> whole("7", "query.limit", 1, 9)
    7
    """
    if not (text.isascii() and text.isdigit() and low <= int(text[:20]) <= high):
        raise invalid(path, f"a whole number from {low} to {high}", repr(text[:40]))
    return int(text)


def recent(entries: list[str | RecentItem], now: float) -> tuple[list[str], list[float], list[int]]:
    """(ids, times, kinds) of recent items, newest first. Without a time, one is half a minute older than the next.

    Raises Problem for an event type that does not exist, and for a time outside the bounds of
    models.records.timestamps.
    """
    items: list[str] = []
    times: list[float] = []
    kinds: list[int] = []
    for position, entry in enumerate(entries):
        plain = RecentItem(entry) if isinstance(entry, str) else entry
        if plain.event_type not in KINDS:
            raise invalid(f"$.recent_items[{position}].event_type", f"one of {', '.join(KINDS)}", plain.event_type)
        items.append(plain.item_id)
        # Well inside one session, so that a page's list counts as what the visitor is doing now.
        times.append(now - 30.0 * position if plain.timestamp is None else _time(plain.timestamp, position))
        kinds.append(KINDS.index(plain.event_type))
    return items, times, kinds


def _time(given: datetime | float, position: int) -> float:
    seconds = epoch_seconds(given)
    if seconds is None:
        raise invalid(f"$.recent_items[{position}].timestamp", TIMESTAMP, repr(given)[:40])
    return seconds


__all__ = ["body", "pins", "query", "recent", "sensible", "whole"]
