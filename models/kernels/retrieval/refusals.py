"""A negative event in; popularity, memories and signals without the share of earlier positive events out."""

import math

import numpy as np

from models.dimensions import (
    CATEGORY_TOP,
    IMPRESSION,
    LAG_SLOTS,
    NEVER,
    PURCHASE,
    SEARCH,
    SESSION_DECAY,
    SIGNALS,
    TOP,
    UNFAVOURITE,
    WINDOW_DECAY,
    WINDOW_SLOTS,
)
from models.kernels.core.compile import kernel
from models.kernels.core.marks import mark
from models.kernels.core.short_numbers import changed, number
from models.kernels.retrieval import popularity

_MOST = 0.5  # share of an item's popularity that one event can take, so that one user cannot sink an item


@kernel
def note(signals, item, kind, weight):
    """Count impressions, likes and refusals of an item; halve all three before old ones outweigh new ones."""
    if kind == IMPRESSION:
        signals.shown[item] += 1
    elif kind <= PURCHASE:
        signals.liked[item] += 1
    elif kind >= UNFAVOURITE:
        signals.refused[item] += abs(weight)
    if kind != SEARCH:
        if signals.shown[item] + signals.liked[item] + signals.refused[item] > SIGNALS:
            signals.shown[item] *= 0.5
            signals.liked[item] *= 0.5
            signals.refused[item] *= 0.5
        mark(signals.marks, item)


@kernel
def shrunk(key, rate, applied, weight):
    """The key after `weight` present touches are taken away, at most half of all."""
    if key <= NEVER:
        return key
    return key + math.log1p(-min(_MOST, weight * math.exp(min(rate * applied - key, 50.0))))


@kernel
def take_popularity(stats, tops, lists, item, applied, weight):
    """Lower the item's three popularities, also in the lists.

    A list can then lack an item that is now more popular than its last one, until that item is touched again.
    """
    rates = (popularity.RATE_SHORT, popularity.RATE_MIDDLE, popularity.RATE_LONG)
    for life in range(3):
        stats.key[item, life] = shrunk(stats.key[item, life], rates[life], applied, weight)
        _relist(tops, life * TOP, TOP, item, stats.key[item, life])
    category = stats.category[item]
    if category >= 0:
        _relist(lists, category * CATEGORY_TOP, CATEGORY_TOP, item, stats.key[item, 1])


@kernel
def _relist(lists, start, size, item, key):
    for at in range(start, start + size):
        if lists.item[at] == item:
            lists.key[at] = key
            mark(lists.marks, at)


@kernel
def remove(others, counts, marks, row, width, item, weight, event):
    """Take at most `weight` from the pair (row, item) of a memory, not below 0; returns how much was taken."""
    for at in range(row * width, (row + 1) * width):
        if others[at] == item:
            taken = min(np.float64(number(counts[at])), weight)
            counts[at] = changed(counts[at], -taken, event, at)
            mark(marks, at)
            return taken
    return 0.0


@kernel
def take_memories(totals, lag, forward, backward, past, item, event):
    """Take back from the memories the user's latest touch of the item, as far as `past` reaches."""
    start = -1
    for q in range(past.counts[0] - 1, -1, -1):
        if past.items[q] == item:
            start = q
    if start < 0:
        return
    weight = 1.0
    for q in range(start + 1, past.counts[0]):
        row = past.items[q]
        if row != item:
            w = weight * SESSION_DECAY ** (past.sessions[q] - past.sessions[start])
            totals.forward[row] -= remove(
                forward.other, forward.count, forward.marks, row, WINDOW_SLOTS, item, w, event
            )
            totals.backward[item] -= remove(
                backward.other, backward.count, backward.marks, item, WINDOW_SLOTS, row, w, event
            )
            if q == start + 1:
                totals.lag[row] -= remove(lag.other, lag.count, lag.marks, row, LAG_SLOTS, item, 1.0, event)
            mark(totals.marks, row)
            mark(totals.marks, item)
        weight *= WINDOW_DECAY
