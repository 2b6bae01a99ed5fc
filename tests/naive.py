"""The same inputs as a kernel in, what it must answer out: slow, obvious twins in plain Python.

They share no code with the kernels but the sizes, and know nothing of slots, bitmaps or heaps.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from itertools import pairwise
from typing import Any

import numpy as np

from models import dimensions as dim

RATES = [math.log(2) / life for life in dim.HALF_LIVES]


def popularity(touches: list[tuple[int, int]], applied: int, rate: float) -> dict[int, float]:
    """Log of each item's decayed count at event `applied`; touches are (event number, item)."""
    counts: dict[int, float] = defaultdict(float)
    for number, item in touches:
        counts[item] += math.exp(-rate * (applied - number))
    return {item: max(dim.FLOOR, math.log(count)) for item, count in counts.items()}


def mean_log_price(prices: list[float]) -> float:
    """Goes a tenth of the way to each log price, as if none were more than .5 away; unusable ones are left out."""
    usable = [math.log(price) for price in prices if 0 < price < math.inf]
    mean = usable[0]
    for value in usable[1:]:
        away = value - mean
        mean += math.copysign(min(abs(away), 0.5), away) / 10
    return mean


def best(scores: list[float], size: int) -> list[int]:
    """Places of the `size` largest, largest first, earlier ones first among equals."""
    return sorted(range(len(scores)), key=lambda place: (-scores[place], place))[:size]


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


def context(served: Any, items: list[int]) -> np.ndarray:
    """The factorization machine's z for a history, newest first, in double precision."""
    z = np.zeros(dim.FACTORS)
    items = items[: dim.WINDOW]
    norm = sum(dim.CONTEXT_DECAY**q for q in range(len(items)))
    for q, item in enumerate(items):
        step = dim.EARLIER_STEPS if q else 1.0
        z += dim.CONTEXT_DECAY**q * (vector(served, item) / norm + step * served.item_last.g[item])
    return z


def vector(served: Any, item: int) -> np.ndarray:
    category = served.item_stats.category[item]
    shared = served.category_factors.q[category] if category >= 0 else np.zeros(dim.FACTORS)
    return served.item_factors.q[item].astype(float) + shared


def machine_score(served: Any, z: np.ndarray, item: int) -> float:
    category = served.item_stats.category[item]
    bias = served.category_factors.bias[category] if category >= 0 else 0.0
    return float(served.item_factors.bias[item] + bias + vector(served, item) @ z)


def softmax(scores: list[float]) -> list[float]:
    top = max(scores)
    weights = [math.exp(score - top) for score in scores]
    return [weight / sum(weights) for weight in weights]


def row(table: Any, owner: int, width: int) -> dict[int, float]:
    """A memory row as a dict."""
    slots = range(owner * width, (owner + 1) * width)
    return {int(table.other[s]): float(table.count[s]) for s in slots if table.other[s] >= 0}


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


def log_popularity(served: Any, item: int, life: int) -> float:
    key = served.item_stats.key[item, life]
    return max(dim.FLOOR, key - RATES[life] * int(served.clock.applied[0]))


def cosine(served: Any, sums: dict[str, dict[int, float]], j: int) -> float:
    both = sums["n2"].get(j, 0.0) + sums["nb"].get(j, 0.0)
    return both / math.sqrt(math.exp(log_popularity(served, j, 2)) + 3)


