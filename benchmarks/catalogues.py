"""Makes a recommender that has learned an event of each of many items, and the batches that follow.

For the models alone: no broker, no Redis, no decoding. The stream is that of benchmarks/workload.py.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from benchmarks import workload
from models.recommender import Recommender, RecommenderOptions, new_state

START = 1.7e9
SETTLED = 100_000
"""Events learned after every item was shown: by then lists train at the steady rate, for every size."""

BATCH = 500


class Event(NamedTuple):
    """What the recommender reads of an event."""

    kind: int
    user_id: str
    item_id: str
    timestamp: float
    price: float | None = None


class Facts(NamedTuple):
    """What the recommender reads of an item."""

    category: str | None
    brand: str | None
    price: float | None
    available: bool = True
    tags: tuple[str, ...] = ()


class Grown(NamedTuple):
    """A recommender, the events that follow, and the facts of the items."""

    recommender: Recommender
    later: list[Event]
    facts: Mapping[str, Facts]


def grown(items: int, later: int, seed: int, per_second: float = 2_000.0, users: int = workload.USERS) -> Grown:
    """Learn one event of every item, then SETTLED more; make `later` events that are not learned yet."""
    goods = workload.catalogue(seed, items)
    facts = {
        f"i{number:07d}": Facts(f"c{category}", f"b{brand}", price)
        for number, (category, brand, price) in enumerate(
            zip(goods.category.tolist(), goods.brand.tolist(), goods.price.tolist(), strict=True)
        )
    }
    made = workload.stream(seed, items + SETTLED + later, per_second, items, users, parade=True)
    columns = (made.kind.tolist(), made.user.tolist(), made.item.tolist(), made.time.tolist())
    events = [
        Event(kind, f"u{user:07d}", f"i{item:07d}", START + time)
        for kind, user, item, time in zip(*columns, strict=True)
    ]
    settings = RecommenderOptions(items=items + 1000, users=users + 1000)
    recommender = Recommender(new_state(settings, seed), settings)
    for batch in batches(events[: items + SETTLED]):
        recommender.learn_events(batch, [event.timestamp for event in batch], facts)
    return Grown(recommender, events[items + SETTLED :], facts)


def batches(events: list[Event], size: int = BATCH) -> Iterator[list[Event]]:
    """Yield runs of `size` events."""
    for start in range(0, len(events), size):
        yield events[start : start + size]
