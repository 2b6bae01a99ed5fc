"""Makes the stream of a made-up shop that is hard to learn, and the facts of its items.

Items lie on a line of rising prices. Each is followed by one of twelve near it, and a visit begins near home. Each item
is seen some twenty times, so little is learned of it, and wrong labels or prices ruin that within minutes. The shop of
`streams.py`, with its few items and one usual successor each, does not show this.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from typing import Any

from tests.support.streams.streams import EPOCH, Planned

# Probability that the next event goes on from the item before; otherwise it begins again near home.
FOLLOW = 0.7
# Share of events that are a favourite, a cart or a purchase of the same item.
SAME = 0.15
FOLLOWERS = 12
# As shares of the line: the distance of an item's followers, and the spread of visits around home.
NEAR, AROUND = 1 / 75, 1 / 50
# Prices at both ends of the line.
CHEAP, TIMES = 2.0, 500.0
CATEGORIES, BRANDS = 10, 7


@dataclass(frozen=True)
class Market:
    """`tastes` decides which items follow which and where users are at home, `seed` everything else."""

    users: int = 2_000
    items: int = 3_000
    seed: int = 31
    tastes: int = 31
    # Seconds of record time between events: 50 a second, each of which is tested.
    interval: float = 0.02
    line: list[str] = field(init=False, repr=False)
    followers: list[list[int]] = field(init=False, repr=False)
    homes: dict[str, int] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        numbers, draw = list(range(self.items)), random.Random(f"{self.tastes}-followers")
        random.Random(f"{self.seed}-line").shuffle(numbers)
        object.__setattr__(self, "line", [f"item-{number}" for number in numbers])
        reach = max(FOLLOWERS, int(NEAR * self.items))
        followers = [
            [self._place(at + draw.randint(-reach, reach)) for _ in range(FOLLOWERS)] for at in range(self.items)
        ]
        object.__setattr__(self, "followers", followers)
        homes = {f"user-{user}": draw.randrange(self.items) for user in range(self.users)}
        object.__setattr__(self, "homes", homes)

    def _place(self, at: float) -> int:
        return min(self.items - 1, max(0, int(at)))

    def price(self, place: int) -> float:
        """Returns the price of the item at a place of the line."""
        return round(CHEAP * TIMES ** (place / self.items), 2)

    def facts(self) -> dict[str, dict[str, Any]]:
        """Returns item facts by id, as topic `items` carries them. Category and brand do not depend on the place."""
        return {
            item: {
                "category": f"category-{int(item[5:]) % CATEGORIES}",
                "price": self.price(place),
                "brand": f"brand-{int(item[5:]) % BRANDS}",
                "title": f"Thing {item[5:]}",
            }
            for place, item in enumerate(self.line)
        }

    def stream(self, count: int, start: float = EPOCH, first: int = 0, interval: float = 0.0) -> list[Planned]:
        """Returns `count` records in order of time, the same for the same arguments; `first` as in `Shop.stream`."""
        rng, names = random.Random(f"{self.seed}-{first}"), list(self.homes)
        at: dict[str, int] = {}
        planned = []
        for number in range(first, first + count):
            # The power makes some users several times as busy as others.
            user = names[int(len(names) * rng.random() ** 1.25)]
            kind, at[user] = self._step(rng, user, at.get(user))
            time = round(start + number * (interval or self.interval), 3)
            planned.append(Planned(self._event(number, user, kind, at[user], time), time))
        return planned

    def _step(self, rng: random.Random, user: str, last: int | None) -> tuple[str, int]:
        if last is not None and rng.random() < SAME:
            return rng.choice(("favourite", "cart", "purchase")), last
        if last is not None and rng.random() < FOLLOW:
            return "click", self.followers[last][int(FOLLOWERS * rng.random() ** 1.5)]
        return "click", self._place(rng.gauss(self.homes[user], AROUND * self.items))

    def _event(self, number: int, user: str, kind: str, place: int, time: float) -> dict[str, Any]:
        return {
            "event_id": f"e-{self.seed}-{number}",
            "event_type": kind,
            "user_id": user,
            "item_id": self.line[place],
            "price": self.price(place),
            "timestamp": time,
        }
