"""Pairs of items that met in a history in, bounded memories of neighbours out.

A memory is `width` slots per item. A hit adds its weight; a miss takes the smallest slot, which hands on half its
count (after space-saving, Metwally, Agrawal, El Abbadi, ICDT 2005, which hands on all of it).
"""

import math

from models.kernels.compile import kernel
from models.kernels.touch import mark


@kernel
def add(others, counts, dirty, touched, marks, row, width, item, weight):
    """Add `weight` to the pair (row, item). others, counts: (rows * width,)."""
    start = row * width
    found = -1
    for at in range(width):  # no early end: so it runs on vector units
        if others[start + at] == item:
            found = at
    if found < 0:
        found = _smallest(others, counts, start, width)
        inherited = counts[start + found] * 0.5 if others[start + found] >= 0 else 0.0
        others[start + found] = item
        counts[start + found] = inherited
    counts[start + found] += weight
    mark(dirty, touched, marks, start + found)


@kernel
def _smallest(others, counts, start, width):
    least, place = math.inf, 0
    for at in range(width):
        count = counts[start + at] if others[start + at] >= 0 else -1.0
        if count < least:
            least, place = count, at
    return place
