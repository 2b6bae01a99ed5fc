"""Candidates and what is known beside their events in, the last seven features out: contents, query, refusals, looks.

`FEATURE_NAMES` in models/features.py has their order, models/kernels/ranking/features.py the features before them.
"""

import math

import numpy as np

from models.dimensions import CONTENT, CONTEXT_DECAY, FACT_FEATURES, FEATURES, WINDOW
from models.kernels.core.compile import kernel, scoring
from models.kernels.retrieval import candidates as c

FIRST = FEATURES - FACT_FEATURES
_CONTENT_LAST, _CONTENT_MEAN, _QUERY_LOG, _QUERY, OWN_REFUSED, _REFUSED, _CLICKED = range(FIRST, FEATURES)


@kernel
def set_contents(history, vectors, contents):
    """Into contents (2, CONTENT): unit vectors of the last item and of the decayed mean of the last ten; zero for none.

    vectors: (items, CONTENT) i1.
    """
    contents[:] = 0
    weight = 1.0
    for q in range(min(history.counts[0], WINDOW)):
        row = history.items[q]
        for k in range(CONTENT):
            contents[1, k] += np.float32(weight) * vectors[row, k]
            if q == 0:
                contents[0, k] = vectors[row, k]
        weight *= CONTEXT_DECAY
    _normalise(contents[0])
    _normalise(contents[1])


@kernel
def _normalise(vector):
    square = 0.0
    for k in range(CONTENT):
        square += vector[k] * vector[k]
    if square > 0.0:
        scale = np.float32(1.0 / math.sqrt(square))
        for k in range(CONTENT):
            vector[k] *= scale


@scoring
def nearness(vectors, item, vector):
    """Cosine of an item's content and a unit vector; 0 where either is not known."""
    total = np.float32(0)
    for k in range(vector.shape[0]):
        total += np.float32(vectors[item, k]) * vector[k]
    return total * np.float32(1.0 / 127.0)


@kernel
def refused_by(history, item):
    """Whether this user ever refused the item. Who touched it again since has it in the history."""
    for at in range(history.counts[1]):
        if history.cancelled[at] == item:
            return 1.0
    return 0.0


@kernel
def fact_features(x, sums, history, contents, vectors, signals, item):
    """x[FIRST..FEATURES - 1]. contents: as `set_contents` fills it. signals: the table of looks, likes and refusals."""
    x[_CONTENT_LAST] = nearness(vectors, item, contents[0])
    x[_CONTENT_MEAN] = nearness(vectors, item, contents[1])
    x[_QUERY_LOG] = math.log(sums[c.QUERY] + 0.003)
    x[_QUERY] = sums[c.QUERY]
    x[OWN_REFUSED] = refused_by(history, item) if sums[c.COUNT] == 0 else 0.0
    x[_REFUSED] = math.log1p(4.0 * signals.refused[item] / (signals.liked[item] + 1.0))
    shown = signals.shown[item]
    x[_CLICKED] = math.log((signals.liked[item] + 1.0) / (shown + 2.0)) if shown > 0 else 0.0
