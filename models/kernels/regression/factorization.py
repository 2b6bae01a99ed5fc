"""Examples in, predictions or one step of the factorization machine per example out.

p(x) = b + sum_j w_j x_j + sum_{j<l} v_j . v_l x_j x_l, the pairs in linear time by equation 5 and the gradient by
equation 4 of Rendle, ICDM 2010:  d p / d v_j = x_j (sum_l v_l x_l) - v_j x_j^2.
"""

import math

import numpy as np

from models.kernels.core.compile import entry, kernel
from models.kernels.core.hashing import mix
from models.kernels.regression.examples import (
    REST,
    WEIGHT,
    drop_unseen,
    fill,
    fill_fields,
    foresee,
    largest,
    remember,
    standardise,
    standardise_next,
)
from models.kernels.regression.losses import clipped, prediction, slope_at
from models.kernels.regression.optimizers import KIND, POWER, RATE, RULE, SGD, descend, rate_at

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)

LOSS, CLIP, INTERCEPT_RATE, INTERCEPT_POWER, L1_WEIGHT, L2_WEIGHT, L1_FACTOR, L2_FACTOR, PLACE = range(9)
WEIGHT_RULE = 9
FACTOR_RULE = WEIGHT_RULE + RULE
SETTINGS = FACTOR_RULE + RULE
"""Numbers in the array of settings: the places above, then both optimizers. PLACE: where the factors' memory begins in
a row of `Rows.memory`, after that of the weight."""

_TOTAL, _SQUARES, _GRADIENT = 0, 1, 2  # rows of the scratch's vectors


@entry
def draw_vector(table, row, seed, spread):
    """The factors of a row: normal enough numbers (twelve uniforms minus six) that depend on the seed alone."""
    state = mix(np.uint64(seed))
    for at in range(REST, table.shape[1]):
        total = 0.0
        for _ in range(3):
            state = mix(state + _GOLDEN)
            for shift in (0, 16, 32, 48):
                total += np.float64((state >> np.uint64(shift)) & np.uint64(0xFFFF)) / 65536.0
        table[row, at] = (total - 6.0) * spread


@entry
def draw_vectors(table, seed, spread):
    """Draw every row of the table, by seed and row number."""
    for row in range(table.shape[0]):
        draw_vector(table, row, mix(np.uint64(seed)) + np.uint64(row), spread)


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
        foresee(rows, fields, at + 1)
        count = fill_fields(rows, work, fields, values, at)
        _learn_example(rows, whole, settings, work, count, targets[at], weights[at])


@entry
def predict(rows, whole, settings, work, offsets, entries, values, out):
    """out[i]: the prediction for example i. Entries below zero are unknown features, which add nothing."""
    for at in range(out.shape[0]):
        count = fill(work, entries, values, offsets[at], offsets[at + 1])
        standardise(rows, work, count)
        out[at] = prediction(settings[LOSS], _score(rows.table, whole.numbers[0], work, count)[0])


@entry
def predict_fields(rows, whole, settings, work, fields, values, out):
    """The same for integer fields; rows that were never learned add nothing."""
    for at in range(out.shape[0]):
        count = drop_unseen(rows, work, fill_fields(rows, work, fields, values, at))
        standardise(rows, work, count)
        out[at] = prediction(settings[LOSS], _score(rows.table, whole.numbers[0], work, count)[0])


@kernel
def _score(table, intercept, work, count):
    """The raw score, and the squares of |sum v x| and of all |v x|, which bound the step."""
    total, squares, width = work.vectors[_TOTAL], work.vectors[_SQUARES], table.shape[1] - REST
    total[:] = 0.0
    squares[:] = 0.0
    score = intercept
    for at in range(count):
        row, x = work.rows[at], work.values[1, at]
        score += table[row, WEIGHT] * x
        for k in range(width):
            part = table[row, REST + k] * x
            total[k] += part
            squares[k] += part * part
    together = apart = 0.0
    for k in range(width):
        together += total[k] * total[k]
        apart += squares[k]
    return score + 0.5 * (together - apart), together, apart


@kernel
def _learn_example(rows, whole, settings, work, count, target, weight):
    if not (math.isfinite(target) and math.isfinite(weight) and standardise_next(rows, work, count)):
        whole.counts[1] += 1
        return
    score, together, apart = _score(rows.table, whole.numbers[0], work, count)
    slope = clipped(slope_at(settings[LOSS], score, target), settings[CLIP]) * weight
    # No gradient of the step is larger; the square must be finite too, for AdaGrad and Adam.
    bound = abs(slope) * (1.0 + largest(work, count) * (1.0 + math.sqrt(together) + math.sqrt(apart)))
    if not math.isfinite(score + bound * bound):
        whole.counts[1] += 1
        return
    _step(rows, whole, settings, work, count, slope)


@kernel
def _step(rows, whole, settings, work, count, slope):
    steps = whole.counts[0]
    whole.counts[0] += 1
    remember(rows, work, count, whole.counts[0])
    whole.numbers[0] -= rate_at(settings[INTERCEPT_RATE], settings[INTERCEPT_POWER], steps) * slope
    weight_rate = rate_at(settings[WEIGHT_RULE + RATE], settings[WEIGHT_RULE + POWER], steps)
    factor_rate = rate_at(settings[FACTOR_RULE + RATE], settings[FACTOR_RULE + POWER], steps)
    width, gradient = rows.table.shape[1] - REST, work.vectors[_GRADIENT]
    place = int(settings[PLACE])
    plain = settings[FACTOR_RULE + KIND] == SGD and settings[L1_FACTOR] == 0.0
    for at in range(count):
        row, x = work.rows[at], work.values[1, at]
        own = rows.table[row, WEIGHT]
        gradient[0] = slope * x + settings[L1_WEIGHT] * _sign(own) + settings[L2_WEIGHT] * own
        descend(settings, WEIGHT_RULE, weight_rate, rows.table, row, WEIGHT, 1, rows.memory, 0, gradient)
        if plain:
            _descend_plainly(
                rows.table, row, factor_rate * slope * x, factor_rate * (settings[L2_FACTOR] - slope * x * x), work
            )
        else:
            _set_gradient(rows.table, row, x, slope, settings[L1_FACTOR], settings[L2_FACTOR], work)
            descend(settings, FACTOR_RULE, factor_rate, rows.table, row, REST, width, rows.memory, place, gradient)


@kernel
def _descend_plainly(table, row, along, across, work):
    """The step of SGD without L1, in one pass over the row. along, across: parts of the gradient, times the rate."""
    total = work.vectors[_TOTAL]
    for k in range(table.shape[1] - REST):
        table[row, REST + k] -= along * total[k] + across * table[row, REST + k]


@kernel
def _set_gradient(table, row, x, slope, l1, l2, work):
    total, gradient, width = work.vectors[_TOTAL], work.vectors[_GRADIENT], table.shape[1] - REST
    along, across = slope * x, l2 - slope * x * x
    for k in range(width):
        gradient[k] = along * total[k] + across * table[row, REST + k]
    if l1 > 0.0:
        for k in range(width):
            gradient[k] += l1 * _sign(table[row, REST + k])


@kernel
def _sign(value):
    return 1.0 if value > 0.0 else -1.0 if value < 0.0 else 0.0
