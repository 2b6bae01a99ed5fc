"""The types of requests and answers, from which the API's description is made.

Their names and docstrings are part of that description: the names are its component names.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Final

from msgspec import UNSET, Meta, Struct, UnsetType

from models.records import Attributes, Value
from models.slate import Audience, Condition, Contribution, Seen, Wanted, condition_of
from models.structs import Prepared

MAX_ID: Final = 256
"""Characters of an id, as in events."""
MAX_N: Final = 200
"""Most items of one slate: beyond it a page is an export."""
MAX_EXCLUDE: Final = 1_000
MAX_RECENT: Final = 128
"""Most recent items a request may bring: as many as a user's history holds."""

MAX_CANDIDATES: Final = 400
"""Most items a request may bring to be ranked: as many as the recommender takes besides those of its sources."""
MAX_NAMED: Final = 100
"""Most items that a request may boost, and most it may pin."""
MAX_FILTERS: Final = 32
"""Most conditions of a request, each of at most MAX_FILTER characters."""
MAX_FILTER: Final = 512
MAX_SHOWN: Final = 64
"""Most attributes that a request may ask for: as many as an item can have."""
MAX_QUERY: Final = 1_024
"""Characters of a search, as in events."""
DEFAULT_N: Final = 10
MAX_SIDE: Final = 90
"""Characters of one side of a comparison: two names of 40 and what stands between them."""
MAX_REDRIVE: Final = 500
"""Dead letters that one request may send again: as many as are confirmed together."""
MAX_PASTED: Final = 262_144
"""Characters of records that are pasted to try a mapping on."""
MAX_USERS: Final = 1_000
"""Most users of one request for many: at 1 ms each it lasts as long as the requests before it may wait."""

Timestamp = Annotated[datetime, Meta(tz=True)] | int | float
Id = Annotated[str, Meta(min_length=1, max_length=MAX_ID)]
Count = Annotated[int, Meta(ge=1, le=MAX_N)]
Short = Annotated[str, Meta(min_length=1, max_length=256)]
Tags = Annotated[list[Id], Meta(max_length=64)]
Price = Annotated[float, Meta(ge=0, le=1e12)]
Share = Annotated[float, Meta(ge=0, le=1)]
Flat = Annotated[
    dict[Annotated[str, Meta(min_length=1, max_length=64)], Annotated[str, Meta(max_length=256)] | float],
    Meta(max_length=32),
]


class RecentItem(Struct, metaclass=Prepared, frozen=True):
    """An interaction that the caller knows, such as what a page holds for a visitor without an account."""

    item_id: Id
    event_type: str = "click"
    timestamp: Timestamp | None = None


class Pin(Struct, metaclass=Prepared, frozen=True, forbid_unknown_fields=True):
    """An item and the place it must have; places start at 1."""

    item_id: Id
    place: Count


class Ask(Struct, metaclass=Prepared, frozen=True, forbid_unknown_fields=True):
    """A request for recommendations. docs/api.md says what each field does.

    `recent_items` are newest first, as ids or objects; `pinned` are objects, or strings PLACE:ITEM. Without `n`, a
    request with `candidates` gets all of them, any other one 10 items. What a request does not say is as its `scenario`
    says, then as the settings of the service say.
    """

    user_id: Id | None = None
    scenario: Id | None = None
    n: Count | None = None
    category: Annotated[str, Meta(max_length=256)] | None = None
    tags_all: Tags = []
    tags_any: Tags = []
    price_min: Price | None = None
    price_max: Price | None = None
    filter: Annotated[list[Annotated[str, Meta(max_length=MAX_FILTER)]], Meta(max_length=MAX_FILTERS)] = []
    attributes: Annotated[list[Id], Meta(max_length=MAX_SHOWN)] = []
    exclude: Annotated[list[Id], Meta(max_length=MAX_EXCLUDE)] = []
    exclude_seen: Seen = "none"
    exclude_in_view: bool = False
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
    reasons: Audience = "none"
    language: Annotated[str, Meta(max_length=64)] | None = None

    @property
    def count(self) -> int:
        """Items wanted."""
        return self.n or len(self.candidates) or DEFAULT_N

    @property
    def wanted(self) -> Wanted:
        """The filters."""
        return Wanted(
            self.category,
            frozenset(self.tags_all),
            frozenset(self.tags_any),
            self.price_min,
            self.price_max,
            self.conditions,
        )

    @property
    def conditions(self) -> tuple[Condition, ...]:
        """The conditions in `filter`. Raises ValueError for one that cannot be read."""
        return tuple(map(condition_of, self.filter))


