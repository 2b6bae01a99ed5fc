"""Lists of the items with the largest keys, as several learners made them, in; one list each out."""

from models.dimensions import CATEGORY_TOP, TOP
from models.kernels.core.compile import entry, kernel
from models.kernels.core.marks import mark
from models.kernels.merging.row_groups import END, begin, go_on
from models.kernels.retrieval.popularity import enlist


@entry
def merge(items, keys, marks, size, rows, bounds, listed, popularity, life, cursors, heads, found, values, places):
    """Keep in each list that a part touched the `size` items with the largest keys; of equal ones, the lower row.

    An item that a part listed has the merged key of its popularity. One that no part listed keeps the key that it has:
    it may have moved to another category since.

    items, keys: (n * size,) the base, and the marks of its rows; the caller marks `rows`. rows: (m,) i32 the places
    that parts touched, one part after another, each part's ascending. bounds: (p + 1,) i64, where each part's begin.
    listed: (m,) item that the part has there. popularity: (items, lives); life: which of them counts, -1 for the one
    with the number of the list. cursors, heads: (p,) i64, found, values: ((p + 1) * size,), and places: (items,) i32 of
    zeros, working memory.
    """
    begin(rows, bounds, size, cursors, heads)
    while True:
        owner = END
        for part in range(heads.shape[0]):
            owner = min(owner, heads[part])
        if owner == END:
            return
        row, known, own = owner * size, 0, owner if life < 0 else life
        for at in range(size):
            if items[row + at] >= 0:
                found[known] = items[row + at]
                values[known] = keys[row + at]
                known += 1
                places[items[row + at]] = known
        for part in range(heads.shape[0]):
            if heads[part] != owner:
                continue
            touch, stop = cursors[part], bounds[part + 1]
            while touch < stop and rows[touch] < row + size:
                if listed[touch] >= 0:
                    if places[listed[touch]] == 0:
                        found[known] = listed[touch]
                        known += 1
                        places[listed[touch]] = known
                    values[places[listed[touch]] - 1] = popularity[listed[touch], own]
                touch += 1
            go_on(rows, bounds, size, cursors, heads, part, touch)
        for at in range(known):
            places[found[at]] = 0
        _sort(size, found, values, known)
        _write(items, keys, marks, row, size, found, values, known)


@kernel
def _sort(size, found, values, known):
    """Put the `size` largest of the first `known` values first, in their order; those of a list nearly are."""
    for at in range(known):
        item, value = found[at], values[at]
        rank = min(at, size)
        while rank > 0 and (value > values[rank - 1] or (value == values[rank - 1] and item < found[rank - 1])):
            if rank < size:
                found[rank], values[rank] = found[rank - 1], values[rank - 1]
            rank -= 1
        if rank < size:
            found[rank], values[rank] = item, value


@kernel
def _write(items, keys, marks, row, size, found, values, known):
    """Write the values, and mark those places of the list that change."""
    for rank in range(size):
        item, key = -1, 0.0
        if rank < known:
            item, key = found[rank], values[rank]
        if items[row + rank] != item or keys[row + rank] != key:
            items[row + rank] = item
            keys[row + rank] = key
            mark(marks, row + rank)


@entry
def enlist_all(stats, tops, lists, rows):
    """`enlist` for the items of rows (n,) i32, whose popularity came from other learners: in every list of each."""
    for at in range(rows.shape[0]):
        item = rows[at]
        for life in range(stats.key.shape[1]):
            enlist(tops.item, tops.key, tops.marks, life * TOP, TOP, item, stats.key[item, life])
        category = stats.category[item]
        if category >= 0:
            enlist(lists.item, lists.key, lists.marks, category * CATEGORY_TOP, CATEGORY_TOP, item, stats.key[item, 1])
