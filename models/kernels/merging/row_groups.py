"""Rows that several learners changed, walked in ascending order."""

from models.kernels.core.compile import entry, kernel

END = 1 << 40
"""Above every row: the head of a part that is walked to its end."""


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
    """The least head, the first part that has it, and how many parts do; END when all are walked to their ends."""
    owner, first, times = END, 0, 0
    for part in range(heads.shape[0]):
        if heads[part] < owner:
            owner, first, times = heads[part], part, 1
        elif heads[part] == owner:
            times += 1
    return owner, first, times


@entry
def arrange(rows, bounds, cursors, heads, alone, starts, order, parts, counts):
    """Tell the rows that one part changed from those that several did.

    rows: (m,) i32, those of one part after another, each part's ascending. bounds: (p + 1,) i64, where each part's
    begin. cursors, heads: (p,) i64, working memory. alone: (m,) i64 gets the places of rows that one part changed;
    starts: (m + 1,) i64 where the places of each other row begin in `order`, (m,) i64, and parts: (m,) i32 the part of
    each; all in ascending order of rows, and within one row of parts. counts: (2,) i64 gets how many rows there are of
    both kinds.
    """
    begin(rows, bounds, 1, cursors, heads)
    single = shared = places = 0
    while True:
        least, first, times = next_owner(heads)
        if least == END:
            break
        if times == 1:
            alone[single] = cursors[first]
            single += 1
            go_on(rows, bounds, 1, cursors, heads, first, cursors[first] + 1)
            continue
        starts[shared] = places
        shared += 1
        for part in range(first, heads.shape[0]):
            if heads[part] == least:
                order[places] = cursors[part]
                parts[places] = part
                places += 1
                go_on(rows, bounds, 1, cursors, heads, part, cursors[part] + 1)
    starts[shared] = places
    counts[0], counts[1] = single, shared
