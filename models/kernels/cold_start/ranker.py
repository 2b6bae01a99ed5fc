"""The touched candidates of a request in, untouched ones next to them on one scale out.

Untouched items have a listwise ranker of their own, because only their facts tell them apart. A logistic gate says how
likely the next item is one of them:

    score(j) = x_j . w - log sum exp(untouched scores) + gate + log sum exp(touched scores) + caution

so that without caution the softmax over all candidates gives an untouched item P(untouched) P(j | untouched). The
caution protects the places of the touched items: see `account`. There are two, for hits and for reciprocal ranks. The
first places decide reciprocal ranks, so there the stricter one counts; behind them the one for hits does: see `place`.
"""

import math

import numpy as np

from models.dimensions import (
    ABSENT,
    CAUTION_MOST,
    CLIP,
    COST_HITS,
    COST_RANKS,
    FLOOR,
    FRESH_RATE,
    GATE_PRIOR,
    GATE_TERMS,
    LINEAR,
    MIDDLE,
    PROTECTED,
    RANKER,
    SOURCES,
    WINDOW,
    WINDOW_DECAY,
    WORTH_FADE,
)
from models.features import FRESH_FEATURES
from models.kernels.cold_start.candidates import gather
from models.kernels.cold_start.features import compute
from models.kernels.core.compile import kernel
from models.kernels.core.hashing import find
from models.kernels.core.marks import mark
from models.kernels.core.softmax import largest, log_sum_exp
from models.kernels.core.top_k import offer
from models.kernels.ranking.fallback import HIT
from models.kernels.ranking.listwise import descend, remember
from models.kernels.ranking.prequential import rank_of, reaching
from models.kernels.retrieval.candidates import OLDEST

_CONSTANT = 1e-8  # variance below which a feature says nothing
_DISCOVERY_DECAY = 0.97  # of the q-th last event in how often a user discovers: half after 23
_BELOW = 1e-4  # by which untouched items stay below a touched one, and in their order: little next to any difference
_HITS_STEP, _RANKS_STEP = 0.05, 2.0  # log odds per lost hit, and per lost reciprocal rank


@kernel
def measure(own, count):
    """Mean and mean square of each raw feature over the untouched candidates."""
    for f in range(FRESH_FEATURES):
        total, square = 0.0, 0.0
        for at in range(count):
            value = np.float64(own.features[at, f])
            total += value
            square += value * value
        own.means[f] = total / max(count, 1)
        own.squares[f] = square / max(count, 1)


@kernel
def standardise(own, count, moments):
    """Raw features to standardised and clipped ones, in place; a constant one becomes 0."""
    for f in range(FRESH_FEATURES):
        variance = moments.square[f] - moments.mean[f] * moments.mean[f]
        scale = np.float32(1.0 / math.sqrt(variance)) if variance > _CONSTANT else np.float32(0)
        centre = np.float32(moments.mean[f])
        for at in range(count):
            value = (own.features[at, f] - centre) * scale
            own.features[at, f] = min(np.float32(CLIP), max(np.float32(-CLIP), value))


@kernel
def gate(own, listed, weights):
    """Log odds that the next item is an untouched one: own.terms (GATE_TERMS,) weighed by the buckets' weights."""
    odds = GATE_PRIOR
    for block in (0, listed.counts[1], listed.counts[2]):
        for term in range(GATE_TERMS):
            odds += weights[block * GATE_TERMS + term] * own.terms[term]
    return odds


