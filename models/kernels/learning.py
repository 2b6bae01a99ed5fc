"""A batch of events in, tested ranks and changed rows out: the one compiled call of the learner. Stages 3 and 4.

Events are handled strictly one after the other: each is first ranked, if it was picked for that, then learned.
"""

import math

import numpy as np

from models.dimensions import (
    CATEGORY_NEXT,
    CATEGORY_TOP,
    FARTHEST_BEHIND,
    IMPRESSION,
    LAG_SLOTS,
    LINEAR,
    LOOK_COST,
    NO_PRICE,
    PURCHASE,
    RATE_SECONDS,
    REPEL,
    RING,
    SEARCH,
    SESSION_DECAY,
    TOP,
    WINDOW,
    WINDOW_DECAY,
    WINDOW_SLOTS,
)
from models.kernels.cold_start import lists as fresh_lists
from models.kernels.cold_start import ranker as fresh
from models.kernels.core.compile import entry, kernel
from models.kernels.core.hashing import share
from models.kernels.core.marks import mark
from models.kernels.core.vectors import LANES, equal
from models.kernels.ranking import fallback as guard
from models.kernels.ranking import features, returns
from models.kernels.ranking import listwise as ranking
from models.kernels.ranking import prequential as racing
from models.kernels.retrieval import (
    candidates,
    co_purchases,
    factorization,
    history,
    popularity,
    refusals,
    searches,
)
from models.kernels.retrieval import (
    prefetch as ahead,
)
from models.kernels.retrieval.co_visitation import add, fade
from models.kernels.retrieval.pool import enter

PER_SECOND = 50.0  # lists trained, and events tested, per second of record time
LEAST_TRAINED = 1.0 / 64.0
MOST_TRAINED = 1.0 / 8.0  # of an old stream: to train on more gains little by then (docs/decisions.md)
MOST_YOUNG = 1.0 / 2.0  # of a slow stream, up to the last of YOUNG
YOUNG = (5_000, 20_000, 80_000)
SKIPPED = 100  # first events that are never tested: there is nothing to recommend yet
# Of a log price: two thirds up or two fifths down. A sale counts in full, and a feed in the wrong unit moves a price by
# a twentieth an event and not by half, so that it does not ruin the price features (docs/decisions.md).
_LEAP = 0.5
_PICKED = 0


@kernel
def watch_clock(progress, record_time):
    """Records a second: each counts 1 / RATE_SECONDS and fades by e in RATE_SECONDS seconds of record time.

    Time is the latest record time so far, and a record behind it counts as no time passed, because partitions are read
    one after the other. A record more than an hour behind sets time back: otherwise one record with a time far ahead
    would make all later ones look simultaneous, and the rate infinite. `moved` of the ledger keeps to the same rule.
    """
    passed = record_time - progress.watermark[0]
    if passed > 0 or passed < -FARTHEST_BEHIND:
        progress.watermark[0] = record_time
    rate = math.exp(-max(passed, 0.0) / RATE_SECONDS) / progress.interval[0] + 1.0 / RATE_SECONDS
    progress.interval[0] = 1.0 / rate
    return rate


@kernel
def training_share(applied, rate):
    """Share of the events whose list trains the rankers, at `rate` events a second of record time.

    All of the first 5,000 events, half up to 20,000, a quarter up to 80,000; 50 lists a second if that is more, but
    at most one event in 2 up to 80,000 and one in 8 then, and at least one in 64. Without that bound a history replayed
    with its old, slow timestamps would train on every event (docs/decisions.md has the gain). Depends on the event's
    number and the records before it alone, so a replay, however cut into batches, decides the same.
    """
    young = 1.0 if applied < YOUNG[0] else 0.5 if applied < YOUNG[1] else 0.25 if applied < YOUNG[2] else 0.0
    most = MOST_YOUNG if applied < YOUNG[2] else MOST_TRAINED
    return max(LEAST_TRAINED, young, min(most, PER_SECOND / rate))


@kernel
def testing_share(rate):
    """Share of the events that are tested: 50 a second of record time, all below that."""
    return min(1.0, PER_SECOND / rate)


@kernel
def pick(applied, rate, seed, every):
    """Whether the list of event number `applied` trains, and whether the event is tested: (bool, bool).

    One draw decides both, so that a list ranked for one serves the other, because ranking is the cost. Training does
    not depend on testing. `every` > 0 tests each `every`-th event instead.
    """
    drawn, trained = share(seed, applied, _PICKED), training_share(applied, rate)
    if every > 0:
        return drawn < trained, applied % every == 0
    return drawn < trained, applied >= SKIPPED and drawn < max(trained, testing_share(rate))


