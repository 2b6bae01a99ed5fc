"""Examples in, predictions or one step of the linear regressor per example out.

p(x) = b + sum_j w_j x_j. The L1 penalty is cumulative (Tsuruoka, Tsujii, Ananiadou, ACL 2009, section 3.3): a weight is
moved towards zero by the part that it has not paid yet when its feature comes, and stops at zero.
"""

import math

from models.kernels.core.compile import entry, kernel
from models.kernels.regression.examples import (
    REST,
    WEIGHT,
    drop_unseen,
    fill,
    fill_fields,
    largest,
    remember,
    standardise,
    standardise_next,
)
from models.kernels.regression.losses import clipped, prediction, slope_at
from models.kernels.regression.optimizers import POWER, RATE, RULE, descend, rate_at

LOSS, CLIP, INTERCEPT_RATE, INTERCEPT_POWER, L1, L2 = range(6)
WEIGHT_RULE = 6
SETTINGS = WEIGHT_RULE + RULE
"""Numbers in the array of settings: the places above, then the optimizer."""


@entry
def learn(rows, whole, settings, work, offsets, entries, values, targets, weights):
    """Example i: features offsets[i] to offsets[i + 1] of entries (rows) and values, targets[i], weights[i]."""
    for at in range(targets.shape[0]):
        count = fill(work, entries, values, offsets[at], offsets[at + 1])
        _learn_example(rows, whole, settings, work, count, targets[at], weights[at])


@entry
def learn_fields(rows, whole, settings, work, fields, values, targets, weights):
    """Example i: the integers fields[i] (n, m), each hashed to a row with its field's number."""
    for at in range(targets.shape[0]):
        count = fill_fields(rows, work, fields, values, at)
        _learn_example(rows, whole, settings, work, count, targets[at], weights[at])


@entry
def predict(rows, whole, settings, work, offsets, entries, values, out):
    """out[i]: the prediction for example i. Entries below zero are unknown features, which add nothing."""
    for at in range(out.shape[0]):
        count = fill(work, entries, values, offsets[at], offsets[at + 1])
        standardise(rows, work, count)
        out[at] = prediction(settings[LOSS], _score(rows.table, whole.numbers[0], work, count))


@entry
def predict_fields(rows, whole, settings, work, fields, values, out):
    """The same for integer fields; rows that were never learned add nothing."""
    for at in range(out.shape[0]):
        count = drop_unseen(rows, work, fill_fields(rows, work, fields, values, at))
        standardise(rows, work, count)
        out[at] = prediction(settings[LOSS], _score(rows.table, whole.numbers[0], work, count))


@kernel
def _score(table, intercept, work, count):
    score = intercept
    for at in range(count):
        score += table[work.rows[at], WEIGHT] * work.values[1, at]
    return score


@kernel
def _learn_example(rows, whole, settings, work, count, target, weight):
    if not (math.isfinite(target) and math.isfinite(weight) and standardise_next(rows, work, count)):
        whole.counts[1] += 1
        return
    score = _score(rows.table, whole.numbers[0], work, count)
    slope = clipped(slope_at(settings[LOSS], score, target) * weight, settings[CLIP])
    bound = abs(slope) * (
        1.0 + largest(work, count)
    )  # of every gradient; its square too must be finite, for AdaGrad and Adam
    if not math.isfinite(score + bound * bound):
        whole.counts[1] += 1
        return
    _step(rows, whole, settings, work, count, slope)


@kernel
def _step(rows, whole, settings, work, count, slope):
    steps, gradient = whole.counts[0], work.vectors[0]
    whole.counts[0] += 1
    remember(rows, work, count, whole.counts[0])
    whole.numbers[0] -= rate_at(settings[INTERCEPT_RATE], settings[INTERCEPT_POWER], steps) * slope
    rate = rate_at(settings[WEIGHT_RULE + RATE], settings[WEIGHT_RULE + POWER], steps)
    for at in range(count):
        row = work.rows[at]
        gradient[0] = slope * work.values[1, at] + settings[L2] * rows.table[row, WEIGHT]
        descend(settings, WEIGHT_RULE, rate, rows.table, row, WEIGHT, 1, rows.memory, 0, gradient)
    if settings[L1] > 0.0:
        after = rate_at(settings[WEIGHT_RULE + RATE], settings[WEIGHT_RULE + POWER], steps + 1)
        whole.numbers[1] += settings[L1] * after
        for at in range(count):
            _shrink(rows.table, work.rows[at], whole.numbers[1])


@kernel
def _shrink(table, row, owed):
    before = table[row, WEIGHT]
    if before > 0.0:
        table[row, WEIGHT] = max(0.0, before - (owed + table[row, REST]))
    elif before < 0.0:
        table[row, WEIGHT] = min(0.0, before + (owed - table[row, REST]))
    table[row, REST] += table[row, WEIGHT] - before
