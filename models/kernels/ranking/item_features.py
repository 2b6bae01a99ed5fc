"""Candidates and facts besides their events in, features of contents, query, refusals and impressions out."""

import math

import numpy as np

from models import features as feature
from models.dimensions import CONTENT, CONTEXT_DECAY, WINDOW
from models.kernels.core.compile import kernel, scoring
from models.kernels.retrieval import candidates as c


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
    """Cosine of an item's content and a unit vector; 0 if either is unknown."""
    total = np.float32(0)
    for k in range(vector.shape[0]):
        total += np.float32(vectors[item, k]) * vector[k]
    return total * np.float32(1.0 / 127.0)


@kernel
def refused_by(history, item):
    """1.0 if this user ever refused the item. An item touched again since is in the history."""
    for at in range(history.counts[1]):
        if history.cancelled[at] == item:
            return 1.0
    return 0.0


@kernel
def fact_features(x, sums, history, contents, vectors, signals, item):
    """contents: as `set_contents` fills it. signals: the table of impressions, likes and refusals."""
    x[feature.CONTENT_LAST] = nearness(vectors, item, contents[0])
    x[feature.CONTENT_MEAN] = nearness(vectors, item, contents[1])
    x[feature.QUERY_LOG] = math.log(sums[c.QUERY] + 0.003)
    x[feature.QUERY] = sums[c.QUERY]
    x[feature.OWN_REFUSED] = refused_by(history, item) if sums[c.COUNT] == 0 else 0.0
    x[feature.REFUSED] = math.log1p(4.0 * signals.refused[item] / (signals.liked[item] + 1.0))
    shown = signals.shown[item]
    x[feature.CLICKED] = math.log((signals.liked[item] + 1.0) / (shown + 2.0)) if shown > 0 else 0.0
