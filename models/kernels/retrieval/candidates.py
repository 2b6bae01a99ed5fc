"""A history and the sources' tables in, the union of their candidates with the sums of each source out.

Every item that a source names gets one entry of the union and a row of sums; the best of each source become
candidates. Work depends on the history and the memories' widths, not on the catalogue.
"""

import math

import numpy as np

from models.dimensions import (
    CANDIDATES,
    CART,
    CATEGORY_TOP,
    FAVOURITE,
    LAG_SLOTS,
    LONG_WINDOW,
    LONG_WINDOW_DECAY,
    POOL_TOP,
    PURCHASE,
    QUERY_SLOTS,
    TOP,
    UNION,
    WINDOW,
    WINDOW_DECAY,
    WINDOW_SLOTS,
)
from models.kernels.core.compile import kernel
from models.kernels.core.hashing import find, put
from models.kernels.core.short_numbers import number
from models.kernels.core.top_k import finish, offer
from models.kernels.retrieval import factorization
from models.kernels.retrieval import prefetch as ahead
from models.kernels.retrieval.popularity import RATE_LONG, log_popularity, order

# Columns of the union's sums. Ranks start at 1; 0: the source does not name the item.
N1, N1B, N2, NB, SUPPORT, LARGEST, COS = range(7)
POSITION, DISTINCT, COUNT, CARTS, PURCHASES, SINCE, OLDEST, BREAKS, KIND, AFTER, NEAR = range(7, 18)
RANK_MACHINE, RANK_N1, RANK_N2, RANK_SHORT, RANK_MIDDLE, RANK_LONG, RANK_CATEGORY, PICKED, MACHINE_SCORE = range(18, 27)
LONG = 27
QUERY = 28

_AHEAD, _POOL_AHEAD = 2, 8  # rows between prefetch and read: some 200 ns of work

_N2_PICKS, _NB_PICKS, _COS_PICKS = 60, 30, 40
_NEXT_PICKS, _NEXT_CATEGORIES, _NEXT_EVENTS = 12, 3, 10


@kernel
def clear(union):
    """An empty union."""
    union.keys[:] = -1
    union.counts[:] = 0


@kernel
def entry(union, item):
    """The entry of `item`, a new one if needed; -1 if the union is full or closed to new ones."""
    at = find(union.keys, union.slots, item)
    if at >= 0:
        return at
    at = union.counts[0]
    if at >= UNION or union.counts[1] == 1:
        return np.int64(-1)
    union.counts[0] = at + 1
    union.items[at] = item
    union.sums[at, :] = 0
    put(union.keys, union.slots, item, at)
    return at


@kernel
def pick(union, item, column, value):
    """Make `item` a candidate and note `value` in a column of its sums."""
    at = entry(union, item)
    if at >= 0:
        union.sums[at, PICKED] = 1
        union.sums[at, column] = value


@kernel
def add_own(union, history, now):
    """The user's own items: when, how often, and how they were touched."""
    distinct = 0
    for q in range(history.counts[0]):
        at = entry(union, history.items[q])
        sums = union.sums[at]
        if sums[COUNT] == 0:
            distinct += 1
            sums[PICKED] = 1
            sums[DISTINCT] = distinct
            sums[POSITION] = q
            sums[SINCE] = max(now - history.times[q], 0)
            sums[BREAKS] = history.sessions[q]
            sums[KIND] = history.kinds[q]
        sums[COUNT] += 1
        sums[OLDEST] = max(now - history.times[q], 0)
        if history.kinds[q] == FAVOURITE or history.kinds[q] == CART:
            sums[CARTS] += 1
        if history.kinds[q] == PURCHASE:
            sums[PURCHASES] += 1


@kernel
def add_successors(union, history):
    """Items that this user touched right after, and near, earlier touches of the last item."""
    count = history.counts[0]
    weight = 1.0
    for p in range(1, count):
        if history.items[p] != history.items[0]:
            continue
        for distance in range(1, 4):
            if p - distance >= 1:
                _add_near(union, history.items[p - distance], weight / distance, weight if distance == 1 else 0.0)
            if p + distance < count:
                _add_near(union, history.items[p + distance], 0.5 * weight / distance, 0.0)
        weight *= 0.8


@kernel
def _add_near(union, item, near, after):
    at = entry(union, item)
    union.sums[at, NEAR] += near
    union.sums[at, AFTER] += after


@kernel
def add_followers(union, others, counts, totals, row, column):
    """The lag-1 memory of one item: all its followers are candidates."""
    norm = np.float32(1.0 / (totals[row] + 1.0))
    for slot in range(row * LAG_SLOTS, (row + 1) * LAG_SLOTS):
        if others[slot] >= 0:
            pick(union, others[slot], column, number(counts[slot]) * norm)


