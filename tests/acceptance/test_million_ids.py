"""A million ids that were never seen: every model stays within its ceiling. Minutes of work, so not in `make test`."""

from __future__ import annotations

import numpy as np
import pytest

from models.recommender.types import RecommenderOptions
from models.referee.witness import BUCKETS, _fields
from tests.contract import subjects
from tests.contract.subjects import NOW, OfRegressor, made


@pytest.mark.timeout(900)
@pytest.mark.parametrize("name", subjects.REGRESSORS)
def test_a_million_unseen_ids_leave_memory_bounded(name: str) -> None:
    subject = made(name, max_features=2000)
    keys = iter(range(1_000_000))
    model = subject.model
    for _ in range(10_000):
        x = {f"id{next(keys)}": 1.0 for _ in range(100)}
        if isinstance(subject, OfRegressor):
            model.learn_one(x, 1.0)
        else:
            model.learn_one([x, {"other": 1.0}], 0)
    assert next(keys, None) is None
    assert model.evicted_ >= 1_000_000 - 2000
    assert len(model.weights) == len(model._names.keys) == subject.rows() == 2000
    assert model.nbytes < 2000 * 300 + 50_000
    assert all(np.isfinite(array).all() for array in model._rows)


@pytest.mark.parametrize("name", ["FactorizationMachine", "LinearRegressor"])
def test_a_million_unseen_integers_leave_memory_bounded(name: str) -> None:
    model = made(name, max_features=4096).model
    fields = np.arange(1_000_000).reshape(-1, 4)
    model.learn_fields(fields[:1], np.zeros(1))
    before = model.nbytes
    model.learn_fields(fields, np.ones(len(fields)))
    assert model.nbytes == before
    assert np.isfinite(model.predict_fields(fields[:1000])).all()


@pytest.mark.timeout(900)
def test_a_million_unseen_users_and_items_leave_the_recommender_bounded() -> None:
    wider = RecommenderOptions(items=8000, users=8000)  # each eviction sweeps every reference once: fewer of them
    subject = subjects.OfRecommender("ranker", wider)
    allocated = 0
    for start in range(0, 500_000, 50_000):
        new = [subjects.Example(f"u{at}", f"i{at}", NOW + at / 100, 1.0) for at in range(start, start + 50_000)]
        subject.model.learn_events(new, [one.timestamp for one in new])
        allocated = allocated or subject.model.state.nbytes()
    assert subject.model.state.nbytes() == allocated
    assert len(subject.model.state.keys["item"]) <= wider.items
    assert len(subject.model.state.keys["user"]) <= wider.users
    assert subject.model.counters()["evicted_items"] > 490_000


def test_a_million_unseen_ids_are_few_names_to_a_witness() -> None:
    names = {name for at in range(500_000) for name in _fields(f"user{at}", f"item{at}")}
    assert len(names) == 2 * BUCKETS