def own_features(past: list[tuple[int, int, int]], item: int, now: int) -> dict[str, float]:
    """The features of the user's own history with `item`."""
    places = [q for q, event in enumerate(past) if event[0] == item]
    breaks = sessions([event[1] for event in past], now)
    after, near, weight = 0.0, 0.0, 1.0
    for p in range(1, len(past)):
        if past[p][0] != past[0][0]:
            continue
        for distance in (1, 2, 3):
            if p - distance >= 1 and past[p - distance][0] == item:
                near += weight / distance
                after += weight if distance == 1 else 0
            if p + distance < len(past) and past[p + distance][0] == item:
                near += weight / distance / 2
        weight *= 0.8
    found = {"own_follows": math.log1p(4 * after), "own_near": math.log1p(4 * near)}
    if not places:
        return found
    since, oldest = max(0, now - past[places[0]][1]), max(0, now - past[places[-1]][1])
    gap = max(0, oldest - since) / (len(places) - 1) if len(places) > 1 else 0.0
    kinds = Counter(past[q][2] for q in places)
    return found | {
        "own": 1,
        "own_since": math.log1p(since) - 8,
        "own_distinct": math.log1p(len({past[q][0] for q in range(places[0])})) - 2,
        "own_recency": 0.8 ** places[0],
        "own_count": math.log(len(places)),
        "own_carts": math.log1p(kinds[dim.FAVOURITE] + kinds[dim.CART]),
        "own_purchases": math.log1p(kinds[dim.PURCHASE]),
        "own_last": float(places[0] == 0),
        "own_before_last": float(places[0] == 1),
        "own_this_session": float(breaks[places[0]] == 0),
        "own_purchased_last": float(past[places[0]][2] == dim.PURCHASE),
        "own_overdue": max(-6, min(6, math.log((since + 1) / (gap + 1)))) if len(places) > 1 else 0.0,
        "own_sessions_ago": math.log1p(breaks[places[0]]),
        "own_kind": past[places[0]][2],
    }


def other_features(served: Any, past: list[tuple[int, int, int]], item: int, now: int) -> dict[str, float]:
    """Popularity, memories, category, price, similarity and brand; ranks are tested apart."""
    items = [event[0] for event in past]
    stats, sums = served.item_stats, sources(served, items)
    short, middle, long = (log_popularity(served, item, life) for life in range(3))
    n1, n1b, n2, nb = (sums[name].get(item, 0.0) for name in ("n1", "n1b", "n2", "nb"))
    return {
        "machine_score": machine_score(served, context(served, items), item),
        "popularity_short": short,
        "popularity_middle": middle,
        "popularity_long": long,
        "trend_short": short - middle,
        "trend_long": middle - long,
        "item_age": math.log1p(max(now - int(stats.first[item]), 0)),
        "item_rest": math.log1p(max(now - int(stats.last[item]), 0)),
        "follows_log": math.log(n1 + 0.003),
        "follows": n1,
        "follows_before_log": math.log(n1b + 0.003),
        "window_log": math.log(n2 + 0.003),
        "window": n2,
        "window_support": sums["support"].get(item, 0.0),
        "window_largest": math.log(sums["largest"].get(item, 0.0) + 0.003),
        "backward": nb,
        "backward_log": math.log(nb + 0.003),
        "cosine_log": math.log(cosine(served, sums, item) + 0.0005),
        **_category(served, past, item, now, middle),
        **_price(stats, items, item),
        **_similar(served, items, item),
        **_brand(stats, items, item),
        **_long_run(served, items, item),
    }


def _shares(of: Any, items: list[int]) -> dict[int, float]:
    shares: dict[int, float] = defaultdict(float)
    for q, item in enumerate(items):
        shares[int(of[item])] += dim.WINDOW_DECAY**q / sum(dim.WINDOW_DECAY**p for p in range(len(items)))
    return shares


def _category(served: Any, past: list[tuple[int, int, int]], item: int, now: int, middle: float) -> dict[str, float]:
    of, items = served.item_stats.category, [event[0] for event in past]
    category = int(of[item])
    if category < 0:
        return {}
    breaks = sessions([event[1] for event in past], now)
    known = [int(of[i]) for i in items]
    distinct = list(dict.fromkeys(c for c in known if c >= 0))
    key = served.category_stats.key[category]
    popular = max(dim.FLOOR, key - RATES[1] * int(served.clock.applied[0]))
    step = 0.0
    if items and known[0] >= 0:
        row_ = row(served.category_next, known[0], dim.CATEGORY_NEXT)
        step = row_.get(category, 0.0) / (served.category_stats.total[known[0]] + 1)
    return {
        "category_same": float(bool(items) and known[0] == category),
        "category_share": _shares(of, items).get(category, 0.0),
        "category_count": math.log1p(known.count(category)),
        "category_this_session": math.log1p(sum(c == category and b == 0 for c, b in zip(known, breaks, strict=True))),
        "category_popularity": popular,
        "category_item_share": middle - popular,
        "category_follows": math.log(step + 0.003),
        "category_second": float(distinct[1:2] == [category]),
    }


