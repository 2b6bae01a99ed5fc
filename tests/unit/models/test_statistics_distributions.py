"""How far two samples lie apart: against scipy's, and on samples whose distance is known."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from models.statistics.distributions import distance, stability


@pytest.mark.parametrize("seed", range(5))
def test_the_distance_is_scipys_ties_and_unequal_sizes_included(seed: int) -> None:
    random = np.random.default_rng(seed)
    one, other = random.normal(0.0, 1.0, 300).round(1), random.normal(0.3, 2.0, 170 + seed).round(1)
    assert distance(one, other) == pytest.approx(stats.ks_2samp(one, other).statistic, abs=1e-12)


def test_the_stability_index_is_its_noise_floor_for_equal_distributions_and_grows_with_the_shift() -> None:
    random = np.random.default_rng(1)
    n = 4_000
    same = [stability(random.normal(size=n), random.normal(size=n)) for _ in range(30)]
    assert np.mean(same) == pytest.approx(9 * 2 / n, rel=0.35)
    shifts = [stability(random.normal(size=n), random.normal(by, 1.0, n)) for by in (0.1, 0.5, 1.0, 3.0)]
    assert shifts == sorted(shifts)
    assert shifts[0] < 0.1 < 0.2 < shifts[1]


def test_empty_samples_are_not_apart() -> None:
    nothing, some = np.zeros(0), np.ones(3)
    assert distance(nothing, some) == stability(some, nothing) == 0.0
