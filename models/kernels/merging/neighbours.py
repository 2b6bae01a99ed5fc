"""What several learners made of one memory in, one memory out: by what a slot names, not by its number.

Differences from the base add up for each neighbour, the largest counts stay. A neighbour that keeps its place keeps its
slot, so that little changes.
"""

import math

import numpy as np

from models.kernels.core.compile import entry, kernel
from models.kernels.core.marks import mark


@entry
def merge(others, counts, marks, width, starts, slots, named, held, factors, found, sums):
    """Merge memories, in place.

    others, counts: (rows * width,) the base, and the marks of its rows. starts: (g + 1,) where the touched slots of
    each memory begin. slots: (m,) their places in `others`, by memory; a slot comes once for each part that touched it.
    named, held: (m,) neighbour and count that the part has there. factors: (m,) 2 where the part has halved its counts.
    found, sums: working memory, as long as the longest group and one width together.
    """
    for group in range(starts.shape[0] - 1):
        first, last = starts[group], starts[group + 1]
        row = slots[first] // width * width
        for at in range(width):
            found[at] = others[row + at]
            sums[at] = counts[row + at] if others[row + at] >= 0 else 0.0
        known = width
        for touch in range(first, last):
            at, count = slots[touch] - row, held[touch] * factors[touch]
            before = np.float64(counts[row + at]) if others[row + at] >= 0 else 0.0
            sums[at] -= before
            if named[touch] >= 0:
                place = at if others[row + at] == named[touch] else _place(found, known, named[touch])
                if place == known:
                    found[known] = named[touch]
                    sums[known] = 0.0
                    known += 1
                sums[place] += count
        _keep(others, counts, marks, row, width, found, sums, known)


@kernel
def _place(found, known, item):
    for at in range(known):
        if found[at] == item:
            return at
    return known


@kernel
def _keep(others, counts, marks, row, width, found, sums, known):
    """Write the largest `width` of the sums; those of the base that stay, to their slots."""
    for at in range(width):
        if found[at] < 0 or sums[at] <= 0.0:
            others[row + at] = -1
            counts[row + at] = 0.0
        else:
            counts[row + at] = sums[at]
    for at in range(width, known):
        if sums[at] <= 0.0:
            continue
        least, place = math.inf, -1
        for slot in range(width):
            count = counts[row + slot] if others[row + slot] >= 0 else -1.0
            if count < least:
                least, place = count, slot
        if sums[at] > least:
            others[row + place] = found[at]
            counts[row + place] = sums[at]
            mark(marks, row + place)
