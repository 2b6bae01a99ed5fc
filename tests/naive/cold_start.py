"""Slow twins of models/kernels/cold_start: lists, candidates and features of items that nobody has touched."""

from __future__ import annotations

import math
from collections import defaultdict
from typing import Any

from models import dimensions as dim
from tests.naive import ranking, retrieval


class Untouched:
    """The untouched items of each category and of the catalogue (-1), newest first, as plain lists."""

    def __init__(self) -> None:
        self._of: dict[int, int] = {}  # item -> category, in the order of arrival

    def enter(self, item: int, category: int) -> None:
        self._of.setdefault(item, category)

    def leave(self, item: int) -> None:
        self._of.pop(item, None)

    def category(self, item: int) -> int:
        return self._of.get(item, -1)

    def lists(self) -> dict[int, list[int]]:
        found: dict[int, list[int]] = defaultdict(list)
        for item, category in reversed(list(self._of.items())):
            found[-1].append(item)
            if category >= 0:
                found[category].append(item)
        return dict(found)


def untouched_candidates(served: Any, items: list[int], extra: list[int], lists: dict[int, list[int]]) -> list[int]:
    """Asked for, then newest of: the history's categories, those that follow, or of what is popular; the catalogue."""
    of, waiting = served.item_stats.category, set(lists.get(-1, []))
    own = list(dict.fromkeys(int(of[i]) for i in items if of[i] >= 0))
    found = [item for item in extra if item in waiting]
    for category, size in zip(own[:4], (120, 40, 40, 40), strict=False):
        found += lists.get(category, [])[:size]
    if items and of[items[0]] >= 0:
        steps = retrieval.row(served.category_next, int(of[items[0]]), dim.CATEGORY_NEXT)
        following = sorted((c for c in steps if c not in own), key=lambda c: -steps[c])
        for category in following[:2]:
            found += lists.get(category, [])[:20]
    if not items:
        tops = served.top_items.item[dim.TOP : dim.TOP + 5].tolist()
        for category in [int(of[i]) for i in tops if i >= 0 and of[i] >= 0]:
            found += lists.get(category, [])[:20]
    found += lists.get(-1, [])[:20]
    mean = ranking.contents(served.item_content.v, items)[1]
    likeness = {item: float(served.item_content.v[item].astype(float) @ mean) / 127 for item in lists.get(-1, [])[:300]}
    like = [item for item in likeness if likeness[item] > 0.1]
    found += sorted(like, key=lambda item: -likeness[item])[:40]
    return list(dict.fromkeys(found))


def discoveries(served: Any, past: list[tuple[int, int, int]]) -> tuple[float, float]:
    """Decayed shares of the history, newest first: items nobody had touched before, and items this user had not."""
    weights = [0.97**q for q in range(len(past))]
    firsts = [int(served.item_stats.first[item]) >= when for item, when, _ in past]
    new = [item not in {each[0] for each in past[q + 1 :]} for q, (item, _, _) in enumerate(past)]
    first, unknown = (sum(w for w, which in zip(weights, of, strict=True) if which) for of in (firsts, new))
    return first / max(sum(weights), 1e-9), unknown / max(sum(weights), 1e-9)


def untouched_features(served: Any, past: list[tuple[int, int, int]], item: int, now: int) -> dict[str, float]:
    """The features of an item that nobody has touched, without its place in a list."""
    items, stats = [event[0] for event in past], served.item_stats
    category = ranking.category_features(served, past, item, now, 0.0)
    found = {name: category[name] for name in category if name != "category_item_share"}
    if category:
        row_ = int(stats.category[item])
        taken, waiting = served.category_fresh.taken[row_], served.category_fresh.waiting[row_]
        found["category_taken"] = math.log((taken + 0.5) / (waiting + 1))
        found["category_waiting"], found["category_firsts"] = math.log(waiting + 1), math.log(taken + 0.5)
        same = [int(stats.category[i]) == row_ for i in items]
        now_on = [breaks == 0 for breaks in retrieval.sessions([event[1] for event in past], now)]
        found["category_share_log"] = math.log((sum(same) + 0.1) / (len(past) + 1))
        in_session = sum(both == (True, True) for both in zip(same, now_on, strict=True))
        found["category_session_log"] = math.log((in_session + 0.1) / (sum(now_on) + 1))
    price = ranking.price_features(stats, items, item)
    if "price_distance" in price:
        price["price_same"] = math.exp(-10 * price["price_distance"])
    if category and stats.log_price[item] != dim.NO_PRICE:
        alike = [(q, i) for q, i in enumerate(items[: dim.WINDOW]) if stats.category[i] == stats.category[item]]
        gaps = [(q, stats.log_price[item] - stats.log_price[i]) for q, i in alike if stats.log_price[i] != dim.NO_PRICE]
        price["price_near"] = sum(dim.WINDOW_DECAY**q * math.exp(-5 * abs(gap)) for q, gap in gaps)
    age = min(max(now - int(served.item_fresh.arrived[item]), 0), 31_536_000)
    own, (last_said, mean_said) = (
        served.item_content.v[item].astype(float),
        ranking.contents(served.item_content.v, items),
    )
    return {
        "content_last": float(own @ last_said) / 127,
        "content_mean": float(own @ mean_said) / 127,
        **found,
        **price,
        **ranking.brand_features(stats, items, item),
        "machine_score": retrieval.machine_score(served, retrieval.context(served, items), item),
        "catalogue_age": math.log1p(age),
    }
