"""The estimators' kernels against their slow twins: optimizers, schedules, losses, penalties, scaling, lists."""

from __future__ import annotations

import math

import numpy as np
import pytest
from river import optim

from models.estimators.factorization import FactorizationMachine
from models.estimators.feature_rows import FeatureRows
from models.estimators.listwise import ListwiseRanker
from models.kernels.regression import losses
from models.kernels.regression.examples import bucket
from tests.naive import regression as naive
from tests.support.oracles.initial_vectors import start_from

SCHEDULE = optim.schedulers.InverseScaling(0.1, 0.4)
PAIRS = {
    "sgd": (optim.SGD(0.02), naive.Optimizer("sgd", 0.02)),
    "sgd slower and slower": (optim.SGD(SCHEDULE), naive.Optimizer("sgd", 0.1, 0.4)),
    "adagrad": (optim.AdaGrad(0.1), naive.Optimizer("adagrad", 0.1)),
    "adam": (optim.Adam(0.02), naive.Optimizer("adam", 0.02)),
    "adam slower and slower": (optim.Adam(SCHEDULE), naive.Optimizer("adam", 0.1, 0.4)),
}
NAMES = ["a", "b", "c", "d", "e"]


def example(rng):
    chosen = rng.permutation(NAMES)[: rng.integers(1, 6)].tolist()
    return {name: float(rng.normal(3, 2)) for name in chosen}


@pytest.mark.parametrize("loss", ["squared", "logistic"])
@pytest.mark.parametrize("kind", PAIRS)
def test_the_machine_does_what_its_twin_does(kind, loss):
    rng = np.random.default_rng(11)
    vectors = {name: rng.normal(0, 0.3, 3) for name in NAMES}
    penalties = (1e-3, 2e-3, 3e-3, 4e-3)
    rule = PAIRS[kind][0]
    mine = FactorizationMachine(
        3, rule, rule, optim.losses.Log() if loss == "logistic" else None, *penalties, clip_gradient=2.0
    )
    start_from(mine, vectors)
    again = vars(PAIRS[kind][1])
    weight, factor = (naive.Optimizer(again["kind"], again["rate"], again["power"]) for _ in range(2))
    twin = naive.Machine(vectors, weight, factor, loss, penalties)
    for _ in range(150):
        x, y = example(rng), float(rng.normal(0, 2))
        score = twin.score(twin.scaled(x))
        expected = score if loss == "squared" else 1 / (1 + math.exp(-score))
        assert mine.predict_one(x) == pytest.approx(expected, abs=1e-8)
        mine.learn_one(x, y)
        twin.learn(x, y, clip=2.0)
    assert mine.weights == pytest.approx(twin.weights, abs=1e-8)
    for name, vector in mine.latents.items():
        assert vector == pytest.approx(twin.vectors[name], abs=1e-8)


def test_the_list_ranker_does_what_its_twin_does():
    rng = np.random.default_rng(12)
    mine, twin = ListwiseRanker(l2=1e-3), naive.ListRanker(naive.Optimizer("adagrad", 0.05), 1e-3)
    for _ in range(100):
        candidates = [example(rng) for _ in range(rng.integers(1, 8))]
        assert mine.predict_one(candidates) == pytest.approx(twin.scores(candidates), abs=1e-8)
        chosen = int(rng.integers(len(candidates)))
        mine.learn_one(candidates, chosen)
        twin.learn(candidates, chosen)
    assert mine.weights == pytest.approx(dict(twin.weights), abs=1e-8)


@pytest.mark.parametrize("score", [-800.0, -1.5, 0.0, 2.0, 800.0])
@pytest.mark.parametrize("target", [0.0, 1.0])
def test_the_logistic_slope_is_rivers_and_never_overflows(score, target):
    expected = optim.losses.Log().gradient(target, score)
    assert losses.slope_at(losses.LOGISTIC, score, target) == pytest.approx(expected, abs=1e-7)
    assert 0.0 <= losses.prediction(losses.LOGISTIC, score) <= 1.0


def test_integers_of_all_fields_spread_over_all_rows():
    rows = [bucket(field, value, 1 << 12) for field in range(4) for value in range(4096)]
    counts = np.bincount(rows, minlength=1 << 12)
    assert counts.sum() == 4 * 4096
    assert 0.5 < counts.var() / counts.mean() < 1.5  # a Poisson number each
    assert counts.max() < 20


def test_the_row_that_gives_way_is_old_and_not_in_use():
    names, stamps = FeatureRows(100), np.arange(100.0)
    for at in range(100):
        names.add(f"f{at}", stamps, ())
    for at in range(50):
        row = names.add(f"new{at}", stamps, {0, 1, 2})
        assert row not in {0, 1, 2}
        stamps[row] = 1000 + at
    assert names.evicted == 50
    assert len(names.rows) == len(names.keys) == 100
    left = [int(key[1:]) for key in names.keys if key.startswith("f")]
    assert np.mean([number for number in left if number > 2]) > 50  # the older half went first, by and large


def test_an_example_with_more_features_than_rows_says_what_to_do():
    model = ListwiseRanker(max_features=2)
    with pytest.raises(ValueError, match="more than max_features=2 features: allow more"):
        model.learn_one([{"a": 1.0, "b": 2.0, "c": 3.0}], 0)