def _price(stats: Any, items: list[int], item: int) -> dict[str, float]:
    price = stats.log_price[item]
    known = [float(stats.log_price[i]) for i in items if stats.log_price[i] != dim.NO_PRICE]
    if price == dim.NO_PRICE or not known:
        return {}
    found = {"price_distance_mean": abs(price - sum(known) / len(known))}
    last = stats.log_price[items[0]]
    if last != dim.NO_PRICE:
        found |= {"price_distance": abs(price - last), "price_difference": price - last}
        found["price_same"] = math.exp(-30 * abs(price - last))
    return found


def _similar(served: Any, items: list[int], item: int) -> dict[str, float]:
    if not items:
        return {}
    q = served.item_factors.q.astype(float)
    size = [math.sqrt(float(q[i] @ q[i])) + 1e-6 for i in items[:8]]
    own = math.sqrt(float(q[item] @ q[item])) + 1e-6
    cosines = [float(q[item] @ q[i]) / own / n for i, n in zip(items[:8], size, strict=True)]
    return {
        "similar_last": cosines[0],
        "similar_best": max(cosines),
        "similar_mean": sum(cosines) / len(cosines),
        "similar_transition": float(q[item] @ (q[items[0]] + served.item_last.g[items[0]])),
    }


def _brand(stats: Any, items: list[int], item: int) -> dict[str, float]:
    brand = int(stats.brand[item])
    if brand < 0 or not items:
        return {}
    same = float(stats.brand[items[0]] == brand)
    both = stats.category[item] >= 0 and stats.category[items[0]] == stats.category[item]
    return {
        "brand_same": same,
        "brand_share": _shares(stats.brand, items).get(brand, 0.0),
        "brand_and_category_same": same * both,
    }


def mean_vector(served: Any, items: list[int], decay: float) -> np.ndarray:
    """The machine's vectors of a history, newest first, averaged with weights decay ** place."""
    weights = [decay**q for q in range(len(items))]
    parts = [w * vector(served, item) for w, item in zip(weights, items, strict=True)]
    return np.sum(parts, axis=0) / sum(weights)


def _long_run(served: Any, items: list[int], item: int) -> dict[str, float]:
    stats = served.item_stats
    rate = math.log((int(stats.returns[item]) + 0.5) / (int(stats.positives[item]) + 2))
    together = 0.0
    for q, r in enumerate(items[: dim.LONG_WINDOW]):
        count = row(served.forward_memory, r, dim.WINDOW_SLOTS).get(item, 0.0)
        together += dim.LONG_WINDOW_DECAY**q * count / (served.item_totals.forward[r] + 2)
    found = {"returns": rate, "window_long_log": math.log(together + 0.003)}
    if item in items:
        found["own_returns"] = rate
    if items:
        found["affinity_fading"] = machine_score(served, mean_vector(served, items, dim.LONG_DECAY), item)
        found["affinity_even"] = machine_score(served, mean_vector(served, items, 1.0), item)
        found["transition_back"] = float(served.item_last.g[item] @ served.item_factors.q[items[0]].astype(float))
    return found


