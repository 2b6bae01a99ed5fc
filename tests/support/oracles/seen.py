"""An event with the fields that the recommender reads, and no others."""

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
