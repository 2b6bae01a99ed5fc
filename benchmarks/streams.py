"""Reads the four development streams of ../shared/data as events and item facts."""

from __future__ import annotations

import csv
import gzip
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from models.records import content_vector

DATA = Path(__file__).parents[2] / "shared" / "data"

KINDS = {"click": 0, "favourite": 1, "cart": 2, "purchase": 3, "rating": 0, "return": 8}


class Event(NamedTuple):
    """What the recommender reads of an event."""

    kind: int
    user_id: str
    item_id: str
    timestamp: float
    price: float | None
    query: str | None = None


class Facts(NamedTuple):
    """What the recommender reads of an item."""

    category: str | None
    brand: str | None
    price: float | None
    available: bool = True
    content: bytes | None = None


class Stream(NamedTuple):
    """One stream in time order, with the facts and titles its items file holds."""

    name: str
    events: list[Event]
    facts: dict[str, Facts]
    titles: dict[str, str]


LIMITS = {"movielens_100k": None, "rees46_3h": None, "taobao_users": None, "online_retail_ii": 400_000}
"""The streams, and how many lines of each are read."""

CATEGORY = {"rees46_3h": "category_id", "taobao_users": "category_id"}
"""Column of the items file with the category. MovieLens' genres are left out, as in the figures compared with."""


def load(name: str) -> Stream:
    """Load one stream. Raises FileNotFoundError if the data folder is not next to the repository."""
    events = [event for row in islice(_rows(f"{name}.csv.gz"), LIMITS[name]) if (event := _event(row)) is not None]
    titles = {row["item_id"]: row["title"] for row in _rows(f"{name}.items.csv.gz") if row.get("title")}
    return Stream(name, events, dict(_facts(name)), titles)


def load_facts(name: str) -> dict[str, Facts]:
    """Load the facts of one stream's items file."""
    return dict(_facts(name))


def lines(name: str) -> Iterator[tuple[Event, dict[str, str]]]:
    """Yield every line of one stream as an event, with any rating, and with its other columns."""
    for row in _rows(f"{name}.csv.gz"):
        yield _read(row), row


def _rows(file: str) -> Iterator[dict[str, str]]:
    with gzip.open(DATA / file, "rt", encoding="utf-8", newline="") as lines:
        yield from csv.DictReader(lines)


def _event(row: dict[str, str]) -> Event | None:
    if row["event_type"] == "rating" and float(row["rating"]) < 4:
        return None
    return _read(row)


def _read(row: dict[str, str]) -> Event:
    price = float(row["price"]) if row.get("price") else None
    return Event(KINDS[row["event_type"]], row["user_id"], row["item_id"], float(row["timestamp"]), price)


def _facts(name: str) -> Iterator[tuple[str, Facts]]:
    for row in _rows(f"{name}.items.csv.gz"):
        category = row.get(CATEGORY.get(name, "")) or None
        price = float(row["price"]) if row.get("price") else None
        yield row["item_id"], Facts(category, row.get("brand") or None, price, content=content_vector(row.get("title")))
