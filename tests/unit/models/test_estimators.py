"""Our regressors against River's: the same checks, the same numbers, and what ours refuse."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pandas as pd
import pytest
from river import checks, compose, datasets, evaluate, facto, linear_model, metrics, optim, preprocessing

from models.estimators.factorization import FactorizationMachine
from models.estimators.linear import LinearRegressor
from models.estimators.listwise import ListwiseRanker
from models.estimators.options import UnsupportedOptionError
from models.estimators.snapshot import SnapshotError, dump, load
from service.local.demo_data import purchases
from tests.support.oracles.initial_vectors import start_from

BOTH = [FactorizationMachine(seed=42), LinearRegressor()]
KINDS = [
    *BOTH,
    FactorizationMachine(weight_optimizer=optim.AdaGrad(0.1), latent_optimizer=optim.Adam(0.01), l1_latent=1e-4),
    LinearRegressor(optim.Adam(0.05), l1=0.01, l2=0.01),
    LinearRegressor(optim.SGD(optim.schedulers.InverseScaling(0.1)), optim.losses.Log(), intercept_lr=0.1),
]


def river_checks() -> list[pytest.param]:
    return [
        pytest.param(model, check, id=f"{type(model).__name__}-{place}-{check.__name__}")
        for model in BOTH
        for place, check in enumerate(checks.yield_checks(model))
    ]


@pytest.mark.parametrize(("model", "check"), river_checks())
def test_every_check_of_rivers_suite_passes(model, check):
    check(model.clone())


def test_no_check_of_rivers_suite_is_skipped():
    """None is skipped, and the two that River's own machine or linear model skip are among them."""
    for model in BOTH:
        asked = [check.__name__ for check in checks.yield_checks(model)]
        assert model._unit_test_skips() == set()
        assert {"check_shuffle_features_no_impact", "check_learn_many_matches_learn_one"} <= set(asked)
        assert len(asked) >= 25


@pytest.fixture(scope="module")
def baskets():
    """10,000 real purchases: who bought what, of which category and brand, for how much; the target is the quantity."""
    bought = purchases(10_000, 1.7e9)
    rows = []
    for at in range(len(bought)):
        fact = bought.facts.get(bought.item[at], {})
        x = {"user": bought.user[at], "item": bought.item[at], "price": math.log1p(bought.price[at])}
        x |= {name: fact[name] for name in ("category", "brand") if name in fact}
        rows.append((x, float(min(bought.quantity[at], 10))))
    return rows


def one_hot(x):
    return {(f"{name}_{value}" if isinstance(value, str) else name): value for name, value in x.items()}


def learned(model):
    """Examples that were learned, as the kernels count them."""
    return int(model._whole.counts[0])


def ours(name):
    """River's name of a feature in our spelling: the first underscore separates field and string."""
    field, found, value = name.partition("_")
    return (field, value) if found else name


@pytest.mark.parametrize(
    "penalties", [{}, {"l1_weight": 1e-4, "l2_weight": 1e-3, "l1_latent": 1e-4, "l2_latent": 1e-3}]
)
def test_the_machine_gives_rivers_numbers_over_ten_thousand_purchases(baskets, penalties):
    theirs = facto.FMRegressor(n_factors=8, seed=7, intercept=1.0, clip_gradient=5.0, **penalties)
    names = dict.fromkeys(name for x, _ in baskets for name in one_hot(x))
    mine = FactorizationMachine(n_factors=8, intercept_init=1.0, clip_gradient=5.0, scale=False, **penalties)
    start_from(mine, {ours(name): theirs.latents[name].copy() for name in names})
    furthest = 0.0
    for at, (x, y) in enumerate(baskets):
        if at % 10 == 0:  # River's prediction takes as long as its learning
            furthest = max(furthest, abs(mine.predict_one(x) - theirs.predict_one(x)))
        mine.learn_one(x, y)
        theirs.learn_one(x, y)
    assert furthest < 1e-9
    weights, latents = mine.weights, mine.latents
    for name in names:
        assert weights[ours(name)] == pytest.approx(theirs.weights[name], abs=1e-9)
        assert latents[ours(name)] == pytest.approx(theirs.latents[name], abs=1e-9)
    assert mine.intercept == pytest.approx(theirs.intercept, abs=1e-9)
    assert learned(mine) == len(baskets) == 10_000


