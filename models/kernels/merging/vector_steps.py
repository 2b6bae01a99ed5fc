"""The vectors that several learners moved, moved in the base, each part's values read where they came.

A row that several parts changed becomes base + sum s (value - base), for the share s of each part's step; that is
(1 - sum s) base + sum s value, so that a part can be added after the other.
"""

import math

import numpy as np

from models.kernels.core import vectors
from models.kernels.core.compile import entry
from models.kernels.core.vectors import fetch
from models.kernels.merging.row_groups import AHEAD, LINE

LEAST = 1e-12
"""Weight of a part that took no step: small enough to count for nothing, and there is no division by 0."""

ALONE = -1.0
"""The share of a row that one part alone changed: it is taken over as it is."""


@entry
def weigh(target, rows, starts, order, totals, sums, start, shares):
    """Find the share of each part's step, as if all steps had come one after another, and shrink the base to the rest.

    A step is multiplied by sqrt((G0 + d_s + start) / (G0 + sum d + start)): AdaGrad divides by the root of all squared
    gradients before it. Where the base has taken no step (G0 = 0), the parts' vectors may have begun at different
    places: such a row becomes their mean, weighed by d_s.

    target: (n, FACTORS) f4. rows: (g,) i32 that several parts changed, whose places in totals (m,) G0 + d_s, and in
    shares (m,) f4, which is written, are `order[starts[i]:starts[i + 1]]`. sums: (n,) G0.
    """
    last = rows.shape[0] - 1
    for group in range(rows.shape[0]):
        ahead = rows[min(group + AHEAD, last)]
        for line in range(0, 4 * target.shape[1], LINE):
            fetch(target, ahead, line)
        row, old, added, kept = rows[group], np.float64(sums[rows[group]]), 0.0, np.float32(1.0)
        for at in range(starts[group], starts[group + 1]):
            added += max(np.float64(totals[order[at]]) - old, LEAST)
        for at in range(starts[group], starts[group + 1]):
            more = max(np.float64(totals[order[at]]) - old, LEAST)
            share = more / added if old == 0.0 else math.sqrt((old + start + more) / (old + start + added))
            shares[order[at]] = share
            kept -= np.float32(share)
        vectors.shrink(target, row, kept if old != 0.0 else np.float32(0.0))


@entry
def add_part(target, rows, first, values, shares):
    """Add what one part made of its rows: the share of each value, or the value itself where it is ALONE.

    target: (n, FACTORS) f4. values: (k, FACTORS) f4, of the rows that begin at place `first` in rows (m,) i32 and in
    shares (m,) f4.
    """
    last = first + values.shape[0] - 1
    for at in range(values.shape[0]):
        ahead = rows[min(first + at + AHEAD, last)]
        for line in range(0, 4 * target.shape[1], LINE):
            fetch(target, ahead, line)
        share = shares[first + at]
        if share == np.float32(ALONE):
            vectors.copy(target, rows[first + at], values, at)
        else:
            vectors.add_row(target, rows[first + at], share, values, at)
