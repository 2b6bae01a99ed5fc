"""Turns the arguments of a method into a request, and says what type its answer has."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar, cast
from urllib.parse import quote, urlencode

import msgspec

from sluicegate_client.types import (
    Ask,
    EventsAnswer,
    IdentifyAnswer,
    ItemAccepted,
    ItemsAnswer,
    ListAsk,
    Pin,
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


def listed(at: str, n: int | None, category: str | None, attributes: Sequence[str], options: ListAsk) -> Call[Slate]:
    """A list that is no user's own, from the path `at`."""
    asked = {"n": n, "category": category, "attributes": attributes, **options}
    return Call("GET", at + _query(asked), Slate)


def path(*parts: str) -> str:
    """A path of these parts; an id among them may hold anything, a slash too."""
    return "".join(f"/{quote(part, safe='')}" for part in parts)


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
    return Call("DELETE", path("items", item_id), ItemAccepted)


def identify(anonymous_id: str, user_id: str) -> Call[IdentifyAnswer]:
    """Two ids of one person."""
    body = {"anonymous_id": anonymous_id, "user_id": user_id}
    return Call("POST", "/identify", IdentifyAnswer, msgspec.json.encode(body))


def set_user(user_id: str, attributes: Mapping[str, Any]) -> Call[UserAccepted]:
    """What the shop says of a user."""
    body = msgspec.json.encode({"attributes": attributes})
    return Call("PUT", path("users", user_id), UserAccepted, body)


def _query(values: Mapping[str, object]) -> str:
    """A query string of the values that are there; lists are repeated."""
    given = [(name, text) for name, value in values.items() for text in _texts(value)]
    return "?" + urlencode(given) if given else ""


def _texts(value: object) -> list[str]:
    """A value as the texts that stand for it in a query; none for a value that is not there.

    >>> _texts(False), _texts({"device": "phone"}), _texts(["2:tea", {"item_id": "mug", "place": 1}])
    (['false'], ['device:phone'], ['2:tea', '1:mug'])
    """
    if value is None or value == "":
        return []
    if isinstance(value, bool):
        return [str(value).lower()]
    if isinstance(value, Mapping):
        return [f"{key}:{each}" for key, each in value.items()]
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [each if isinstance(each, str) else _pin(cast(Pin, each)) for each in value]
    return [str(value)]


def _pin(pin: Pin) -> str:
    return f"{pin['place']}:{pin['item_id']}"