@pytest.mark.parametrize(
    ("options", "loss"),
    [
        ({}, "Squared"),
        ({"l2": 0.01}, "Squared"),
        ({"l1": 0.001}, "Squared"),
        ({}, "Log"),
        ({"optimizer": "AdaGrad"}, "Squared"),
        ({"optimizer": "InverseScaling", "intercept_lr": "InverseScaling"}, "Squared"),
    ],
)
def test_the_linear_regressor_gives_rivers_numbers_over_two_thousand_purchases(baskets, options, loss):
    def made(value):
        if value == "InverseScaling":
            return optim.schedulers.InverseScaling(0.05, 0.3)
        return optim.AdaGrad(0.05)

    def arguments():
        chosen = {name: made(value) if isinstance(value, str) else value for name, value in options.items()}
        if options.get("optimizer") == "InverseScaling":
            chosen["optimizer"] = optim.SGD(made("InverseScaling"))
        return chosen | {"loss": getattr(optim.losses, loss)(), "clip_gradient": 5.0}

    theirs, mine = linear_model.LinearRegression(**arguments()), LinearRegressor(scale=False, **arguments())
    furthest = 0.0
    for x, y in baskets[:2_000]:  # River takes longer with each weight: a minute for 10,000
        target = float(y > 1) if loss == "Log" else y
        wide = {name: 1.0 if isinstance(value, str) else value for name, value in one_hot(x).items()}
        furthest = max(furthest, abs(mine.predict_one(x) - theirs.predict_one(wide)))
        mine.learn_one(x, target)
        theirs.learn_one(wide, target)
    assert furthest < 1e-9
    assert {name: mine.weights[ours(name)] for name in theirs.weights} == pytest.approx(theirs.weights, abs=1e-9)


def test_both_stand_in_a_pipeline_with_rivers_scaler_and_metrics():
    for model in (FactorizationMachine(scale=False), LinearRegressor(scale=False, intercept_lr=0.1)):
        pipeline = compose.Pipeline(preprocessing.StandardScaler(), model)
        metric = evaluate.progressive_val_score(datasets.TrumpApproval(), pipeline, metrics.MAE())
        assert metric.get() < 10


def test_scaling_inside_is_as_good_as_a_scaler_in_front():
    found = {}
    for scale in (True, False):
        model = LinearRegressor(scale=scale, intercept_lr=0.1)
        pipeline = model if scale else preprocessing.StandardScaler() | model
        found[scale] = evaluate.progressive_val_score(datasets.TrumpApproval(), pipeline, metrics.MAE()).get()
    assert found[True] < 1.05 * found[False]


@pytest.mark.parametrize("model", KINDS, ids=lambda model: f"{type(model).__name__}{KINDS.index(model)}")
def test_no_nan_and_no_infinity_enters_a_weight(model):
    model = model.clone()
    odd = [float("nan"), float("inf"), -float("inf"), None, 1e308, -1e308, "text", [1]]
    asked = 0
    for a, b, y, w in itertools.product(
        odd, [1.0, float("nan"), 1e308], [1.0, float("nan"), 1e300], [1.0, float("inf")]
    ):
        model.learn_one({"a": a, "b": b}, y, w)
        asked += 1
    assert model.refused_ > asked / 2
    assert model.refused_ + learned(model) == asked
    assert all(np.isfinite(array).all() for array in model._rows)
    assert math.isfinite(model.intercept)
    for a in odd:
        assert math.isfinite(model.predict_one({"a": a, "b": 1.0, "never seen": 3}))


def test_a_refused_example_leaves_every_byte_as_it_was():
    for model in (kind.clone() for kind in KINDS):
        model.learn_one({"a": 1.0, "c": "x"}, 1.0)
        before = dump(model)
        model.learn_one({"a": float("nan"), "new": 2.0}, 1.0)
        model.learn_one({"a": 1.0}, 1.0, float("nan"))
        model.learn_many(pd.DataFrame({"a": [1.0, math.inf], "c": ["y", "x"]}), pd.Series([math.nan, 1.0]))
        assert model.refused_ == 4
        model._whole.counts[1] = 0
        assert dump(model) == before


def test_without_clipping_a_diverging_model_stops_at_the_last_finite_step():
    model = LinearRegressor(optim.SGD(10.0), clip_gradient=float("inf"), scale=False, intercept_lr=0.0)
    for _ in range(2000):
        model.learn_one({"a": 1e3}, 1.0)
    assert model.refused_ > 0
    assert math.isfinite(model.weights["a"])


def test_gradients_are_clipped_unless_told_otherwise():
    calm, wild = LinearRegressor(scale=False), LinearRegressor(scale=False, clip_gradient=float("inf"))
    for model in (calm, wild):
        model.learn_one({"a": 1.0}, 1e6)
    assert calm.weights["a"] == pytest.approx(0.1)
    assert wild.weights["a"] == pytest.approx(2e4)


