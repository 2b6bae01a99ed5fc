"""In: bodies and query strings. Out: typed requests and answers; the API's description is made from these."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Final, TypeVar
from urllib.parse import parse_qsl

import msgspec
from msgspec import Meta, Struct

from models.events import KINDS
from models.slate import SEEN, Seen
from models.timestamps import EXPECTED as TIMESTAMP
from models.timestamps import epoch_seconds
from service.problems import Problem, invalid

MAX_N: Final = 200
"""Most items of one slate: beyond it a page is an export."""
MAX_EXCLUDE: Final = 1_000
MAX_RECENT: Final = 128
"""Most recent items a request may bring: as many as a user's history holds."""

Timestamp = Annotated[datetime, Meta(tz=True)] | int | float
Id = Annotated[str, Meta(min_length=1, max_length=256)]
Count = Annotated[int, Meta(ge=1, le=MAX_N)]


class RecentItem(Struct, frozen=True):
    """An interaction that the caller knows of: what a shop's page holds for a visitor without an account."""

    item_id: Id
    event_type: str = "click"
    timestamp: Timestamp | None = None


class Ask(Struct, frozen=True, forbid_unknown_fields=True):
    """A request for recommendations. `recent_items` are newest first, as ids or objects."""

    user_id: Id | None = None
    n: Count = 10
    category: Annotated[str, Meta(max_length=256)] | None = None
    exclude: Annotated[list[Id], Meta(max_length=MAX_EXCLUDE)] = []
    exclude_seen: Seen = "none"
    recent_items: Annotated[list[Id | RecentItem], Meta(max_length=MAX_RECENT)] = []


class Item(Struct, omit_defaults=True):
    """One recommended item. Title, category and price are there when the catalogue has them."""

    item_id: str
    score: float
    rank: int
    source: str
    title: str | None = None
    category: str | None = None
    price: float | None = None


class Slate(Struct):
    """An answer with items. `degraded` says in which ways it is less than it could be; empty is good."""

    request_id: str
    user_id: str | None
    model_version: str | None
    model_age_seconds: float | None
    served_by: str
    degraded: list[str]
    items: list[Item]


class EventOutcome(Struct, omit_defaults=True):
    """What became of one event: accepted, rejected (with reason, path, expected and found), or unavailable."""

    index: int
    outcome: str
    reason: str = ""
    path: str = ""
    expected: str = ""
    found: str = ""


class EventsAnswer(Struct):
    """What became of the events of one request, in their order."""

    request_id: str
    accepted: int
    rejected: int
    unavailable: int
    outcomes: list[EventOutcome]


class GateAsk(Struct, frozen=True, forbid_unknown_fields=True):
    """A change by an operator. `revision` is the one `GET /gate` shows: another change in between refuses this one."""

    reason: Annotated[str, Meta(min_length=1, max_length=500)]
    revision: Annotated[int, Meta(ge=0)]


class FreezeAsk(GateAsk, frozen=True, forbid_unknown_fields=True):
    """A freeze, with its end in seconds from now; without one it ends after a day."""

    seconds: Annotated[float, Meta(gt=0, le=31_536_000)] | None = None


class ModeAsk(GateAsk, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A change of the gate's mode."""

    mode: str


T = TypeVar("T")


def body(raw: bytes, kind: type[T]) -> T:
    """The body as `kind`. Raises Problem that names the place in it that does not fit.

    >>> body(b'{"user_id": "u"}', Ask).n
    10
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
    """
    if not raw:
        return msgspec.convert(known, kind)
    values: dict[str, Any] = dict(known)
    for name, value in parse_qsl(raw.decode("latin-1"), keep_blank_values=True, max_num_fields=2_000):
        if name == "exclude":
            values.setdefault(name, []).extend(part for part in value.split(",") if part)
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

    Raises Problem for an event type that does not exist, and for a time outside the bounds of models.timestamps.
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


__all__ = [
    "MAX_N",
    "Ask",
    "Count",
    "EventOutcome",
    "EventsAnswer",
    "FreezeAsk",
    "GateAsk",
    "Item",
    "ModeAsk",
    "RecentItem",
    "Slate",
    "body",
    "query",
    "recent",
    "whole",
]
