"""A young ranker's scores in, the same with the user's own items placed by what was counted of returns out.

A ranker needs hundreds of lists before it knows how people come back to what they had, and a few counts say it after
twenty. So its chances are mixed with counted ones, at the two questions that counts can answer:

    is the next item one of the user's own:   P = (1 - v) ranked + v counted
    which of them, if it is one:              q_j = (1 - w) ranked + w counted at place j, latest first
    score of own item j = log q_j + log P / (1 - P) + log sum exp of the scores of all others

Other scores stay as they are. Each share is the odds of two experts by how likely they made what came (the Bayesian
mixture of Vovk, COLT 1990, with fading memory), times exp(-(lists / RETURN_LISTS)^2): an order by likelihood is not yet
one by hits, and where both are close the ranker finds more later. After some 1,300 lists nothing is mixed or computed.
"""

import math

import numpy as np

from models.dimensions import (
    ABSENT,
    OWN,
    RANKER,
    RETURN_FADE,
    RETURN_FLOOR,
    RETURN_LISTS,
    RETURN_PRIOR,
    RETURN_SHARE,
    RING,
)
from models.kernels.core.compile import kernel
from models.kernels.core.marks import mark
from models.kernels.core.softmax import sigmoid

WHETHER, WHICH = 0, 1  # the two questions
_SINGLE = 16  # places that are counted one by one; behind them those up to 32, to 64 and to 128 together
_MOST = 0.99  # chance of either answer to the first question, at most: one event moves its odds by 4.6


@kernel
def bucket(place):
    """The bucket of a place, from 1 on, and how many places it has."""
    if place <= _SINGLE:
        return place - 1, 1.0
    if place <= 2 * _SINGLE:
        return _SINGLE, 16.0
    return (_SINGLE + 1, 32.0) if place <= 4 * _SINGLE else (_SINGLE + 2, 64.0)


@kernel
def expected(places, place):
    """How often a target stood at `place` of a user's own items: what was counted, and 1 / place as a prior."""
    at, size = bucket(place)
    return places[at] / size + RETURN_PRIOR / place


@kernel
def describe(listed, own, table):
    """What ranker and counts say of the user's own items, into `own`; own.counts[0] is 0 without anything to mix.

    Comes before scores are mixed. own.odds: log odds that the next item is an own one, ranked and counted.
    """
    scores, count, held = listed.scores[RANKER], listed.counts[0], 0
    best, rest = -math.inf, -math.inf
    for at in range(count):
        own.alone[at] = scores[at]
        if listed.scores[OWN, at] > ABSENT and held < RING:
            own.at[held] = at
            held += 1
            best = max(best, np.float64(scores[at]))
        else:
            rest = max(rest, np.float64(scores[at]))
    own.counts[0] = 0
    if held == 0 or held == count:
        return
    ranked, counted, others, next_ = 0.0, 0.0, 0.0, 0
    for at in range(count):
        if next_ < held and own.at[next_] == at:
            own.ranked[next_] = math.exp(scores[at] - best)
            own.counted[next_] = expected(table.places[0], np.int64(-listed.scores[OWN, at]))
            ranked += own.ranked[next_]
            counted += own.counted[next_]
            next_ += 1
        else:
            others += math.exp(scores[at] - rest)
    for k in range(held):
        own.ranked[k] /= ranked
        own.counted[k] /= counted
    own.rest[0] = rest + math.log(others)
    own.odds[0] = best + math.log(ranked) - own.rest[0]
    own.odds[1] = math.log((table.own[0, 1] + 1.0) / (table.own[0, 0] + 1.0))
    own.counts[0] = held if math.isfinite(own.odds[0]) else 0  # a score that is no number is nobody's evidence


@kernel
def youth(lists):
    """How much of a mixture is left after so many trained lists: 1 at first, 0 once it would be next to nothing."""
    left = math.exp(-((lists / RETURN_LISTS) ** 2))
    return left if left > RETURN_SHARE else 0.0


@kernel
def mix(listed, own, table, lists):
    """Mix the scores of own items, in listed.scores[RANKER], after so many trained lists; keep those before it."""
    own.counts[0] = 0
    left = youth(lists)
    if left == 0.0:
        for at in range(listed.counts[0]):
            own.alone[at] = listed.scores[RANKER, at]
        return
    describe(listed, own, table)
    if own.counts[0] == 0:
        return
    whether, which = left * sigmoid(table.odds[0, WHETHER]), left * sigmoid(table.odds[0, WHICH])
    if max(whether, which) < RETURN_SHARE:
        return
    chance = (1.0 - whether) * sigmoid(own.odds[0]) + whether * sigmoid(own.odds[1])
    base = own.rest[0] + math.log(max(chance, 1e-12)) - math.log(max(1.0 - chance, 1e-12))
    for k in range(own.counts[0]):
        share = (1.0 - which) * own.ranked[k] + which * own.counted[k]
        listed.scores[RANKER, own.at[k]] = base + math.log(max(share, 1e-30))


@kernel
def likely(chance):
    """A chance as it counts for its expert: never so small that one event decides for good."""
    return min(_MOST, max(1.0 - _MOST, chance))


@kernel
def fade(values):
    """Let what was counted before weigh less."""
    for at in range(values.shape[0]):
        values[at] *= RETURN_FADE


@kernel
def learn(table, listed, own, target, lists):
    """Count one list that was described: whether the candidate at `target` is an own item, and its place. -1: none.

    lists: trained before this one; nothing is counted any more once nothing is mixed.
    """
    if youth(lists) == 0.0:
        return
    fade(table.places[0])
    fade(table.own[0])
    fade(table.odds[0])
    mark(table.marks, 0)
    found, held = -1, own.counts[0]
    for k in range(held):
        if own.at[k] == target:
            found = k
    if held == 0:
        return
    ranked, counted = likely(sigmoid(own.odds[0])), likely(sigmoid(own.odds[1]))
    if found < 0:
        table.odds[0, WHETHER] += math.log((1.0 - counted) / (1.0 - ranked))
        table.own[0, 0] += 1.0
        return
    table.odds[0, WHETHER] += math.log(counted / ranked)
    table.own[0, 1] += 1.0
    if held > 1:
        least = RETURN_FLOOR / held
        table.odds[0, WHICH] += math.log((own.counted[found] + least) / (own.ranked[found] + least))
        table.places[0, bucket(np.int64(-listed.scores[OWN, target]))[0]] += 1.0
