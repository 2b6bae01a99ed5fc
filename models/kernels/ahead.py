"""The next events of a batch in; nothing out, but their rows are on the way to the cache when their turn comes.

The tables are far larger than the cache, and what an event needs is known in steps: its user's row tells where the
newest of the ring is, the ring tells which memories change. So each event is looked at three times before its turn.
Nothing here is read for a result: learning is the same without it.
"""

import numpy as np

from models.dimensions import FACTORS, RING, WINDOW, WINDOW_SLOTS
from models.kernels.compile import kernel
from models.kernels.vectors import fetch

_LINE = 64  # bytes the processor fetches at once
_ROW = 4 * WINDOW_SLOTS  # bytes of one side of a window memory
_VECTOR = 4 * FACTORS
_FAR, _NEAR, _NEXT = 6, 4, 2  # events ahead: each step waits for what the one before has fetched


@kernel
def look(served, private, batch, at):
    """Ask for what the events after number `at` of the batch will change."""
    count = batch.user.shape[0]
    if at + _FAR < count:
        _owners(served, private, batch.user[at + _FAR], batch.item[at + _FAR])
    if at + _NEAR < count:
        _ring(private, batch.user[at + _NEAR])
    if at + _NEXT < count:
        _memories(served, private, batch.user[at + _NEXT], batch.item[at + _NEXT])


@kernel
def _owners(served, private, user, item):
    users, stats, factors = private.user, served.item_stats, served.item_factors
    fetch(users.pushed, user, 0)
    fetch(users.events, user, 0)
    fetch(users.last, user, 0)
    for place in range(0, 4 * RING, _LINE):
        fetch(private.user_ring.item, user * RING, place)
    if item >= 0:
        fetch(stats.key, item, 0)
        fetch(stats.events, item, 0)
        fetch(stats.category, item, 0)
        fetch(stats.last, item, 0)
        fetch(stats.positives, item, 0)
        fetch(stats.returns, item, 0)
        fetch(stats.log_price, item, 0)
        fetch(served.item_totals.backward, item, 0)
        fetch(private.item_pool.slot, item, 0)
        vector(factors, item)


@kernel
def _ring(private, user):
    ring, newest = private.user_ring, np.int64(private.user.pushed[user]) - 1
    if newest >= 0:
        at = user * RING + newest % RING
        fetch(ring.time, at, 0)
        fetch(ring.time, max(at - WINDOW + 1, user * RING), 0)  # what lies beyond the ring's seam is left to chance
        fetch(ring.kind, at, 0)


@kernel
def _memories(served, private, user, item):
    ring, newest = private.user_ring, np.int64(private.user.pushed[user]) - 1
    if item < 0 or newest < 0:
        return
    _both(served.backward_memory, item)
    for back in range(WINDOW if newest >= WINDOW else newest + 1):
        row = ring.item[user * RING + (newest - back) % RING]
        if row >= 0:
            _both(served.forward_memory, row)
            fetch(served.item_totals.forward, row, 0)


@kernel
def _both(memory, item):
    # 200 bytes lie in four lines or five: the last byte is asked for too.
    for place in range(0, _ROW, _LINE):
        fetch(memory.other, item * WINDOW_SLOTS, place)
        fetch(memory.count, item * WINDOW_SLOTS, place)
    fetch(memory.other, item * WINDOW_SLOTS, _ROW - 4)
    fetch(memory.count, item * WINDOW_SLOTS, _ROW - 4)


@kernel
def vector(factors, item):
    """Ask for an item's row of the factorization machine."""
    for place in range(0, _VECTOR, _LINE):
        fetch(factors.q, item, place)
    fetch(factors.q, item, _VECTOR - 4)
    fetch(factors.q_sum, item, 0)
    fetch(factors.bias, item, 0)
    fetch(factors.bias_sum, item, 0)


@kernel
def category(stats, item):
    """Ask for an item's category."""
    fetch(stats.category, item, 0)
