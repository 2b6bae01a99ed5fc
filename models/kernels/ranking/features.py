"""Candidates and tables in, FEATURES numbers per candidate out: the same function learns and serves.

Each group of features is one function, as declared in models/features.py. A group leaves out what it cannot know: the
row is zero before.
"""

import math

import numpy as np

from models import features as feature
from models.dimensions import CATEGORY_NEXT, NO_PRICE, PURCHASE
from models.kernels.core import vectors
from models.kernels.core.compile import kernel
from models.kernels.core.hashing import find
from models.kernels.core.short_numbers import number
from models.kernels.ranking.item_features import fact_features, set_contents
from models.kernels.ranking.taste_features import set_means, taste_features
from models.kernels.retrieval import candidates as c
from models.kernels.retrieval import factorization
from models.kernels.retrieval import prefetch as ahead
from models.kernels.retrieval.popularity import RATE_LONG, RATE_MIDDLE, RATE_SHORT, log_popularity

_STEEP = 30.0  # of the nearness in price: it halves at a difference of 2.3 %
_AHEAD = 6  # candidates between prefetch and read
_SHARE = 0.003  # added to a share before its logarithm is taken
_NO_SHARE = math.log(_SHARE)
_NO_COSINE = math.log(0.0005)
_SIMILAR = 8  # last events compared one by one with a candidate's vector


@kernel
def inverse(rank):
    """1 / rank, 0 for no rank."""
    return 1.0 / rank if rank > 0 else 0.0


@kernel
def log_share(share):
    """log(share + 0.003). Most candidates are named by few sources, so most shares are 0 and need no logarithm."""
    return math.log(share + _SHARE) if share > 0 else _NO_SHARE


@kernel
def popularity_features(x, sums, stats, item, applied, now):
    """Machine's score and rank, three popularities and trends, age, rest, list ranks."""
    x[feature.MACHINE_SCORE] = sums[c.MACHINE_SCORE]
    x[feature.MACHINE_RANK] = inverse(sums[c.RANK_MACHINE])
    x[feature.POPULARITY_SHORT] = log_popularity(stats.key[item, 0], RATE_SHORT, applied)
    x[feature.POPULARITY_MIDDLE] = log_popularity(stats.key[item, 1], RATE_MIDDLE, applied)
    x[feature.POPULARITY_LONG] = log_popularity(stats.key[item, 2], RATE_LONG, applied)
    x[feature.TREND_SHORT] = x[feature.POPULARITY_SHORT] - x[feature.POPULARITY_MIDDLE]
    x[feature.TREND_LONG] = x[feature.POPULARITY_MIDDLE] - x[feature.POPULARITY_LONG]
    x[feature.ITEM_AGE] = math.log1p(max(now - np.int64(stats.first[item]), 0))
    x[feature.ITEM_REST] = math.log1p(max(now - np.int64(stats.last[item]), 0))
    x[feature.TOP_SHORT] = inverse(sums[c.RANK_SHORT])
    x[feature.TOP_MIDDLE] = inverse(sums[c.RANK_MIDDLE])
    x[feature.TOP_LONG] = inverse(sums[c.RANK_LONG])


@kernel
def own_features(x, sums):
    """The user's own history with the item."""
    if sums[c.COUNT] > 0:
        x[feature.OWN] = 1
        x[feature.OWN_SINCE] = math.log1p(sums[c.SINCE]) - 8
        x[feature.OWN_DISTINCT] = math.log1p(sums[c.DISTINCT] - 1) - 2
        x[feature.OWN_RECENCY] = 0.8 ** sums[c.POSITION]
        x[feature.OWN_COUNT] = math.log(sums[c.COUNT])
        x[feature.OWN_CARTS] = math.log1p(sums[c.CARTS])
        x[feature.OWN_PURCHASES] = math.log1p(sums[c.PURCHASES])
        x[feature.OWN_LAST] = sums[c.POSITION] == 0
        x[feature.OWN_BEFORE_LAST] = sums[c.POSITION] == 1
        x[feature.OWN_THIS_SESSION] = sums[c.BREAKS] == 0
        x[feature.OWN_PURCHASED_LAST] = sums[c.KIND] == PURCHASE
        x[feature.OWN_OVERDUE] = _overdue(sums)
        x[feature.OWN_SESSIONS_AGO] = math.log1p(sums[c.BREAKS])
        x[feature.OWN_KIND] = sums[c.KIND]
    if sums[c.NEAR] > 0:
        x[feature.OWN_FOLLOWS] = math.log1p(4 * sums[c.AFTER])
        x[feature.OWN_NEAR] = math.log1p(4 * sums[c.NEAR])


