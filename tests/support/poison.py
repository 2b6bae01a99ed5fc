"""In: clean events of a made-up shop. Out: the same hour as a bot, a broken exporter or a wrong unit would leave it."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

from tests.support.streams import Planned, Shop

Poison = Callable[[Sequence[Planned], int], list[Planned]]


def repeated(planned: Sequence[Planned], seed: int) -> list[Planned]:
    """One in a hundred of the 200 users repeats one item: two of them, each with every twentieth event besides."""
    found = []
    for number, each in enumerate(planned):
        found.append(each)
        if number % 10 == 9:
            bot = f"user-{3 if number % 20 == 9 else 7}"
            found.append(_click(bot, "item-0-24", each, f"bot-{seed}-{number}"))
    return found


def shuffled(planned: Sequence[Planned], seed: int) -> list[Planned]:
    """Every event names the item of another one: an exporter that joined the wrong columns."""
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
    """One user sends as many events as all the others together, each for any item at all."""
    draw, shop = random.Random(seed), Shop()
    found = []
    for number, each in enumerate(planned):
        item = shop.item(draw.randrange(shop.categories), draw.randrange(shop.per_category))
        found += [each, _click("flooder", item, each, f"flood-{seed}-{number}")]
    return found


def _click(user: str, item: str, like: Planned, name: str) -> Planned:
    event = {"event_id": name, "event_type": "click", "user_id": user, "item_id": item, "timestamp": like.record_time}
    return Planned(event, like.record_time)


POISONS: dict[str, Poison] = {"repeated": repeated, "shuffled": shuffled, "dear": dear, "flooded": flooded}


def mixed(one: Sequence[Planned], other: Sequence[Planned]) -> list[Planned]:
    """Users with an odd number as in one shop, those with an even one as in the other: half of all tastes changed."""
    odd = [each for each in one if int(each.event["user_id"].split("-")[1]) % 2]
    even = [each for each in other if not int(each.event["user_id"].split("-")[1]) % 2]
    return sorted([*odd, *even], key=lambda each: each.record_time)
