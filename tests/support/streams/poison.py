"""Poisons clean events of a made-up shop as a bot, a broken exporter or a wrong unit would."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

from tests.support.streams.streams import Planned

Poison = Callable[[Sequence[Planned], int], list[Planned]]

# Bot events for each real one: twenty bots of a shop with 50 events a second then stay just below the cap on a user's.
BOTS = 4
# Events of the one user who floods, for each real one.
FLOOD = 12
# Prices that the flood names, like those of real items.
CHEAPEST, DEAREST = 1.0, 10_000.0


def repeated(planned: Sequence[Planned], seed: int) -> list[Planned]:
    """One in a hundred users repeats an item of its own, four times for each event of all others together."""
    bots = [user for user in _users(planned) if user.endswith("03")]
    items = random.Random(seed).sample(_items(planned), len(bots))
    found = []
    for number, each in enumerate(planned):
        found.append(each)
        found += [
            _click(bots[turn % len(bots)], items[turn % len(bots)], each, f"bot-{seed}-{turn}")
            for turn in range(number * BOTS, (number + 1) * BOTS)
        ]
    return found


def shuffled(planned: Sequence[Planned], seed: int) -> list[Planned]:
    """Every event names the item of another event: an exporter joined the wrong columns."""
    items = [each.event["item_id"] for each in planned if "item_id" in each.event]
    random.Random(seed).shuffle(items)
    left = iter(items)
    return [
        each._replace(event=each.event | {"item_id": next(left)}) if "item_id" in each.event else each
        for each in planned
    ]


def dear(planned: Sequence[Planned], _: int) -> list[Planned]:
    """All prices times a hundred: a feed in the wrong unit."""
    return [
        each._replace(event=each.event | {"price": each.event["price"] * 100}) if "price" in each.event else each
        for each in planned
    ]


def flooded(planned: Sequence[Planned], seed: int) -> list[Planned]:
    """One user sends twelve times as many events as all the others together, each for any item at any price."""
    draw, items = random.Random(seed), _items(planned)
    found = []
    for number, each in enumerate(planned):
        found.append(each)
        for turn in range(FLOOD):
            price = round(CHEAPEST * (DEAREST / CHEAPEST) ** draw.random(), 2)
            found.append(_click("flooder", draw.choice(items), each, f"flood-{seed}-{number}-{turn}", price=price))
    return found


def growing(planned: Sequence[Planned], seed: int, most: float) -> list[Planned]:
    """One in a hundred users clicks on items at random, at first never, at last `most` times for each real event."""
    draw, items = random.Random(seed), _items(planned)
    few = [user for user in _users(planned) if user.endswith("03")]
    found, due = [], 0.0
    for number, each in enumerate(planned):
        found.append(each)
        due += most * number / len(planned)
        while due >= 1.0:
            due -= 1.0
            found.append(_click(draw.choice(few), draw.choice(items), each, f"few-{seed}-{len(found)}"))
    return found


def strangers(planned: Sequence[Planned], seed: int, count: int) -> list[dict[str, object]]:
    """Clicks of visitors with made-up ids, each on five items at random, as a page would send them."""
    draw, items = random.Random(seed), _items(planned)
    return [
        {"event_type": "click", "user_id": f"stranger-{seed}-{number // 5}", "item_id": draw.choice(items)}
        for number in range(count)
    ]


def _users(planned: Sequence[Planned]) -> list[str]:
    return sorted({each.event["user_id"] for each in planned})


def _items(planned: Sequence[Planned]) -> list[str]:
    return sorted({each.event["item_id"] for each in planned if "item_id" in each.event})


def _click(user: str, item: str, like: Planned, name: str, **more: object) -> Planned:
    event = {"event_id": name, "event_type": "click", "user_id": user, "item_id": item, "timestamp": like.record_time}
    return Planned({**event, **more}, like.record_time)


POISONS: dict[str, Poison] = {"repeated": repeated, "shuffled": shuffled, "dear": dear, "flooded": flooded}
HARMFUL = ("shuffled", "flooded")
"""Poisons that ruin a model without a gate. Repetition alone does not, in any amount that was tried; nor do prices in a
wrong unit, because a leap of a price counts as a small step."""


def mixed(one: Sequence[Planned], other: Sequence[Planned]) -> list[Planned]:
    """Joins two shops: users with odd numbers from one, with even ones from the other. Half of all tastes change."""
    odd = [each for each in one if not even(each)]
    return sorted([*odd, *filter(even, other)], key=lambda each: each.record_time)


def even(planned: Planned) -> bool:
    """Whether the tastes of its user changed: the user's number is even."""
    return not int(planned.event["user_id"].split("-")[1]) % 2
