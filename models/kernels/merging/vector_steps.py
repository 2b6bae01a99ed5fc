"""The vectors that several learners moved, moved in the base."""

import math

import numpy as np

from models.kernels.core.compile import entry
from models.kernels.core.vectors import fetch
from models.kernels.merging.row_groups import AHEAD, LINE

LEAST = 1e-12
"""Weight of a part that took no step: small enough to count for nothing, and there is no division by 0."""


@entry
def add_steps(target, rows, starts, order, values, totals, sums, start, base):
    """Move each row by every part's step, shrunk as if all steps had come one after another, in place.

    A step is multiplied by sqrt((G0 + d_s + start) / (G0 + sum d + start)): AdaGrad divides by the root of all squared
    gradients before it. Where the base has taken no step (G0 = 0), the parts' vectors may have begun at different
    places: such a row becomes their mean, weighed by d_s.

    target: (n, k) f4. rows: (g,) i32, whose values are `order[starts[i]:starts[i + 1]]` in values (m, k) f4. totals:
    (m,) G0 + d_s. sums: (n,) G0. base: (k,) f4, working memory.
    """
    last = rows.shape[0] - 1
    for group in range(rows.shape[0]):
        ahead = rows[min(group + AHEAD, last)]
        for line in range(0, 4 * target.shape[1], LINE):
            fetch(target, ahead, line)
        row, old, added = rows[group], np.float64(sums[rows[group]]), 0.0
        for at in range(starts[group], starts[group + 1]):
            added += max(np.float64(totals[order[at]]) - old, LEAST)
        for k in range(target.shape[1]):
            base[k] = target[row, k] if old != 0.0 else np.float32(0.0)
            target[row, k] = base[k]
        for at in range(starts[group], starts[group + 1]):
            place, ahead = order[at], order[min(at + AHEAD, order.shape[0] - 1)]
            for line in range(0, 4 * target.shape[1], LINE):
                fetch(values, ahead, line)
            more = max(np.float64(totals[place]) - old, LEAST)
            share = more / added if old == 0.0 else math.sqrt((old + start + more) / (old + start + added))
            scale = np.float32(share)
            for k in range(target.shape[1]):
                target[row, k] += scale * (values[place, k] - base[k])
