"""Context and candidates in, scores and one step of the sequence-aware factorization machine out.

z = sum_q v_q G[r_q] + w_q (Q[r_q] + QC[cat r_q]) over the last 10 events; w_q = 0.8^q / sum 0.8^q,
v_0 = 1, v_q = 0.5 * 0.8^q
s_j = b_j + bc[cat j] + z . (Q_j + QC[cat j])
Vectors Q are shared between context and target (Kabbur, Ning, Karypis, KDD 2013), G belong to context alone: the step
from an item to what follows (Rendle, Freudenthaler, Schmidt-Thieme, WWW 2010), here of earlier items too. Loss: softmax
over the target and 22 negatives (Jean et al., ACL 2015, without their correction). Steps: AdaGrad (Duchi, Hazan,
Singer, JMLR 2011) with one sum per row.
"""

import math

import numpy as np

from models.dimensions import (
    BIAS_START,
    CONTEXT_DECAY,
    EARLIER_STEPS,
    FACTOR_DECAY,
    FACTOR_RATE,
    FACTOR_SPREAD,
    FACTOR_START,
    FACTORS,
    NEGATIVES,
    WINDOW,
)
from models.kernels.core import vectors
from models.kernels.core.compile import kernel
from models.kernels.core.hashing import draw, mix
from models.kernels.core.marks import mark
from models.kernels.core.softmax import softmax

_LEAST = 1e-4  # gradients of the softmax below this are not worth a row in the next version


@kernel
def initialise(q, row, seed):
    """A new vector: twelve uniforms minus six are normal enough, and depend on seed and row alone."""
    state = mix(np.uint64(seed) + np.uint64(row))
    for k in range(FACTORS):
        total = 0.0
        for _ in range(3):
            state = mix(state + np.uint64(0x9E3779B97F4A7C15))
            for shift in (0, 16, 32, 48):
                total += np.float64((state >> np.uint64(shift)) & np.uint64(0xFFFF)) / 65536.0
        q[row, k] = (total - 6.0) * FACTOR_SPREAD


@kernel
def dot(q, row, z):
    """q[row] . z; q: (rows, FACTORS), z: (FACTORS,)."""
    return vectors.dot(q, row, z)


@kernel
def set_context(history, category_of, factors, last, categories, z):
    """Fill z (FACTORS,) from the last events; returns the number of events in it."""
    count = min(history.counts[0], WINDOW)
    z[:] = 0
    if count == 0:
        return 0
    norm = (1.0 - CONTEXT_DECAY**count) / (1.0 - CONTEXT_DECAY)
    weight, step_weight = np.float32(1.0 / norm), np.float32(1)
    for q in range(count):
        vectors.add(z, step_weight, last.g, history.items[q])
        step_weight *= np.float32(CONTEXT_DECAY * (EARLIER_STEPS if q == 0 else 1.0))
        _add_rounded(z, weight, factors.q, history.items[q], categories.q, category_of[history.items[q]])
        weight *= np.float32(CONTEXT_DECAY)
    return count


@kernel
def _add(z, weight, vectors_, item, category_vectors, category):
    if category >= 0:
        vectors.add_both(z, weight, vectors_, item, category_vectors, category)
    else:
        vectors.add(z, weight, vectors_, item)


@kernel
def _add_rounded(z, weight, vectors_, item, category_vectors, category):
    if category >= 0:
        vectors.add_both_rounded(z, weight, vectors_, item, category_vectors, category)
    else:
        vectors.add_rounded(z, weight, vectors_, item)


@kernel
def score(item, category, biases, vectors_, category_biases, category_vectors, z):
    """The machine's score of one item in context z."""
    if category >= 0:
        both = vectors.dot_both(vectors_, item, category_vectors, category, z)
        return biases[item] + category_biases[category] + both
    return biases[item] + vectors.dot(vectors_, item, z)


@kernel
def descend(q, sums, row, gradient, weight):
    """One AdaGrad step of a vector along weight * gradient, with decay; none if its square is not finite."""
    square = vectors.square(weight, gradient, np.float32(FACTOR_DECAY), q, row) / np.float32(FACTORS)
    if not math.isfinite(square):
        return
    sums[row] += square
    step = np.float32(FACTOR_RATE) / np.float32(math.sqrt(sums[row] + np.float32(FACTOR_START)))
    vectors.move(q, row, np.float32(1) - step * np.float32(FACTOR_DECAY), -step * weight, gradient)


