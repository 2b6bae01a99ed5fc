"""Metrics against slow twins: the definitions, written out with loops."""

import math
import random
from itertools import combinations

import numpy as np
import pytest

from models.statistics.metrics import (
    coverage,
    discounted_gain,
    hit_rate,
    novelty,
    paired,
    personalisation,
    pointwise,
    reciprocal_rank,
    standard_error,
)


@pytest.mark.parametrize("k", [1, 5, 20])
def test_rank_measures_equal_their_definitions(k: int) -> None:
    ranks = np.arange(0, 40)
    for at, rank in enumerate(ranks.tolist()):
        within = 1 <= rank <= k
        assert hit_rate(ranks, k)[at] == (1.0 if within else 0.0)
        assert reciprocal_rank(ranks, k)[at] == pytest.approx(1 / rank if within else 0.0)
        # NDCG with one relevant item: the DCG of the list over that of the best list, which has it first.
        gains = [1 / math.log2(1 + place) if place == rank else 0.0 for place in range(1, k + 1)]
        assert discounted_gain(ranks, k)[at] == pytest.approx(sum(gains) / (1 / math.log2(2)))


def test_personalisation_coverage_and_novelty_equal_loops_over_pairs_and_items() -> None:
    rng = random.Random(5)
    lists = [rng.sample([f"i{n}" for n in range(30)], rng.randint(3, 8)) for _ in range(25)]
    overlaps = [len(set(one) & set(other)) / 8 for one, other in combinations(lists, 2)]
    assert personalisation(lists, 8) == pytest.approx(1 - sum(overlaps) / len(overlaps))
    assert coverage(lists, 40) == len(set().union(*lists)) / 40
    counts = {f"i{n}": n for n in range(30)}
    bits = [-math.log2((counts[item] + 1) / (500 + 1)) for shown in lists for item in shown]
    assert novelty(lists, counts, 500) == pytest.approx(sum(bits) / len(bits))


def test_equal_lists_are_not_personal_and_disjoint_ones_are_fully() -> None:
    assert personalisation([["a", "b"]] * 4, 2) == 0.0
    assert personalisation([["a", "b"], ["c", "d"], ["e", "f"]], 2) == 1.0
    assert personalisation([["a"]], 1) is None
    assert novelty([], {}, 0) is None


def test_the_interval_of_a_difference_holds_the_truth_about_nineteen_times_in_twenty() -> None:
    rng = np.random.default_rng(3)
    held = 0
    for trial in range(200):
        base = (rng.random(300) < 0.4).astype(float)
        other = np.where(rng.random(300) < 0.3, (rng.random(300) < 0.6).astype(float), base)  # true difference: 0.06
        found = paired(np.stack([base, other], axis=1), 0, trial, draws=400)[1].difference
        assert found.low is not None
        assert found.high is not None
        held += found.low <= 0.06 <= found.high
    assert 180 <= held <= 199


def test_the_paired_interval_equals_one_drawn_event_by_event() -> None:
    rng = np.random.default_rng(4)
    values = (rng.random((400, 2)) < [0.3, 0.4]).astype(float)
    drawn = rng.integers(0, 400, (4000, 400))
    ratios = values[drawn, 1].mean(axis=1) / values[drawn, 0].mean(axis=1)
    found = paired(values, 0, 1, draws=4000)[1].ratio
    assert found.value == values[:, 1].mean() / values[:, 0].mean()
    assert [found.low, found.high] == pytest.approx(np.percentile(ratios, [2.5, 97.5]).tolist(), abs=0.03)


def test_a_base_without_a_hit_has_no_ratio_and_no_events_have_no_interval() -> None:
    nothing = paired(np.array([[0.0, 1.0], [0.0, 1.0]]), 0, 1)[1]
    assert nothing.ratio == (None, None, None)
    assert nothing.difference.value == 1.0
    assert paired(np.zeros((0, 2)), 0, 1)[1].difference.low is None


def test_the_standard_error_is_the_spread_of_means_of_samples() -> None:
    rng = np.random.default_rng(6)
    means = [(rng.random(200) < 0.3).mean() for _ in range(3000)]
    assert standard_error((rng.random(200_000) < 0.3).astype(float)) * math.sqrt(1000) == pytest.approx(
        np.std(means), rel=0.05
    )


def test_pointwise_figures_equal_counts_of_a_confusion_matrix() -> None:
    rng = random.Random(8)
    positive = np.array([rng.random() for _ in range(200)])
    negative = np.array([rng.random() ** 2 for _ in range(200)])
    found = pointwise(positive, negative)
    true, false = sum(p >= 0.5 for p in positive), sum(p >= 0.5 for p in negative)
    assert found["accuracy"] == pytest.approx((true + 200 - false) / 400)
    assert found["precision"] == pytest.approx(true / (true + false))
    assert found["recall"] == pytest.approx(true / 200)
    precision, recall = true / (true + false), true / 200
    assert found["f1"] == pytest.approx(2 * precision * recall / (precision + recall))
    squares = [(1 - p) ** 2 for p in positive] + [p**2 for p in negative]
    assert found["mse"] == pytest.approx(sum(squares) / 400)
    logs = [-math.log(p) for p in positive] + [-math.log(1 - p) for p in negative]
    assert found["log_loss"] == pytest.approx(sum(logs) / 400, rel=1e-4)
    wins = [(p > n) + 0.5 * (p == n) for p, n in zip(positive, negative, strict=True)]
    assert found["auc"] == pytest.approx(sum(wins) / 200)


def test_nothing_predicted_positive_has_no_precision() -> None:
    found = pointwise(np.array([0.1]), np.array([0.2]))
    assert found["precision"] is None
    assert found["f1"] == 0.0
    assert pointwise(np.zeros(0), np.zeros(0))["accuracy"] is None