@kernel
def _overdue(sums):
    # log((now - last touch) / (mean own gap)), 0 when there was no gap to compare with
    if sums[c.COUNT] < 2:
        return 0.0
    # An accepted late event is pushed last but lies further back: then what is first in the history is not the newest.
    gap = max(sums[c.OLDEST] - sums[c.SINCE], 0.0) / (sums[c.COUNT] - 1)
    return min(6.0, max(-6.0, math.log((sums[c.SINCE] + 1) / (gap + 1))))


@kernel
def memory_features(x, sums):
    """The sums of the memories, their logs and ranks."""
    x[feature.FOLLOWS_LOG] = log_share(sums[c.N1])
    x[feature.FOLLOWS] = sums[c.N1]
    x[feature.FOLLOWS_RANK] = inverse(sums[c.RANK_N1])
    x[feature.FOLLOWS_BEFORE_LOG] = log_share(sums[c.N1B])
    x[feature.WINDOW_LOG] = log_share(sums[c.N2])
    x[feature.WINDOW] = sums[c.N2]
    x[feature.WINDOW_RANK] = inverse(sums[c.RANK_N2])
    x[feature.WINDOW_SUPPORT] = sums[c.SUPPORT]
    x[feature.WINDOW_LARGEST] = log_share(sums[c.LARGEST])
    x[feature.BACKWARD] = sums[c.NB]
    x[feature.BACKWARD_LOG] = log_share(sums[c.NB])
    x[feature.COSINE_LOG] = math.log(sums[c.COS] + 0.0005) if sums[c.COS] > 0 else _NO_COSINE


@kernel
def category_features(x, sums, history, category_of, keys, steps, item, applied):
    """The candidate's category against the history's; nothing for an item without one.

    keys: (categories,) popularity. steps: (CATEGORY_NEXT, 2) categories that follow the last item's, and their share.
    """
    category = category_of[item]
    if category < 0:
        return
    x[feature.CATEGORY_POPULARITY] = log_popularity(keys[category], RATE_MIDDLE, applied)
    x[feature.CATEGORY_ITEM_SHARE] = x[feature.POPULARITY_MIDDLE] - x[feature.CATEGORY_POPULARITY]
    x[feature.CATEGORY_FOLLOWS] = log_share(step_share(steps, category))
    x[feature.CATEGORY_RANK] = inverse(sums[c.RANK_CATEGORY])
    at = find(history.category_keys, history.category_slots, category)
    if at < 0:
        return
    x[feature.CATEGORY_SAME] = category_of[history.items[0]] == category
    x[feature.CATEGORY_SHARE] = history.category_sums[at, 0]
    x[feature.CATEGORY_COUNT] = math.log1p(history.category_sums[at, 1])
    x[feature.CATEGORY_THIS_SESSION] = math.log1p(history.category_sums[at, 2])
    x[feature.CATEGORY_SECOND] = at == 1


@kernel
def step_share(steps, category):
    """The share of `category` among the categories after the last item's; 0 for none.

    steps: as `set_steps` fills them.
    """
    found = 0.0
    for at in range(CATEGORY_NEXT):
        if steps[at, 0] == category:
            found = steps[at, 1]
    return found


@kernel
def set_steps(steps, category, others, counts, totals):
    """Fill steps (CATEGORY_NEXT, 2): categories that followed `category` (-1: none), and their share of all steps."""
    steps[:, 0] = -1
    if category < 0:
        return
    for at in range(CATEGORY_NEXT):
        slot = category * CATEGORY_NEXT + at
        steps[at, 0] = others[slot]
        steps[at, 1] = number(counts[slot]) / (totals[category] + 1.0)


@kernel
def price_features(x, places, prices, item, last_price, mean_price, steepness):
    """Log price against the last item's and the history's mean; nothing where a price is unknown.

    places: of distance, distance to the mean, difference and nearness, which is exp(-steepness * distance).
    """
    price = prices[item]
    if price == NO_PRICE:
        return
    distance, distance_mean, difference, same = places
    if last_price != NO_PRICE:
        x[distance] = abs(price - last_price)
        x[difference] = price - last_price
        x[same] = math.exp(-steepness * abs(price - last_price))
    if mean_price != NO_PRICE:
        x[distance_mean] = abs(price - mean_price)


@kernel
def dots(q, a, b):
    """q[a] . q[b]."""
    return vectors.dot(q, a, q[b])