@kernel
def add_window(union, history, others, counts, totals, events, decay, column):
    """The window memories of the last `events` items, summed into a column with weight decay**q.

    Forward memories (column N2) also count how many of them name the item, and keep the largest term.
    """
    weight = 1.0
    for q in range(min(history.counts[0], events)):
        row = history.items[q]
        if q + _AHEAD < history.counts[0]:
            ahead.window(others, counts, history.items[q + _AHEAD])
        norm = np.float32(weight / (totals[row] + 2.0))
        for slot in range(row * WINDOW_SLOTS, (row + 1) * WINDOW_SLOTS):
            if others[slot] < 0:
                continue
            at = entry(union, others[slot])
            if at < 0:
                continue
            value = number(counts[slot]) * norm
            union.sums[at, column] += value
            if column == N2:
                union.sums[at, SUPPORT] += 1
                union.sums[at, LARGEST] = max(union.sums[at, LARGEST], value)
        weight *= decay


@kernel
def pick_best(union, column, size, rank_column):
    """The best `size` entries by one column become candidates; their rank is noted unless rank_column is PICKED.

    Own items are left out, because they are candidates anyway, and where users do not come back to an item they would
    fill every source's list.
    """
    count = 0
    for at in range(union.counts[0]):
        value = union.sums[at, column]
        if value > 0 and union.sums[at, COUNT] == 0 and (count < size or value > union.heap_keys[0]):
            count = offer(union.heap, union.heap_keys, count, size, at, value)
    finish(union.heap, union.heap_keys, count)
    for place in range(count):
        at = union.heap[place]
        union.sums[at, PICKED] = 1
        if rank_column != PICKED:
            union.sums[at, rank_column] = place + 1


@kernel
def pick_cosine(union, keys, applied):
    """The best 40 by (n2 + nb) / sqrt(popularity + 3).

    Popularity is read only where it can matter: without it an item scores at most (n2 + nb) / sqrt(3).
    """
    count = 0
    for at in range(union.counts[0]):
        both = union.sums[at, N2] + union.sums[at, NB]
        if both <= 0 or union.sums[at, COUNT] > 0 or (count == _COS_PICKS and both * 0.57735 < union.heap_keys[0]):
            continue
        count = offer(union.heap, union.heap_keys, count, _COS_PICKS, at, _cosine(union, at, keys, applied))
    for place in range(count):
        union.sums[union.heap[place], PICKED] = 1


@kernel
def _cosine(union, at, keys, applied):
    popularity = math.exp(log_popularity(keys[union.items[at], 2], RATE_LONG, applied))
    value = (union.sums[at, N2] + union.sums[at, NB]) / math.sqrt(popularity + 3.0)
    union.sums[at, COS] = value
    return value


@kernel
def set_cosines(union, keys, applied):
    """The cosine of every candidate, including those that only other sources named."""
    for at in range(union.counts[0]):
        if union.sums[at, PICKED] == 1 and union.sums[at, COS] == 0 and union.sums[at, N2] + union.sums[at, NB] > 0:
            _cosine(union, at, keys, applied)


@kernel
def add_query(union, memory, stats, query):
    """All items that were taken after the same search."""
    if query < 0:
        return
    norm = np.float32(1.0 / (stats.total[query] + 1.0))
    for slot in range(query * QUERY_SLOTS, (query + 1) * QUERY_SLOTS):
        if memory.other[slot] >= 0:
            pick(union, memory.other[slot], QUERY, number(memory.count[slot]) * norm)


@kernel
def add_tops(union, items, keys):
    """The three popularity lists."""
    for life in range(3):
        count = order(items, keys, life * TOP, TOP, union.heap)
        for place in range(count):
            pick(union, items[union.heap[place]], RANK_SHORT + life, place + 1)


@kernel
def add_categories(union, history, category_of, items, keys):
    """30 of the last item's category, 12 of each of the next three distinct ones among the last ten events."""
    for place in range(min(history.counts[2], 1 + _NEXT_CATEGORIES)):
        category = history.category_rows[place]
        if not _among(history, category_of, category):
            return
        size = CATEGORY_TOP if category_of[history.items[0]] == category else _NEXT_PICKS
        count = order(items, keys, category * CATEGORY_TOP, CATEGORY_TOP, union.heap)
        for rank in range(min(count, size)):
            pick(union, items[union.heap[rank]], RANK_CATEGORY, rank + 1)


@kernel
def _among(history, category_of, category):
    seen = False
    for q in range(min(history.counts[0], _NEXT_EVENTS)):
        seen = seen or category_of[history.items[q]] == category
    return seen


@kernel
def score_pool(scores, z, pool, pooled, category_of, biases, vectors, category_biases, category_vectors):
    """The machine's score of every member of the pool, into scores (POOL,)."""
    for at in range(pooled):
        item = pool[at]
        if at + _POOL_AHEAD < pooled and pool[at + _POOL_AHEAD] >= 0:
            ahead.scored(category_of, biases, vectors, pool[at + _POOL_AHEAD])
        if item >= 0:
            scores[at] = factorization.score(
                item, category_of[item], biases, vectors, category_biases, category_vectors, z
            )


