"""A learner that is to end leaves what takes long between two slices: copies of versions, and loading one."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Iterator
from itertools import count
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from models.looking import Interrupted
from models.records import Event, ItemFacts, Quarantine
from models.state import SCHEMA, State
from streaming import versions
from streaming.checkpoint import Checkpointer
from streaming.intake import KnownItems, PreparedBatch, contents_by
from streaming.learner.orders import QuarantineOrders
from streaming.learner.resume import Resumption
from streaming.learner.stopping import Stop
from streaming.learning import Model, advance, learn_batch
from streaming.settings import Settings
from streaming.store import Store
from streaming.telemetry import LearnerTelemetry
from tests.conftest import eventually
from tests.support.streams import toy
from tests.support.streams.toy import Toy

NOW = 1_700_000_000.0


class Looks:
    """A look that leaves the work at the one after `most`."""

    def __init__(self, most: float = math.inf) -> None:
        self.asked, self.most = 0, most

    def stopped(self) -> bool:
        self.asked += 1
        return self.asked > self.most

    def __call__(self) -> None:
        if self.stopped():
            raise Interrupted("asked to stop")


@pytest.fixture
def store(settings: Settings) -> Iterator[Store]:
    made = Store.for_learner(settings)
    yield made
    made.close()


Open = Callable[..., Checkpointer]


@pytest.fixture
def open_checkpointer(store: Store) -> Iterator[Open]:
    opened: list[Checkpointer] = []

    def open_(schema: Any = toy.SCHEMA, **options: Any) -> Checkpointer:
        lease = store.acquire_lease("a", 30.0)
        assert lease is not None
        opened.append(Checkpointer(store, lease, schema, **options))
        return opened[-1]

    yield open_
    for made in opened:
        made.close()


def cut(checkpointer: Checkpointer, learner: Toy) -> None:
    eventually(lambda: checkpointer.cut(learner.state, learner.progress, learner.admission, dict, force=True))
    assert checkpointer.flush(60.0)


def loaded(store: Store, look: Looks) -> versions.Loaded:
    found = versions.load(store, "head", toy.SCHEMA, served_only=False, look=look)
    assert found is not None
    return found


def learn(model: Model, *items: str) -> None:
    """Learn a click on each item."""
    events = [Event(0, "ann", item, NOW + at) for at, item in enumerate(items)]
    batch = PreparedBatch(events, [event.timestamp for event in events])
    learn_batch(model, batch)
    advance(model.progress, batch)


def unasked() -> dict[str, Any]:
    """Evidence of a version that is not cut: it hands questions out once, so asking for it would lose them."""
    raise AssertionError("evidence was collected, and no version carries it")


def test_a_delta_that_is_being_copied_is_given_up_and_the_last_version_has_all_of_it(
    store: Store, open_checkpointer: Open
) -> None:
    learner, looks = Toy(), Looks()
    checkpointer = open_checkpointer(stopped=looks.stopped)
    cut(checkpointer, learner.learn(10))
    cut(checkpointer, learner.learn(20))
    assert looks.asked == 0, "the last version is not given up"
    for most in range(12):  # two key spaces, and each table's marks and columns
        looks.asked, looks.most = 0, most
        learner.learn(21 + most)
        given = (learner.state, learner.progress, learner.admission, unasked)
        eventually(lambda given=given: (checkpointer.cut(*given), looks.asked)[1])  # type: ignore[misc]
        assert looks.asked == most + 1
    cut(checkpointer, learner)
    found = loaded(store, Looks())
    assert found.manifest.kind == "delta"
    assert found.state.digest() == learner.state.digest()


def test_a_base_that_is_being_copied_is_given_up_when_the_process_is_to_end(
    store: Store, open_checkpointer: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    ending, learner, full, numbers = threading.Event(), Toy(), State.full, count(20)
    checkpointer = open_checkpointer(base_interval=0.0, stopped=ending.is_set)
    cut(checkpointer, learner.learn(10))

    def asked_to_end(state: State, look: Callable[[], None]) -> Any:
        ending.set()
        return full(state, look)

    def version() -> bool:
        cut(checkpointer, learner.learn(next(numbers)))
        return ending.is_set()

    monkeypatch.setattr(State, "full", asked_to_end)
    eventually(version)
    found = loaded(store, Looks())
    assert found.manifest.kind == "delta"
    assert found.state.digest() == learner.state.digest()
    assert len(store.bases()) == 1, "the first version alone"
    monkeypatch.undo()
    ending.clear()
    version()
    eventually(lambda: len(store.bases()) == 2)


def test_loading_a_version_can_be_left_between_any_two_of_its_columns(store: Store, open_checkpointer: Open) -> None:
    learner, looks = Toy(), Looks()
    checkpointer = open_checkpointer()
    for until in (30, 40):
        cut(checkpointer, learner.learn(until))
    whole = loaded(store, looks)
    columns = sum(len(table.columns) for table in toy.SCHEMA.tables.values())
    assert looks.asked >= 2 * 3 * columns, "decoded, checked and taken over, of a base and of a delta"
    for most in range(looks.asked):
        with pytest.raises(Interrupted):
            loaded(store, Looks(most))
    assert loaded(store, Looks()).state.digest() == whole.state.digest() == learner.state.digest()


def test_a_learner_that_loads_a_version_looks_at_the_stop_flag(settings: Settings, store: Store) -> None:
    stop = Stop(20.0, lambda: 0.0)
    resumption = Resumption(settings, store, LearnerTelemetry(CollectorRegistry()), look=stop.look)
    assert resumption.load().extends is None
    stop.set()
    with pytest.raises(Interrupted):
        resumption.load()


def test_going_back_to_a_version_can_be_left_and_changes_nothing_then(
    settings: Settings, store: Store, open_checkpointer: Open
) -> None:
    model = Model.empty(settings, KnownItems([("tea", ItemFacts(category="tea"))]))
    learn(model, "tea", "cup")
    checkpointer = open_checkpointer(SCHEMA)
    assert checkpointer.cut(model.state, model.progress, model.admission, dict, force=True)
    assert checkpointer.flush(60.0)
    healthy = store.head()
    assert healthy is not None
    learn(model, "pot")
    looks = Looks()
    orders = QuarantineOrders(settings, store, contents_by("words"), looks)
    order, before, progress = Quarantine("q1", healthy.id), model.state.digest(), model.progress.copy()
    for most in (0, 20, 60):
        looks.asked, looks.most = 0, most
        with pytest.raises(Interrupted):
            orders.carry_out(order, NOW, model)
        assert (model.state.digest(), model.progress) == (before, progress)
    looks.asked, looks.most = 0, math.inf
    assert orders.carry_out(order, NOW, model)
    columns = sum(len(table.columns) for table in SCHEMA.tables.values())
    assert looks.asked >= columns + len(SCHEMA.tables), "filled table by table, and copied with the users"
    assert model.progress.quarantines[0].events == 1
    assert "pot" in model.state.keys["item"].rows, "it is still in the catalogue"
    assert model.state.tables["item_stats"].columns["events"].sum() == 2
