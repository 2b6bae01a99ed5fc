"""A thousand experiments whose arms are alike: no more than the error allows ever say otherwise, at any look."""

from __future__ import annotations

import numpy as np

from models.experiments.results import ALPHA, ALPHA_SHARES, shares_wrong
from tests.support.streams.arms import lifts

SEEDS = 1_000


def test_arms_that_are_alike_stay_alike_in_a_thousand_experiments() -> None:
    wrong = sum(any(not told.low <= 0.0 <= told.high for told in lifts(seed, alpha=ALPHA)) for seed in range(SEEDS))
    assert wrong <= ALPHA * SEEDS, f"{wrong} of {SEEDS}"


def test_users_that_are_divided_as_they_should_raise_no_alarm_about_shares() -> None:
    wrong = 0
    for seed in range(SEEDS):
        arms = np.random.default_rng(seed).choice(3, 4_000, p=[0.5, 0.3, 0.2])
        looks = (np.bincount(arms[:count], minlength=3).tolist() for count in (50, 200, 500, 1_000, 2_000, 4_000))
        wrong += any(shares_wrong(each, [0.25, 0.15, 0.1]) for each in looks)
    assert wrong <= 2 * ALPHA_SHARES * SEEDS, f"{wrong} of {SEEDS}"
