"""Candidates and tables in, FEATURES numbers per candidate out: the same function learns and serves.

Each group of features is one function; their order is that of `FEATURE_NAMES` in models/features.py.
"""

import math

import numpy as np

from models.dimensions import CATEGORY_NEXT, NO_PRICE, PURCHASE
from models.kernels.core import vectors
from models.kernels.core.compile import kernel
from models.kernels.core.hashing import find
from models.kernels.ranking.item_features import fact_features, set_contents
from models.kernels.ranking.taste_features import (
    AFFINITY_EVEN,
    AFFINITY_EVEN_LISTED,
    AFFINITY_FADING,
    AFFINITY_FADING_LISTED,
    context_features,
    set_means,
)
from models.kernels.retrieval import candidates as c
from models.kernels.retrieval import factorization
from models.kernels.retrieval import prefetch as ahead
from models.kernels.retrieval.popularity import RATE_LONG, RATE_MIDDLE, RATE_SHORT, log_popularity

_STEEP = 30.0  # of the nearness in price: it halves at a difference of 2.3 %
_AHEAD = 6  # candidates between what is asked for and what is read
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
    """log(share + .003). Most candidates are named by few sources, so most shares are 0 and need no logarithm."""
    return math.log(share + _SHARE) if share > 0 else _NO_SHARE


@kernel
def popularity_features(x, sums, stats, item, applied, now):
    """x[0..13]: machine's score and rank, three popularities and trends, age, rest, list ranks."""
    x[0] = sums[c.MACHINE_SCORE]
    x[2] = inverse(sums[c.RANK_MACHINE])
    x[3] = log_popularity(stats.key[item, 0], RATE_SHORT, applied)
    x[4] = log_popularity(stats.key[item, 1], RATE_MIDDLE, applied)
    x[5] = log_popularity(stats.key[item, 2], RATE_LONG, applied)
    x[6] = x[3] - x[4]
    x[7] = x[4] - x[5]
    x[9] = math.log1p(max(now - np.int64(stats.first[item]), 0))
    x[10] = math.log1p(max(now - np.int64(stats.last[item]), 0))
    x[11] = inverse(sums[c.RANK_SHORT])
    x[12] = inverse(sums[c.RANK_MIDDLE])
    x[13] = inverse(sums[c.RANK_LONG])


@kernel
def own_features(x, sums):
    """x[14..29]: the user's own history with the item."""
    x[14:30] = 0
    if sums[c.COUNT] > 0:
        x[14] = 1
        x[15] = math.log1p(sums[c.SINCE]) - 8
        x[16] = math.log1p(sums[c.DISTINCT] - 1) - 2
        x[17] = 0.8 ** sums[c.POSITION]
        x[18] = math.log(sums[c.COUNT])
        x[19] = math.log1p(sums[c.CARTS])
        x[20] = math.log1p(sums[c.PURCHASES])
        x[21] = sums[c.POSITION] == 0
        x[22] = sums[c.POSITION] == 1
        x[23] = sums[c.BREAKS] == 0
        x[24] = sums[c.KIND] == PURCHASE
        x[25] = _overdue(sums)
        x[28] = math.log1p(sums[c.BREAKS])
        x[29] = sums[c.KIND]
    if sums[c.NEAR] > 0:
        x[26] = math.log1p(4 * sums[c.AFTER])
        x[27] = math.log1p(4 * sums[c.NEAR])


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
    """x[30..41]: what the memories say."""
    x[30] = log_share(sums[c.N1])
    x[31] = sums[c.N1]
    x[32] = inverse(sums[c.RANK_N1])
    x[33] = log_share(sums[c.N1B])
    x[34] = log_share(sums[c.N2])
    x[35] = sums[c.N2]
    x[36] = inverse(sums[c.RANK_N2])
    x[37] = sums[c.SUPPORT]
    x[38] = log_share(sums[c.LARGEST])
    x[39] = sums[c.NB]
    x[40] = log_share(sums[c.NB])
    x[41] = math.log(sums[c.COS] + 0.0005) if sums[c.COS] > 0 else _NO_COSINE


