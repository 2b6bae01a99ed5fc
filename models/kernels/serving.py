"""One request's history in, ordered candidates with their scores and sources out. Stage 7 begins here."""

from models.dimensions import ABSENT, MIDDLE, SOURCES
from models.kernels import candidates, features, fresh, history, racing
from models.kernels.compile import kernel

UNTOUCHED, QUERY = -1, -2


@kernel
def best_source(scores, count, at):
    """The single source that ranks candidate `at` highest; popularity when none proposes it."""
    best, best_rank = MIDDLE, count + 1
    for who in range(SOURCES):
        if scores[who, at] > ABSENT:
            rank = racing.rank_of(scores[who], count, at)
            if rank < best_rank:
                best, best_rank = who, rank
    return best


@kernel
def answer(served, scratch, items, times, kinds, now, extra, only, query, contender):
    """Rank for a history (newest first, rows of -1 unknown) as seen at `now`; returns how many candidates there are.

    extra: rows that must be among them; only: whether there are no others. query: row of the search this answers, -1
    for none. contender: who orders them, or -1 for whoever is chosen. Scores are in scratch.listed.scores[SERVED].
    """
    listed = scratch.listed
    history.take(scratch.history, items, times, kinds, now)
    scratch.history.counts[4] = query
    history.tally(scratch.history, served.item_stats.category, served.item_stats.brand)
    candidates.gather(served, scratch, now, extra, only)
    features.compute(served, scratch, now)
    racing.set_sources(listed, scratch.union)
    racing.set_rankers(listed, scratch.history, served.moments, served.linear.weight, served.ranker.weight, now)
    fresh.rank(served, scratch, now, extra, only)
    racing.serve(listed.scores, listed.counts[3], contender if contender >= 0 else served.chosen.contender[0])
    return listed.counts[3]


@kernel
def explain_sources(listed, union, places, out):
    """For each place: the single source that ranks it highest; UNTOUCHED for an item that none can propose, QUERY for
    one that the query's memory holds."""
    for at in range(places.shape[0]):
        if places[at] >= listed.counts[0]:
            out[at] = UNTOUCHED
        elif union.sums[listed.entries[places[at]], candidates.QUERY] > 0:
            out[at] = QUERY
        else:
            out[at] = best_source(listed.scores, listed.counts[0], places[at])
