"""Slow twins of models/kernels/retrieval: histories, popularity, memories, the pool and the factorization machine."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from itertools import pairwise
from typing import Any

import numpy as np

from models import dimensions as dim
from tests.naive import core

RATES = [math.log(2) / life for life in dim.HALF_LIVES]


def popularity(touches: list[tuple[int, int]], applied: int, rate: float) -> dict[int, float]:
    """Log of each item's decayed count at event `applied`; touches are (event number, item)."""
    counts: dict[int, float] = defaultdict(float)
    for number, item in touches:
        counts[item] += math.exp(-rate * (applied - number))
    return {item: max(dim.FLOOR, math.log(count)) for item, count in counts.items()}


def log_popularity(served: Any, item: int, life: int) -> float:
    key = served.item_stats.key[item, life]
    return max(dim.FLOOR, key - RATES[life] * int(served.clock.applied[0]))


def mean_log_price(prices: list[float]) -> float:
    """Goes a tenth of the way to each log price, as if none were more than 0.5 away; unusable ones are left out."""
    usable = [math.log(price) for price in prices if 0 < price < math.inf]
    mean = usable[0]
    for value in usable[1:]:
        away = value - mean
        mean += math.copysign(min(abs(away), 0.5), away) / 10
    return mean


def category_lists(touches: list[tuple[int, int]], size: int) -> dict[int, set[int]]:
    """The most popular (middle half-life) items of each category; touches are (item, category) in order."""
    counts = popularity(list(enumerate(item for item, _ in touches)), len(touches), RATES[1])
    of = dict(touches)
    found: dict[int, set[int]] = {}
    for category in set(of.values()):
        items = sorted((item for item in counts if of[item] == category), key=lambda item: -counts[item])
        found[category] = set(items[:size])
    return found


class Memory:
    """One item's neighbours: a list of [other, count], the smallest of which gives way and hands on half its count."""

    def __init__(self, width: int) -> None:
        self.width = width
        self.pairs: list[list[float]] = []

    def add(self, item: int, weight: float) -> None:
        for pair in self.pairs:
            if pair[0] == item:
                pair[1] += weight
                return
        if len(self.pairs) < self.width:
            self.pairs.append([item, weight])
            return
        smallest = min(self.pairs, key=lambda pair: pair[1])
        smallest[0], smallest[1] = item, smallest[1] / 2 + weight


def baskets(events: list[tuple[int, int, int, int]]) -> dict[tuple[int, int], float]:
    """In how many orders each (item, other) was bought, as far as the bucket of the item remembers.

    events: (user, item, second, kind) in order. Only a user's last `WINDOW` events are looked at for other lines.
    """
    buckets: dict[int, dict[tuple[int, int], float]] = defaultdict(dict)
    pasts: dict[int, list[tuple[int, int, int]]] = defaultdict(list)
    for user, item, second, kind in events:
        for other, when, what in reversed(pasts[user][-dim.WINDOW :]) if kind == dim.PURCHASE else ():
            if what == dim.PURCHASE and other != item and second - when <= dim.ORDER_SPAN:
                for pair in ((other, item), (item, other)):
                    _count_pair(buckets[pair[0] % dim.BASKETS], pair)
        pasts[user].append((item, second, kind))
    return {pair: count for bucket in buckets.values() for pair, count in bucket.items()}


def _count_pair(bucket: dict[tuple[int, int], float], pair: tuple[int, int]) -> None:
    if pair in bucket or len(bucket) < dim.BASKET_SLOTS:
        bucket[pair] = bucket.get(pair, 0.0) + 1.0
        return
    smallest = min(bucket, key=lambda held: bucket[held])
    bucket[smallest] -= 1.0
    if bucket[smallest] <= 0.0:
        # In its place, because among equal ones the first gives way.
        items = [(pair, 1.0) if held == smallest else (held, count) for held, count in bucket.items()]
        bucket.clear()
        bucket.update(items)


def history(events: list[tuple[int, int, int]], limit: int = dim.RING) -> list[tuple[int, int, int]]:
    """What counts of (item, time, kind), newest first: negatives hide what is older, looks and searches are nothing."""
    hidden: set[int] = set()
    kept = []
    for item, time, kind in events:
        if item < 0 or kind in {dim.SEARCH, dim.IMPRESSION} or item in hidden:
            continue
        if kind >= dim.UNFAVOURITE:
            hidden.add(item)
        else:
            kept.append((item, time, kind))
    return kept[:limit]


