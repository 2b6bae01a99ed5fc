"""Sequential McNemar test: has one of two models collapsed? Looks at events that only one of them hit. Stage 6.

If the models are equally good, each should be the only one right equally often. The likelihood that one of them is
right more often, mixed uniformly over how much, against one half is a non-negative martingale under "at most as often".
By Ville's inequality it ever reaches 1 / alpha with probability alpha at most. It assumes that of every single moment,
not on average; that is why it watches short windows for a crash and promotes nothing.
"""

from __future__ import annotations

import math


def log_evidence(right: int, wrong: int) -> float:
    """Returns ln E of the evidence that a model is better than another.

    Args:
        right: events where only this model was right.
        wrong: events where only the other was right.

    E = 2^(n+1) times the integral over 1/2 to 1 of t^right (1-t)^wrong, n = right + wrong. With integers it is a
    binomial sum, so no special function is needed.

    >>> log_evidence(0, 0)
    0.0
    >>> log_evidence(14, 0) > math.log(1_000), log_evidence(7, 7) < 0.0
    (True, True)
    """
    n = right + wrong
    return _log_tail(right, n + 1) + (n + 1) * math.log(2.0) + _log_beta(right + 1, wrong + 1)


def _log_beta(a: int, b: int) -> float:
    return math.lgamma(a) + math.lgamma(b) - math.lgamma(a + b)


def _log_tail(most: int, trials: int) -> float:
    """Returns ln P(a fair coin shows at most `most` heads in `trials`), from the smaller of the two tails.

    >>> round(math.exp(_log_tail(1, 2)), 12), _log_tail(2, 2)
    (0.75, 0.0)
    """
    if 2 * most < trials:
        return _log_lower_tail(most, trials)
    rest = trials - most - 1
    return math.log1p(-math.exp(_log_lower_tail(rest, trials))) if rest >= 0 else 0.0


def _log_lower_tail(most: int, trials: int) -> float:
    """The same for `most` below half of `trials`: the terms fall geometrically from the last one down."""
    largest = math.lgamma(trials + 1) - math.lgamma(most + 1) - math.lgamma(trials - most + 1) - trials * math.log(2.0)
    term, total = 1.0, 1.0
    for heads in range(most, 0, -1):
        term *= heads / (trials - heads + 1)
        total += term
        if term < 1e-16 * total:
            break
    return largest + math.log(total)
