"""Lists of the items with the largest keys, as several learners made them, in; one list each out."""

from models.kernels.core.compile import entry, kernel
from models.kernels.core.marks import mark
from models.kernels.merging.row_groups import END, begin, go_on


@entry
def merge(items, keys, marks, size, rows, bounds, listed, popularity, life, cursors, heads, found, values):
    """Keep in each list that a part touched the `size` items with the largest keys; of equal ones, the lower row.

    An item that a part listed has the merged key of its popularity. One that no part listed keeps the key that it has:
    it may have moved to another category since.

    items, keys: (n * size,) the base, and the marks of its rows; the caller marks `rows`. rows: (m,) i32 the places
    that parts touched, one part after another, each part's ascending. bounds: (p + 1,) i64, where each part's begin.
    listed: (m,) item that the part has there. popularity: (items, lives); life: which of them counts, -1 for the one
    with the number of the list. cursors, heads: (p,) i64, and found, values: ((p + 1) * size,), working memory.
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
        for part in range(heads.shape[0]):
            if heads[part] != owner:
                continue
            touch, stop = cursors[part], bounds[part + 1]
            while touch < stop and rows[touch] < row + size:
                if listed[touch] >= 0:
                    place = 0
                    while place < known and found[place] != listed[touch]:
                        place += 1
                    found[place] = listed[touch]
                    values[place] = popularity[listed[touch], own]
                    known = max(known, place + 1)
                touch += 1
            go_on(rows, bounds, size, cursors, heads, part, touch)
        _write(items, keys, marks, row, size, found, values, known)


@kernel
def _write(items, keys, marks, row, size, found, values, known):
    """Write the largest of the first `known` values in their order."""
    for rank in range(size):
        item, key = -1, 0.0
        if rank < known:
            best = rank
            for at in range(rank + 1, known):
                if values[at] > values[best] or (values[at] == values[best] and found[at] < found[best]):
                    best = at
            item, key = found[best], values[best]
            found[best], values[best] = found[rank], values[rank]
        if items[row + rank] != item or keys[row + rank] != key:
            items[row + rank] = item
            keys[row + rank] = key
            mark(marks, row + rank)