@kernel
def set_terms(own, history, union, firsts, now, count, best, touched):
    """Terms of the gate.

    One; log of the number of untouched candidates; the decayed share of the last ten events in which the user was the
    first to touch the item; the same for the last event alone; the log mean exp of the untouched candidates' scores;
    the log chance of the best touched candidate among the touched ones. Of the whole history: the decayed share of
    events in which the user was the first of all to touch the item, and of those in which they had not touched it.

    best, touched: largest score, and log sum exp of the scores, of touched candidates.
    """
    share, total, weight = 0.0, 1e-9, 1.0
    own.terms[3] = 0.0
    for q in range(min(history.counts[0], WINDOW)):
        total += weight
        if np.int64(firsts[history.items[q]]) >= history.times[q]:
            share += weight
            own.terms[3] = max(own.terms[3], 1.0 if q == 0 else 0.0)
        weight *= WINDOW_DECAY
    own.terms[6], own.terms[7] = _discoveries(history, union, firsts, now)
    own.terms[0] = 1.0
    own.terms[1] = math.log(count)
    own.terms[2] = share / total
    own.terms[4] = min(CLIP, max(-CLIP, own.odds[1] - own.terms[1]))
    own.terms[5] = max(-2.0 * CLIP, best - touched)


@kernel
def _discoveries(history, union, firsts, now):
    """Decayed shares of the history: items that nobody had touched, and items that this user had not; 0 without one."""
    first, new, total, weight = 0.0, 0.0, 1e-9, 1.0
    for q in range(history.counts[0]):
        total += weight
        if np.int64(firsts[history.items[q]]) >= history.times[q]:
            first += weight
        at = find(union.keys, union.slots, history.items[q])
        if at >= 0 and np.float32(max(now - history.times[q], 0)) >= union.sums[at, OLDEST]:
            new += weight
        weight *= _DISCOVERY_DECAY
    return first / total, new / total


@kernel
def score(own, listed, weights, count):
    """x . w of every untouched candidate, into own.scores; own.weights are those of this context."""
    first, second = listed.counts[1] * FRESH_FEATURES, listed.counts[2] * FRESH_FEATURES
    for f in range(FRESH_FEATURES):
        own.weights[f] = weights[f] + weights[first + f] + weights[second + f]
    for at in range(count):
        total = np.float32(0)
        for f in range(own.weights.shape[0]):
            total += own.features[at, f] * own.weights[f]
        own.scores[at] = total


@kernel
def rank(served, scratch, now, extra, only):
    """Gather and score the untouched candidates, into listed.scores from counts[0] on, next to the touched ones.

    Comes after the touched candidates have their scores; no single source proposes an untouched item. extra, only: as
    for the touched ones.
    """
    listed, own = scratch.listed, scratch.fresh
    gather(served, scratch, extra, only)
    start = listed.counts[0]
    count = listed.counts[3] - start
    if count == 0:
        return
    compute(served, scratch, now)
    measure(own, count)
    standardise(own, count, served.fresh_moments)
    score(own, listed, served.fresh_ranker.weight, count)
    own.odds[1] = log_sum_exp(own.scores, count)
    touched = log_sum_exp(listed.scores[RANKER], start)
    best = largest(listed.scores[RANKER], start)
    set_terms(own, scratch.history, scratch.union, served.item_stats.first, now, count, best, touched)
    own.odds[0] = gate(own, listed, served.fresh_gate.weight)
    own.odds[2] = own.odds[0] - own.odds[1] + touched
    place(listed, own, scratch.union, served.caution, count)
    for at in range(count):
        for who in range(SOURCES):
            listed.scores[who, start + at] = ABSENT
        # Popularity, the last resort of every single source, puts them behind all touched items.
        listed.scores[MIDDLE, start + at] = FLOOR - 1 - 0.001 * own.places[at]
        listed.scores[LINEAR, start + at] = ABSENT


@kernel
def place(listed, own, union, caution, count):
    """The scores of the untouched candidates, into listed.scores[RANKER] behind those of the touched ones.

    With the stricter caution an item may stand anywhere. With the one for hits it may stand behind the PROTECTED best
    touched items: what it displaces there costs hits, and hardly any reciprocal rank.
    """
    start, scores = listed.counts[0], listed.scores[RANKER]
    bar, best = _last_protected(union, scores, start), largest(own.scores, count)
    anywhere, behind = min(caution.hits[0], caution.ranks[0]), caution.hits[0]
    for at in range(count):
        score = own.scores[at] + own.odds[2]
        below = bar - _BELOW * (1.0 + best - own.scores[at])
        scores[start + at] = max(score + anywhere, min(score + behind, below))