def newton(weights: np.ndarray, gradients: list[np.ndarray]) -> np.ndarray:
    """Weights after online Newton steps along the gradients, by inverting the curvature each time."""
    curvature = np.eye(len(weights)) / dim.NEWTON_SPREAD
    for gradient in gradients:
        curvature = dim.NEWTON_FORGET * curvature + np.outer(gradient, gradient)
        spread = np.sqrt(np.diag(np.linalg.inv(curvature)) / dim.NEWTON_SPREAD)
        weights = weights - np.linalg.inv(curvature) @ gradient
        too_wide = np.maximum(spread, 1.0)
        curvature = curvature * np.outer(too_wide, too_wide)
    return weights


def returns(histories: list[tuple[int, int]], ring: int = dim.RING) -> tuple[Counter[int], Counter[int]]:
    """Of (user, item) events in order: how many each item had, and how many by users who held it in their last ones."""
    seen: dict[int, list[int]] = defaultdict(list)
    all_, held = Counter[int](), Counter[int]()
    for user, item in histories:
        all_[item] += 1
        held[item] += item in seen[user][-ring:]
        seen[user].append(item)
    return all_, held


class Guard:
    """Who is served, by the plain lists of all differences so far, each weighted by its age."""

    def __init__(self, now: int) -> None:
        self.now = now
        self.served: list[np.ndarray] = []
        self.ranker: list[np.ndarray] = []

    def choose(self, ranks: list[int]) -> int:
        hit = [float(0 < rank <= 20) for rank in ranks]
        gains = np.array([hit, [h / max(rank, 1) for h, rank in zip(hit, ranks, strict=True)]])
        sources = gains[:, : dim.SOURCES]
        self.served.append(gains[:, [self.now]] - sources)
        self.ranker.append(gains[:, [dim.RANKER]] - sources)
        lead, late = self._errors(self.served, 0.9998), self._errors(self.ranker, 0.999)
        debt = lead.min(axis=0)
        worst = int(debt.argmin())
        if self.now == dim.RANKER:
            if debt[worst] < -1 and late[:, worst].sum() < 0:
                self.now = worst
        elif late[:, self.now].sum() > 1 and late.min() > -0.5:
            self.now = dim.RANKER
        elif debt[worst] < -1 and debt[worst] < debt[self.now] - 0.5:
            self.now = worst
        return self.now

    @staticmethod
    def _errors(differences: list[np.ndarray], fade: float) -> np.ndarray:
        weights = fade ** np.arange(len(differences))[::-1, None, None]
        all_ = np.array(differences)
        return np.asarray((weights * all_).sum(axis=0) / np.sqrt((weights * all_**2).sum(axis=0) + 1))


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


def category_lists(touches: list[tuple[int, int]], size: int) -> dict[int, set[int]]:
    """The most popular (middle half-life) items of each category; touches are (item, category) in order."""
    counts = popularity(list(enumerate(item for item, _ in touches)), len(touches), RATES[1])
    of = dict(touches)
    found: dict[int, set[int]] = {}
    for category in set(of.values()):
        items = sorted((item for item in counts if of[item] == category), key=lambda item: -counts[item])
        found[category] = set(items[:size])
    return found


def rank_with_rest(scores: list[float], rest: list[float], target: int) -> int:
    """Proposed ones first, by score; then the others by `rest`; ties against the target."""
    if target < 0:
        return 0
    order = [
        (score > dim.ABSENT, score if score > dim.ABSENT else other) for score, other in zip(scores, rest, strict=True)
    ]
    return sum(key >= order[target] for key in order)


def rank_of(scores: list[float], target: int) -> int:
    """1 + higher ones + ties; 0 for what is not proposed."""
    if target < 0 or scores[target] <= dim.ABSENT:
        return 0
    return sum(score >= scores[target] for score in scores)


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
        steps = row(served.category_next, int(of[items[0]]), dim.CATEGORY_NEXT)
        following = sorted((c for c in steps if c not in own), key=lambda c: -steps[c])
        for category in following[:2]:
            found += lists.get(category, [])[:20]
    if not items:
        tops = served.top_items.item[dim.TOP : dim.TOP + 5].tolist()
        for category in [int(of[i]) for i in tops if i >= 0 and of[i] >= 0]:
            found += lists.get(category, [])[:20]
    found += lists.get(-1, [])[:20]
    mean = contents(served.item_content.v, items)[1]
    likeness = {item: float(served.item_content.v[item].astype(float) @ mean) / 127 for item in lists.get(-1, [])[:300]}
    like = [item for item in likeness if likeness[item] > 0.1]
    found += sorted(like, key=lambda item: -likeness[item])[:40]
    return list(dict.fromkeys(found))


