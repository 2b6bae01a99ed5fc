"""Witnesses: River regressors that are scored next to the models, bounded in time and memory."""

import math

import pytest

from models.referee.witness import BUCKETS, DEFAULT_WITNESSES, UnknownWitnessError, Witness, Witnesses, build
from tests.support.streams.shop import stream

POOL = [f"i{n}" for n in range(60)]


class Clock:
    """A clock that advances by `step` seconds at each call."""

    def __init__(self, step):
        self.now, self.step = 0.0, step

    def __call__(self):
        self.now += self.step
        return self.now


@pytest.mark.parametrize("path", ["os.system", "river", "river.nothing.Here", "river.stats.Mean", "riverside.X"])
def test_only_a_regressor_inside_river_may_stand_as_a_witness(path):
    with pytest.raises(UnknownWitnessError, match=path):
        build(path, {})


def test_a_wrong_parameter_is_named():
    with pytest.raises(UnknownWitnessError, match="no_such"):
        build("river.facto.FMRegressor", {"no_such": 1})


def test_witnesses_learn_and_are_scored():
    witnesses = Witnesses(Clock(1e-7))
    events = [event for event in stream(300, 1) if event.kind <= 3]
    witnesses.watch(events, [1.0] * len(events), POOL, 0)
    for path in DEFAULT_WITNESSES:
        scores = witnesses.scores()[path]
        assert scores["n"] == len(events)
        assert 0 < scores["hr"] <= 1
        assert scores["se"] >= 0


def test_witnesses_stop_at_their_share_of_a_core():
    witnesses = Witnesses(Clock(0.01))
    events = [event for event in stream(400, 2) if event.kind <= 3]
    witnesses.watch(events, [1.0] * len(events), POOL, 0)
    judged = witnesses.scores()["river.facto.FMRegressor"]["n"]
    assert judged + witnesses.passed_over == len(events)
    assert 0 < judged < 60


def test_ids_never_seen_before_do_not_grow_a_witness():
    witness = Witness("river.linear_model.LinearRegression", {})
    for n in range(3000):
        event = stream(1, 3)[0]._replace(user_id=f"user{n}", item_id=f"item{n}", kind=0)
        witness.judge(event, 1.0, [f"other{n}"])
    assert len(witness._model._weights) <= 2 * BUCKETS


def test_a_diverging_witness_is_made_again():
    witness = Witness("river.linear_model.LinearRegression", {})
    event = stream(1, 4)[0]._replace(item_id="i1", kind=0)
    witness._model.intercept = math.inf
    for _ in range(3):
        witness.judge(event, 1.0, ["i2"])
    assert (witness.resets, witness.judged) == (1, 2)