@kernel
def _last_protected(union, scores, count):
    """The score of the last of the protected touched items; infinity when there are fewer."""
    if count < PROTECTED:
        return math.inf
    held = 0
    for at in range(count):
        held = offer(union.heap, union.heap_keys, held, PROTECTED, at, scores[at])
    return np.float64(union.heap_keys[0])


@kernel
def train(listed, own, ranker, gate_table, moments, fresh, target):
    """One step: the ranker towards an untouched `target`, the gate towards whether it is untouched. -1: no target."""
    count = listed.counts[3] - listed.counts[0]
    if count == 0:
        return
    chosen = target - listed.counts[0]
    if chosen >= 0:
        _train_ranker(own, listed, ranker, count, chosen)
    if target >= 0:
        _train_gate(own, listed, gate_table, 1.0 if chosen >= 0 else 0.0)
    remember(own, moments, fresh)
    mark(fresh.marks, 0)


@kernel
def _train_ranker(own, listed, table, count, chosen):
    own.gradient[:] = 0
    for at in range(count):
        slope = np.float32(math.exp(own.scores[at] - own.odds[1]) - (1.0 if at == chosen else 0.0))
        for f in range(own.gradient.shape[0]):
            own.gradient[f] += slope * own.features[at, f]
    for block in (0, listed.counts[1], listed.counts[2]):
        start = block * FRESH_FEATURES
        descend(table.weight, table.total, table.marks, start, own.gradient, FRESH_RATE)


@kernel
def _train_gate(own, listed, table, came):
    miss = 1.0 / (1.0 + math.exp(-own.odds[0])) - came
    for term in range(GATE_TERMS):
        own.slopes[term] = miss * own.terms[term]
    for block in (0, listed.counts[1], listed.counts[2]):
        start = block * GATE_TERMS
        descend(table.weight, table.total, table.marks, start, own.slopes, FRESH_RATE)


@kernel
def account(caution, listed, target):
    """Adapt the caution to one tested event of a touched item: its rank without the untouched candidates, and with.

    Integral control: an event that costs nothing lowers the caution a little, an event that costs a hit raises it a
    lot, so that in the long run the losses are COST_HITS of the hits and COST_RANKS of the reciprocal ranks, or less:
    no larger a part of the hits than untouched items would find (`credit`).
    """
    alone = rank_of(listed.scores[RANKER], listed.counts[0], target)
    beside = rank_of(listed.scores[RANKER], listed.counts[3], target)
    if alone == 0 or alone > HIT:
        return
    hit = 1.0 if beside <= HIT else 0.0
    lost, lost_rank = 1.0 - hit, 1.0 / alone - hit / beside
    share = min(1.0, caution.worth[0] / COST_HITS)
    caution.hits[0] = _held(caution.hits[0] + _HITS_STEP * (share * COST_HITS - lost))
    caution.ranks[0] = _held(caution.ranks[0] + _RANKS_STEP * (share * COST_RANKS / alone - lost_rank))
    caution.worth[0] *= WORTH_FADE
    mark(caution.marks, 0)


@kernel
def credit(caution, listed, own, target):
    """Count one tested event of an untouched item that would be a hit without caution, however large it is now.

    `worth` settles at the number of such events per hit of a touched item: it fades with each of the latter. Where
    untouched items are never taken, or never found, they lose their places, and where that changes they win them back.
    """
    if target < 0:
        return
    start, chosen = listed.counts[0], target - listed.counts[0]
    rank = reaching(listed.scores[RANKER], start, own.scores[chosen] + own.odds[2])
    rank += reaching(own.scores, listed.counts[3] - start, own.scores[chosen])
    if rank <= HIT:
        caution.worth[0] = min(1.0, caution.worth[0] + 1.0 - WORTH_FADE)
        mark(caution.marks, 0)


@kernel
def _held(value):
    return min(0.0, max(-CAUTION_MOST, value))
