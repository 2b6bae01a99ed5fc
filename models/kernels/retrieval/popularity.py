"""A touched item in, its decayed popularity and the exact top lists out.

Forward decay (Cormode, Shkapenyuk, Srivastava, Xu, ICDE 2009): with rate r = ln 2 / half-life and event count a,
key <- log(exp(key) + exp(r a)) on a touch, and log popularity = key - r a. Only the touched key changes and it only
grows, so a list of the largest keys is kept exactly by one comparison per touch.
"""

import math

from models.dimensions import FLOOR, HALF_LIVES
from models.kernels.core.compile import entry, kernel
from models.kernels.core.marks import mark

RATE_SHORT = math.log(2) / HALF_LIVES[0]
RATE_MIDDLE = math.log(2) / HALF_LIVES[1]
RATE_LONG = math.log(2) / HALF_LIVES[2]


@kernel
def log_popularity(key, rate, applied):
    """Log of the decayed count, at least FLOOR: unknown items are equally unknown."""
    return max(FLOOR, key - rate * applied)


@kernel
def grown(key, rate, applied):
    """The key after one more touch: log(exp(key) + exp(rate * applied)), never overflowing."""
    fresh = rate * applied
    return max(key, fresh) + math.log1p(math.exp(-abs(key - fresh)))


@entry
def enlist(items, keys, marks, start, size, item, key):
    """Keep the `size` largest keys in rows start to start + size: update, add or leave out the item."""
    least, least_key = -1, key
    for at in range(start, start + size):
        if items[at] == item:
            keys[at] = key
            mark(marks, at)
            return
        if items[at] < 0:
            if least_key > -math.inf:
                least, least_key = at, -math.inf
        elif keys[at] < least_key:
            least, least_key = at, keys[at]
    if least >= 0:
        items[least] = item
        keys[least] = key
        mark(marks, least)


@kernel
def order(items, keys, start, size, out):
    """Positions of a list's items, largest key first, into `out`; returns how many there are."""
    count = 0
    for at in range(start, start + size):
        if items[at] < 0:
            continue
        place = count
        while place > 0 and keys[out[place - 1]] < keys[at]:
            out[place] = out[place - 1]
            place -= 1
        out[place] = at
        count += 1
    return count
