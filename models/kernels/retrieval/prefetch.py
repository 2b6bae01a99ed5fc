"""Prefetches the rows of the next events and candidates, so that they are in the cache when their turn comes.

The tables are far larger than the cache, and the rows of an event are known in steps: its user's row says where the
ring has its newest, the ring says which memories change. So each event is looked at three times before its turn. No
result depends on it: learning is the same without.
"""

import numpy as np

from models.dimensions import FACTORS, RING, WINDOW, WINDOW_SLOTS
from models.kernels.core.compile import kernel
from models.kernels.core.vectors import fetch

_LINE = 64  # bytes that the processor fetches at once
_OTHERS, _COUNTS = 4 * WINDOW_SLOTS, 2 * WINDOW_SLOTS  # bytes of a window memory
_VECTOR = 4 * FACTORS
_FAR, _NEAR, _NEXT = 6, 4, 2  # events ahead: each step needs the rows of the one before


@kernel
def look(owners, ring, stats, totals, slots, factors, backward, forward, user, item, at):
    """Prefetch the rows that the events after number `at` of the batch will change.

    user, item: rows by event. Takes the tables one by one: to hand on all of them takes ten times as long to compile.
    """
    count = user.shape[0]
    if at + _FAR < count:
        _user(owners, ring, user[at + _FAR])
        if item[at + _FAR] >= 0:
            _item(stats, totals, slots, factors, item[at + _FAR])
    if at + _NEAR < count:
        _ring(owners.pushed, ring, user[at + _NEAR])
    if at + _NEXT < count and item[at + _NEXT] >= 0:
        _memories(owners.pushed, ring.item, totals.forward, backward, forward, user[at + _NEXT], item[at + _NEXT])


@kernel
def _user(owners, ring, user):
    fetch(owners.pushed, user, 0)
    fetch(owners.events, user, 0)
    fetch(owners.last, user, 0)
    fetch(owners.newest, user, 0)
    for place in range(0, 4 * RING, _LINE):
        fetch(ring.item, user * RING, place)


@kernel
def _item(stats, totals, slots, factors, item):
    fetch(stats.key, item, 0)
    fetch(stats.events, item, 0)
    fetch(stats.category, item, 0)
    fetch(stats.last, item, 0)
    fetch(stats.positives, item, 0)
    fetch(stats.returns, item, 0)
    fetch(stats.log_price, item, 0)
    fetch(totals.backward, item, 0)
    fetch(slots.slot, item, 0)
    vector(factors, item)


@kernel
def _ring(pushed, ring, user):
    newest = np.int64(pushed[user]) - 1
    if newest >= 0:
        at = user * RING + newest % RING
        fetch(ring.did, at, 0)
        fetch(ring.did, max(at - WINDOW + 1, user * RING), 0)  # rows beyond the ring's seam are left to chance


@kernel
def _memories(pushed, ring_item, totals, backward, forward, user, item):
    newest = np.int64(pushed[user]) - 1
    if newest < 0:
        return
    window(backward.other, backward.count, item)
    for back in range(WINDOW if newest >= WINDOW else newest + 1):
        row = ring_item[user * RING + (newest - back) % RING]
        if row >= 0:
            window(forward.other, forward.count, row)
            fetch(totals, row, 0)


@kernel
def window(others, counts, item):
    """Prefetch an item's row of a window memory.

    200 bytes lie in four lines or five, and 100 in two or three, so the last byte is fetched too.
    """
    for place in range(0, _OTHERS, _LINE):
        fetch(others, item * WINDOW_SLOTS, place)
    for place in range(0, _COUNTS, _LINE):
        fetch(counts, item * WINDOW_SLOTS, place)
    fetch(others, item * WINDOW_SLOTS, _OTHERS - 4)
    fetch(counts, item * WINDOW_SLOTS, _COUNTS - 2)


@kernel
def vector(factors, item):
    """Prefetch an item's row of the factorization machine."""
    for place in range(0, _VECTOR, _LINE):
        fetch(factors.q, item, place)
    fetch(factors.q, item, _VECTOR - 4)
    fetch(factors.q_sum, item, 0)
    fetch(factors.bias, item, 0)
    fetch(factors.bias_sum, item, 0)


@kernel
def category(stats, item):
    """Prefetch an item's category."""
    fetch(stats.category, item, 0)


@kernel
def given(listed, item):
    """Prefetch whether an item is untouched."""
    fetch(listed, item, 0)


@kernel
def candidate(stats, factors, last, contents, signals, item):
    """Prefetch the rows behind the features of a candidate."""
    fetch(stats.category, item, 0)
    fetch(stats.key, item, 0)
    fetch(stats.first, item, 0)
    fetch(stats.last, item, 0)
    fetch(stats.log_price, item, 0)
    fetch(stats.brand, item, 0)
    fetch(stats.positives, item, 0)
    fetch(stats.returns, item, 0)
    fetch(factors.bias, item, 0)
    fetch(contents, item, 0)
    fetch(signals.shown, item, 0)
    fetch(signals.liked, item, 0)
    fetch(signals.refused, item, 0)
    for place in range(0, _VECTOR, _LINE):
        fetch(factors.q, item, place)
        fetch(last.g, item, place)


@kernel
def scored(category_of, biases, vectors, item):
    """Prefetch the rows behind the factorization machine's score of an item."""
    fetch(category_of, item, 0)
    fetch(biases, item, 0)
    for place in range(0, _VECTOR, _LINE):
        fetch(vectors, item, place)
