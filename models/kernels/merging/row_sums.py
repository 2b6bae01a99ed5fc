"""What several learners made of single numbers in, one number a row out: sums, and AdaGrad's weights.

All kernels take rows (g,) i32 that several parts changed, whose values are `order[starts[i]:starts[i + 1]]` in values
(m,), and change target (n,) in place. A sum is the first number and the sum of the others, as numpy adds up to eight.
"""

import math

import numpy as np

from models.kernels.core.compile import entry
from models.kernels.merging.vector_steps import LEAST

HALF_OF = 0.75
"""A total below this share of the base's, where the base was near the limit, has been halved: nothing else takes so
much."""


@entry
def add_numbers(target, rows, starts, order, values):
    """target[row] + sum(value - target[row]), for floating-point numbers."""
    for group in range(rows.shape[0]):
        row, first, stop = rows[group], starts[group], starts[group + 1]
        rest = -0.0
        for at in range(first + 1, stop):
            rest += np.float64(values[order[at]])
        # Each part's value has the base in it: all but one of them are taken off.
        total = np.float64(values[order[first]]) + rest
        target[row] = total - (stop - first - 1) * np.float64(target[row])


@entry
def add_counts(target, rows, starts, order, values, least, most):
    """The same for whole numbers, exactly, within least to most."""
    for group in range(rows.shape[0]):
        row, first, stop = rows[group], starts[group], starts[group + 1]
        total = (first + 1 - stop) * np.int64(target[row])
        for at in range(first, stop):
            total += np.int64(values[order[at]])
        target[row] = min(max(total, least), most)


@entry
def add_weights(target, rows, starts, order, values, totals, sums, start):
    """target[row] and each part's step, shrunk as if all steps had come one after another.

    A step is multiplied by sqrt((G0 + d_s + start) / (G0 + sum d + start)): AdaGrad divides by the root of all squared
    gradients before it. totals: (m,) G0 + d_s. sums: (n,) G0. start: what is added under the root.
    """
    for group in range(rows.shape[0]):
        row, first, stop = rows[group], starts[group], starts[group + 1]
        old, base = np.float64(sums[row]), np.float64(target[row])
        grown = -0.0
        for at in range(first + 1, stop):
            grown += max(np.float64(totals[order[at]]) - old, LEAST)
        grown += max(np.float64(totals[order[first]]) - old, LEAST)
        before, moved, rest = old + start, 0.0, -0.0
        for at in range(first, stop):
            more = max(np.float64(totals[order[at]]) - old, LEAST)
            step = (np.float64(values[order[at]]) - base) * math.sqrt((before + more) / (before + grown))
            if at == first:
                moved = step
            else:
                rest += step
        target[row] = base + (moved + rest)


@entry
def add_totals(target, rows, starts, order, values, limit, fell, halvings):
    """The totals of memories: added up as if no part had halved its own, then halved while they exceed the limit.

    fell: (m,) bool gets whether a value, in that order, has been halved by its part: it has less than HALF_OF of a base
    that was near the limit. halvings: (g,) i32 gets how often each total was halved.
    """
    for group in range(rows.shape[0]):
        row, first, stop = rows[group], starts[group], starts[group + 1]
        base, moved, rest = np.float64(target[row]), 0.0, -0.0
        for at in range(first, stop):
            value = np.float64(values[order[at]])
            fell[at] = base >= 0.5 * limit and value < HALF_OF * base
            more = (2.0 if fell[at] else 1.0) * value - base
            if at == first:
                moved = more
            else:
                rest += more
        total = max(base + (moved + rest), 0.0)
        halvings[group] = 0
        if total > limit:
            halvings[group] = math.ceil(math.log2(total / limit))
            total *= 0.5 ** halvings[group]
        target[row] = total
