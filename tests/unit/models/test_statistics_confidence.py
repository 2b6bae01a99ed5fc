"""The statistics of the gate against slow twins, and what they promise: bounds that hold at every moment."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.statistics.comparison import WINDOW, Comparison
from models.statistics.confidence import Sums, radius
from models.statistics.mcnemar import log_evidence

DIFFERENCES = st.lists(st.floats(-2, 2), max_size=60)


def naive_sums(differences: list[float], bound: float) -> tuple[float, float]:
    """Sum and predictably centred sum of squares, from the whole list at each step."""
    clipped = [max(-bound, min(bound, value)) for value in differences]
    centres = [sum(clipped[:at]) / at if at else 0.0 for at in range(len(clipped))]
    return sum(clipped), sum((value - centre) ** 2 for value, centre in zip(clipped, centres, strict=True))


@given(DIFFERENCES, st.sampled_from([0.25, 0.5, 1.0]))
def test_the_running_sums_are_those_of_the_whole_list(differences: list[float], bound: float) -> None:
    sums = Sums(bound)
    for value in differences:
        sums.add(value)
    total, variance = naive_sums(differences, bound)
    assert sums.n == len(differences)
    assert sums.total == pytest.approx(total, abs=1e-9)
    assert sums.variance == pytest.approx(variance, abs=1e-9)


def naive_radius(variance: float, alpha: float, c: float, m: float) -> float:
    """The stitched boundary, term by term as it is printed."""
    zeta = sum(k**-1.4 for k in range(1, 2_000_000)) + 2_000_000**-0.4 / 0.4
    v = max(variance, m)
    ell = 1.4 * math.log(math.log(2 * v / m)) + math.log(zeta / math.log(2) ** 1.4) + math.log(1 / alpha)
    k1, k2 = (2**0.25 + 2**-0.25) / math.sqrt(2), (math.sqrt(2) + 1) / 2
    return math.sqrt(k1**2 * v * ell + (k2 * c * ell) ** 2) + k2 * c * ell


@pytest.mark.parametrize(("variance", "alpha", "bound"), [(0.0, 0.01, 1.0), (50.0, 0.05, 1.0), (4e4, 1e-3, 0.5)])
def test_the_radius_is_the_printed_one(variance: float, alpha: float, bound: float) -> None:
    expected = naive_radius(variance, alpha, 2 * bound, 10 * bound**2)
    assert float(radius(variance, alpha, bound)) == pytest.approx(expected, rel=1e-6)


def test_what_is_no_number_is_refused_and_changes_nothing() -> None:
    sums = Sums()
    for bad in (math.nan, math.inf):
        with pytest.raises(ValueError, match="can't be compared"):
            sums.add(bad)
    assert sums == Sums()


def test_of_many_streams_without_a_difference_hardly_any_ever_leaves_its_interval() -> None:
    draws = np.random.default_rng(5).choice([-1.0, 0.0, 1.0], size=(400, 3_000), p=[0.1, 0.8, 0.1])
    total = draws.cumsum(1)
    before = np.concatenate([np.zeros((400, 1)), (total / np.arange(1, 3_001))[:, :-1]], 1)
    reach = radius(((draws - before) ** 2).cumsum(1), 0.05)
    assert (np.abs(total) > reach).any(1).mean() <= 0.05


def naive_evidence(right: int, wrong: int) -> float:
    """The mixture as an integral, by the trapezoid rule."""
    theta = np.linspace(0.5, 1.0, 200_001)
    inside = np.exp(right * np.log(theta) + wrong * np.log(np.maximum(1 - theta, 1e-300)))
    return math.log(2.0 ** (right + wrong + 1) * float(np.trapezoid(inside, theta)))


@pytest.mark.parametrize(("right", "wrong"), [(0, 0), (1, 0), (0, 1), (5, 3), (3, 5), (40, 12), (12, 40), (100, 100)])
def test_the_evidence_of_a_crash_is_the_integral_it_says(right: int, wrong: int) -> None:
    assert log_evidence(right, wrong) == pytest.approx(naive_evidence(right, wrong), abs=1e-4)


@given(st.integers(0, 400), st.integers(0, 400))
def test_the_evidence_of_a_crash_grows_with_each_hit_of_the_other_and_falls_with_each_of_ones_own(
    right: int, wrong: int
) -> None:
    assert log_evidence(right + 1, wrong) > log_evidence(right, wrong) > log_evidence(right, wrong + 1)


def test_the_evidence_of_a_crash_is_a_fair_game_for_equal_models() -> None:
    """The expectation of the next value, over a fair coin, is the present one: nothing is gained by looking often."""
    for right, wrong in ((0, 0), (3, 1), (7, 20)):
        following = (math.exp(log_evidence(right + 1, wrong)) + math.exp(log_evidence(right, wrong + 1))) / 2
        assert following <= math.exp(log_evidence(right, wrong)) * (1 + 1e-9)


RANKS = st.lists(st.tuples(st.integers(0, 30), st.integers(0, 30)), max_size=80)


@given(RANKS)
def test_a_comparison_counts_what_a_list_of_ranks_says(ranks: list[tuple[int, int]]) -> None:
    comparison = Comparison("v1")
    for mine, other in ranks:
        comparison.add(mine, other)
    hits = [(0 < mine <= 20, 0 < other <= 20) for mine, other in ranks]
    assert comparison.hits == sum(mine for mine, _ in hits)
    assert comparison.other_hits == sum(other for _, other in hits)
    assert comparison.right == sum(mine and not other for mine, other in hits)
    assert comparison.wrong == sum(other and not mine for mine, other in hits)
    assert comparison.others == comparison.other_hits
    assert comparison.hit.total == comparison.hits - comparison.other_hits
    swapped = Comparison("v1")
    for mine, other in ranks:
        swapped.add(other, mine)
    assert swapped.reciprocal.total == pytest.approx(-comparison.reciprocal.total)


def test_old_merits_do_not_cover_a_crash() -> None:
    comparison = Comparison("v1")
    for _ in range(WINDOW):
        comparison.add(1, 0)
    assert comparison.crashed() < 0
    for _ in range(30):
        comparison.add(0, 1)
    assert comparison.crashed() > math.log(1e5)
