"""Makes a shop's stream of events and its catalogue in bulk, the same for the same seed.

Events come in sessions, not as independent draws: a visitor stays within a category or two, returns to items already
seen, and now and then puts something in the basket. Shares are those of real shop logs, rounded: about 94 % clicks, 3 %
carts, 2 % purchases, 1 % others; one event in five is about an item that the same session has shown before; the most
popular thousandth of the items draws about a ninth of the events.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from typing import NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from models.records import KINDS

ITEMS = 100_000
USERS = 60_000
CATEGORIES = 500
BRANDS = 2_000
SHARES = {"click": 0.94, "cart": 0.03, "purchase": 0.02, "favourite": 0.006, "search": 0.002, "dislike": 0.002}
# Exponent of popularity by rank, of items, categories and brands; 1 would give the first item one event in twelve.
ZIPF = 0.9
# The same for users, who are much more alike; above 0.6 the busiest would reach the cap on events a minute of a user.
USER_ZIPF = 0.4
# Shares of the events of a session: an item of this session again, an item of its category, any item.
AGAIN, SAME_CATEGORY = 0.2, 0.6
SESSION_EVENTS = 6  # mean length


class Catalogue(NamedTuple):
    """Item facts by item number."""

    category: NDArray[np.int64]
    brand: NDArray[np.int64]
    price: NDArray[np.float64]


class Stream(NamedTuple):
    """Events in time order, one row each; `time` in seconds from the stream's beginning."""

    user: NDArray[np.int64]
    item: NDArray[np.int64]
    kind: NDArray[np.int64]
    session: NDArray[np.int64]
    time: NDArray[np.float64]


def past(text: str) -> int:
    """How many events `--past` asks for, at least twice as many as there are items.

    A past begins with each item once. The gate rightly holds what learned nothing else (`unknown_items`), and the load
    would wait forever for a served version. Raises ArgumentTypeError.

    >>> past("300_000")
    300000
    """
    events = int(text) if text.replace("_", "").isdecimal() else 0
    if events < 2 * ITEMS:
        raise argparse.ArgumentTypeError(f"{text!r} is less than {2 * ITEMS:,}, twice the catalogue")
    return events


def catalogue(seed: int, items: int = ITEMS) -> Catalogue:
    """Make categories of very different sizes, with prices around a level of the category."""
    rng = np.random.default_rng([seed, 1])
    category = _ranked(rng, items, CATEGORIES, seed)
    level = rng.lognormal(3.0, 1.0, CATEGORIES)  # (categories,)
    price = np.round(level[category] * rng.lognormal(0.0, 0.4, items), 2)
    return Catalogue(category, _ranked(rng, items, BRANDS, seed), price)


