"""Makes a typed stream of a made-up shop whose tastes are known, and the facts of its items.

Every user likes two categories, every item of a category has a usual successor, and each type of event follows from the
one before: a cart after a click, a return after a purchase. So what a good model finds is known before it learns.
"""

from __future__ import annotations

import random
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

# Epoch seconds at which a stream begins by default. In the past, because Kafka refuses records of the future; a whole
# minute, so that the cap per minute is exact.
EPOCH = 1_735_689_600.0
# Seconds between two records. 500 a second is what a busy shop has; the busiest of 200 users stays below the cap of 600
# a minute, and the learner tests and trains the share of events that it does under load.
INTERVAL = 0.002
# Share of steps that stay with the user's first taste, with the second; the rest is any category.
FIRST, SECOND = 0.68, 0.26
# Probability that a user takes the usual successor of the item before.
SUCCESSION = 0.6

LEARNT, DUPLICATE, LATE, FUTURE, CAPPED = "learnt", "duplicate", "late", "future", "capped"


class Planned(NamedTuple):
    """A record to send: its event, its Kafka timestamp in epoch seconds, and the outcome that it must have."""

    event: dict[str, Any]
    record_time: float
    outcome: str = LEARNT


@dataclass(frozen=True)
class Shop:
    """A made-up shop: its sizes, and the tastes of its users. `tastes[user]` is (first, second) category."""

    users: int = 200
    categories: int = 12
    per_category: int = 25
    seed: int = 1
    tastes: dict[str, tuple[int, int]] = field(init=False)

    def __post_init__(self) -> None:
        rng = random.Random(self.seed)
        tastes = {f"user-{user}": tuple(rng.sample(range(self.categories), 2)) for user in range(self.users)}
        object.__setattr__(self, "tastes", tastes)

    def item(self, category: int, place: int) -> str:
        """Returns the id of the item at a place of its category. Places wrap around: the first follows the last."""
        return f"item-{category}-{place % self.per_category}"

    def category_of(self, item: str) -> int:
        """Returns the category of an item id of this shop."""
        return int(item.split("-")[1])

    def facts(self) -> dict[str, dict[str, Any]]:
        """Returns item facts by item id, as topic `items` carries them."""
        return {
            self.item(category, place): {
                "category": f"category-{category}",
                "price": round(3.0 + category * 4 + place * 0.25, 2),
                "brand": f"brand-{(category + place) % 7}",
                "title": f"Thing {place} of shelf {category}",
            }
            for category in range(self.categories)
            for place in range(self.per_category)
        }

    def stream(self, count: int, start: float = EPOCH, first: int = 0, interval: float = INTERVAL) -> list[Planned]:
        """Returns `count` records of all nine types, in order of time. The same arguments give the same stream.

        `first` numbers the records, so that slices of one shop follow one another: `start` is when number 0 was due.
        """
        rng = random.Random(f"{self.seed}-{first}")
        visitors = {user: _Visitor(self, user, rng) for user in self.tastes}
        names = list(visitors)
        planned = []
        for number in range(first, first + count):
            # The power makes some users several times as busy as others.
            visitor = visitors[names[int(len(names) * rng.random() ** 1.25)]]
            time = round(start + number * interval, 3)
            event = {"event_id": f"e-{self.seed}-{number}", "user_id": visitor.user, "timestamp": time, **visitor.act()}
            planned.append(Planned(event, time))
        return planned


class _Visitor:
    """A user on the way through the shop."""

    def __init__(self, shop: Shop, user: str, rng: random.Random) -> None:
        self._shop, self.user, self._rng = shop, user, rng
        self._category, self._place, self._did = shop.tastes[user][0], 0, ""
        self._session = 0

    def act(self) -> dict[str, Any]:
        """Returns the next event, without user and time."""
        follow = _FOLLOW.get(self._did)
        kind = self._rng.choices(list(follow), list(follow.values()))[0] if follow else "click"
        if kind == "click":
            self._move()
        self._did = kind
        return self._event(kind)

    def _move(self) -> None:
        draw = self._rng.random()
        if draw < SUCCESSION and self._did:
            self._place += 1
            return
        first, second = self._shop.tastes[self.user]
        draw = self._rng.random()
        any_category = self._rng.randrange(self._shop.categories)
        self._category = first if draw < FIRST else second if draw < FIRST + SECOND else any_category
        # Few items get most of the clicks.
        self._place = int(self._shop.per_category * self._rng.random() ** 2)
        self._session += 1

    def _event(self, kind: str) -> dict[str, Any]:
        event: dict[str, Any] = {"event_type": kind, "session_id": f"{self.user}-{self._session}"}
        if kind == "search":
            event["query"] = f"shelf {self._category}"
            if self._rng.random() < 0.5:
                return event
        event["item_id"] = self._shop.item(self._category, self._place)
        if kind in {"cart", "purchase", "return"}:
            event["price"], event["quantity"] = 3.0 + self._category * 4, 1 if kind != "return" else -1
        if kind == "click" and self._rng.random() < 0.2:
            event["context"] = {"device": "phone", "depth": float(self._place % 5)}
        return event


# What a user does after an event, with weights. A click moves on to another item, everything else stays with this one.
_FOLLOW: dict[str, dict[str, float]] = {
    "click": {"click": 60, "favourite": 8, "cart": 12, "impression": 8, "search": 6, "dislike": 2, "purchase": 4},
    "favourite": {"click": 80, "cart": 12, "unfavourite": 8},
    "cart": {"click": 50, "purchase": 50},
    "purchase": {"click": 92, "return": 8},
    "impression": {"click": 90, "impression": 10},
}


def with_refusals(planned: list[Planned], seed: int) -> Iterator[Planned]:
    """Adds events to a stream that are valid and must not be learned: duplicates, late ones, future ones.

    A duplicate comes up to a thousand records after its original, so that a kill may come between them; it has the same
    user, so they are in one partition.
    """
    rng = random.Random(seed)
    for number, each in enumerate(planned):
        yield each
        draw = rng.random()
        if draw < 0.02:
            again = planned[rng.randrange(max(0, number - 1_000), number + 1)]
            yield Planned(again.event, each.record_time, DUPLICATE)
        elif draw < 0.03:
            event = each.event | {"event_id": f"late-{seed}-{number}", "timestamp": each.record_time - 2 * 86_400}
            yield Planned(event, each.record_time, LATE)
        elif draw < 0.04:
            event = each.event | {"event_id": f"future-{seed}-{number}", "timestamp": each.record_time + 3_600}
            yield Planned(event, each.record_time, FUTURE)


def robot(count: int, cap: int, start: float = EPOCH, item: str = "item-0-0") -> list[Planned]:
    """Returns one user's `count` clicks within a minute: the first `cap` are learned, the others capped."""
    return [
        Planned(
            {"event_type": "click", "user_id": "robot", "item_id": item, "timestamp": start + number / count},
            start + number / count,
            LEARNT if number < cap else CAPPED,
        )
        for number in range(count)
    ]


def visits(planned: list[Planned], users: Collection[str]) -> list[Planned]:
    """The same events, with every second event of these users under the id of an anonymous visitor."""
    found = []
    for number, each in enumerate(planned):
        user = each.event["user_id"]
        anonymous = user in users and number % 2
        found.append(each._replace(event=each.event | {"user_id": visitor(user)}) if anonymous else each)
    return found


def visitor(user: str) -> str:
    """The id under which `visits` hides a user."""
    return f"visitor-of-{user}"
