"""A touched item in, the bounded pool that the factorization machine ranks as a whole out."""

from models.dimensions import POOL, POOL_PROBES
from models.kernels.core.compile import entry, kernel
from models.kernels.core.hashing import draw
from models.kernels.core.marks import mark


@entry
def enter(pool, clock, slots, keys, item, random):
    """Let `item` into the pool; when it is full, the least popular of eight random members leaves.

    keys: (items, 3) popularity, of which the long one counts. slots: the place of each item, -1 if it has none.
    """
    if slots.slot[item] >= 0:
        return
    if clock.pooled[0] < POOL:
        at = clock.pooled[0]
        clock.pooled[0] = at + 1
    else:
        at = _least(pool.item, keys, random)
        if pool.item[at] >= 0:
            _place(slots, pool.item[at], -1)
    pool.item[at] = item
    mark(pool.marks, at)
    _place(slots, item, at)


@kernel
def _least(members, keys, random):
    least = draw(random, POOL)
    for _ in range(POOL_PROBES - 1):
        at = draw(random, POOL)
        if members[least] < 0:
            return least
        if members[at] < 0 or keys[members[at], 2] < keys[members[least], 2]:
            least = at
    return least


@kernel
def _place(slots, item, at):
    slots.slot[item] = at
    mark(slots.marks, item)