@kernel
def rank(served, private, scratch, user, item, query, now, trains, tests, first, out):
    """Rank the event's item before it is learned; test and train if asked.

    A tested event fills out (1 + CONTENDERS,). first: rank it as if it were the first line of its order, without the
    lines before it; nothing happens where it is.
    """
    history_, listed, ring = scratch.history, scratch.listed, private.user_ring
    cold = fresh_lists.is_cold(served.item_fresh, served.item_stats, item)
    pushed, newest = np.int64(private.user.pushed[user]), private.user.newest
    history.recall(history_, ring.item, ring.did, newest, user, pushed, now, RING)
    lines = history.leave_order(history_, item, now) if first else 0
    if first and lines == 0:
        return
    history.tally(history_, served.item_stats.category, served.item_stats.brand)
    history_.counts[4] = query
    only = np.bool_(False)  # of the type that a request hands on: the literal would compile everything once more
    candidates.gather(served, scratch, now, listed.entries[:0], only)
    if lines > 0:
        candidates.leave_out(scratch.union, listed, history_, lines)
    features.compute(served, scratch, now)
    racing.set_sources(listed, scratch.union)
    ranking.measure(listed)
    racing.set_rankers(listed, history_, served.moments, served.linear.weight, served.ranker.weight, now)
    returns.mix(listed, scratch.own, served.returns, served.clock.lists[0])
    fresh.rank(served, scratch, now, listed.entries[:0], only)
    racing.serve(listed.scores, listed.counts[3], served.chosen.contender[0])
    target = racing.find_target(listed, item)
    if tests and cold < 0:
        private.progress.cold[0] += 1
        racing.test_cold(listed, target, out)
        fresh.credit(served.caution, listed, scratch.fresh, target)
        out[0] = cold
    elif tests:
        racing.test(listed, target, served.race, out)
        guard.choose(private.guard, out[1:], served.chosen)
        fresh.account(served.caution, listed, target)
        out[0] = 1 if target >= 0 and scratch.union.sums[listed.entries[target], candidates.COUNT] > 0 else 0
    if trains:
        fresh.train(
            listed, scratch.fresh, served.fresh_ranker, served.fresh_gate, served.fresh_moments, served.fresh, target
        )
    if trains and cold == 0:
        if target >= 0 and not first:  # what it learned from first lines cost it hits on all others
            ranking.train_linear(listed, served.linear, listed.scores[LINEAR], target)
        if target >= 0:
            ranking.train(listed, served.ranker, private.curvature, scratch.own.alone, target)
        returns.learn(served.returns, listed, scratch.own, target, served.clock.lists[0])
        ranking.remember(listed, served.moments, served.clock)


@kernel
def count_event(stats, users, user, item, second):
    """Count the event for its item and its user: exact counts, against which tests hold the rest."""
    users.events[user] += 1
    users.last[user] = max(users.last[user], second)
    mark(users.marks, user)
    if item >= 0:
        stats.events[item] += 1
        mark(stats.marks, item)


@kernel
def birth(stats, factors, kinds, category_factors, item, second, seed):
    """Initialise an item, and its category, at their first event."""
    if stats.events[item] == 1:
        stats.first[item] = second
        if factors.q_sum[item] == 0:  # otherwise its vector was imported
            factorization.initialise(factors.q, item, seed)
        mark(factors.marks, item)
    category = stats.category[item]
    if category >= 0:
        kinds.events[category] += 1
        mark(kinds.marks, category)
        if kinds.events[category] == 1:
            factorization.initialise(category_factors.q, category, seed + np.uint64(1 << 40))
            mark(category_factors.marks, category)


@kernel
def note_price(stats, item, price):
    """Running mean of the log price. A leap counts as one of `_LEAP`: Huber's mean (1964), taken a step at a time."""
    if price > 0 and math.isfinite(price):
        value = math.log(price)
        if stats.log_price[item] == NO_PRICE:
            stats.log_price[item] = value
        else:
            stats.log_price[item] += 0.1 * max(-_LEAP, min(_LEAP, value - stats.log_price[item]))


