"""A gradient and an inverse curvature in, one online Newton step out.

Hazan, Agarwal, Kale, "Logarithmic regret algorithms for online convex optimization", Machine Learning 2007, with
forgetting: A <- lambda A + g g', w <- w - A^-1 g. The formula of Sherman and Morrison updates the inverse itself.
Features of a list are strongly correlated (four popularities, three memories): a step per coordinate attributes one
finding to all of them and overshoots, this one does not (docs/decisions.md).
"""

import math

import numpy as np

from models.dimensions import NEWTON_FORGET, NEWTON_SPREAD
from models.kernels.core.compile import kernel, scoring


@scoring
def times(inverse, gradient, out):
    """out = inverse . gradient; returns gradient . out. inverse: (n, n) f64, gradient: (n,) f32, out: (n,) f64."""
    product = 0.0
    for f in range(out.shape[0]):
        total = 0.0
        for h in range(gradient.shape[0]):
            total += inverse[f, h] * gradient[h]
        out[f] = total
        product += total * gradient[f]
    return product


@kernel
def contract(inverse, direction, product):
    """inverse <- (inverse^-1 * NEWTON_FORGET + g g')^-1, for direction = inverse . g and product = g . direction."""
    scale = 1.0 / (NEWTON_FORGET + product)
    for f in range(inverse.shape[0]):
        part = direction[f] * scale
        for h in range(inverse.shape[1]):
            inverse[f, h] = (inverse[f, h] - part * direction[h]) / NEWTON_FORGET


@kernel
def bound(inverse):
    """Keep variances at the first one or below: by forgetting, that of a feature never seen would grow without end."""
    for f in range(inverse.shape[0]):
        if inverse[f, f] > NEWTON_SPREAD:
            scale = math.sqrt(NEWTON_SPREAD / inverse[f, f])
            for h in range(inverse.shape[0]):
                inverse[f, h] *= scale
                inverse[h, f] *= scale


@kernel
def step(weights, inverse, gradient, direction):
    """One step of weights (n,) f32, in place; False, and nothing changes, if the gradient is not finite."""
    product = times(inverse, gradient, direction)
    if not math.isfinite(product):
        return False
    scale = 1.0 / (NEWTON_FORGET + max(product, 0.0))
    for f in range(inverse.shape[0]):
        weights[f] -= np.float32(direction[f] * scale)
    contract(inverse, direction, max(product, 0.0))
    bound(inverse)
    return True