@kernel
def _own(union, item):
    at = find(union.keys, union.slots, item)
    return at >= 0 and union.sums[at, COUNT] > 0


@kernel
def add_machine(union, scores, pool, pooled):
    """The best 60 of the pool by their scores, own items apart."""
    count = 0
    for at in range(pooled):
        better = pool[at] >= 0 and (count < POOL_TOP or scores[at] > union.heap_keys[0])
        if better and not _own(union, pool[at]):
            count = offer(union.heap, union.heap_keys, count, POOL_TOP, at, scores[at])
    finish(union.heap, union.heap_keys, count)
    for place in range(count):
        pick(union, pool[union.heap[place]], RANK_MACHINE, place + 1)


@kernel
def collect(union, listed):
    """The candidates, in the order in which they were first named; ranks of n1 among them."""
    count = 0
    for at in range(union.counts[0]):
        if union.sums[at, PICKED] == 1 and count < CANDIDATES:
            listed.entries[count] = at
            listed.items[count] = union.items[at]
            count += 1
    listed.counts[0] = count


@kernel
def leave_out(union, listed, history, lines):
    """Take the `lines` items behind the history's end out of the candidates."""
    for at in range(history.counts[0], history.counts[0] + lines):
        place = find(union.keys, union.slots, history.items[at])
        if place >= 0:
            union.sums[place, PICKED] = 0
    collect(union, listed)


@kernel
def propose_machine(union, history, work, category_of, factors, last, categories, pool, pooled):
    """The machine's best of the pool, for the context of this history."""
    factorization.set_context(history, category_of, factors, last, categories, work.z)
    score_pool(work.pool, work.z, pool, pooled, category_of, factors.bias, factors.q, categories.bias, categories.q)
    add_machine(union, work.pool, pool, pooled)


@kernel
def add_given(union, listed, extra, picked):
    """Entries for the touched ones of `extra`; candidates where `picked` is 1. listed: 1 for an untouched item."""
    for at in range(extra.shape[0]):
        ahead.given(listed, extra[at])
    for at in range(extra.shape[0]):
        if listed[extra[at]] == 0:
            pick(union, extra[at], PICKED, picked)


@kernel
def gather(served, scratch, now, extra, only):
    """Gather all candidates, into scratch.union and scratch.listed. The history must have been read and tallied.

    extra: (m,) i32 further rows that must be candidates. only: whether `extra` alone are candidates, in their order;
    the sources' sums of them are the same.
    """
    history, union, work = scratch.history, scratch.union, scratch.work
    stats, totals = served.item_stats, served.item_totals
    applied = served.clock.applied[0]
    clear(union)
    if only:
        add_given(union, served.item_fresh.listed, extra, 0)  # first, so that a full union lacks others
    add_own(union, history, now)
    if history.counts[0] > 0:
        add_successors(union, history)
        lag = served.lag_memory
        add_followers(union, lag.other, lag.count, totals.lag, history.items[0], N1)
        if history.counts[0] > 1:
            add_followers(union, lag.other, lag.count, totals.lag, history.items[1], N1B)
        forward, backward = served.forward_memory, served.backward_memory
        add_window(union, history, forward.other, forward.count, totals.forward, WINDOW, WINDOW_DECAY, N2)
        add_window(union, history, backward.other, backward.count, totals.backward, WINDOW, WINDOW_DECAY, NB)
        pick_best(union, N1, LAG_SLOTS, RANK_N1)
        pick_best(union, N2, _N2_PICKS, RANK_N2)
        pick_best(union, NB, _NB_PICKS, PICKED)
        pick_cosine(union, stats.key, applied)
    if only:
        union.counts[1] = 1  # the sources below only rank the items that are there
    add_query(union, served.query_memory, served.query_stats, history.counts[4])
    add_tops(union, served.top_items.item, served.top_items.key)
    add_categories(union, history, stats.category, served.category_top.item, served.category_top.key)
    propose_machine(
        union,
        history,
        work,
        stats.category,
        served.item_factors,
        served.item_last,
        served.category_factors,
        served.pool.item,
        served.clock.pooled[0],
    )
    if only:
        union.counts[1] = 0
        union.sums[: union.counts[0], PICKED] = 0
    add_given(union, served.item_fresh.listed, extra, 1)
    union.counts[1] = 1  # the long window proposes no item itself
    memory = served.forward_memory
    add_window(union, history, memory.other, memory.count, totals.forward, LONG_WINDOW, LONG_WINDOW_DECAY, LONG)
    union.counts[1] = 0
    set_cosines(union, stats.key, applied)
    collect(union, scratch.listed)
