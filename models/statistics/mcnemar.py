"""Hits that only one of two models had in; evidence that one of them has crashed out. Stage 6.

A sequential McNemar test: of the events where exactly one model was right, each should be as often the one. The
likelihood that one is right more often, mixed uniformly over how much, against one half is a non-negative martingale
under "at most as often", so by Ville's inequality it ever reaches 1 / alpha with probability alpha at most. It assumes
that of every single moment, not on average, which is why it watches short windows for a crash and promotes nothing.
"""

from __future__ import annotations

import math


def log_evidence(right: int, wrong: int) -> float:
    """ln E for "the model that was alone right `right` times is the better one"; wrong: the other was alone right.

    E = 2^(n+1) times the integral over 1/2 to 1 of t^right (1-t)^wrong, n = right + wrong. With integers it is a
    binomial sum, so that no special function is needed.

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
    """ln P(a fair coin shows at most `most` heads in `trials`), through whichever tail is the small one.

    >>> round(math.exp(_log_tail(1, 2)), 12), _log_tail(2, 2)
    (0.75, 0.0)
    """
    if 2 * most < trials:
        return _log_lower_tail(most, trials)
    rest = trials - most - 1
    return math.log1p(-math.exp(_log_lower_tail(rest, trials))) if rest >= 0 else 0.0


def _log_lower_tail(most: int, trials: int) -> float:
    """The same for `most` below one half of `trials`: the terms fall geometrically from the last one down."""
    largest = math.lgamma(trials + 1) - math.lgamma(most + 1) - math.lgamma(trials - most + 1) - trials * math.log(2.0)
    term, total = 1.0, 1.0
    for heads in range(most, 0, -1):
        term *= heads / (trials - heads + 1)
        total += term
        if term < 1e-16 * total:
            break
    return largest + math.log(total)
