"""One contract, every model: regressors, the listwise ranker, each contender of the recommender, River's witnesses."""

from __future__ import annotations

import importlib
import itertools
import json
import math
import os
import pkgutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from river import base

import models
from models.estimators.feature_table import FeatureTable
from models.recommender.prequential import CONTENDERS
from models.referee.witness import DEFAULT_WITNESSES
from tests.contract import subjects
from tests.contract.subjects import NAMES, NOW, Subject, examples, kind_of, made

ITEMS = [f"item{at}" for at in range(30)]
ASKED: set[tuple[str, str]] = set()
OPTIONAL = {("models.evaluation.networks", "torch")}
"""Modules that an extra is for, with the package that they cannot be imported without."""


def predicting_changes_nothing_and_allocates_no_row(name: str) -> Subject:
    subject = made(name)
    subject.learn(examples(200))
    before, rows = subject.digest(), subject.rows()
    first = subject.scores(examples(201)[-1], [*ITEMS, "never seen"])
    for stranger in range(50):
        subject.scores(examples(1)[0]._replace(user_id=f"stranger{stranger}"), [f"unheard of {stranger}", *ITEMS])
    assert subject.digest() == before
    assert subject.rows() == rows
    assert subject.scores(examples(201)[-1], [*ITEMS, "never seen"]) == first
    return subject


def same_seed_and_events_give_the_same_bytes(name: str) -> Subject:
    one, other, third = made(name), made(name), made(name)
    one.learn(examples(300))
    other.learn(examples(300))
    third.learn(examples(300, seed=2))
    assert one.digest() == other.digest() != third.digest()
    one.scored += len(other.scores(examples(1)[0], ITEMS))
    return one


def one_by_one_gives_the_bytes_of_a_batch(name: str) -> Subject:
    one, many = made(name), made(name)
    one.learn(examples(300))
    for start, stop in itertools.pairwise((0, 1, 50, 300)):
        many.learn_at_once(examples(300)[start:stop])
    assert one.digest() == many.digest()
    asked = examples(301)[-1]
    assert one.scores(asked, ITEMS) == many.scores(asked, ITEMS)
    return one


def a_snapshot_gives_bit_equal_scores_and_learns_on_alike(name: str) -> Subject:
    subject = made(name)
    subject.learn(examples(300))
    copy = subject.copied()
    asked = examples(301)[-1]
    assert np.array(copy.scores(asked, ITEMS)).tobytes() == np.array(subject.scores(asked, ITEMS)).tobytes()
    subject.learn(examples(400)[300:])
    copy.learn(examples(400)[300:])
    assert copy.digest() == subject.digest()
    return subject


def whoever_is_new_gets_finite_scores(name: str) -> Subject:
    for learned in (0, 200):
        subject = made(name)
        subject.learn(examples(learned))
        stranger = examples(1)[0]._replace(user_id="a stranger", timestamp=NOW + 1e6)
        assert all(math.isfinite(score) for score in subject.scores(stranger, ["never seen", "nor this"]))
    return subject


CHECKS = {
    check.__name__: check
    for check in (
        predicting_changes_nothing_and_allocates_no_row,
        same_seed_and_events_give_the_same_bytes,
        one_by_one_gives_the_bytes_of_a_batch,
        a_snapshot_gives_bit_equal_scores_and_learns_on_alike,
        whoever_is_new_gets_finite_scores,
    )
}


def applies(name: str, check: str) -> bool:
    """Checks that do not apply are marked by the flags in tests/contract/subjects.py, with the reason."""
    subject = kind_of(name)
    return {
        predicting_changes_nothing_and_allocates_no_row.__name__: subject.predicts,
        one_by_one_gives_the_bytes_of_a_batch.__name__: subject.batches,
        a_snapshot_gives_bit_equal_scores_and_learns_on_alike.__name__: subject.snapshots,
    }.get(check, True)


WANTED = [(name, check) for name in NAMES for check in CHECKS if applies(name, check)]


@pytest.mark.parametrize(("name", "check"), WANTED, ids=lambda value: value)
def test_the_contract(name: str, check: str) -> None:
    asked = CHECKS[check](name)
    assert asked.name == name
    assert asked.learned > 0
    assert asked.scored > 0
    ASKED.add((name, check))


def test_every_model_of_the_package_is_under_contract() -> None:
    """A new regressor, estimator or contender that is missing in tests/contract/subjects.py fails here."""
    for found in pkgutil.walk_packages(models.__path__, "models."):
        try:
            importlib.import_module(found.name)
        except ModuleNotFoundError as error:
            if (found.name, error.name) not in OPTIONAL:
                raise
    defined, waiting = set(), [FeatureTable, base.Regressor]
    while waiting:
        for kind in waiting.pop().__subclasses__():
            waiting.append(kind)
            if kind.__module__.startswith("models.") and not getattr(kind, "__abstractmethods__", None):
                defined.add(kind.__name__)
    assert defined == set(subjects.REGRESSORS)
    assert set(NAMES) == {*subjects.REGRESSORS, *CONTENDERS, *DEFAULT_WITNESSES}
    assert all(applies(name, check) for name in subjects.REGRESSORS for check in list(CHECKS)[:2] + list(CHECKS)[3:])
    assert len(WANTED) == len(NAMES) * len(CHECKS) - 1 - 3 * len(DEFAULT_WITNESSES)


def test_the_contract_was_really_checked_on_each_model(request: pytest.FixtureRequest) -> None:
    """Runs last, over all selected pairs: every pair, unless the run was restricted."""
    chosen = {
        (item.callspec.params["name"], item.callspec.params["check"])
        for item in request.session.items
        if getattr(item, "originalname", "") == "test_the_contract"
    }
    assert chosen <= ASKED
    if not (request.config.option.keyword or any("::" in word for word in request.config.args)):
        assert set(WANTED) == ASKED


SCRIPT = """
import hashlib, json
from models.estimators.snapshot import dump
from tests.contract.subjects import *

found = {}
for name in ("FactorizationMachine", "LinearRegressor", "ListwiseRanker", "ranker"):
    subject = made(name)
    subject.learn(examples(60))
    found[name] = subject.digest()
ties = made("popularity_long")
ties.learn([Example(f"user{at}", f"item{at}", NOW, 1.0) for at in range(40)])
found["tied"] = ties.ranking(Example("new", "", NOW + 1.0, 1.0), [f"item{at}" for at in (7, 3, 39)]).items
ranker = made("ListwiseRanker").model
found["equal"] = ranker.rank_one([{name: 1.0} for name in "cab"])
print(json.dumps(found))
"""


def test_ties_are_broken_by_the_stated_rule_whatever_the_hash_seed() -> None:
    """The rule: on a tie the candidate that the sources, or the caller, named first comes first."""
    root = Path(__file__).parents[2]
    outputs = []
    for seed in ("0", "4242"):
        environ = {**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": str(root)}
        done = subprocess.run(
            [sys.executable, "-c", SCRIPT], env=environ, cwd=root, capture_output=True, text=True, check=True
        )
        outputs.append(json.loads(done.stdout))
    assert outputs[0] == outputs[1]
    assert outputs[0]["equal"] == [0, 1, 2]
    assert len(outputs[0]["tied"]) == len(set(outputs[0]["tied"])) >= 40