def test_a_string_with_an_underscore_is_not_another_field():
    model = LinearRegressor()
    model.learn_one({"a": "b_c"}, 1.0)
    model.learn_one({"a_b": "c", ("a", "b_c"): 1.0}, -1.0)
    assert len(model.weights) == 3


def test_an_optimizer_remembers_each_row_by_itself():
    """After a thousand steps of one feature, the first step of another is as large as that one's first was."""
    for optimizer in (optim.AdaGrad(0.1), optim.Adam(0.1)):
        model = LinearRegressor(optimizer, scale=False, intercept_lr=0.0)
        model.learn_one({"often": 1.0}, 100.0)
        first = model.weights["often"]
        for _ in range(1000):
            model.learn_one({"often": 1.0}, 100.0)
        model.learn_one({"rare": 1.0}, 100.0)
        assert model.weights["rare"] == pytest.approx(first, rel=1e-6)


def test_options_unknown_to_the_kernels_are_refused_by_name():
    with pytest.raises(UnsupportedOptionError, match="optimizer Momentum: use SGD, AdaGrad or Adam"):
        LinearRegressor(optim.Momentum())
    with pytest.raises(UnsupportedOptionError, match="loss Huber"):
        FactorizationMachine(loss=optim.losses.Huber())
    with pytest.raises(UnsupportedOptionError, match="schedule"):
        LinearRegressor(intercept_lr=optim.schedulers.Optimal(optim.losses.Squared()))
    with pytest.raises(ValueError, match="l2 -1"):
        LinearRegressor(l2=-1)


def test_l1_makes_weights_exactly_zero():
    rng = np.random.default_rng(1)
    model = LinearRegressor(l1=0.02, scale=False)
    for _ in range(2000):
        x = {f"x{at}": float(value) for at, value in enumerate(rng.normal(size=10))}
        model.learn_one(x, 3 * x["x0"])
    assert sum(weight == 0.0 for weight in model.weights.values()) >= 5
    assert model.weights["x0"] > 2


def test_integer_fields_and_names_do_not_mix():
    model = LinearRegressor(max_features=1000)
    model.learn_fields(np.array([[1, 2]]), np.array([1.0]))
    assert len(model._rows.table) == 1024
    with pytest.raises(ValueError, match="from names or from integer fields"):
        model.learn_one({"a": 1.0}, 1.0)


def test_integer_fields_learn_what_names_learn():
    """Same categories, same order: the linear model's predictions are equal, since no two share a row here."""
    rng = np.random.default_rng(3)
    fields, y = rng.integers(0, 20, (500, 3)), rng.normal(size=500)
    hashed, named = LinearRegressor(max_features=1 << 20), LinearRegressor()
    hashed.learn_fields(fields, y)
    for row, target in zip(fields.tolist(), y, strict=True):
        named.learn_one({f"f{at}": str(value) for at, value in enumerate(row)}, target)
    expected = [named.predict_one({f"f{at}": str(v) for at, v in enumerate(row)}) for row in fields.tolist()]
    assert hashed.predict_fields(fields) == pytest.approx(expected, abs=1e-12)
    assert hashed.predict_fields(fields + 1000) == pytest.approx(hashed.intercept)


def test_a_damaged_or_foreign_snapshot_changes_nothing():
    model = FactorizationMachine(n_factors=4)
    model.learn_one({"a": "x"}, 1.0)
    other = FactorizationMachine(n_factors=5)
    before = dump(other)
    with pytest.raises(SnapshotError, match=r"rows.table is float64\(1, 6\) instead of float64\(1, 7\)"):
        load(other, dump(model))
    assert dump(other) == before
    model._rows.table[0, 2] = np.nan
    with pytest.raises(SnapshotError, match="NaN"):
        load(FactorizationMachine(n_factors=4), dump(model))


def test_the_ranker_learns_which_feature_decides():
    rng = np.random.default_rng(5)
    model = ListwiseRanker()
    hits = 0
    for number in range(600):
        candidates = [{"price": float(rng.normal()), "noise": float(rng.normal())} for _ in range(8)]
        best = min(range(8), key=lambda at: candidates[at]["price"])
        hits += number >= 300 and model.rank_one(candidates)[0] == best
        model.learn_one(candidates, best)
    assert hits > 280
    model.learn_one([{"price": math.nan}, {"price": 1.0}], 0)
    assert model.refused_ == 1
    with pytest.raises(IndexError):
        model.learn_one([{"price": 1.0}], 1)