def sessions(times: list[int], now: int) -> list[int]:
    """Breaks of more than half an hour between now and each event."""
    moments = [now, *times]
    return list(np.cumsum([a - b > dim.SESSION_GAP for a, b in pairwise(moments)]))


def row(table: Any, owner: int, width: int) -> dict[int, float]:
    """A memory row as a dict."""
    slots = range(owner * width, (owner + 1) * width)
    return {int(table.other[s]): core.number(int(table.count[s])) for s in slots if table.other[s] >= 0}


def sources(served: Any, items: list[int]) -> dict[str, dict[int, float]]:
    """The co-visitation sums of a history: n1, n1b, n2, nb, support, largest, by item."""
    found: dict[str, dict[int, float]] = {name: defaultdict(float) for name in ("n1", "n1b", "n2", "nb", "support")}
    largest: dict[int, float] = defaultdict(float)
    for name, r in zip(("n1", "n1b"), items, strict=False):
        for j, c in row(served.lag_memory, r, dim.LAG_SLOTS).items():
            found[name][j] = c / (served.item_totals.lag[r] + 1)
    for q, r in enumerate(items[: dim.WINDOW]):
        for j, c in row(served.forward_memory, r, dim.WINDOW_SLOTS).items():
            term = dim.WINDOW_DECAY**q * c / (served.item_totals.forward[r] + 2)
            found["n2"][j] += term
            found["support"][j] += 1
            largest[j] = max(largest[j], term)
        for j, c in row(served.backward_memory, r, dim.WINDOW_SLOTS).items():
            found["nb"][j] += dim.WINDOW_DECAY**q * c / (served.item_totals.backward[r] + 2)
    return {**found, "largest": largest}


def cosine(served: Any, sums: dict[str, dict[int, float]], j: int) -> float:
    both = sums["n2"].get(j, 0.0) + sums["nb"].get(j, 0.0)
    return both / math.sqrt(math.exp(log_popularity(served, j, 2)) + 3)


def returns(histories: list[tuple[int, int]], ring: int = dim.RING) -> tuple[Counter[int], Counter[int]]:
    """Of (user, item) events in order: how many each item had, and how many by users who held it in their last ones."""
    seen: dict[int, list[int]] = defaultdict(list)
    all_, held = Counter[int](), Counter[int]()
    for user, item in histories:
        all_[item] += 1
        held[item] += item in seen[user][-ring:]
        seen[user].append(item)
    return all_, held


def pool(touches: list[int], keys: dict[int, float], size: int, drawn: Any) -> list[int]:
    """The machine's pool: a full one gives the place of the least popular of eight drawn ones."""
    members: list[int] = []
    for item in touches:
        if item in members:
            continue
        if len(members) < size:
            members.append(item)
        else:
            places = [drawn(size) for _ in range(dim.POOL_PROBES)]
            members[min(places, key=lambda place: keys[members[place]])] = item
    return members


def vector(served: Any, item: int) -> np.ndarray:
    category = served.item_stats.category[item]
    shared = served.category_factors.q[category] if category >= 0 else np.zeros(dim.FACTORS)
    return served.item_factors.q[item].astype(float) + shared


def context(served: Any, items: list[int]) -> np.ndarray:
    """The factorization machine's z for a history, newest first, in double precision."""
    z = np.zeros(dim.FACTORS)
    items = items[: dim.WINDOW]
    norm = sum(dim.CONTEXT_DECAY**q for q in range(len(items)))
    for q, item in enumerate(items):
        step = dim.EARLIER_STEPS if q else 1.0
        z += dim.CONTEXT_DECAY**q * (vector(served, item) / norm + step * served.item_last.g[item])
    return z


def machine_score(served: Any, z: np.ndarray, item: int) -> float:
    category = served.item_stats.category[item]
    bias = served.category_factors.bias[category] if category >= 0 else 0.0
    return float(served.item_factors.bias[item] + bias + vector(served, item) @ z)
