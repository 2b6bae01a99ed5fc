"""One memory as several learners changed it in, one memory out: slots are matched by the item they name.

Differences from the base add up for each neighbour, the largest counts stay. A neighbour that keeps its place keeps its
slot, so that little changes.
"""

import math

import numpy as np

from models.kernels.core.compile import entry, kernel
from models.kernels.core.marks import mark
from models.kernels.merging.row_groups import END, begin, go_on, next_owner


@entry
def merge(others, counts, marks, width, rows, bounds, named, held, factors, cursors, heads, found, sums):
    """Merge memories, in place. One that a single part touched is taken over as it is.

    others, counts: (n * width,) the base, and the marks of its rows; the caller marks `rows`. rows: (m,) i32 the slots
    that parts touched, one part after another, each part's ascending. bounds: (p + 1,) i64, where each part's begin.
    named, held: (m,) neighbour and count that the part has there. factors: (m,) 2 where the part has halved its counts;
    empty where none has. cursors, heads: (p,) i64, and found, sums: ((p + 1) * width,), working memory.
    """
    begin(rows, bounds, width, cursors, heads)
    while True:
        owner, first, times = next_owner(heads)
        if owner == END:
            return
        row = owner * width
        if times == 1:
            at, stop = cursors[first], bounds[first + 1]
            while at < stop and rows[at] < row + width:
                others[rows[at]] = named[at]
                counts[rows[at]] = held[at]
                at += 1
            go_on(rows, bounds, width, cursors, heads, first, at)
            continue
        for at in range(width):
            found[at] = others[row + at]
            sums[at] = counts[row + at] if others[row + at] >= 0 else 0.0
        known = width
        for part in range(first, heads.shape[0]):
            if heads[part] != owner:
                continue
            touch, stop = cursors[part], bounds[part + 1]
            while touch < stop and rows[touch] < row + width:
                at, count = rows[touch] - row, np.float64(held[touch])
                if factors.shape[0]:
                    count *= factors[touch]
                before = np.float64(counts[row + at]) if others[row + at] >= 0 else 0.0
                sums[at] -= before
                if named[touch] >= 0:
                    place = at if others[row + at] == named[touch] else _place(found, known, named[touch])
                    if place == known:
                        found[known] = named[touch]
                        sums[known] = 0.0
                        known += 1
                    sums[place] += count
                touch += 1
            go_on(rows, bounds, width, cursors, heads, part, touch)
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
