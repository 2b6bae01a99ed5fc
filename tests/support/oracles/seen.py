"""Nothing in. Out: an event with what the recommender reads of one, and no more."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass
class Seen:
    """An event as the recommender reads it."""

    kind: int
    user_id: str
    item_id: str | None
    timestamp: float
    price: float | None = None
