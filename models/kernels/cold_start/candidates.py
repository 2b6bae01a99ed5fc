"""A history and the lists of untouched items in, the untouched candidates out."""

import numpy as np

from models.dimensions import CATEGORY_NEXT, FRESH, TOP
from models.kernels.cold_start.lists import CATALOGUE, CATEGORY
from models.kernels.core.compile import kernel
from models.kernels.core.hashing import find
from models.kernels.core.top_k import finish, offer
from models.kernels.ranking.item_features import nearness
from models.kernels.retrieval.candidates import entry

_LAST, _RECENT, _FOLLOWING, _NEWEST = 120, 40, 20, 20  # items taken per list
_LOOKED_AT, _DESCRIBED, _LIKE = 300, 40, 0.1  # newest items compared by content, most taken, least cosine
_CATEGORIES, _STEPS, _POPULAR = 4, 2, 5  # lists: of the history's categories, of those that follow, of popular ones


@kernel
def gather(served, scratch, extra, only):
    """Append untouched items to scratch.listed, behind the touched candidates: listed.counts[3] is the end.

    Those of `extra`; then the newest of the last category, of the next three distinct ones of the history, of the two
    categories that mostly follow the last one (or, without a history, of popular items' categories) and of the whole
    catalogue; then, of its newest 300, the 40 whose content is most like the history. only: whether `extra` alone.
    """
    history, items, kinds = scratch.history, served.item_fresh, served.category_fresh
    scratch.listed.counts[3] = scratch.listed.counts[0]
    for at in range(extra.shape[0]):
        if items.listed[extra[at]] == 1:
            _append(scratch, extra[at], 0)
    if only:
        return
    for place in range(min(history.counts[2], _CATEGORIES)):
        category = history.category_rows[place]
        _walk(scratch, items, CATEGORY, kinds.newest[category], _LAST if place == 0 else _RECENT)
    category = np.int64(-1)
    for _ in range(_STEPS):
        category = _next_step(scratch.work.steps, history, category)
        if category >= 0:
            _walk(scratch, items, CATEGORY, kinds.newest[category], _FOLLOWING)
    if history.counts[0] == 0:
        _add_popular(scratch, items, kinds, served.item_stats.category, served.top_items.item)
    _walk(scratch, items, CATALOGUE, served.fresh.newest[0], _NEWEST)
    _add_described(scratch, items, served.fresh.newest[0], served.item_content.v)


@kernel
def _append(scratch, item, place):
    union, listed, own = scratch.union, scratch.listed, scratch.fresh
    count = listed.counts[3] - listed.counts[0]
    if count >= FRESH or find(union.keys, union.slots, item) >= 0:
        return
    at = entry(union, item)
    if at < 0:
        return
    end = listed.counts[3]
    listed.entries[end] = at
    listed.items[end] = item
    own.places[count] = place
    listed.counts[3] = end + 1


@kernel
def _walk(scratch, items, which, head, size):
    item, place = head, 0
    while item >= 0 and place < size:
        _append(scratch, item, place)
        item = items.older[item, which]
        place += 1


@kernel
def _add_described(scratch, items, head, vectors):
    """Of the newest of the catalogue, those whose content is most like that of the history's last ten items."""
    union, mean = scratch.union, scratch.work.contents[1]
    if not mean.any():
        return
    item, count, seen = head, 0, 0
    while item >= 0 and seen < _LOOKED_AT:
        likeness = nearness(vectors, item, mean)
        if likeness > _LIKE:
            count = offer(union.heap, union.heap_keys, count, _DESCRIBED, item, likeness)
        item = items.older[item, CATALOGUE]
        seen += 1
    finish(union.heap, union.heap_keys, count)
    for place in range(count):
        _append(scratch, union.heap[place], place)


@kernel
def _next_step(steps, history, passed):
    """The likeliest category that follows the last one, is not of the history and is not `passed`; -1 for none."""
    best, best_share = np.int64(-1), 0.0
    for at in range(CATEGORY_NEXT):
        category = np.int64(steps[at, 0])
        if category < 0 or category == passed or steps[at, 1] <= best_share:
            continue
        if find(history.category_keys, history.category_slots, category) < 0:
            best, best_share = category, steps[at, 1]
    return best


@kernel
def _add_popular(scratch, items, kinds, category_of, tops):
    for at in range(TOP, TOP + _POPULAR):
        if tops[at] >= 0 and category_of[tops[at]] >= 0:
            _walk(scratch, items, CATEGORY, kinds.newest[category_of[tops[at]]], _FOLLOWING)
