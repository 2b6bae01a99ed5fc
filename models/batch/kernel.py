"""A batch that was learned in event order in; the factorization machine trained on it once more out. Stage 4.

Counts, co-visitation, popularity and the rankers are left alone: the former would count everything twice, and a list
made for the latter would contain later events. Compiled only where `update.mode` is batch, so it is not among the
kernels that every start waits for.
"""

import numpy as np

from models.dimensions import IMPRESSION, PURCHASE, SEARCH, WINDOW
from models.kernels.core.compile import entry, kernel
from models.kernels.learning import draw, learn_factors
from models.kernels.retrieval import history

PAST = 32  # events of a user that are kept: enough for ten that count, among impressions and dislikes


@entry
def again(served, private, past, users, items, times, kinds, weights, scratch):
    """Learn events in order, each in the context that it had.

    Args:
        served: The served tables.
        private: The learner's own tables.
        past: Item, time and kind, rings of PAST entries per user, (users * PAST,), and the entries pushed, (users,).
        users: Rows of `past`, (n,).
        items: Rows of items, (n,); -1 skips the event.
        times: Epoch seconds, (n,) i64.
        kinds: Codes of event types, (n,) u8.
        weights: Weights of the events, (n,) f32.
        scratch: Working memory.
    """
    ring_items, ring_times, ring_kinds, pushed = past
    for at in range(users.shape[0]):
        user, item, kind, weight = users[at], items[at], kinds[at], weights[at]
        if item < 0 or kind in (SEARCH, IMPRESSION):
            continue
        _recall(scratch.history, ring_items, ring_times, ring_kinds, user, pushed[user])
        negatives = 0
        if kind <= PURCHASE:
            pool, recent, factors = served.pool.item, private.recent.item, served.item_factors
            pooled = served.clock.pooled[0]
            negatives = draw(scratch.work, item, factors, served.item_stats, pool, pooled, recent, private.progress)
        if kind <= PURCHASE or weight < 0:
            learn_factors(
                scratch.history,
                scratch.work,
                served.item_stats.category,
                served.item_factors,
                served.item_last,
                served.category_factors,
                private.progress,
                item,
                weight,
                negatives,
            )
        place = user * PAST + pushed[user] % PAST
        ring_items[place], ring_times[place], ring_kinds[place] = item, times[at], kind
        pushed[user] += 1


@kernel
def _recall(past, items, times, kinds, user, pushed):
    past.counts[0] = 0
    past.counts[1] = 0
    for back in range(min(pushed, PAST)):
        at = user * PAST + (pushed - 1 - back) % PAST
        history.admit(past, items[at], np.int64(times[at]), kinds[at])
        if past.counts[0] >= WINDOW:
            break
