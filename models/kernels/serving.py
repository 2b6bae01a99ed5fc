"""One request's history in, ordered candidates with their scores and sources out. Stage 7 begins here."""

import numpy as np

from models.dimensions import ABSENT, MIDDLE, SOURCES
from models.kernels.cold_start import ranker as fresh
from models.kernels.core.compile import entry, kernel
from models.kernels.core.hashing import find
from models.kernels.ranking import features, returns
from models.kernels.ranking import prequential as racing
from models.kernels.retrieval import candidates, history

UNTOUCHED, QUERY = -1, -2


@kernel
def source_of(scores, count, at):
    """The single source that ranks candidate `at` highest; popularity when none proposes it."""
    best, best_rank = MIDDLE, count + 1
    for who in range(SOURCES):
        if scores[who, at] > ABSENT:
            rank = racing.rank_of(scores[who], count, at)
            if rank < best_rank:
                best, best_rank = who, rank
    return best


@entry
def answer(served, scratch, items, times, kinds, now, extra, only, query, contender):
    """Rank for a history (newest first, rows of -1 unknown) at time `now`; returns how many candidates there are.

    extra: rows that must be among them; only: whether there are no others. query: row of the search this answers, -1
    for none. contender: orders them, -1 for the one in charge. Scores are in scratch.listed.scores[SERVED].
    """
    listed, past = scratch.listed, scratch.history
    history.take(past, items, times, kinds, now)
    past.counts[4] = query
    history.tally(past, served.item_stats.category, served.item_stats.brand)
    candidates.gather(served, scratch, now, extra, only)
    features.compute(served, scratch, now)
    racing.set_sources(listed, scratch.union)
    racing.set_rankers(listed, past, served.moments, served.linear.weight, served.ranker.weight, now)
    returns.mix(listed, scratch.own, served.returns, served.clock.lists[0])
    fresh.rank(served, scratch, now, extra, only)
    chosen = contender if contender >= 0 else served.chosen.contender[0]
    racing.serve(listed.scores, listed.counts[3], chosen)
    return listed.counts[3]


@entry
def explain(scratch, extra, places, sources, named):
    """Fill, for each place, its source and which of `extra` stands there (-1: an item that only the sources name).

    The source is the single one that ranks the place highest, UNTOUCHED for an item that none can propose, QUERY for an
    item in the query's memory. extra: rows as the request named them, -1 for an unknown one. Overwrites scratch of
    `answer`.
    """
    listed, union = scratch.listed, scratch.union
    _mark_named(listed, union, extra)
    for at in range(places.shape[0]):
        sums = union.sums[listed.entries[places[at]]]
        named[at] = sums[candidates.PICKED]
        if places[at] >= listed.counts[0]:
            sources[at] = UNTOUCHED
        elif sums[candidates.QUERY] > 0:
            sources[at] = QUERY
        else:
            sources[at] = source_of(listed.scores, listed.counts[0], places[at])


@kernel
def _mark_named(listed, union, extra):
    for at in range(listed.counts[3]):
        union.sums[listed.entries[at], candidates.PICKED] = -1
    for at in range(extra.shape[0]):
        entry = find(union.keys, union.slots, extra[at]) if extra[at] >= 0 else np.int64(-1)
        if entry >= 0:
            union.sums[entry, candidates.PICKED] = at