@kernel
def similarity_features(x, history, q, g, norms, item):
    """Cosine of vectors to the last item, maximum and mean over the last eight; inner product with last."""
    count = min(history.counts[0], _SIMILAR)
    if count == 0:
        return
    norm = math.sqrt(dots(q, item, item)) + 1e-6
    best, total = -1.0, 0.0
    for at in range(count):
        product = dots(q, item, history.items[at])
        cosine = product / (norm * norms[at])
        best = max(best, cosine)
        total += cosine
        if at == 0:
            x[feature.SIMILAR_LAST] = cosine
            x[feature.SIMILAR_TRANSITION] = product + vectors.dot(q, item, g[history.items[0]])
    x[feature.SIMILAR_BEST] = best
    x[feature.SIMILAR_MEAN] = total / count


@kernel
def brand_features(x, places, history, brand_of, item, same_category):
    """The brand against the history's; nothing for an item without one.

    places: of same as the last item's, decayed share of the history, same brand and category (`same_category`).
    """
    brand = brand_of[item]
    if brand < 0:
        return
    at = find(history.brand_keys, history.brand_slots, brand)
    if at >= 0:
        same, share, both = places
        x[same] = brand_of[history.items[0]] == brand
        x[share] = history.brand_sums[at, 0]
        x[both] = x[same] * same_category


@kernel
def mean_price(history, stats):
    """Mean log price over the items of the history whose price is known; NO_PRICE for none."""
    total, count = 0.0, 0
    for q in range(history.counts[0]):
        price = stats.log_price[history.items[q]]
        if price != NO_PRICE:
            total += price
            count += 1
    return total / count if count > 0 else NO_PRICE


@kernel
def within_list(features, count, source, target):
    """Column `target`: column `source` standardised over the list."""
    total, square = 0.0, 0.0
    for at in range(count):
        total += features[at, source]
        square += features[at, source] * features[at, source]
    mean = total / max(count, 1)
    spread = math.sqrt(max(square / max(count, 1) - mean * mean, 0.0)) + 1e-6
    for at in range(count):
        features[at, target] = (features[at, source] - mean) / spread


@kernel
def compute(served, scratch, now):
    """All features of all candidates, into scratch.listed.features (CANDIDATES, FEATURES)."""
    history, union, work, listed = scratch.history, scratch.union, scratch.work, scratch.listed
    stats = served.item_stats
    applied = served.clock.applied[0]
    last_price = stats.log_price[history.items[0]] if history.counts[0] > 0 else np.float32(NO_PRICE)
    mean = mean_price(history, stats)
    for at in range(min(history.counts[0], _SIMILAR)):
        row = history.items[at]
        work.norms[at] = math.sqrt(dots(served.item_factors.q, row, row)) + 1e-6
    nexts, kinds = served.category_next, served.category_stats
    set_steps(
        work.steps,
        stats.category[history.items[0]] if history.counts[0] > 0 else -1,
        nexts.other,
        nexts.count,
        kinds.total,
    )
    factors, categories, last = served.item_factors, served.category_factors, served.item_last
    set_means(history, stats.category, factors.q, categories.q, work.means)
    set_contents(history, served.item_content.v, work.contents)
    for at in range(min(listed.counts[0], _AHEAD)):
        ahead.candidate(stats, factors, last, served.item_content.v, served.item_signals, listed.items[at])
    for at in range(listed.counts[0]):
        item = listed.items[at]
        if at + _AHEAD < listed.counts[0]:
            ahead.candidate(stats, factors, last, served.item_content.v, served.item_signals, listed.items[at + _AHEAD])
        x, sums = listed.features[at], union.sums[listed.entries[at]]
        x[:] = 0
        sums[c.MACHINE_SCORE] = factorization.score(
            item, stats.category[item], factors.bias, factors.q, categories.bias, categories.q, work.z
        )
        popularity_features(x, sums, stats, item, applied, now)
        own_features(x, sums)
        memory_features(x, sums)
        category_features(x, sums, history, stats.category, kinds.key, work.steps, item, applied)
        price_features(x, feature.PRICE, stats.log_price, item, last_price, mean, _STEEP)
        similarity_features(x, history, factors.q, last.g, work.norms, item)
        brand_features(x, feature.BRAND, history, stats.brand, item, x[feature.CATEGORY_SAME])
        taste_features(x, sums, history, stats, factors, last, categories, work.means, item)
        fact_features(x, sums, history, work.contents, served.item_content.v, served.item_signals, item)
    for source, target in feature.WITHIN_LIST:
        within_list(listed.features, listed.counts[0], source, target)
