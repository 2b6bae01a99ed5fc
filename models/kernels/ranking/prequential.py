"""Candidates and a target in, the target's rank under every contender out.

Rank = 1 + candidates with a strictly higher score + ties, which count against the contender; 0 = not proposed. Ranks
beyond 20 count as misses. Hit and reciprocal rank have two sums each: over all events, and with fading memory.
"""

import numpy as np

from models import features as feature
from models.dimensions import (
    ABSENT,
    CONTENDERS,
    COSINE,
    FORWARD,
    LAG,
    LINEAR,
    LONG,
    MACHINE,
    MIDDLE,
    OWN,
    RACE_FADE,
    RANKER,
    SERVED,
    SHORT,
)
from models.kernels.core.compile import kernel, scoring
from models.kernels.core.marks import mark
from models.kernels.ranking import listwise as ranking
from models.kernels.ranking.fallback import utility
from models.kernels.retrieval import candidates as c

_BELOW = -10_000.0  # where candidates go that the served source does not propose: below all others


@kernel
def set_sources(listed, union):
    """listed.scores[source]: every single source's score of each candidate, ABSENT where it does not propose it.

    Reads raw features, so it comes before they are standardised.
    """
    scores, features = listed.scores, listed.features
    for at in range(listed.counts[0]):
        sums = union.sums[listed.entries[at]]
        scores[SHORT, at] = features[at, feature.POPULARITY_SHORT]
        scores[MIDDLE, at] = features[at, feature.POPULARITY_MIDDLE]
        scores[LONG, at] = features[at, feature.POPULARITY_LONG]
        scores[OWN, at] = -sums[c.DISTINCT] if sums[c.COUNT] > 0 else ABSENT
        scores[LAG, at] = sums[c.N1] if sums[c.N1] > 0 else ABSENT
        scores[FORWARD, at] = sums[c.N2] if sums[c.N2] > 0 else ABSENT
        scores[COSINE, at] = sums[c.COS] if sums[c.COS] > 0 else ABSENT
        proposed = sums[c.RANK_MACHINE] > 0 or sums[c.COUNT] > 0
        scores[MACHINE, at] = sums[c.MACHINE_SCORE] if proposed else ABSENT


@kernel
def set_rankers(listed, history, moments, linear, ranker, now):
    """listed.scores of the linear regressor and the ranker. Features become standardised.

    linear: (FEATURES + 1,) weights. ranker: (BLOCKS * FEATURES,) weights.
    """
    ranking.standardise(listed, moments.mean, moments.square)
    ranking.score_linear(listed, linear, listed.scores[LINEAR])
    ranking.set_weights(listed, history, ranker, now)
    ranking.score(listed.features, listed.counts[0], listed.weights, listed.scores[RANKER])


@kernel
def serve(scores, count, chosen):
    """scores[SERVED]: the chosen contender's, and popularity, below them, for candidates that it does not propose."""
    for at in range(count):
        value = scores[chosen, at]
        scores[SERVED, at] = value if value > ABSENT else scores[MIDDLE, at] + _BELOW


@kernel
def rank_of(scores, count, target):
    """Rank of the candidate at `target`, ties against it; 0 when it is not proposed."""
    if target < 0 or scores[target] <= ABSENT:
        return 0
    return reaching(scores, count, scores[target])


@scoring
def reaching(scores, count, least):
    """How many of the first `count` scores are `least` or more.

    Counted in f32, as wide as the scores: exact to 2**24, and four times as many a step as in i64.
    """
    total = np.float32(0)
    for at in range(count):
        total += np.float32(1) if scores[at] >= least else np.float32(0)
    return np.int64(total)


@kernel
def rank_with_rest(scores, rest, count, target):
    """Rank, ties against it, as the contender would be served: its proposals, then all others ordered by `rest`."""
    if target < 0:
        return 0
    if scores[target] > ABSENT:
        return rank_of(scores, count, target)
    rank = 0
    for at in range(count):
        if scores[at] > ABSENT or rest[at] >= rest[target]:
            rank += 1
    return rank


@kernel
def find_target(listed, item):
    """The place of `item` among the candidates, or -1."""
    for at in range(listed.counts[3]):
        if listed.items[at] == item:
            return at
    return -1


@kernel
def test(listed, target, race, out):
    """Rank the target under every contender, into out[1:], and add it to the running sums.

    A source is judged by the list that it would serve: its proposals, then popularity.
    """
    for who in range(CONTENDERS):
        count = listed.counts[3] if who >= RANKER else listed.counts[0]
        rank = rank_with_rest(listed.scores[who], listed.scores[MIDDLE], count, target)
        out[1 + who] = rank
        hit, reciprocal = utility(rank, 0), utility(rank, 1)
        race.tested[who] += 1
        race.hits[who] += hit
        race.reciprocal[who] += reciprocal
        race.fading_weight[who] = RACE_FADE * race.fading_weight[who] + 1
        race.fading_hits[who] = RACE_FADE * race.fading_hits[who] + hit
        race.fading_reciprocal[who] = RACE_FADE * race.fading_reciprocal[who] + reciprocal
        mark(race.marks, who)


@kernel
def test_cold(listed, target, out):
    """Ranks of an untouched item, into out. No single source proposes it, and the running scores leave it out."""
    out[:] = 0
    out[1 + RANKER] = rank_of(listed.scores[RANKER], listed.counts[3], target)
    out[1 + SERVED] = rank_of(listed.scores[SERVED], listed.counts[3], target)
