"""Scores in; their softmax, the log of its denominator, or the chance of a single one out."""

import math

import numpy as np

from models.kernels.core.compile import kernel


@kernel
def softmax(scores, count, out):
    """out[:count] = the softmax of scores[:count], at least one; `out` may be `scores`.

    False when a score is NaN or none is finite: then `out` holds no probabilities. Sums are as wide as the scores.
    """
    best = scores[0]
    for at in range(1, count):
        best = max(best, scores[at])
    total = scores.dtype.type(0)
    for at in range(count):
        out[at] = math.exp(scores[at] - best)
        total += out[at]
    for at in range(count):
        out[at] /= total
    return math.isfinite(total)


@kernel
def sigmoid(score):
    """1 / (1 + exp(-score)), for any score."""
    # The exponential of a positive number could overflow; that of a negative one only underflows to zero.
    if score >= 0:
        return 1.0 / (1.0 + math.exp(-score))
    grown = math.exp(score)
    return grown / (1.0 + grown)


@kernel
def largest(scores, count):
    """The largest of the first `count` scores, f64; 0 for none."""
    best = np.float64(scores[0]) if count > 0 else 0.0
    for at in range(1, count):
        best = max(best, np.float64(scores[at]))
    return best


@kernel
def log_sum_exp(scores, count):
    """log sum exp of the first `count` scores, f64; 0 for none."""
    if count == 0:
        return 0.0
    best, total = largest(scores, count), 0.0
    for at in range(count):
        total += math.exp(scores[at] - best)
    return best + math.log(total)
