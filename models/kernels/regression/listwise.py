"""Lists of candidates in, scores or one step of the listwise ranker out.

s_i = sum_j w_j x_ij; loss -log softmax(s)[chosen] (ListNet with one relevant item, Cao et al., ICML 2007), so that
d loss / d w_j = sum_i (softmax(s)_i - [i chosen]) x_ij.
"""

import math

from models.kernels.core.compile import entry, kernel
from models.kernels.core.softmax import softmax
from models.kernels.regression.examples import WEIGHT, fill, remember, standardise
from models.kernels.regression.optimizers import POWER, RATE, RULE, descend, rate_at

CLIP, L2 = range(2)
WEIGHT_RULE = 2
SETTINGS = WEIGHT_RULE + RULE
"""Numbers in the array of settings: the places above, then the optimizer."""


@entry
def score(rows, work, offsets, entries, values, out):
    """out[i]: the score of candidate i, whose features are offsets[i] to offsets[i + 1] of entries and values."""
    for at in range(out.shape[0]):
        count = fill(work, entries, values, offsets[at], offsets[at + 1])
        standardise(rows, work, count)
        out[at] = 0.0
        for feature in range(count):
            out[at] += rows.table[work.rows[feature], WEIGHT] * work.values[1, feature]


@entry
def learn(rows, whole, settings, work, offsets, entries, values, chosen, scores, slopes):
    """Learn that candidate `chosen` was taken from this list. slopes: (rows,) f64, zeros before and after.

    Values are standardised by the moments before the list, which the list then updates.
    """
    score(rows, work, offsets, entries, values, scores)
    finite = softmax(scores, scores.shape[0], scores)
    scores[chosen] -= 1.0  # d loss / d score
    for at in range(values.shape[0]):
        finite = finite and math.isfinite(values[at])
    if not finite:
        whole.counts[1] += 1
        return
    for at in range(scores.shape[0]):
        count = fill(work, entries, values, offsets[at], offsets[at + 1])
        standardise(rows, work, count)
        for feature in range(count):
            slopes[work.rows[feature]] += scores[at] * work.values[1, feature]
    _step(rows, whole, settings, work, offsets, entries, values, slopes)


@kernel
def _step(rows, whole, settings, work, offsets, entries, values, slopes):
    steps = whole.counts[0]
    whole.counts[0] += 1
    rate = rate_at(settings[WEIGHT_RULE + RATE], settings[WEIGHT_RULE + POWER], steps)
    gradient = work.vectors[0]
    for at in range(entries.shape[0]):
        row = entries[at]
        if slopes[row] != 0.0:
            slope = min(max(slopes[row], -settings[CLIP]), settings[CLIP])
            slopes[row] = 0.0
            gradient[0] = slope + settings[L2] * rows.table[row, WEIGHT]
            descend(settings, WEIGHT_RULE, rate, rows.table, row, WEIGHT, 1, rows.memory, 0, gradient)
    for at in range(offsets.shape[0] - 1):
        remember(rows, work, fill(work, entries, values, offsets[at], offsets[at + 1]), whole.counts[0])
