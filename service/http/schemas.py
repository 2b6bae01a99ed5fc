"""In: bodies and query strings. Out: typed requests and answers; the API's description is made from these."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Final, TypeVar
from urllib.parse import parse_qsl

import msgspec
from msgspec import Meta, Struct

from models.records.events import KINDS
from models.records.timestamps import EXPECTED as TIMESTAMP
from models.records.timestamps import epoch_seconds
from models.slate.explanation import Contribution
from models.slate.filters import Wanted
from models.slate.slate import SEEN, Seen
from service.http.problems import Problem, invalid

MAX_N: Final = 200
"""Most items of one slate: beyond it a page is an export."""
MAX_EXCLUDE: Final = 1_000
MAX_RECENT: Final = 128
"""Most recent items a request may bring: as many as a user's history holds."""

MAX_CANDIDATES: Final = 400
"""Most items a request may bring to be ranked: as many as the recommender takes beside what its sources propose."""
MAX_NAMED: Final = 100
MAX_QUERY: Final = 1_024
"""Characters of a search, as in events."""
"""Most items that a request may boost, and most it may pin."""
DEFAULT_N: Final = 10

Timestamp = Annotated[datetime, Meta(tz=True)] | int | float
Id = Annotated[str, Meta(min_length=1, max_length=256)]
Count = Annotated[int, Meta(ge=1, le=MAX_N)]
Tags = Annotated[list[Id], Meta(max_length=64)]
Price = Annotated[float, Meta(ge=0, le=1e12)]
Share = Annotated[float, Meta(ge=0, le=1)]
Flat = Annotated[
    dict[Annotated[str, Meta(min_length=1, max_length=64)], Annotated[str, Meta(max_length=256)] | float],
    Meta(max_length=32),
]


class RecentItem(Struct, frozen=True):
    """An interaction that the caller knows of: what a shop's page holds for a visitor without an account."""

    item_id: Id
    event_type: str = "click"
    timestamp: Timestamp | None = None


class Pin(Struct, frozen=True, forbid_unknown_fields=True):
    """An item and the place it must have, from 1."""

    item_id: Id
    place: Count


class Ask(Struct, frozen=True, forbid_unknown_fields=True):
    """A request for recommendations. docs/api.md says what each field does.

    `recent_items` are newest first, as ids or objects; `pinned` are objects, or strings PLACE:ITEM. Without `n`, a
    request with `candidates` gets all of them, any other one 10 items.
    """

    user_id: Id | None = None
    n: Count | None = None
    category: Annotated[str, Meta(max_length=256)] | None = None
    tags_all: Tags = []
    tags_any: Tags = []
    price_min: Price | None = None
    price_max: Price | None = None
    exclude: Annotated[list[Id], Meta(max_length=MAX_EXCLUDE)] = []
    exclude_seen: Seen = "none"
    recent_items: Annotated[list[Id | RecentItem], Meta(max_length=MAX_RECENT)] = []
    candidates: Annotated[list[Id], Meta(max_length=MAX_CANDIDATES)] = []
    query: Annotated[str, Meta(max_length=MAX_QUERY)] | None = None
    context: Flat = {}
    diversity: Share = 0.0
    pinned: Annotated[list[Pin | str], Meta(max_length=MAX_NAMED)] = []
    boosted: Annotated[list[Id], Meta(max_length=MAX_NAMED)] = []
    boost_share: Share = 0.2
    rotate: Share = 0.0
    explore: Share = 0.0
    explain: bool = False

    @property
    def count(self) -> int:
        """Items wanted."""
        return self.n or len(self.candidates) or DEFAULT_N

    @property
    def wanted(self) -> Wanted:
        """What the filters ask for."""
        return Wanted(self.category, frozenset(self.tags_all), frozenset(self.tags_any), self.price_min, self.price_max)


class Item(Struct, omit_defaults=True):
    """One recommended item. Title, category and price are there when the catalogue has them.

    `propensity` is there when the request explores; `contributions`, which add up to the score, when it has `explain`.
    """

    item_id: str
    score: float
    rank: int
    source: str
    title: str | None = None
    category: str | None = None
    price: float | None = None
    propensity: float | None = None
    contributions: list[Contribution] | None = None


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
    "Pin",
    "Price",
    "RecentItem",
    "Share",
    "Slate",
    "Tags",
    "body",
    "pins",
    "query",
    "recent",
    "sensible",
    "whole",
]