def untouched_features(served: Any, past: list[tuple[int, int, int]], item: int, now: int) -> dict[str, float]:
    """The features of an item that nobody has touched, without its place in a list."""
    items, stats = [event[0] for event in past], served.item_stats
    category = _category(served, past, item, now, 0.0)
    found = {name: category[name] for name in category if name != "category_item_share"}
    if category:
        row_ = int(stats.category[item])
        taken, waiting = served.category_fresh.taken[row_], served.category_fresh.waiting[row_]
        found["category_taken"] = math.log((taken + 0.5) / (waiting + 1))
    price = _price(stats, items, item)
    if "price_distance" in price:
        price["price_same"] = math.exp(-10 * price["price_distance"])
    age = min(max(now - int(served.item_fresh.arrived[item]), 0), 31_536_000)
    own, (last_said, mean_said) = served.item_content.v[item].astype(float), contents(served.item_content.v, items)
    return {
        "content_last": float(own @ last_said) / 127,
        "content_mean": float(own @ mean_said) / 127,
        **found,
        **price,
        **_brand(stats, items, item),
        "machine_score": machine_score(served, context(served, items), item),
        "catalogue_age": math.log1p(age),
    }


def contents(vectors: Any, items: list[int]) -> tuple[np.ndarray, np.ndarray]:
    """Unit vectors of what the shop says of the last item, and of the decayed mean of the last ten; zero for none."""

    def unit(vector: np.ndarray) -> np.ndarray:
        return vector / np.linalg.norm(vector) if vector.any() else vector

    nothing = np.zeros(dim.CONTENT)
    mean = sum((dim.CONTEXT_DECAY**q * vectors[i].astype(float) for q, i in enumerate(items[: dim.WINDOW])), nothing)
    return unit(vectors[items[0]].astype(float)) if items else nothing, unit(mean)


def fact_features(
    served: Any, events: list[tuple[int, int, int]], past: list[tuple[int, int, int]], item: int
) -> dict[str, float]:
    """Contents, refusals and looks, without a query. events: (item, time, kind) newest first, as they came."""
    vectors, signals = served.item_content.v, served.item_signals
    last, mean = contents(vectors, [event[0] for event in past])
    kinds = [kind for other, _, kind in events if other == item and kind not in {dim.SEARCH, dim.IMPRESSION}]
    shown, liked, refused = float(signals.shown[item]), float(signals.liked[item]), float(signals.refused[item])
    return {
        "content_last": float(vectors[item].astype(float) @ last) / 127,
        "content_mean": float(vectors[item].astype(float) @ mean) / 127,
        "query_log": math.log(0.003),
        "own_refused": float(bool(kinds) and kinds[0] >= dim.UNFAVOURITE),
        "refused": math.log1p(4 * refused / (liked + 1)),
        "clicked": math.log((liked + 1) / (shown + 2)) if shown else 0.0,
    }


class Pairs:
    """Hashes and their rows, in a list that is gone through from its beginning."""

    def __init__(self) -> None:
        self.pairs: list[tuple[int, int]] = []

    def insert(self, hashed: int, row: int) -> None:
        """Store a row."""
        self.pairs.append((hashed, row))

    def remove(self, hashed: int, row: int) -> None:
        """Take it out, if it is there."""
        self.pairs = [pair for pair in self.pairs if pair != (hashed, row)]

    def find(self, hashed: int) -> int:
        """The row, -1 for none."""
        return next((row for known, row in self.pairs if known == hashed), -1)