class BatchAsk(Ask, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A request for the slates of many users: the options of one request, which count for all of them.

    `user_id` and `recent_items` belong to one user, so they cannot be set here.
    """

    user_ids: Annotated[list[str], Meta(min_length=1, max_length=MAX_USERS)]


class CompareAsk(Ask, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A request for two slates of one user under the same options, each made in another way.

    `one` and `other` are `served` (as it is without experiments), `reference` (the gate's), the name of what orders (as
    in the arms of experiments: `popularity`, `shadow`, `follows`, ...), or EXPERIMENT/ARM.
    """

    one: Annotated[str, Meta(min_length=1, max_length=MAX_SIDE)] = "served"
    other: Annotated[str, Meta(min_length=1, max_length=MAX_SIDE)] = "reference"


class Item(Struct, metaclass=Prepared, omit_defaults=True):
    """One recommended item. It has title, category and price when the catalogue has them.

    It has those `attributes` that the request asks for and the catalogue has, `propensity` when the request explores,
    `reason`, a sentence, when the request wants reasons, and with `explain` `contributions`, which add up to the score.
    """

    item_id: str
    score: float
    rank: int
    source: str
    title: str | None = None
    category: str | None = None
    price: float | None = None
    attributes: dict[str, Value] | None = None
    reason: str | None = None
    propensity: float | None = None
    contributions: list[Contribution] | None = None


class Slate(Struct, metaclass=Prepared):
    """An answer with items. `degraded` says in which ways it is less than it could be; it is empty when all is well.

    `experiments` has the user's arm in each experiment that runs, by name of the experiment.
    """

    request_id: str
    user_id: str | None
    model_version: str | None
    model_age_seconds: float | None
    served_by: str
    degraded: list[str]
    items: list[Item]
    experiments: dict[str, str] | UnsetType = UNSET


class ComparedSlates(Struct, metaclass=Prepared):
    """Two slates of one user. `same` counts the items that stand on both. Neither is counted or kept as shown."""

    one: Slate
    other: Slate
    same: int


class SentEvent(Struct, metaclass=Prepared, frozen=True):
    """An event as it is sent. Unknown fields are ignored. Only a search with a `query` may lack `item_id`.

    `timestamp` is RFC 3339 with a zone, or epoch seconds or milliseconds; without one the event happened on arrival.
    docs/events.md explains the fields. They are declared here for the description; events are decoded where all events
    are, in models/records.
    """

    event_type: str
    user_id: Id
    timestamp: Timestamp | None = None
    item_id: Id | None = None
    event_id: Id | None = None
    session_id: Id | None = None
    price: Price | None = None
    quantity: Annotated[float, Meta(ge=-1e9, le=1e9)] | None = None
    request_id: Id | None = None
    query: Annotated[str, Meta(max_length=MAX_QUERY)] | None = None
    context: Flat | None = None


class IdentifyAsk(Struct, metaclass=Prepared, frozen=True, forbid_unknown_fields=True):
    """Two ids of one person: the one that the visitor was known by, and the user.

    With a public key, `proof` is what the shop's server signed. docs/events.md says how.
    """

    anonymous_id: Id
    user_id: Id
    proof: Annotated[str, Meta(max_length=MAX_ID)] | None = None


class UserAsk(Struct, metaclass=Prepared, frozen=True, forbid_unknown_fields=True):
    """What the shop says of a user. The attributes replace all earlier ones; without any, the user has none.

    A value is a string, a number, true or false, or a list of strings, as for items.
    """

    attributes: dict[str, Any]


class EventOutcome(Struct, metaclass=Prepared, omit_defaults=True):
    """The outcome of one event: accepted, rejected (with reason, path, expected and found), unavailable, or ignored.

    `left_out` names optional fields that could not be used: the event counts without them, and so do facts of its item
    where a mapping was named. `warning` says why an accepted event will not be learned: it begins with late, future or
    capped; or with facts, where what it says of its item is not taken. `ignored` is a record that the mapping which the
    request names makes no event. `part` counts the events of one record from 1, where a mapping makes several of it.
    """

    index: int
    outcome: str
    reason: str = ""
    path: str = ""
    expected: str = ""
    found: str = ""
    left_out: tuple[str, ...] = ()
    warning: str = ""
    part: int = 0


class EventsAnswer(Struct, metaclass=Prepared, omit_defaults=True):
    """The outcomes of the events of one request, in their order.

    Where a mapping was named, `ignored` counts the records that it makes no event, and `unread` names those of its
    fields that are facts of items which no event says: send them as item facts.
    """

    request_id: str
    accepted: int
    rejected: int
    unavailable: int
    outcomes: list[EventOutcome]
    ignored: int = 0
    unread: tuple[str, ...] = ()


class SentItem(Struct, metaclass=Prepared, frozen=True):
    """An item as it is sent: its id and its facts. Other fields are attributes, like those in `attributes`.

    docs/events.md explains the fields. They are declared here for the description; items are decoded where all items
    are, in models/records.
    """

    item_id: Id
    category: Short | None = None
    price: Price | None = None
    brand: Short | None = None
    title: Annotated[str, Meta(max_length=1024)] | None = None
    tags: Annotated[tuple[Short, ...], Meta(max_length=64)] = ()
    rating: Annotated[float, Meta(ge=-1e6, le=1e6)] | None = None
    available: bool = True
    embedding: Annotated[tuple[float, ...], Meta(min_length=1, max_length=4096)] | None = None
    group_id: Short | None = None
    attributes: Attributes | None = None


class ItemOutcome(Struct, metaclass=Prepared, omit_defaults=True):
    """The outcome of one item: accepted, rejected (with reason, path, expected and found), or unavailable.

    `left_out` names attributes that could not be used: the item counts without them.
    """

    index: int
    outcome: str
    item_id: str = ""
    reason: str = ""
    path: str = ""
    expected: str = ""
    found: str = ""
    left_out: tuple[str, ...] = ()


class ItemsAnswer(Struct, metaclass=Prepared):
    """The outcomes of the items of one request, in their order.

    `attributes` counts the accepted items by the attributes that they have: a fact that is misspelled is among them.
    """

    request_id: str
    accepted: int
    rejected: int
    unavailable: int
    attributes: dict[str, int]
    outcomes: list[ItemOutcome]


class GateAsk(Struct, metaclass=Prepared, frozen=True, forbid_unknown_fields=True):
    """A change by an operator. `revision` is the one that `GET /gate` shows; a change in between makes it refused."""

    reason: Annotated[str, Meta(min_length=1, max_length=500)]
    revision: Annotated[int, Meta(ge=0)]


class FreezeAsk(GateAsk, frozen=True, forbid_unknown_fields=True):
    """A freeze, with its end in seconds from now; by default it ends after a day."""

    seconds: Annotated[float, Meta(gt=0, le=31_536_000)] | None = None


class ForceAsk(GateAsk, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A promotion by hand; with `force` whatever the evidence says."""

    force: bool = False


class QuarantineAsk(GateAsk, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The learned model returns to `version`, by default the reference; events since then are held."""

    version: str | None = None


class ModeAsk(GateAsk, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A change of the gate's mode."""

    mode: str


class RedriveAsk(Struct, metaclass=Prepared, frozen=True, forbid_unknown_fields=True):
    """Dead letters to send again: of one `reason`, or of all, at most `limit`. With `dry_run` they are only counted."""

    reason: Annotated[str, Meta(min_length=1, max_length=64)] | None = None
    limit: Annotated[int, Meta(ge=1, le=MAX_REDRIVE)] = MAX_REDRIVE
    dry_run: bool = False


class MappingAsk(Struct, metaclass=Prepared, frozen=True, forbid_unknown_fields=True):
    """Records to try a mapping on: one as JSON, a list, or one a line. `key` is that of the record in Kafka."""

    mapping: Id
    records: Annotated[str, Meta(min_length=1, max_length=MAX_PASTED)]
    key: Annotated[str, Meta(max_length=MAX_ID)] | None = None


class StopAsk(Struct, metaclass=Prepared, frozen=True, forbid_unknown_fields=True):
    """The end of an experiment. `reason` stays in the audit."""

    reason: Annotated[str, Meta(min_length=1, max_length=500)]


__all__ = [
    "MAX_ID",
    "MAX_N",
    "Ask",
    "CompareAsk",
    "ComparedSlates",
    "Count",
    "EventOutcome",
    "EventsAnswer",
    "ForceAsk",
    "FreezeAsk",
    "GateAsk",
    "Id",
    "IdentifyAsk",
    "Item",
    "ItemOutcome",
    "ItemsAnswer",
    "MappingAsk",
    "ModeAsk",
    "Pin",
    "Price",
    "QuarantineAsk",
    "RecentItem",
    "RedriveAsk",
    "SentEvent",
    "SentItem",
    "Share",
    "Slate",
    "StopAsk",
    "Tags",
    "UserAsk",
]
