"""The dedupe window of a version: joined along its chain, and never across accepted events that no version carries."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from models.ledger.admission import Admission, AdmissionRules, Arrivals, id_hash
from streaming.checkpoint.checkpointer import Checkpointer
from streaming.settings.loading import Settings
from streaming.store.store import Store
from streaming.versions import loading as versions
from tests.conftest import eventually
from tests.support.streams import toy
from tests.support.streams.toy import Toy


@pytest.fixture
def store(settings: Settings) -> Iterator[Store]:
    made = Store.for_learner(settings)
    yield made
    made.close()


@pytest.fixture
def checkpointer(store: Store) -> Iterator[Checkpointer]:
    lease = store.acquire_lease("a", 30.0)
    assert lease is not None
    made = Checkpointer(store, lease, toy.SCHEMA)
    yield made
    made.close()


def cut(checkpointer: Checkpointer, learner: Toy) -> None:
    assert eventually(
        lambda: checkpointer.cut(learner.state, learner.progress, learner.admission, dict, force=True), timeout=5.0
    )
    assert checkpointer.flush(60.0)


def restored(store: Store) -> Admission:
    """Admission as a learner has it that starts from the newest version."""
    loaded = versions.load(store, "head", toy.SCHEMA, served_only=False)
    assert loaded is not None
    assert loaded.arrivals is not None
    return Admission(AdmissionRules(), loaded.arrivals)


def ids(*numbers: int) -> set[int]:
    return {id_hash(f"e{number}") for number in numbers}


def test_windows_that_follow_one_another_are_one(store: Store, checkpointer: Checkpointer) -> None:
    learner = Toy()
    for until in (10, 17, 18, 30):
        cut(checkpointer, learner.learn(until))
    found, live = restored(store).window(30), learner.admission.window(30)
    assert found.stop == live.stop == 30
    for mine, theirs in zip(found[:3], live[:3], strict=True):
        np.testing.assert_array_equal(mine, theirs)


def test_a_window_ends_where_accepted_events_are_missing_before_it(store: Store, checkpointer: Checkpointer) -> None:
    learner = Toy()
    cut(checkpointer, learner.learn(10))
    # Seven events were accepted, at positions 10 to 16, that no version carries: what is known begins again at 17.
    newest = (column[-3:] for column in learner.admission.window(10)[:3])
    learner.admission = Admission(AdmissionRules(), Arrivals(*newest, stop=20))
    cut(checkpointer, learner.learn(15))
    cut(checkpointer, learner.learn(18))
    admission = restored(store)
    assert admission.position == 28
    assert admission.accepted(17, 28) == ids(7, 8, 9, *range(10, 18))
    # It does not answer for the positions it lost, nor put older events in their place.
    assert admission.accepted(16, 28) is None
    assert len(admission.window(28).time) == 11
