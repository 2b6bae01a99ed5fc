"""Pairs of items from one history in, bounded memories of neighbours out.

A memory is `width` slots per item; counts are codes (core/short_numbers.py). A hit adds its weight; a miss takes over
the smallest slot with half of its count
(after space-saving, Metwally, Agrawal, El Abbadi, ICDT 2005, where it keeps the whole count).
"""

import numpy as np

from models.dimensions import REMEMBERED
from models.kernels.core import vectors
from models.kernels.core.compile import by_width, kernel
from models.kernels.core.marks import mark
from models.kernels.core.short_numbers import MOST, changed, nearest, number
from models.kernels.core.vectors import LANES


@by_width
def add(others, counts, marks, row, width, item, weight, event):
    """Add `weight` to the pair (row, item). others: (rows * width,) i32, counts: the same in u2. event: its number."""
    start = row * width
    found = start + find(others, start, width, item)
    if found < start:
        found = start + smallest(others, counts, start, width)
        counts[found] = nearest(0.5 * number(counts[found])) if others[found] >= 0 else 0
        others[found] = item
    counts[found] = changed(counts[found], weight, event, found)
    mark(marks, found)


@kernel
def fade(counts, marks, totals, row, width):
    """Halve the memory of a row, and its total, when that holds more than REMEMBERED: then the shares stay exact."""
    if totals[row] > REMEMBERED:
        totals[row] *= 0.5
        for at in range(row * width, (row + 1) * width):
            counts[at] = nearest(0.5 * number(counts[at]))
            mark(marks, at)


@by_width
def find(others, start, width, item):
    """The slot of `item`, counted from `start`; -1 when it has none."""
    if width < LANES:
        for at in range(width):
            if others[start + at] == item:
                return at
        return -1
    bits = np.uint64(0)
    for at in range(0, width, LANES):
        place = min(at, width - LANES)  # the last step may overlap the one before it
        bits |= vectors.equal(others, start + place, item) << np.uint64(place)
    return vectors.first(bits) if bits else -1


@by_width
def smallest(others, counts, start, width):
    """The first slot of the smallest count, counted from `start`; a free slot is smaller than all."""
    if width < LANES:
        return _smallest_of_few(others, counts, start, width)
    limit = np.int64(MOST)
    for at in range(0, width, LANES):
        limit = min(limit, vectors.least(others, counts, start + min(at, width - LANES)))
    bits = np.uint64(0)
    for at in range(0, width, LANES):
        place = min(at, width - LANES)
        bits |= vectors.at_most(others, counts, start + place, limit) << np.uint64(place)
    return vectors.first(bits) if bits else 0


@by_width
def _smallest_of_few(others, counts, start, width):
    least, place = np.int64(MOST + 1), 0
    for at in range(width):
        count = np.int64(counts[start + at]) if others[start + at] >= 0 else np.int64(-1)
        if count < least:
            least, place = count, at
    return place