@kernel
def learn_memories(totals, lag, forward, backward, past, item, event):
    """Add the item of event number `event` to the lag-1 and window memories of the items before it."""
    weight = 1.0
    for q in range(min(past.counts[0], WINDOW)):
        row = past.items[q]
        if row != item:
            w = weight * SESSION_DECAY ** past.sessions[q]
            add(forward.other, forward.count, forward.marks, row, WINDOW_SLOTS, item, w, event)
            add(backward.other, backward.count, backward.marks, item, WINDOW_SLOTS, row, w, event)
            totals.forward[row] += w
            totals.backward[item] += w
            fade(forward.count, forward.marks, totals.forward, row, WINDOW_SLOTS)
            fade(backward.count, backward.marks, totals.backward, item, WINDOW_SLOTS)
            if q == 0:
                add(lag.other, lag.count, lag.marks, row, LAG_SLOTS, item, 1.0, event)
                totals.lag[row] += 1
                fade(lag.count, lag.marks, totals.lag, row, LAG_SLOTS)
            mark(totals.marks, row)
            mark(totals.marks, item)
        weight *= WINDOW_DECAY


@kernel
def learn_category(nexts, stats, source, target, event):
    """Count the step from one category to the next, at event number `event`."""
    if source >= 0 and target >= 0:
        add(nexts.other, nexts.count, nexts.marks, source, CATEGORY_NEXT, target, 1.0, event)
        stats.total[source] += 1
        fade(nexts.count, nexts.marks, stats.total, source, CATEGORY_NEXT)
        mark(stats.marks, source)


@kernel
def learn_popularity(stats, tops, kinds, lists, item, second, applied):
    """Update the keys of the item and its category, and the lists that they may enter."""
    rates = (popularity.RATE_SHORT, popularity.RATE_MIDDLE, popularity.RATE_LONG)
    for life in range(3):
        key = popularity.grown(stats.key[item, life], rates[life], applied)
        stats.key[item, life] = key
        popularity.enlist(tops.item, tops.key, tops.marks, life * TOP, TOP, item, key)
    stats.last[item] = max(stats.last[item], second)
    category = stats.category[item]
    if category >= 0:
        kinds.key[category] = popularity.grown(kinds.key[category], popularity.RATE_MIDDLE, applied)
        mark(kinds.marks, category)
        popularity.enlist(
            lists.item,
            lists.key,
            lists.marks,
            category * CATEGORY_TOP,
            CATEGORY_TOP,
            item,
            stats.key[item, 1],
        )


@kernel
def draw(work, item, factors, stats, pool, pooled, recent, progress):
    """Draw the negatives of an event before its memories are learned, so that their rows are in the cache when used."""
    count = factorization.draw_negatives(work, item, pool, pooled, recent, progress.recent[0], progress.random)
    for at in range(1, count):
        ahead.vector(factors, work.items[at])
        ahead.category(stats, work.items[at])
    return count


@kernel
def learn_factors(past, work, category_of, factors, last, categories, progress, item, weight, negatives):
    """One step of the factorization machine, away from the item if the weight is negative; counts refused steps."""
    count = factorization.set_context(past, category_of, factors, last, categories, work.z)
    if weight < 0:
        learned = factorization.repel(item, np.float32(-REPEL * weight), category_of, factors, categories, work)
    else:
        learned = factorization.step(past, count, negatives, weight, category_of, factors, last, categories, work)
    if not learned:
        progress.refused[0] += 1


@kernel
def count_return(stats, ring, user, item):
    """Count a positive event, and whether its user had the item. `count_event` has marked the row."""
    held = np.uint64(0)
    for at in range(user * RING, (user + 1) * RING, LANES):
        held |= equal(ring.item, at, item)
    stats.positives[item] += 1
    stats.returns[item] += held != 0


@kernel
def note_recent(recent, progress, item):
    """Overwrite the oldest of the recent items."""
    at = progress.recent[0] % recent.item.shape[0]
    recent.item[at] = item
    mark(recent.marks, at)
    progress.recent[0] += 1


