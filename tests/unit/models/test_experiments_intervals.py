"""Intervals of ratios hold at every look, with users who are alike in themselves; and they do get narrow."""

from __future__ import annotations

import numpy as np
import pytest

from models.experiments.intervals import Sum, ratio, sum_of
from models.experiments.tallies import GROUPS, Measured
from tests.support.streams.arms import lifts


def test_arms_that_are_alike_are_told_apart_far_less_often_than_the_error_allows() -> None:
    """A sample of what tests/acceptance/test_experiments_error.py does with a thousand."""
    wrong = sum(any(not found.low <= 0.0 <= found.high for found in lifts(seed)) for seed in range(60))
    assert wrong <= 3


def test_a_real_difference_is_found_and_its_size_is_within_the_bounds() -> None:
    found = [lifts(seed, lift=0.6, users=3_000)[-1] for seed in range(8)]
    assert sum(each.low > 0.0 for each in found) >= 7
    assert all(each.low <= 0.6 <= each.high for each in found)


def test_few_users_allow_no_statement_however_much_they_do() -> None:
    alone = Sum([500.0] + [0.0] * (GROUPS - 1), 500.0, 1.0)
    assert ratio(alone, Sum([900.0] + [0.0] * (GROUPS - 1), 900.0, 1.0), 0.05)[1:] == (None, None)


def test_nothing_below_means_no_ratio_and_little_below_no_upper_bound() -> None:
    none, some = Sum([0.0] * GROUPS, 0.0, 1.0), Sum([1.0] * GROUPS, 64.0, 1.0)
    assert ratio(some, none, 0.05) == (None, None, None)
    found = ratio(some, Sum([0.1] * GROUPS, 6.4, 1.0), 0.05)
    assert (found.value, found.high) == (pytest.approx(10.0), None)
    assert ratio(none, Sum([100.0] * GROUPS, 6_400.0, 1.0), 0.05).low == 0.0


def test_more_of_the_same_makes_the_interval_narrower() -> None:
    widths = []
    for times in (1.0, 10.0, 100.0):
        clicks, slates = (Sum([each * times] * GROUPS, each * times * GROUPS, 1.0) for each in (10.0, 100.0))
        found = ratio(clicks, slates, 0.05)
        assert found.low is not None
        assert found.high is not None
        assert found.low < 0.1 < found.high
        widths.append(found.high - found.low)
    assert widths[0] > 2 * widths[1] > 4 * widths[2]


def test_users_who_are_alike_in_themselves_widen_it() -> None:
    rng = np.random.default_rng(1)
    each = rng.poisson(10, GROUPS).astype(float)
    slates = Sum([100.0] * GROUPS, 6_400.0, 1.0)
    independent = ratio(Sum(each.tolist(), float(each.sum()), 1.0), slates, 0.05)
    alike = (each - 10.0) * 3 + 10.0
    clustered = ratio(Sum(np.maximum(alike, 0).tolist(), float(each.sum()), 1.0), slates, 0.05)
    assert independent.high is not None
    assert independent.low is not None
    assert clustered.high is not None
    assert clustered.low is not None
    assert clustered.high - clustered.low > 1.5 * (independent.high - independent.low)


def test_a_weight_changes_the_ratio_and_its_bounds_alike() -> None:
    measured, slates = Measured([3.0] * GROUPS, 3.0 * GROUPS), Sum([50.0] * GROUPS, 3_200.0, 1.0)
    plain, doubled = ratio(sum_of(measured), slates, 0.05), ratio(sum_of(measured, 2.0), slates, 0.05)
    assert doubled.value == pytest.approx(2 * plain.value if plain.value else 0)
