"""Slow twins of models/kernels/ranking: features, ranks, the Newton step, and which contender is served."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from typing import Any

import numpy as np

from models import dimensions as dim
from tests.naive import core, retrieval


def own_features(past: list[tuple[int, int, int]], item: int, now: int) -> dict[str, float]:
    """The features of the user's own history with `item`."""
    places = [q for q, event in enumerate(past) if event[0] == item]
    breaks = retrieval.sessions([event[1] for event in past], now)
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
    stats, sums = served.item_stats, retrieval.sources(served, items)
    short, middle, long = (retrieval.log_popularity(served, item, life) for life in range(3))
    n1, n1b, n2, nb = (sums[name].get(item, 0.0) for name in ("n1", "n1b", "n2", "nb"))
    return {
        "machine_score": retrieval.machine_score(served, retrieval.context(served, items), item),
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
        "cosine_log": math.log(retrieval.cosine(served, sums, item) + 0.0005),
        **category_features(served, past, item, now, middle),
        **price_features(stats, items, item),
        **similarity_features(served, items, item),
        **brand_features(stats, items, item),
        **taste_features(served, items, item),
    }


def _shares(of: Any, items: list[int]) -> dict[int, float]:
    shares: dict[int, float] = defaultdict(float)
    for q, item in enumerate(items):
        shares[int(of[item])] += dim.WINDOW_DECAY**q / sum(dim.WINDOW_DECAY**p for p in range(len(items)))
    return shares


def category_features(
    served: Any, past: list[tuple[int, int, int]], item: int, now: int, middle: float
) -> dict[str, float]:
    of, items = served.item_stats.category, [event[0] for event in past]
    category = int(of[item])
    if category < 0:
        return {}
    breaks = retrieval.sessions([event[1] for event in past], now)
    known = [int(of[i]) for i in items]
    distinct = list(dict.fromkeys(c for c in known if c >= 0))
    key = served.category_stats.key[category]
    popular = max(dim.FLOOR, key - retrieval.RATES[1] * int(served.clock.applied[0]))
    step = 0.0
    if items and known[0] >= 0:
        row_ = retrieval.row(served.category_next, known[0], dim.CATEGORY_NEXT)
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


def price_features(stats: Any, items: list[int], item: int) -> dict[str, float]:
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


def similarity_features(served: Any, items: list[int], item: int) -> dict[str, float]:
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


def brand_features(stats: Any, items: list[int], item: int) -> dict[str, float]:
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
    parts = [w * retrieval.vector(served, item) for w, item in zip(weights, items, strict=True)]
    return np.sum(parts, axis=0) / sum(weights)


def taste_features(served: Any, items: list[int], item: int) -> dict[str, float]:
    stats = served.item_stats
    rate = math.log((int(stats.returns[item]) + 0.5) / (int(stats.positives[item]) + 2))
    together = 0.0
    for q, r in enumerate(items[: dim.LONG_WINDOW]):
        count = retrieval.row(served.forward_memory, r, dim.WINDOW_SLOTS).get(item, 0.0)
        together += dim.LONG_WINDOW_DECAY**q * count / (served.item_totals.forward[r] + 2)
    found = {"returns": rate, "window_long_log": math.log(together + 0.003)}
    if item in items:
        found["own_returns"] = rate
    if items:
        found["affinity_fading"] = retrieval.machine_score(served, mean_vector(served, items, dim.LONG_DECAY), item)
        found["affinity_even"] = retrieval.machine_score(served, mean_vector(served, items, 1.0), item)
        found["transition_back"] = float(served.item_last.g[item] @ served.item_factors.q[items[0]].astype(float))
    return found


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


def rank_of(scores: list[float], target: int) -> int:
    """1 + higher ones + ties; 0 for what is not proposed."""
    if target < 0 or scores[target] <= dim.ABSENT:
        return 0
    return sum(score >= scores[target] for score in scores)


def rank_with_rest(scores: list[float], rest: list[float], target: int) -> int:
    """Proposed ones first, by score; then the others by `rest`; ties against the target."""
    if target < 0:
        return 0
    order = [
        (score > dim.ABSENT, score if score > dim.ABSENT else other) for score, other in zip(scores, rest, strict=True)
    ]
    return sum(key >= order[target] for key in order)


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
        return np.asarray((weights * all_).sum(axis=0) / np.sqrt((weights * all_**2).sum(axis=0) + 16))


class Returns:
    """What is counted of returns, by the plain list of what each list said, weighed by its age.

    A request's own items are a dictionary from candidate to place, from 1 on, the latest first.
    """

    EDGES = (*((place, place) for place in range(1, 17)), (17, 32), (33, 64), (65, 128))

    def __init__(self, odds: float) -> None:
        self.odds = odds
        self.seen: list[dict[Any, float]] = []

    def total(self, key: Any) -> float:
        return sum(dim.RETURN_FADE**age * each.get(key, 0.0) for age, each in enumerate(reversed(self.seen)))

    def share(self, question: str) -> float:
        first = self.odds if question == "which" else 0.0
        odds = first * dim.RETURN_FADE ** len(self.seen) + self.total(question)
        return 1 / (1 + math.exp(-odds))

    def counted(self, own: dict[int, int]) -> dict[int, float]:
        found = {}
        for candidate, place in own.items():
            low, high = next(edge for edge in self.EDGES if edge[0] <= place <= edge[1])
            found[candidate] = self.total(("place", low)) / (high - low + 1) + dim.RETURN_PRIOR / place
        return {candidate: value / sum(found.values()) for candidate, value in found.items()}

    def counted_own(self) -> float:
        own, other = (self.total(("own", yes)) + 1.0 for yes in (True, False))
        return own / (own + other)

    def mixed(self, scores: list[float], own: dict[int, int]) -> list[float]:
        """The chance of each candidate."""
        ranked = core.softmax(scores)
        if not 0 < len(own) < len(scores):
            return ranked
        mass = sum(ranked[candidate] for candidate in own)
        left = math.exp(-((len(self.seen) / dim.RETURN_LISTS) ** 2))
        whether, which = left * self.share("whether"), left * self.share("which")
        chance = (1 - whether) * mass + whether * self.counted_own()
        counted = self.counted(own)
        return [
            chance * ((1 - which) * each / mass + which * counted[candidate])
            if candidate in own
            else (1 - chance) * each / (1 - mass)
            for candidate, each in enumerate(ranked)
        ]

    def learn(self, scores: list[float], own: dict[int, int], target: int) -> None:
        self.seen.append({})
        if not 0 < len(own) < len(scores):
            return
        known, chances = self.seen.pop(), core.softmax(scores)
        mass = sum(chances[candidate] for candidate in own)
        ranked, counted = (min(0.99, max(0.01, each)) for each in (mass, self.counted_own()))
        known["own", target in own] = 1.0
        known["whether"] = math.log(counted / ranked if target in own else (1 - counted) / (1 - ranked))
        if target in own and len(own) > 1:
            least = dim.RETURN_FLOOR / len(own)
            known["which"] = math.log((self.counted(own)[target] + least) / (chances[target] / mass + least))
            known["place", next(low for low, high in self.EDGES if low <= own[target] <= high)] = 1.0
        self.seen.append(known)
