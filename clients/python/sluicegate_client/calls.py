"""Turns the arguments of a method into a request, and says what type its answer has."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar
from urllib.parse import quote, urlencode

import msgspec

from sluicegate_client.types import (
    Ask,
    EventsAnswer,
    IdentifyAnswer,
    ItemAccepted,
    ItemsAnswer,
    SentEvent,
    SentItem,
    Slate,
    UserAccepted,
)

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Call(Generic[T]):
    """A request as it is sent, however often, and the type of its answer. Each may be sent twice without harm."""

    method: str
    path: str
    answer: type[T]
    body: bytes | None = None


def recommend(user_id: str | None, options: Ask) -> Call[Slate]:
    """A slate for a user."""
    return Call("POST", "/recommend", Slate, msgspec.json.encode({**options, "user_id": user_id}))


def popular(n: int | None, category: str | None, attributes: Sequence[str]) -> Call[Slate]:
    """Items that are popular now."""
    return Call("GET", "/popular" + _query(n=n, category=category, attributes=attributes), Slate)


def similar(item_id: str, n: int | None, attributes: Sequence[str]) -> Call[Slate]:
    """Items that go with an item."""
    return Call("GET", f"/items/{quote(item_id, safe='')}/similar" + _query(n=n, attributes=attributes), Slate)


def send_events(events: Iterable[SentEvent]) -> Call[EventsAnswer]:
    """Events, each with an `event_id`, so that sending them again counts nothing twice."""
    return Call("POST", "/events", EventsAnswer, msgspec.json.encode(list(events)))


def send_encoded(events: Sequence[bytes]) -> Call[EventsAnswer]:
    """Events that are JSON already."""
    return Call("POST", "/events", EventsAnswer, b"[" + b",".join(events) + b"]")


def send_items(items: Iterable[SentItem | Mapping[str, Any]]) -> Call[ItemsAnswer]:
    """Facts of items."""
    return Call("POST", "/items", ItemsAnswer, msgspec.json.encode(list(items)))


def remove_item(item_id: str) -> Call[ItemAccepted]:
    """An item that the shop no longer has."""
    return Call("DELETE", f"/items/{quote(item_id, safe='')}", ItemAccepted)


def identify(anonymous_id: str, user_id: str) -> Call[IdentifyAnswer]:
    """Two ids of one person."""
    body = {"anonymous_id": anonymous_id, "user_id": user_id}
    return Call("POST", "/identify", IdentifyAnswer, msgspec.json.encode(body))


def set_user(user_id: str, attributes: Mapping[str, Any]) -> Call[UserAccepted]:
    """What the shop says of a user."""
    body = msgspec.json.encode({"attributes": attributes})
    return Call("PUT", f"/users/{quote(user_id, safe='')}", UserAccepted, body)


def _query(**values: int | str | Sequence[str] | None) -> str:
    """A query string of the values that are there; ids may hold commas, so lists are repeated."""
    given = {name: value for name, value in values.items() if value}
    return "?" + urlencode(given, doseq=True) if given else ""
