"""The recommender's inputs and outputs: events, options, batches, rankings."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple, Protocol

from models.arrays import Array
from models.dimensions import IMPRESSION, PURCHASE, SEARCH

DEFAULT_WEIGHTS = (1.0, 1.3, 1.6, 1.9, 1.0, 0.0, -1.0, -1.0, -1.0)
"""Weight of each event type in learning, by code."""


class EventLike(Protocol):
    """What the recommender reads of an event (models/records/events.py has the real one).

    May also have `query: str | None`, the text of a search.
    """

    @property
    def kind(self) -> int:
        """Code of the event type, as in models/dimensions.py."""

    @property
    def user_id(self) -> str:
        """Id of the user."""

    @property
    def item_id(self) -> str | None:
        """Id of the item, None for an event without one."""

    @property
    def timestamp(self) -> float:
        """Epoch seconds."""

    @property
    def price(self) -> float | None:
        """Price paid or shown, in the shop's currency."""


@dataclass(frozen=True, slots=True)
class RecommenderOptions:
    """Ceilings of the key spaces, when an item is admitted, and how much an event type weighs.

    Args:
        items: Most items with a row.
        users: Most users with a row.
        categories: Most categories with a row.
        brands: Most brands with a row.
        queries: Most search texts with a row.
        admit_after: Events that must name an item before it gets a row.
        test_every: 0 tests about 50 events a second of record time, n > 0 each n-th event (for reports over a file).
        weights: Weight in learning of each event type, by code.
    """

    items: int = 1_000_000
    users: int = 500_000
    categories: int = 20_000
    brands: int = 50_000
    queries: int = 20_000
    admit_after: int = 1
    test_every: int = 0
    weights: tuple[float, ...] = DEFAULT_WEIGHTS

    def ceilings(self) -> dict[str, int]:
        """Return the ceiling of each key space."""
        return {
            "item": self.items,
            "user": self.users,
            "category": self.categories,
            "brand": self.brands,
            "query": self.queries,
        }


class EventBatch(NamedTuple):
    """Events as arrays, one element per accepted event."""

    user: Array  # (n,) i32 row
    item: Array  # (n,) i32 row, -1 for none
    query: Array  # (n,) i32 row, -1 for none; learning writes the search in force here, also an earlier one
    kind: Array  # (n,) u8 code
    time: Array  # (n,) f64 epoch seconds of the event
    record_time: Array  # (n,) f64 epoch seconds of the record
    price: Array  # (n,) f64, 0 for none
    weight: Array  # (n,) f32


class Ranking(NamedTuple):
    """A ranking: items best first, their scores, and the single source that ranks each highest.

    With `explain`, also the ranker's standardised features of each item and its weights for this user at this moment.
    """

    items: list[str]
    scores: Array  # (n,) f32 descending
    sources: list[str]
    served_by: str  # the contender that ordered
    features: Array | None = None  # (n, EXPLAINED_NAMES) f64
    weights: Array | None = None  # (EXPLAINED_NAMES,) f64


def is_positive(event: EventLike) -> bool:
    """Whether the event shows that its user wanted its item."""
    return event.kind <= PURCHASE and event.item_id is not None


def is_history(event: EventLike) -> bool:
    """Whether the event enters its user's history: anything done to an item, wanted or not."""
    return event.item_id is not None and event.kind not in {SEARCH, IMPRESSION}
