"""One memory as several learners changed it in, one memory out: slots are matched by the item they name.

Differences from the base add up for each neighbour, the largest counts stay. A neighbour that keeps its place keeps its
slot, so that little changes. Counts are codes (core/short_numbers.py), and sums what they stand for.
"""

import numpy as np

from models.kernels.core.compile import entry, kernel
from models.kernels.core.marks import mark
from models.kernels.core.short_numbers import nearest, number
from models.kernels.core.vectors import fetch
from models.kernels.core.vectors import first as first_of
from models.kernels.merging.row_groups import END, begin, go_on, next_owner
from models.kernels.retrieval.co_visitation import find, smallest

AHEAD = 16
"""Touched slots between one and its fetch: some hundred nanoseconds of work, about what memory takes."""


@entry
def merge(others, counts, marks, width, rows, bounds, named, held, factors, cursors, heads, found, sums):
    """Merge memories, in place. One that a single part touched is taken over as it is.

    others, counts: (n * width,) the base, and the marks of its rows; the caller marks `rows`. rows: (m,) i32 the slots
    that parts touched, one part after another, each part's ascending. bounds: (p + 1,) i64, where each part's begin.
    named, held: (m,) neighbour and count that the part has there. factors: (m,) 2 where the part has halved its counts;
    empty where none has. width: below 63, for a word has a bit for each slot. cursors, heads: (p,) i64, and
    found, sums: ((p + 1) * width,), working memory.
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
                _fetch_ahead(others, counts, rows, at)
                others[rows[at]] = named[at]
                counts[rows[at]] = held[at]
                at += 1
            go_on(rows, bounds, width, cursors, heads, first, at)
            continue
        touched, known = np.int64(0), width
        for part in range(first, heads.shape[0]):
            if heads[part] != owner:
                continue
            touch, stop = cursors[part], bounds[part + 1]
            while touch < stop and rows[touch] < row + width:
                _fetch_ahead(others, counts, rows, touch)
                at, count = rows[touch] - row, np.float64(number(held[touch]))
                if factors.shape[0]:
                    count *= factors[touch]
                touched = _begun(others, counts, row, at, touched, sums)
                sums[at] -= np.float64(number(counts[row + at])) if others[row + at] >= 0 else 0.0
                if named[touch] >= 0:
                    place = at
                    if others[row + at] != named[touch]:
                        place = find(others, row, width, named[touch])
                        if place < 0:
                            place = _added(found, width, known, named[touch])
                        else:
                            touched = _begun(others, counts, row, place, touched, sums)
                    if place == known:
                        found[known] = named[touch]
                        sums[known] = 0.0
                        known += 1
                    sums[place] += count
                touch += 1
            go_on(rows, bounds, width, cursors, heads, part, touch)
        _keep(others, counts, marks, row, width, touched, found, sums, known)


@kernel
def _fetch_ahead(others, counts, rows, at):
    """Begin to fetch the slot that the same part touches some slots later: memories lie far apart."""
    slot = rows[min(at + AHEAD, rows.shape[0] - 1)]
    fetch(others, slot, 0)
    fetch(counts, slot, 0)


@kernel
def _begun(others, counts, row, at, touched, sums):
    """Begin a slot's sum with what the base has there, unless it was begun: `touched` has bit `at` then."""
    if (touched >> at) & 1 == 0:
        sums[at] = number(counts[row + at]) if others[row + at] >= 0 else 0.0
    return touched | (1 << at)


@kernel
def _added(found, width, known, item):
    """The place of a neighbour among those that the base does not have, which are few; `known` when it is new."""
    for at in range(width, known):
        if found[at] == item:
            return at
    return known


@kernel
def _keep(others, counts, marks, row, width, touched, found, sums, known):
    """Write the largest `width` of the sums; those of the base that stay, to their slots.

    Slots that no part touched stay as they are: nobody marks them, so the shards would not hear of a change.
    """
    while touched != 0:
        at = first_of(np.uint64(touched))
        touched &= touched - 1
        if others[row + at] < 0 or sums[at] <= 0.0:
            others[row + at] = -1
            counts[row + at] = 0
        else:
            counts[row + at] = nearest(sums[at])
    least, place = 0.0, -1
    for at in range(width, known):
        if sums[at] <= 0.0:
            continue
        if place < 0:
            place = smallest(others, counts, row, width)
            least = np.float64(number(counts[row + place])) if others[row + place] >= 0 else -1.0
        if sums[at] > least:
            others[row + place] = found[at]
            counts[row + place] = nearest(sums[at])
            mark(marks, row + place)
            place = -1
