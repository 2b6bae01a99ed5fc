"""Two samples of scores in; the distance of their distributions out. Stage 6.

Effect sizes, not p-values: scores of one list depend on each other, and with enough scores any difference is certain.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from models.arrays import Array

BINS: Final = 10
LEAST: Final = 1e-4
"""Share that an empty bin counts as. An infinite index would say no more."""


def stability(before: Array, after: Array) -> float:
    """Population stability index: sum of (q - p) ln(q / p) over the deciles of `before`; 0 for equal samples.

    Below 0.1 nothing has happened and above 0.25 much, by the custom of credit scoring (Yurdakul, "Statistical
    properties of the population stability index", 2018); under no change it is about 9 (1/n + 1/m).

    >>> same = np.arange(1_000.0)
    >>> stability(same, same), round(stability(same, same + 100.0), 3)
    (0.0, 0.759)
    """
    if not len(before) or not len(after):
        return 0.0
    edges = np.quantile(before, np.arange(1, BINS) / BINS)
    p, q = (np.maximum(_shares(edges, each), LEAST) for each in (before, after))
    return float(((q - p) * np.log(q / p)).sum())


def _shares(edges: Array, values: Array) -> Array:
    return np.bincount(np.searchsorted(edges, values, "right"), minlength=BINS) / len(values)


def distance(before: Array, after: Array) -> float:
    """Kolmogorov-Smirnov: the largest difference between the two distribution functions, from 0 to 1.

    >>> distance(np.array([1.0, 2.0]), np.array([3.0, 4.0])), distance(np.array([1.0, 2.0]), np.array([1.0, 2.0]))
    (1.0, 0.0)
    """
    if not len(before) or not len(after):
        return 0.0
    at = np.concatenate([before, after])
    one, other = (np.searchsorted(np.sort(each), at, "right") / len(each) for each in (before, after))
    return float(np.abs(one - other).max())


__all__ = ["distance", "stability"]
