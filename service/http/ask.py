"""Parses a request for recommendations into a `PageAsk`, whose fields need no further checks."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final, NamedTuple

import msgspec

from models.records import EXPECTED as TIMESTAMP
from models.records import KINDS, epoch_seconds
from models.slate import Audience, Seen, Wanted, condition_of
from models.structs import Prepared
from service.http.address import checked
from service.http.parsing import decode_body, decode_query, whole_number
from service.http.problems import invalid
from service.http.request_options import PLAIN, RequestOptions
from service.http.schemas import MAX_N, Ask, BatchAsk, CompareAsk, Pin, RecentItem

RECENT_STEP: Final = 30.0
"""Seconds between recent items that have no time. Well inside one session, so that a page's list counts as what the
visitor is doing now."""


class History(NamedTuple):
    """Interactions of one user, newest first."""

    items: list[str]
    times: list[float]  # epoch seconds
    kinds: list[int]  # codes of event types, see models.records.events.KINDS


NOBODY: Final = History([], [], [])
"""The history of a user without interactions."""


class PageAsk(msgspec.Struct, metaclass=Prepared, frozen=True, gc=False):
    """A request for recommendations as the page reads it. docs/api.md says what each option does.

    `Ask` is the same request as it is sent: there `pinned` and `recent_items` have several forms.
    """

    user_id: str | None
    count: int
    """Number of items on the page."""
    wanted: Wanted
    exclude: list[str]
    exclude_seen: Seen
    recent: History
    """The items that the request brings as recent; empty when it brings none."""
    candidates: list[str]
    query: str | None
    context: dict[str, str | float]
    diversity: float
    pins: dict[int, str]
    """Item id by place; places start at 1."""
    boosted: list[str]
    boost_share: float
    rotate: float
    explore: float
    explain: bool
    attributes: list[str]
    """Attributes, and facts, that each item is shown with."""
    scenario: str | None = None
    exclude_in_view: bool = False
    reasons: Audience = "none"
    language: str | None = None
    """The language of reasons that the request names, as it was written."""
    order: str | None = None
    """The contender that an experiment lets order; None for the one in charge."""
    reference: bool = False
    """Whether an experiment wants the reference's tables in place of the champion's."""
    arms: dict[str, str] | None = None
    """The user's arm in each experiment, by name of the experiment."""
    segments: list[str] | None = None
    """Segments of setting `learner.segments` that the user's attributes meet."""


def ask_from_query(raw: bytes, now: float, begin: RequestOptions = PLAIN, /, **known: Any) -> PageAsk:
    """Parse a query string.

    Args:
        raw: The query string as it was sent.
        now: Epoch seconds; the age of recent items counts from it.
        begin: Options that it is put together with.
        known: Fields that the path has named already.

    Raises:
        Problem: The first field that does not fit, by its path.

    >>> ask_from_query(b"n=3&pinned=2:tea&recent_items=mug", 90.0, user_id="ann").pins
    {2: 'tea'}
    """
    return _parsed(decode_query(raw, Ask, begin, **known), now, "query")


def ask_from_body(raw: bytes, now: float, begin: RequestOptions = PLAIN) -> PageAsk:
    """Parse a JSON body; `now` and `begin` as in `ask_from_query`.

    Raises:
        Problem: The body is no JSON, or a field does not fit.

    >>> ask_from_body(b'{"recent_items": ["mug", {"item_id": "tea", "event_type": "cart"}]}', 90.0).recent
    History(items=['mug', 'tea'], times=[90.0, 60.0], kinds=[0, 2])
    """
    return _parsed(decode_body(raw, Ask, begin), now, "$")


def batch_from_body(raw: bytes, now: float, begin: RequestOptions = PLAIN) -> tuple[list[str], PageAsk]:
    """Parse a JSON body that asks for many users: their ids, unchecked, and what is asked for each of them.

    Raises:
        Problem: The body is no JSON, or a field does not fit.
    """
    ask = decode_body(raw, BatchAsk, begin)
    for name in ("user_id", "recent_items"):
        if getattr(ask, name):
            raise invalid(f"$.{name}", "nothing: it belongs to one user, and user_ids names many", "a value")
    return ask.user_ids, _parsed(ask, now, "$")


