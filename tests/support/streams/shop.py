"""Makes events of a small shop with known tastes, as the recommender reads them, and the facts of its items."""

from __future__ import annotations

import random
from typing import NamedTuple

START = 1_600_000_000.0


class ShopEvent(NamedTuple):
    """One event."""

    kind: int
    user_id: str
    item_id: str | None
    timestamp: float
    price: float | None = None
    query: str | None = None


class ShopFacts(NamedTuple):
    """Facts of one item."""

    category: str | None
    brand: str | None
    price: float | None
    available: bool = True
    content: bytes | None = None


def facts(items: int = 60) -> dict[str, ShopFacts]:
    """Each item's category is its number modulo 6; every tenth has none, every fifth no price."""
    return {
        f"i{n}": ShopFacts(f"c{n % 6}" if n % 10 else None, f"b{n % 4}", 1.0 + n if n % 5 else None)
        for n in range(items)
    }


def stream(count: int, seed: int, users: int = 25, items: int = 60) -> list[ShopEvent]:
    """Users stay with the category of their number, mostly; all event types occur, in sessions."""
    rng, now, events = random.Random(seed), START, []
    for _ in range(count):
        user = rng.randrange(users)
        item = rng.randrange(items) if rng.random() < 0.2 else (user % 6) + 6 * min(int(rng.expovariate(0.5)), 9)
        kind = rng.choices(range(9), [50, 8, 8, 12, 4, 6, 2, 2, 2])[0]
        now += rng.choice([0, 1, 20, 400])
        named = None if kind == 4 and rng.random() < 0.5 else f"i{item}"
        events.append(ShopEvent(kind, f"u{user}", named, now, round(rng.random() * 50, 2) or None))
    return events
