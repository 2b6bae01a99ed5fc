"""A user's ring, or a list from a request, in; the history that learns and serves, newest first, out.

Impressions and searches do not count. A negative event takes back every older event of the same item and does not count
either. Both rules are applied on reading, so that a request's list and the learner's ring mean the same.

An entry of a ring has, next to the item, two bytes `did`: in the low KIND_BITS the type, above them the pause since the
entry before it (core/short_numbers.py, in seconds). The time of the newest entry is the user's `newest`.
"""

import numpy as np

from models.dimensions import (
    IMPRESSION,
    KIND_BITS,
    PAUSE_BITS,
    PURCHASE,
    RING,
    SEARCH,
    SESSION_GAP,
    UNFAVOURITE,
    WINDOW_DECAY,
)
from models.kernels.core.compile import kernel
from models.kernels.core.hashing import find, put
from models.kernels.core.marks import mark
from models.kernels.core.short_numbers import packed, unpacked


@kernel
def admit(history, item, second, kind):
    """Append an older event to the history, if it counts."""
    if item < 0 or kind in (SEARCH, IMPRESSION):
        return
    cancelled = history.counts[1]
    for at in range(cancelled):
        if history.cancelled[at] == item:
            return
    if kind >= UNFAVOURITE:
        if cancelled < RING:
            history.cancelled[cancelled] = item
            history.counts[1] = cancelled + 1
        return
    count = history.counts[0]
    if count < RING:
        history.items[count] = item
        history.times[count] = second
        history.kinds[count] = kind
        history.counts[0] = count + 1


@kernel
def count_sessions(history, now):
    """Count the pauses above half an hour between now and each event."""
    before, breaks = now, 0
    for q in range(history.counts[0]):
        if before - history.times[q] > SESSION_GAP:
            breaks += 1
        history.sessions[q] = breaks
        before = history.times[q]


@kernel
def recall(history, items, dids, newest, user, pushed, now, limit):
    """Read at most `limit` events of the user's ring. items, dids: (users * RING,). newest: (users,)."""
    history.counts[0] = 0
    history.counts[1] = 0
    second = np.int64(newest[user])
    for back in range(min(pushed, RING)):
        at = user * RING + (pushed - 1 - back) % RING
        did = np.int64(dids[at])
        admit(history, items[at], second, np.uint8(did & ((1 << KIND_BITS) - 1)))
        if history.counts[0] >= limit:
            break
        second -= unpacked(did >> KIND_BITS, PAUSE_BITS)
    count_sessions(history, now)


@kernel
def leave_order(history, item, now):
    """Take the lines of an order placed at `now` out of the history: as it was when nobody knew any of them.

    The lines stay behind the history's end, from counts[0] on. Returns how many there are; 0, and the history as it is,
    when the newest event is no purchase of this second, or when `item` is already among the lines.
    """
    lines, count = 0, history.counts[0]
    while lines < count and history.kinds[lines] == PURCHASE and history.times[lines] == now:
        if history.items[lines] == item:
            return 0
        lines += 1
    if lines > 0:
        _turn(history.items, count, lines)
        _turn(history.times, count, lines)
        _turn(history.kinds, count, lines)
        history.counts[0] = count - lines
        count_sessions(history, now)
    return lines


@kernel
def _turn(values, count, lines):
    """Move the first `lines` of `count` values behind the others, by three reversals."""
    _reverse(values, 0, lines)
    _reverse(values, lines, count)
    _reverse(values, 0, count)


@kernel
def _reverse(values, start, stop):
    for step in range((stop - start) // 2):
        first, last = start + step, stop - 1 - step
        kept = values[first]
        values[first] = values[last]
        values[last] = kept


@kernel
def take(history, items, times, kinds, now):
    """Read a request's list, newest first; rows of -1 are unknown items."""
    history.counts[0] = 0
    history.counts[1] = 0
    for at in range(items.shape[0]):
        admit(history, items[at], times[at], kinds[at])
    count_sessions(history, now)


@kernel
def push(ring, users, user, item, second, kind):
    """Write one event to the user's ring, over the oldest. One behind the newest counts as done with it."""
    at = user * RING + users.pushed[user] % RING
    before = np.int64(users.newest[user]) if users.pushed[user] > 0 else second
    pause = packed(np.float64(max(second - before, 0)), PAUSE_BITS, 0.5)
    ring.item[at] = item
    ring.did[at] = pause << KIND_BITS | kind
    mark(ring.marks, at)
    users.newest[user] = max(before, second)
    users.pushed[user] += 1


@kernel
def tally(history, category_of, brand_of):
    """Sums over the categories and brands of the history: decayed share, events, events of this session."""
    history.category_keys[:] = -1
    history.brand_keys[:] = -1
    history.counts[2] = 0
    history.counts[3] = 0
    total, weight = 0.0, 1.0
    for q in range(history.counts[0]):
        total += weight
        category, brand = category_of[history.items[q]], brand_of[history.items[q]]
        if category >= 0:
            at = _add(history.category_keys, history.category_slots, history.category_sums, history.counts[2], category)
            if at == history.counts[2]:
                history.category_rows[at] = category
                history.counts[2] = at + 1
            history.category_sums[at, 0] += weight
            history.category_sums[at, 1] += 1
            if history.sessions[q] == 0:
                history.category_sums[at, 2] += 1
        if brand >= 0:
            at = _add(history.brand_keys, history.brand_slots, history.brand_sums, history.counts[3], brand)
            history.counts[3] = max(history.counts[3], at + 1)
            history.brand_sums[at, 0] += weight
        weight *= WINDOW_DECAY
    for at in range(history.counts[2]):
        history.category_sums[at, 0] /= total
    for at in range(history.counts[3]):
        history.brand_sums[at, 0] /= total


@kernel
def _add(keys, slots, sums, count, key):
    """The place of `key` among `count` others; `count`, with sums of 0, when it is not one of them."""
    at = find(keys, slots, key)
    if at < 0:
        at = count
        put(keys, slots, key, at)
        sums[at, :] = 0
    return at
