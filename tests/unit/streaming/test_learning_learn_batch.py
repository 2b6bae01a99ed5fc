"""A batch is applied in one order by all who learn: orders, item facts, events; its records are counted apart."""

from __future__ import annotations

import pytest

from models.arrays import Array
from models.ledger.progress import Progress
from models.recommender.recommender import Recommender
from models.records.control import Drop, Erase, Replay
from models.records.events import Event
from models.records.items import ItemFacts
from models.state.state import State
from streaming.intake.catalogue import KnownItems
from streaming.intake.intake import Ordered, PreparedBatch
from streaming.intake.parameters import admission_rules, recommender_settings
from streaming.learning.learn_batch import advance, learn_batch
from streaming.learning.model import Model
from streaming.settings.loading import load_settings

SMALL = load_settings(None, {"SLUICEGATE_RECOMMENDER__MAX_ITEMS": "1000", "SLUICEGATE_RECOMMENDER__MAX_USERS": "1000"})
NOW = 1_700_000_000.0


@pytest.fixture
def model() -> Model:
    return Model.empty(SMALL, KnownItems())


def batch(*items: str, user: str = "ann", **more: object) -> PreparedBatch:
    events = [Event(0, user, item, NOW + at) for at, item in enumerate(items)]
    return PreparedBatch(events, [event.timestamp for event in events], **more)  # type: ignore[arg-type]


def test_an_empty_model_has_the_options_of_the_settings(model: Model) -> None:
    assert model.recommender.settings == recommender_settings(SMALL)
    assert model.admission.rules == admission_rules(SMALL)
    assert model.progress == Progress()


def test_an_order_takes_effect_before_the_events_of_its_batch(model: Model) -> None:
    learn_batch(model, batch("tea", "cup", "pot"))
    learn_batch(model, batch("jug", orders=[Ordered(Erase("e1", "ann"), NOW, 0)]))
    row = model.state.keys["user"].rows["ann"]
    assert model.state.tables["user"].columns["events"][row] == 1


def test_other_orders_than_erasures_concern_the_live_model_alone(model: Model) -> None:
    orders = [Ordered(Replay("r1", "q1"), NOW, 0), Ordered(Drop("d1", "q1"), NOW, 0)]
    twin = Model.empty(SMALL, KnownItems())
    learn_batch(model, batch("tea", orders=orders))
    learn_batch(twin, batch("tea"))
    assert model.state.digest() == twin.state.digest()


def test_events_are_learned_by_the_recommender_that_an_order_put_in_place(model: Model) -> None:
    other = Model.empty(SMALL, KnownItems()).recommender

    def replace(_: Ordered, model: Model) -> None:
        model.recommender = other

    before = model.recommender
    learn_batch(model, batch("tea", orders=[Ordered(Replay("r1", "q1"), NOW, 0)]), carry_out=replace)
    assert "tea" in other.state.keys["item"].rows
    assert "tea" not in before.state.keys["item"].rows
    assert model.state is other.state


def test_item_facts_are_known_before_the_events_of_their_batch(model: Model) -> None:
    facts = [(0, 0, "tea", ItemFacts(category="drinks"))]
    learn_batch(model, batch("tea", facts=facts))
    served, row = model.state.served, model.state.keys["item"].rows["tea"]
    assert served.item_stats.category[row] == model.state.keys["category"].rows["drinks"]


def test_the_number_of_learned_events_is_an_outcome_and_progress_stays_until_it_is_advanced(model: Model) -> None:
    prepared = batch("tea", "cup", offsets=[("events", 0, [4, 5, 6], NOW)], outcomes={"duplicate": 1}, arrivals=2)
    learn_batch(model, prepared)
    assert prepared.outcomes == {"duplicate": 1, "learnt": 2}
    assert model.progress == Progress()
    advance(model.progress, prepared)
    assert (model.progress.offsets, model.progress.consumed) == ({"events": {0: 7}}, 3)
    assert (model.progress.outcomes, model.progress.arrivals) == ({"duplicate": 1, "learnt": 2}, 2)


def test_a_batch_without_events_learns_nothing(model: Model) -> None:
    before, prepared = model.state.digest(), PreparedBatch(offsets=[("events", 0, [4], NOW)], outcomes={"late": 1})
    learn_batch(model, prepared, learn_events=lambda *_: pytest.fail("there are no events"))
    assert prepared.outcomes == {"late": 1}
    assert model.state.digest() == before


def test_a_caller_may_learn_the_events_its_own_way(model: Model) -> None:
    seen: list[tuple[str | None, Recommender]] = []

    def learn_events(prepared: PreparedBatch, model: Model) -> None:
        seen.extend((event.item_id, model.recommender) for event in prepared.events)

    learn_batch(model, batch("tea"), learn_events=learn_events)
    assert seen == [("tea", model.recommender)]


def test_removals_of_a_batch_are_swept_together_and_an_item_put_back_starts_from_scratch(
    model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    items = [f"item{number}" for number in range(50)]
    learn_batch(model, batch(*items, facts=[(0, at, item, ItemFacts(category="old")) for at, item in enumerate(items)]))
    sweeps: list[str] = []
    sweep = State._sweep

    def counted(state: State, space: str, rows: Array) -> None:
        sweeps.append(space)
        sweep(state, space, rows)

    monkeypatch.setattr(State, "_sweep", counted)
    synced = [change for item in items for change in ((item, None), (item, ItemFacts(category="new")))]
    synced += [("item7", None), ("item9", None), ("item9", ItemFacts(category="last"))]
    learn_batch(model, PreparedBatch(facts=[(0, 100 + at, *change) for at, change in enumerate(synced)]))
    assert sweeps == ["item"]
    state = model.state
    assert "item7" not in state.keys["item"].rows
    assert "item7" not in model.catalogue.facts
    kinds = {row: name for name, row in state.keys["category"].rows.items()}
    for item in items[:7]:
        row = state.keys["item"].rows[item]
        assert state.tables["item_stats"].columns["events"][row] == 0
        assert kinds[int(state.tables["item_stats"].columns["category"][row])] == "new"
    assert model.catalogue.facts["item9"].category == "last"
    assert (state.tables["user_ring"].columns["item"] == -1).all()