def compared_from_body(raw: bytes, now: float, begin: RequestOptions = PLAIN) -> tuple[str, str, PageAsk]:
    """Parse a JSON body that asks for a comparison: its two sides, unchecked, and what is asked for on both.

    Raises:
        Problem: The body is no JSON, or a field does not fit.
    """
    ask = decode_body(raw, CompareAsk, begin)
    return ask.one, ask.other, _parsed(ask, now, "$")


def _parsed(ask: Ask, now: float, root: str) -> PageAsk:
    _checked(ask, root)
    return PageAsk(
        ask.user_id,
        ask.count,
        ask.wanted,
        ask.exclude,
        ask.exclude_seen,
        recent(ask.recent_items, now) if ask.recent_items else NOBODY,
        ask.candidates,
        ask.query,
        ask.context,
        ask.diversity,
        pins(ask.pinned, root) if ask.pinned else {},
        ask.boosted,
        ask.boost_share,
        ask.rotate,
        ask.explore,
        ask.explain,
        ask.attributes,
        ask.scenario,
        ask.exclude_in_view,
        ask.reasons,
        ask.language,
    )


def _checked(ask: Ask, root: str) -> Ask:
    if ask.user_id is not None and not ask.user_id.isprintable():
        checked(ask.user_id, f"{root}.user_id")
    for position, text in enumerate(ask.filter):
        try:
            condition_of(text)
        except ValueError as error:
            raise invalid(f"{root}.filter[{position}]", str(error), repr(text[:40])) from None
    if ask.price_min is not None and ask.price_max is not None and ask.price_min > ask.price_max:
        raise invalid(f"{root}.price_max", f"at least price_min, {ask.price_min:g}", f"{ask.price_max:g}")
    return ask


def pins(entries: list[Pin | str], root: str = "$") -> dict[int, str]:
    """Item id by place.

    Args:
        entries: Pins as they were sent: objects, or strings PLACE:ITEM.
        root: First part of the paths in problems: `$` for a body, `query` for a query string.

    Raises:
        Problem: An entry is no pin, or names a place or an item a second time.

    >>> pins(["2:tea", Pin("mug", 1)])
    {2: 'tea', 1: 'mug'}
    """
    found: dict[int, str] = {}
    for position, entry in enumerate(entries):
        path = f"{root}.pinned[{position}]"
        pin = _pin(entry, path) if isinstance(entry, str) else entry
        if pin.place in found or pin.item_id in found.values():
            raise invalid(path, "each place and each item once", f"place {pin.place} or {pin.item_id!r} again")
        found[pin.place] = pin.item_id
    return found


def _pin(text: str, path: str) -> Pin:
    place, colon, item = text.partition(":")
    if not colon or not 1 <= len(item) <= 256:
        raise invalid(path, "PLACE:ITEM, or an object with item_id and place", repr(text[:40]))
    return Pin(item, whole_number(place, path, 1, MAX_N))


def recent(entries: list[str | RecentItem], now: float) -> History:
    """Recent items as a history. An entry without a time is `RECENT_STEP` older than the one before it.

    Raises:
        Problem: An event type does not exist, or a time is outside the bounds of models.records.timestamps.
    """
    items: list[str] = []
    times: list[float] = []
    kinds: list[int] = []
    for position, entry in enumerate(entries):
        plain = RecentItem(entry) if isinstance(entry, str) else entry
        if plain.event_type not in KINDS:
            raise invalid(f"$.recent_items[{position}].event_type", f"one of {', '.join(KINDS)}", plain.event_type)
        items.append(plain.item_id)
        times.append(now - RECENT_STEP * position if plain.timestamp is None else _seconds(plain.timestamp, position))
        kinds.append(KINDS.index(plain.event_type))
    return History(items, times, kinds)


def _seconds(given: datetime | float, position: int) -> float:
    seconds = epoch_seconds(given)
    if seconds is None:
        raise invalid(f"$.recent_items[{position}].timestamp", TIMESTAMP, repr(given)[:40])
    return seconds


__all__ = [
    "NOBODY",
    "History",
    "PageAsk",
    "ask_from_body",
    "ask_from_query",
    "batch_from_body",
    "compared_from_body",
    "pins",
    "recent",
]
