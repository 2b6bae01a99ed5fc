"""A whole history and the tables in, the features of lasting taste out: the machine's sight of the long run.

The factorization machine's context forgets after some ten events. The same vectors, averaged over the whole history,
stand for a user's lasting taste (after FISM: Kabbur, Ning, Karypis, KDD 2013) in place of a vector per user. They need
the history alone, so a service without user rows computes the same.
"""

import math

import numpy as np

from models import features as feature
from models.dimensions import LONG_DECAY
from models.kernels.core.compile import kernel
from models.kernels.core.vectors import add
from models.kernels.retrieval import candidates as c
from models.kernels.retrieval import factorization

FADING, EVEN = 0, 1  # rows of the means


@kernel
def set_means(history, category_of, vectors, category_vectors, means):
    """means (2, FACTORS): vectors of the history's items and categories, averaged with fading and with even weights."""
    means[:] = 0
    count = history.counts[0]
    if count == 0:
        return
    weight, even = np.float32((1.0 - LONG_DECAY) / (1.0 - LONG_DECAY**count)), np.float32(1.0 / count)
    for q in range(count):
        _add(vectors, history.items[q], weight, even, means)
        category = category_of[history.items[q]]
        if category >= 0:
            _add(category_vectors, category, weight, even, means)
        weight *= np.float32(LONG_DECAY)


@kernel
def _add(vectors, row, fading, even, means):
    add(means[FADING], fading, vectors, row)
    add(means[EVEN], even, vectors, row)


@kernel
def return_rate(stats, item):
    """Log of the share of the item's events that came from users who had it in their history, smoothed by 2 events."""
    return math.log((stats.returns[item] + 0.5) / (stats.positives[item] + 2.0))


@kernel
def taste_features(x, sums, history, stats, factors, last, categories, means, item):
    """The machine's score in both long contexts, its step from the candidate back to the last item, return rates."""
    x[feature.RETURNS] = return_rate(stats, item)
    x[feature.WINDOW_LONG_LOG] = math.log(sums[c.LONG] + 0.003)
    if sums[c.COUNT] > 0:
        x[feature.OWN_RETURNS] = x[feature.RETURNS]
    if history.counts[0] == 0:
        return
    kind = stats.category[item]
    x[feature.AFFINITY_FADING] = factorization.score(
        item, kind, factors.bias, factors.q, categories.bias, categories.q, means[FADING]
    )
    x[feature.AFFINITY_EVEN] = factorization.score(
        item, kind, factors.bias, factors.q, categories.bias, categories.q, means[EVEN]
    )
    x[feature.TRANSITION_BACK] = factorization.dot(last.g, item, factors.q[history.items[0]])
