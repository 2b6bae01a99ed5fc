"""A raw score and a target in, the slope of the loss and the prediction out.

Squared: (p - y)^2, slope 2 (p - y), River's convention. Logistic: log(1 + exp(-p y)) with y in {-1, 1}, slope
-y / (1 + exp(p y)); its prediction is the probability 1 / (1 + exp(-p)).
"""

from models.kernels.core.compile import kernel
from models.kernels.core.softmax import sigmoid

SQUARED, LOGISTIC = 0, 1


@kernel
def slope_at(loss, score, target):
    """d loss / d score. A logistic target counts as positive when it is above zero."""
    if loss == SQUARED:
        return 2.0 * (score - target)
    sign = 1.0 if target > 0 else -1.0
    return -sign * sigmoid(-sign * score)


@kernel
def prediction(loss, score):
    """The prediction of a raw score: itself, or a probability."""
    return score if loss == SQUARED else sigmoid(score)


@kernel
def clipped(slope, limit):
    """The slope cut to [-limit, limit]; NaN stays NaN."""
    return min(max(slope, -limit), limit) if slope == slope else slope
