"""Features of a list in, scores and one training step of the listwise ranker and the pointwise regressor out.

The ranker's weights are W0 + W1[bucket of known events] + W2[bucket of seconds since the last]; loss: -log softmax of
the target over the united candidates (ListNet with one relevant item: Cao et al., ICML 2007). W0 takes online Newton
steps, the others AdaGrad per coordinate.
"""

import math

import numpy as np

from models.dimensions import BLOCK_RATE, CLIP, LENGTHS, MOMENT_STEP, RANK_RATE, RANK_START
from models.features import FEATURES, SCALED
from models.kernels.core.compile import kernel, scoring
from models.kernels.core.marks import mark
from models.kernels.core.softmax import softmax
from models.kernels.ranking import newton

_CONSTANT = 1e-8  # variance below which a feature says nothing


@kernel
def length_bucket(count):
    """Number of known events to bucket: 0, 1, 2-4, 5-19, 20-99, 100 and more."""
    if count < 2:
        return count
    return 2 if count < 5 else 3 if count < 20 else 4 if count < 100 else 5


@kernel
def gap_bucket(history, now):
    """Seconds since the last event to bucket: none, 0, below 60, below 1800, below 86400, more."""
    if history.counts[0] == 0:
        return 0
    gap = now - history.times[0]
    return 1 if gap <= 0 else 2 if gap < 60 else 3 if gap < 1800 else 4 if gap < 86400 else 5


@kernel
def set_weights(listed, history, weights, now):
    """The ranker's weights for this user at this moment, into listed.weights."""
    listed.counts[1] = 1 + length_bucket(history.counts[0])
    listed.counts[2] = 1 + LENGTHS + gap_bucket(history, now)
    first, second = listed.counts[1] * FEATURES, listed.counts[2] * FEATURES
    for f in range(FEATURES):
        listed.weights[f] = weights[f] + weights[first + f] + weights[second + f]


@scoring
def measure(listed):
    """Mean and mean square of each raw feature over the list."""
    count = listed.counts[0]
    listed.means[:] = 0
    listed.squares[:] = 0
    for at in range(count):
        for f in range(listed.means.shape[0]):
            x = np.float64(listed.features[at, f])
            listed.means[f] += x
            listed.squares[f] += x * x
    for f in range(FEATURES):
        listed.means[f] /= max(count, 1)
        listed.squares[f] /= max(count, 1)


@kernel
def remember(listed, moments, clock):
    """One step of the running moments towards those of the list. listed: its means and squares, of any features."""
    clock.lists[0] += 1
    step = max(1.0 / clock.lists[0], MOMENT_STEP)
    for f in range(listed.means.shape[0]):
        if math.isfinite(listed.means[f]) and math.isfinite(listed.squares[f]):
            moments.mean[f] += step * (listed.means[f] - moments.mean[f])
            moments.square[f] += step * (listed.squares[f] - moments.square[f])
            mark(moments.marks, f)


@kernel
def standardise(listed, mean, square):
    """Raw features to standardised and clipped ones, in place; a constant one becomes 0."""
    for f in range(FEATURES):
        variance = square[f] - mean[f] * mean[f]
        listed.centre[f] = mean[f]
        listed.scale[f] = 1.0 / math.sqrt(variance) if variance > _CONSTANT else 0.0
    for place, scale in SCALED:
        listed.centre[place] = 0.0
        listed.scale[place] = scale
    for at in range(listed.counts[0]):
        for f in range(listed.centre.shape[0]):
            x = (listed.features[at, f] - listed.centre[f]) * listed.scale[f]
            listed.features[at, f] = min(np.float32(CLIP), max(np.float32(-CLIP), x))


@scoring
def score(features, count, weights, out):
    """out[j] = features[j] . weights."""
    for at in range(count):
        total = np.float32(0)
        for f in range(features.shape[1]):
            total += features[at, f] * weights[f]
        out[at] = total


@scoring
def set_gradient(features, count, slopes, gradient):
    """gradient = sum_j slopes[j] features[j]."""
    gradient[:] = 0
    for at in range(count):
        slope = slopes[at]
        for f in range(gradient.shape[0]):
            gradient[f] += slope * features[at, f]


@kernel
def descend(weights, totals, marks, start, gradient, rate):
    """AdaGrad per coordinate on rows start to start + length of the gradient."""
    for f in range(gradient.shape[0]):
        slope = gradient[f]
        if slope != 0 and math.isfinite(slope):
            row = start + f
            totals[row] += slope * slope
            weights[row] -= rate * slope / math.sqrt(totals[row] + RANK_START)
            mark(marks, row)


@kernel
def train(listed, ranker, curvature, scores, target):
    """One listwise step towards the candidate at `target`."""
    count = listed.counts[0]
    if not softmax(scores, count, listed.chances):
        return
    listed.chances[target] -= 1
    set_gradient(listed.features, count, listed.chances, listed.gradient)
    if not newton.step(ranker.weight, curvature.inverse, listed.gradient, listed.direction):
        return
    for f in range(FEATURES):
        mark(ranker.marks, f)
        mark(curvature.marks, f)
    for block in (listed.counts[1], listed.counts[2]):
        start = block * FEATURES
        descend(
            ranker.weight,
            ranker.total,
            ranker.marks,
            start,
            listed.gradient,
            BLOCK_RATE,
        )


@kernel
def score_linear(listed, weights, out):
    """The pointwise regressor's expectation that each candidate is the target: features . weights + intercept."""
    score(listed.features, listed.counts[0], weights, out)
    for at in range(listed.counts[0]):
        out[at] += weights[FEATURES]


@kernel
def train_linear(listed, linear, scores, target):
    """One squared-error step: 1 for the target, 0 for the others, which together weigh as much."""
    count = listed.counts[0]
    if count < 2:
        return
    total = np.float32(0)
    for at in range(count):
        error = scores[at] - 1 if at == target else scores[at] / (count - 1)
        listed.chances[at] = error
        total += error
    set_gradient(listed.features, count, listed.chances, listed.gradient)
    descend(linear.weight, linear.total, linear.marks, 0, listed.gradient, RANK_RATE)
    if math.isfinite(total):
        linear.total[FEATURES] += total * total
        linear.weight[FEATURES] -= RANK_RATE * total / math.sqrt(linear.total[FEATURES] + RANK_START)
        mark(linear.marks, FEATURES)
