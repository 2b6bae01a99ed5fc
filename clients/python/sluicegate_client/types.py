"""Types of what is sent and of what comes back.

Written by `python -m tests.support.documents.pages` from the API's description; see `sluicegate openapi`.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal, Required, TypedDict

from msgspec import Struct


class Pin(TypedDict, total=False):
    """An item and the place it must have; places start at 1."""

    item_id: Required[str]
    place: Required[int]


class RecentItem(TypedDict, total=False):
    """An interaction that the caller knows, such as what a page holds for a visitor without an account."""

    item_id: Required[str]
    event_type: str
    timestamp: datetime | str | int | float | None


class Ask(TypedDict, total=False):
    """A request for recommendations. docs/api.md says what each field does."""

    scenario: str | None
    n: int | None
    category: str | None
    tags_all: list[str]
    tags_any: list[str]
    price_min: float | None
    price_max: float | None
    filter: list[str]
    attributes: list[str]
    exclude: list[str]
    exclude_seen: Literal["all", "none", "purchased"]
    exclude_in_view: bool
    recent_items: list[str | RecentItem]
    candidates: list[str]
    query: str | None
    context: dict[str, str | float]
    diversity: float
    pinned: list[str | Pin]
    boosted: list[str]
    boost_share: float
    rotate: float
    explore: float
    explain: bool
    reasons: Literal["none", "operator", "shopper"]
    language: str | None


class ListAsk(TypedDict, total=False):
    """A request for recommendations. docs/api.md says what each field does."""

    user_id: str | None
    scenario: str | None
    tags_all: list[str]
    tags_any: list[str]
    price_min: float | None
    price_max: float | None
    filter: list[str]
    exclude: list[str]
    exclude_seen: Literal["all", "none", "purchased"]
    exclude_in_view: bool
    context: dict[str, str | float]
    diversity: float
    pinned: list[str | Pin]
    boosted: list[str]
    boost_share: float
    rotate: float
    explore: float
    explain: bool
    reasons: Literal["none", "operator", "shopper"]
    language: str | None


class SentEvent(TypedDict, total=False):
    """An event as it is sent. Unknown fields are ignored. Only a search with a `query` may lack `item_id`."""

    event_type: Required[str]
    user_id: Required[str]
    timestamp: datetime | str | int | float | None
    item_id: str | None
    event_id: str | None
    session_id: str | None
    price: float | None
    quantity: float | None
    request_id: str | None
    query: str | None
    context: dict[str, str | float] | None


class EventFields(TypedDict, total=False):
    """An event as it is sent. Unknown fields are ignored. Only a search with a `query` may lack `item_id`."""

    timestamp: datetime | str | int | float | None
    event_id: str | None
    session_id: str | None
    price: float | None
    quantity: float | None
    request_id: str | None
    query: str | None
    context: dict[str, str | float] | None


class SentItem(TypedDict, total=False):
    """An item as it is sent: its id and its facts. Other fields are attributes, like those in `attributes`."""

    item_id: Required[str]
    category: str | None
    price: float | None
    brand: str | None
    title: str | None
    tags: list[str]
    rating: float | None
    available: bool
    embedding: list[float] | None
    group_id: str | None
    attributes: Any | None


class ValueProblem(Struct, frozen=True):
    """A value that does not fit. `index` is the place of its event in the request, `reason` a word for programs."""

    path: str
    expected: str
    found: str
    reason: str = ""
    index: int = 0


class ProblemDocument(Struct, frozen=True):
    """RFC 9457, with what to do `next`; a value that does not fit is named in `errors` by its path."""

    type: str
    title: str
    status: int
    detail: str
    next: str
    instance: str = ""
    errors: tuple[ValueProblem, ...] = ()
    reason: str = ""
    revision: int = 0
    request_id: str = ""


class Contribution(Struct, frozen=True):
    """One summand of a score, in words and as a number. Where it is a product, `value` and `weight` are its factors."""

    name: str
    words: str
    contribution: float
    value: float | None = None
    weight: float | None = None


class Item(Struct, frozen=True):
    """One recommended item. It has title, category and price when the catalogue has them."""

    item_id: str
    score: float
    rank: int
    source: str
    title: str | None = None
    category: str | None = None
    price: float | None = None
    attributes: dict[str, str | int | float | bool | tuple[str, ...]] | None = None
    reason: str | None = None
    propensity: float | None = None
    contributions: tuple[Contribution, ...] | None = None


class Slate(Struct, frozen=True):
    """An answer with items. `degraded` says in which ways it is less than it could be; it is empty when all is well."""

    request_id: str
    user_id: str | None
    model_version: str | None
    model_age_seconds: float | None
    served_by: str
    degraded: tuple[str, ...]
    items: tuple[Item, ...]
    experiments: dict[str, str] = {}


class EventOutcome(Struct, frozen=True):
    """The outcome of one event: accepted, rejected (with reason, path, expected and found), unavailable, or ignored."""

    index: int
    outcome: str
    reason: str = ""
    path: str = ""
    expected: str = ""
    found: str = ""
    left_out: tuple[str, ...] = ()
    warning: str = ""
    part: int = 0


class EventsAnswer(Struct, frozen=True):
    """The outcomes of the events of one request, in their order."""

    request_id: str
    accepted: int
    rejected: int
    unavailable: int
    outcomes: tuple[EventOutcome, ...]
    ignored: int = 0
    unread: tuple[str, ...] = ()


class ItemOutcome(Struct, frozen=True):
    """The outcome of one item: accepted, rejected (with reason, path, expected and found), or unavailable."""

    index: int
    outcome: str
    item_id: str = ""
    reason: str = ""
    path: str = ""
    expected: str = ""
    found: str = ""
    left_out: tuple[str, ...] = ()


class ItemsAnswer(Struct, frozen=True):
    """The outcomes of the items of one request, in their order."""

    request_id: str
    accepted: int
    rejected: int
    unavailable: int
    attributes: dict[str, int]
    outcomes: tuple[ItemOutcome, ...]


class ItemAccepted(Struct, frozen=True):
    """The change of an item is in the topic. `left_out` names attributes that could not be used."""

    request_id: str
    item_id: str
    outcome: str = ""
    left_out: tuple[str, ...] = ()


class UserAccepted(Struct, frozen=True):
    """The attributes of a user are in the topic, or `unchanged`: in force already, so that nothing was written."""

    request_id: str
    user_id: str
    outcome: str = ""
    left_out: tuple[str, ...] = ()


class IdentifyAnswer(Struct, frozen=True):
    """Whether the ids are one: `joined` already, or `accepted` for being joined, within a second as a rule."""

    request_id: str
    outcome: str