def stream(
    seed: int,
    events: int,
    per_second: float,
    items: int = ITEMS,
    users: int = USERS,
    *,
    parade: bool = False,
    part: int = 0,
) -> Stream:
    """Make events by sessions that overlap in time.

    Args:
        seed: Seed of the shop and its events.
        events: How many to make.
        per_second: Events a second.
        items: Items of the shop.
        users: Users of the shop.
        parade: Let the first events show every item once, so that a model that learned them has a row for each.
        part: Number of a stream of the same shop, with the same favourites. With another seed everything differs, and a
            gate that knew the first shop waits until the second is known.
    """
    rng = np.random.default_rng([seed, 2, part])
    lengths = rng.geometric(1 / SESSION_EVENTS, 2 * events // SESSION_EVENTS + 10)
    session = np.repeat(np.arange(len(lengths)), lengths)[:events]
    first = np.concatenate([[0], np.cumsum(lengths)])[session]  # where the session of each event begins
    place = np.arange(events) - first
    item = _items(rng, seed, session, place, items)
    user = _ranked(rng, len(lengths), users, seed, USER_ZIPF)[session]
    time = session / (session[-1] + 1) * (events / per_second) + place * rng.exponential(20.0, events)
    order = np.argsort(time, kind="stable")
    kind = rng.choice([KINDS.index(name) for name in SHARES], events, p=list(SHARES.values()))
    shown = item[order]
    if parade:
        shown[:items] = rng.permutation(items)[:events]
    even = np.arange(events) / per_second  # arrivals are even: bursts are up to the load generator
    return Stream(user[order], shown, kind, session[order], even)


def _items(
    rng: np.random.Generator, seed: int, session: NDArray[np.int64], place: NDArray[np.int64], items: int
) -> NDArray[np.int64]:
    events = len(session)
    anything = _ranked(rng, events, items, seed)
    by_category = np.argsort(catalogue(seed, items).category, kind="stable")  # items, grouped
    size = np.bincount(catalogue(seed, items).category, minlength=CATEGORIES)
    begin = np.concatenate([[0], np.cumsum(size)])
    wanted = catalogue(seed, items).category[anything[np.maximum(0, np.arange(events) - place)]]
    within = (rng.random(events) ** 3 * size[wanted]).astype(np.int64)  # the first of a category are its favourites
    draw = rng.random(events)
    item = np.where(draw < AGAIN + SAME_CATEGORY, by_category[begin[wanted] + within], anything)
    again = (draw < AGAIN) & (place > 0)
    source = np.arange(events)
    source[again] -= 1 + (rng.random(events) * place).astype(np.int64)[again]
    for _ in range(8):  # a repeat may repeat a repeat: eight steps resolve all but one in a million
        source = source[source]
    return item[source]


def _ranked(rng: np.random.Generator, count: int, size: int, seed: int, exponent: float = ZIPF) -> NDArray[np.int64]:
    """Draw among `size`; which ones are popular depends on the seed alone."""
    weight = np.arange(1, size + 1) ** -exponent
    cumulative = np.cumsum(weight / weight.sum())
    place = np.minimum(np.searchsorted(cumulative, rng.random(count)), size - 1)
    return np.random.default_rng([seed, 3, size]).permutation(size)[place]


class Line(msgspec.Struct, omit_defaults=True):
    """One event as a shop sends it."""

    event_type: str
    user_id: str
    item_id: str
    timestamp: float
    event_id: str
    session_id: str
    price: float | None = None


def lines(made: Stream, goods: Catalogue, start: float, run: str = "") -> Iterator[tuple[bytes, bytes]]:
    """Yield (key, value) of each event; `start` in epoch seconds; `run` makes the event ids unique to one use.

    >>> key, value = next(lines(stream(1, 100, 50.0), catalogue(1), 1760000000.0))
    >>> value.startswith(b'{"event_type":"') and key.startswith(b"u")
    True
    """
    encode = msgspec.json.Encoder().encode
    price = goods.price.tolist()
    columns = (made.user.tolist(), made.item.tolist(), made.kind.tolist(), made.session.tolist(), made.time.tolist())
    for number, (user, item, kind, session, time) in enumerate(zip(*columns, strict=True)):
        name = f"u{user:06d}"
        paid = price[item] if kind in {2, 3} else None
        line = Line(
            KINDS[kind],
            name,
            f"i{item:06d}",
            round(start + time, 3),
            f"{run}e{number:08x}",
            f"{run}s{session:07d}",
            paid,
        )
        yield name.encode(), encode(line)


def facts(goods: Catalogue) -> Iterator[tuple[bytes, bytes]]:
    """Yield (key, value) of each item, as records of topic `items`."""
    encode = msgspec.json.Encoder().encode
    for number, (category, brand, price) in enumerate(
        zip(goods.category.tolist(), goods.brand.tolist(), goods.price.tolist(), strict=True)
    ):
        value = {"category": f"c{category:03d}", "brand": f"b{brand:04d}", "price": price, "title": f"Item {number}"}
        yield f"i{number:06d}".encode(), encode(value)