@kernel
def learn_event(served, private, scratch, user, item, query, kind, second, price, weight):
    """Apply one event to every table."""
    applied, stats = served.clock.applied[0], served.item_stats
    count_event(stats, private.user, user, item, second)
    if kind == SEARCH and query >= 0:
        searches.wait(private.user_query, user, query, second)
    if query >= 0:
        searches.touch(served.query_stats, query, second)
    if item < 0:
        return
    seed = private.progress.seed[0]
    birth(stats, served.item_factors, served.category_stats, served.category_factors, item, second, seed)
    note_price(stats, item, price)
    refusals.note(served.item_signals, item, kind, weight)
    if query >= 0 and (kind <= PURCHASE or kind == SEARCH):
        searches.learn(served.query_memory, served.query_stats, query, item, weight, applied)
    if kind == IMPRESSION:
        refusals.take_popularity(stats, served.top_items, served.category_top, item, applied, LOOK_COST)
    if kind in (SEARCH, IMPRESSION):
        return
    ring, users = private.user_ring, private.user
    pushed = np.int64(users.pushed[user])
    history.recall(scratch.history, ring.item, ring.did, users.newest, user, pushed, second, WINDOW)
    positive = kind <= PURCHASE
    fresh_lists.take(served.item_fresh, served.category_fresh, served.fresh, stats.category[item], item)
    negatives = 0
    if positive:
        pool, recent = served.pool.item, private.recent.item
        factors, pooled = served.item_factors, served.clock.pooled[0]
        negatives = draw(scratch.work, item, factors, stats, pool, pooled, recent, private.progress)
        past, kinds = scratch.history, stats.category
        lag, forward, backward = served.lag_memory, served.forward_memory, served.backward_memory
        learn_memories(served.item_totals, lag, forward, backward, past, item, applied)
        if kind == PURCHASE:
            co_purchases.learn(served.baskets, past, item, second)
        if past.counts[0] > 0:
            before, now = kinds[past.items[0]], kinds[item]
            learn_category(served.category_next, served.category_stats, before, now, applied)
    elif weight < 0:
        lag, forward, backward = served.lag_memory, served.forward_memory, served.backward_memory
        refusals.take_memories(served.item_totals, lag, forward, backward, scratch.history, item, applied)
        refusals.take_popularity(stats, served.top_items, served.category_top, item, applied, -weight)
    if positive or weight < 0:
        learn_factors(
            scratch.history,
            scratch.work,
            stats.category,
            served.item_factors,
            served.item_last,
            served.category_factors,
            private.progress,
            item,
            weight,
            negatives,
        )
    if positive:
        count_return(stats, ring, user, item)
        learn_popularity(
            served.item_stats,
            served.top_items,
            served.category_stats,
            served.category_top,
            item,
            second,
            applied,
        )
        enter(served.pool, served.clock, private.item_pool, served.item_stats.key, item, private.progress.random)
        note_recent(private.recent, private.progress, item)
    history.push(ring, users, user, item, second, kind)


@entry
def learn(served, private, batch, scratch, every, stride, out):
    """Test, then learn, the events of a batch in order; returns how many were tested.

    batch: an `EventBatch`; `query` is overwritten by the query in force. every: see pick. stride: from the number of an
    event to the next one's; more than 1 where several learners share the numbers. out: (events, 2 + CONTENDERS) i32,
    one row per tested event: its place in the batch; 1 if the user knew the item, 0 if not, -1 if nobody had touched
    it, -2 if it was not even in the catalogue; the rank by contender.
    """
    tested, yes, no = 0, np.bool_(True), np.bool_(False)  # a literal would compile `rank` once more
    for at in range(batch.user.shape[0]):
        user, item, kind = batch.user[at], batch.item[at], batch.kind[at]
        second = np.int64(batch.time[at])
        applied = served.clock.applied[0]
        ahead.look(
            private.user,
            private.user_ring,
            served.item_stats,
            served.item_totals,
            private.item_pool,
            served.item_factors,
            served.backward_memory,
            served.forward_memory,
            batch.user,
            batch.item,
            at,
        )
        query = searches.in_force(private.user_query, batch.query[at], user, second)
        batch.query[at] = query
        rate = watch_clock(private.progress, batch.record_time[at])
        if item >= 0 and kind <= PURCHASE:
            seed = private.progress.seed[0]
            trains, tests = pick(applied, rate, seed, every)
            if trains or tests:
                rank(served, private, scratch, user, item, query, second, trains, tests, no, out[tested, 1:])
            if trains and kind == PURCHASE:
                rank(served, private, scratch, user, item, query, second, trains, no, yes, out[tested, 1:])
            if tests:
                out[tested, 0] = at
                tested += 1
        weight = np.float32(batch.weight[at])
        learn_event(served, private, scratch, user, item, query, kind, second, batch.price[at], weight)
        served.clock.applied[0] = applied + stride
    if batch.user.shape[0] > 0:
        clock, progress = served.clock, private.progress
        mark(clock.marks, 0)
        mark(progress.marks, 0)
    return tested
