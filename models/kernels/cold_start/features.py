"""Untouched candidates and tables in, FRESH_FEATURES numbers per candidate out: none needs an interaction.

Each group of features is one function, as declared in models/features.py. A group leaves out what it cannot know: the
row is zero before.
"""

import math

import numpy as np

from models import features as feature
from models.dimensions import NO_PRICE, WINDOW, WINDOW_DECAY
from models.kernels.core.compile import kernel
from models.kernels.core.hashing import find
from models.kernels.ranking.features import brand_features, log_share, mean_price, price_features, step_share
from models.kernels.ranking.item_features import nearness
from models.kernels.retrieval import factorization
from models.kernels.retrieval.popularity import RATE_MIDDLE, log_popularity

_STEEP = 10.0  # of the nearness in price: it halves at a difference of 7 %
_GENTLE = 5.0  # the same to several prices: it halves at 15 %
_UNSEEN = 0.1  # events that stand in for none before a logarithm is taken
_LONGEST_AGE = 31_536_000.0  # seconds; a catalogue known from the start is a year old at most


@kernel
def category_features(x, history, session, kinds, waiting, taken, steps, category_of, item, applied):
    """The category against the history's, its popularity, and how often its untouched items are taken.

    session: events of this session.
    """
    category = category_of[item]
    if category < 0:
        return
    x[feature.UNTOUCHED_CATEGORY_POPULARITY] = log_popularity(kinds.key[category], RATE_MIDDLE, applied)
    x[feature.UNTOUCHED_CATEGORY_FOLLOWS] = log_share(step_share(steps, category))
    x[feature.UNTOUCHED_CATEGORY_TAKEN] = math.log((taken[category] + 0.5) / (waiting[category] + 1.0))
    x[feature.UNTOUCHED_CATEGORY_WAITING] = math.log(waiting[category] + 1.0)
    x[feature.UNTOUCHED_CATEGORY_FIRSTS] = math.log(taken[category] + 0.5)
    at = find(history.category_keys, history.category_slots, category)
    count, in_session = (history.category_sums[at, 1], history.category_sums[at, 2]) if at >= 0 else (0.0, 0.0)
    x[feature.UNTOUCHED_CATEGORY_SHARE_LOG] = math.log((count + _UNSEEN) / (history.counts[0] + 1.0))
    x[feature.UNTOUCHED_CATEGORY_SESSION_LOG] = math.log((in_session + _UNSEEN) / (session + 1.0))
    if at >= 0:
        x[feature.UNTOUCHED_CATEGORY_SAME] = category_of[history.items[0]] == category
        x[feature.UNTOUCHED_CATEGORY_SHARE] = history.category_sums[at, 0]
        x[feature.UNTOUCHED_CATEGORY_COUNT] = math.log1p(history.category_sums[at, 1])
        x[feature.UNTOUCHED_CATEGORY_THIS_SESSION] = math.log1p(history.category_sums[at, 2])
        x[feature.UNTOUCHED_CATEGORY_SECOND] = at == 1


@kernel
def near_prices(history, category_of, prices, item):
    """How near the price is to those of the last ten events that are of the item's category; the latest count most.

    The category tells what a user looks for, and several prices tell more of what it may cost than the last alone.
    """
    category, price, total, weight = category_of[item], prices[item], 0.0, 1.0
    if category < 0 or price == NO_PRICE:
        return total
    for q in range(min(history.counts[0], WINDOW)):
        other = history.items[q]
        if category_of[other] == category and prices[other] != NO_PRICE:
            total += weight * math.exp(-_GENTLE * abs(price - prices[other]))
        weight *= WINDOW_DECAY
    return total


@kernel
def compute(served, scratch, now):
    """All features of all untouched candidates, into scratch.fresh.features (FRESH, FRESH_FEATURES)."""
    history, work, listed, own = scratch.history, scratch.work, scratch.listed, scratch.fresh
    stats, kinds, items = served.item_stats, served.category_stats, served.item_fresh
    factors, categories, lists = served.item_factors, served.category_factors, served.category_fresh
    last_price = stats.log_price[history.items[0]] if history.counts[0] > 0 else np.float32(NO_PRICE)
    mean = mean_price(history, stats)
    start, session = listed.counts[0], 0
    while session < history.counts[0] and history.sessions[session] == 0:
        session += 1
    for place in range(listed.counts[3] - start):
        item, x = listed.items[start + place], own.features[place]
        x[:] = 0
        category_features(
            x,
            history,
            session,
            kinds,
            lists.waiting,
            lists.taken,
            work.steps,
            stats.category,
            item,
            served.clock.applied[0],
        )
        price_features(x, feature.UNTOUCHED_PRICE, stats.log_price, item, last_price, mean, _STEEP)
        brand_features(x, feature.UNTOUCHED_BRAND, history, stats.brand, item, x[feature.UNTOUCHED_CATEGORY_SAME])
        x[feature.UNTOUCHED_MACHINE_SCORE] = factorization.score(
            item, stats.category[item], factors.bias, factors.q, categories.bias, categories.q, work.z
        )
        x[feature.UNTOUCHED_CATALOGUE_AGE] = math.log1p(
            min(max(now - np.float64(items.arrived[item]), 0.0), _LONGEST_AGE)
        )
        x[feature.UNTOUCHED_NEWEST] = 1.0 / (1.0 + own.places[place])
        x[feature.UNTOUCHED_PRICE_NEAR] = near_prices(history, stats.category, stats.log_price, item)
        x[feature.UNTOUCHED_CONTENT_LAST] = nearness(served.item_content.v, item, work.contents[0])
        x[feature.UNTOUCHED_CONTENT_MEAN] = nearness(served.item_content.v, item, work.contents[1])