@kernel
def descend_bias(bias, sums, row, slope):
    """One AdaGrad step of a bias."""
    sums[row] += slope * slope
    bias[row] -= np.float32(FACTOR_RATE / math.sqrt(sums[row] + BIAS_START)) * slope


@kernel
def descend_targets(count, category_of, factors, categories, work):
    """One step of each target's vectors and biases. work.scores are d loss / d score; the smallest are skipped."""
    for at in range(count):
        item, slope = work.items[at], work.scores[at]
        if abs(slope) < _LEAST:
            continue
        descend(factors.q, factors.q_sum, item, work.z, slope)
        descend_bias(factors.bias, factors.bias_sum, item, slope)
        mark(factors.marks, item)
        category = category_of[item]
        if category >= 0:
            descend(categories.q, categories.q_sum, category, work.z, slope)
            descend_bias(categories.bias, categories.bias_sum, category, slope)
            mark(categories.marks, category)


@kernel
def descend_context(history, count, category_of, factors, last, categories, gradient):
    """One step of the context's vectors, for gradient = d loss / d z."""
    weight, step_weight = np.float32((1.0 - CONTEXT_DECAY) / (1.0 - CONTEXT_DECAY**count)), np.float32(1)
    for q in range(count):
        row = history.items[q]
        descend(last.g, last.g_sum, row, gradient, step_weight)
        mark(last.marks, row)
        step_weight *= np.float32(CONTEXT_DECAY * (EARLIER_STEPS if q == 0 else 1.0))
        descend(factors.q, factors.q_sum, row, gradient, weight)
        mark(factors.marks, row)
        category = category_of[row]
        if category >= 0:
            descend(categories.q, categories.q_sum, category, gradient, weight)
            mark(categories.marks, category)
        weight *= np.float32(CONTEXT_DECAY)


@kernel
def draw_negatives(work, target, pool, pooled, recent, written, random):
    """Target first, then half from the pool and half from the recent items; returns how many in all."""
    work.items[0] = target
    count = 1
    known = min(written, recent.shape[0])
    for at in range(NEGATIVES):
        if 2 * at < NEGATIVES:
            item = pool[draw(random, pooled)] if pooled > 0 else -1
        else:
            item = recent[draw(random, known)] if known > 0 else -1
        if item >= 0 and item != target:
            work.items[count] = item
            count += 1
    return count


@kernel
def set_slopes(scores, count, weight):
    """Scores in, d loss / d score of the softmax with the first as target out, in place; False if not finite."""
    if not softmax(scores, count, scores):
        return False
    for at in range(count):
        scores[at] = weight * (scores[at] - (1 if at == 0 else 0))
    return True


@kernel
def step(history, count, negatives, weight, category_of, factors, last, categories, work):
    """Learn `work.items[0]` against the other items, in context `work.z` of `count` events.

    False if scores or gradient are not finite: then nothing changes.
    """
    for at in range(negatives):
        item = work.items[at]
        work.scores[at] = score(item, category_of[item], factors.bias, factors.q, categories.bias, categories.q, work.z)
    if not set_slopes(work.scores, negatives, weight):
        return False
    if not _set_gradient(negatives, category_of, factors.q, categories.q, work):
        return False
    descend_targets(negatives, category_of, factors, categories, work)
    if count > 0:
        descend_context(history, count, category_of, factors, last, categories, work.gradient)
    return True


@kernel
def _set_gradient(negatives, category_of, vectors_, category_vectors, work):
    work.gradient[:] = 0
    for at in range(negatives):
        item, slope = work.items[at], work.scores[at]
        if abs(slope) >= _LEAST:
            _add(work.gradient, slope, vectors_, item, category_vectors, category_of[item])
    square = np.float32(0)
    for k in range(FACTORS):
        square += work.gradient[k] * work.gradient[k]
    if not math.isfinite(square):
        return False
    size = np.float32(math.sqrt(square / np.float32(FACTORS)))
    if size > 1:
        for k in range(FACTORS):
            work.gradient[k] /= size
    return True


@kernel
def repel(item, weight, category_of, factors, categories, work):
    """A negative event: one logistic step of the item's score towards zero probability, in context `work.z`.

    False, and nothing changes, if the score is not finite.
    """
    value = score(item, category_of[item], factors.bias, factors.q, categories.bias, categories.q, work.z)
    slope = np.float32(weight / (1.0 + math.exp(-value)))
    if not math.isfinite(slope):
        return False
    descend(factors.q, factors.q_sum, item, work.z, slope)
    descend_bias(factors.bias, factors.bias_sum, item, slope)
    mark(factors.marks, item)
    return True
