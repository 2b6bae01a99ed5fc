"""Rows that several learners changed: which ones they are, or all of them walked in ascending order."""

import numpy as np

from models.kernels.core.compile import entry, kernel
from models.kernels.core.vectors import fetch

END = 1 << 40
"""Above every row: the head of a part that is walked to its end."""

AHEAD = 8
"""Rows between one and its fetch: some hundred nanoseconds of work, about what memory takes."""

LINE = 64
"""Bytes that are fetched at once."""

SEEN = 128
"""Added to the count of a row's parts once the row has its places: a byte holds both."""


@kernel
def begin(rows, bounds, width, cursors, heads):
    """Put every part's cursor on its first row, and its head on that row's owner (row // width)."""
    for part in range(cursors.shape[0]):
        cursors[part] = bounds[part]
        heads[part] = rows[bounds[part]] // width if bounds[part] < bounds[part + 1] else END


@kernel
def go_on(rows, bounds, width, cursors, heads, part, at):
    """Move a part's cursor to place `at`."""
    cursors[part] = at
    heads[part] = rows[at] // width if at < bounds[part + 1] else END


@kernel
def next_owner(heads):
    """The least head, the first part that has it, and how many parts do; END when all are walked to their ends.

    Without a branch on the heads, which nobody can foresee: that costs more than to look at all of them three times.
    """
    owner, parts = END, heads.shape[0]
    for part in range(parts):
        owner = min(owner, heads[part])
    first, times = parts, 0
    for part in range(parts):
        times += 1 if heads[part] == owner else 0
        first = min(first, part if heads[part] == owner else parts)
    return owner, first, times


@entry
def arrange(rows, bounds, times, slots, alone, several, starts, order, parts, counts):
    """Tell the rows that one part changed from those that several did.

    rows: (m,) i32 below n, those of one part after another, none twice in a part. bounds: (p + 1,) i64, where each
    part's begin, p below SEEN. times: (n,) u1 of zeros and slots: (n,) i64, working memory. alone: (m,) i64 gets the
    places of rows that one part changed; several: (m,) i32 the other rows, once each, starts: (m + 1,) i64 where the
    places of each of them begin in `order`, (m,) i64, and parts: (m,) i32 the part of each; within one row parts
    ascend. counts: (2,) i64 gets how many rows there are of both kinds.
    """
    for at in range(rows.shape[0]):
        times[rows[at]] += 1
    single, shared, places = 0, 0, np.int64(0)
    for part in range(bounds.shape[0] - 1):
        for at in range(bounds[part], bounds[part + 1]):
            row, many = rows[at], np.int64(times[rows[at]])
            if many == 1:
                alone[single] = at
                single += 1
                continue
            if many < SEEN:
                times[row] = many + SEEN
                several[shared] = row
                starts[shared] = slots[row] = places
                shared += 1
                places += many
            order[slots[row]] = at
            parts[slots[row]] = part
            slots[row] += 1
    starts[shared] = places
    counts[0], counts[1] = single, shared


@entry
def take_over(target, rows, values, places):
    """target[rows[place]] = values[place] for all places (a,) i64. target: (n,) u4. rows: (m,) i32. values: (m,) u4."""
    for at in range(places.shape[0]):
        target[rows[places[at]]] = values[places[at]]


@entry
def take_over_wide(target, rows, values, places):
    """The same for rows of several numbers, (n, width) u4 and (m, width) u4."""
    for at in range(places.shape[0]):
        place, ahead = places[at], places[min(at + AHEAD, places.shape[0] - 1)]
        for line in range(0, 4 * target.shape[1], LINE):
            fetch(target, rows[ahead], line)
            fetch(values, ahead, line)
        row = rows[place]
        for word in range(target.shape[1]):
            target[row, word] = values[place, word]