@kernel
def category_features(x, sums, history, category_of, keys, steps, item, applied):
    """x[42..50]: the candidate's category against the history's; 0 for an item without one.

    keys: (categories,) popularity. steps: (CATEGORY_NEXT, 2) categories that follow the last item's, and their share.
    """
    x[42:51] = 0
    category = category_of[item]
    if category < 0:
        return
    x[46] = log_popularity(keys[category], RATE_MIDDLE, applied)
    x[47] = x[4] - x[46]
    x[48] = log_share(step_share(steps, category))
    x[49] = inverse(sums[c.RANK_CATEGORY])
    at = find(history.category_keys, history.category_slots, category)
    if at < 0:
        return
    x[42] = category_of[history.items[0]] == category
    x[43] = history.category_sums[at, 0]
    x[44] = math.log1p(history.category_sums[at, 1])
    x[45] = math.log1p(history.category_sums[at, 2])
    x[50] = at == 1


@kernel
def step_share(steps, category):
    """The share of `category` among what followed the last item's; 0 for none. steps: as `set_steps` fills them."""
    found = 0.0
    for at in range(CATEGORY_NEXT):
        if steps[at, 0] == category:
            found = steps[at, 1]
    return found


@kernel
def set_steps(steps, category, others, counts, totals):
    """Fill steps (CATEGORY_NEXT, 2): what followed `category` (-1: nothing did), as share of all that did."""
    steps[:, 0] = -1
    if category < 0:
        return
    for at in range(CATEGORY_NEXT):
        slot = category * CATEGORY_NEXT + at
        steps[at, 0] = others[slot]
        steps[at, 1] = counts[slot] / (totals[category] + 1.0)


@kernel
def price_features(x, prices, item, last_price, mean_price, steepness):
    """x[0..3]: distance in log price to the last item and to the mean of the history, difference, nearness; 0 where a
    price is unknown. `steepness`: nearness is e to the minus this times the distance.
    """
    x[:4] = 0
    price = prices[item]
    if price == NO_PRICE:
        return
    if last_price != NO_PRICE:
        x[0] = abs(price - last_price)
        x[2] = price - last_price
        x[3] = math.exp(-steepness * abs(price - last_price))
    if mean_price != NO_PRICE:
        x[1] = abs(price - mean_price)


@kernel
def dots(q, a, b):
    """q[a] . q[b]."""
    return vectors.dot(q, a, q[b])


@kernel
def similarity_features(x, history, q, g, norms, item):
    """x[55..58]: cosine of vectors to the last item, maximum and mean over the last eight; inner product with last."""
    x[55:59] = 0
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
            x[55] = cosine
            x[58] = product + vectors.dot(q, item, g[history.items[0]])
    x[56] = best
    x[57] = total / count


@kernel
def brand_features(x, history, brand_of, item, same_category):
    """x[0..2]: the brand against the history's, and both brand and category (`same_category`) of the last item."""
    x[:3] = 0
    brand = brand_of[item]
    if brand < 0:
        return
    at = find(history.brand_keys, history.brand_slots, brand)
    if at >= 0:
        x[0] = brand_of[history.items[0]] == brand
        x[1] = history.brand_sums[at, 0]
        x[2] = x[0] * same_category


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
        sums[c.MACHINE_SCORE] = factorization.score(
            item, stats.category[item], factors.bias, factors.q, categories.bias, categories.q, work.z
        )
        popularity_features(x, sums, stats, item, applied, now)
        own_features(x, sums)
        memory_features(x, sums)
        category_features(x, sums, history, stats.category, kinds.key, work.steps, item, applied)
        price_features(x[51:55], stats.log_price, item, last_price, mean, _STEEP)
        similarity_features(x, history, factors.q, last.g, work.norms, item)
        brand_features(x[59:62], history, stats.brand, item, x[42])
        context_features(x, sums, history, stats, factors, last, categories, work.means, item)
        fact_features(x, sums, history, work.contents, served.item_content.v, served.item_signals, item)
    within_list(listed.features, listed.counts[0], 0, 1)
    within_list(listed.features, listed.counts[0], 4, 8)
    within_list(listed.features, listed.counts[0], AFFINITY_FADING, AFFINITY_FADING_LISTED)
    within_list(listed.features, listed.counts[0], AFFINITY_EVEN, AFFINITY_EVEN_LISTED)
