"""What a model knows of two users becomes what it knows of one: counts added, interactions merged by time."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from models import dimensions as dim
from models.recommender import Recommender, RecommenderOptions, joining, new_state
from models.records import SEARCH, Event
from models.state import SCHEMA, State
from streaming.live import Identified, histories, identities
from streaming.store.store import Store
from tests.support.oracles.past import history

NOW = 1_700_000_000.0
SMALL = RecommenderOptions(items=400, users=3)


@pytest.fixture
def model() -> Recommender:
    return Recommender(new_state(SMALL), SMALL)


def learn(model: Recommender, user: str, *times: float, kind: int = 0, query: str | None = None) -> None:
    """Items are named by their time, so that a ring shows which events are in it."""
    events = [Event(kind, user, None if query else f"i{time:g}", NOW + time, query=query) for time in times]
    model.learn_events(events, [event.timestamp for event in events])


def ring(state: State, user: str) -> list[str]:
    """Items of a user's ring, oldest first."""
    found = joining.past(state, state.keys["user"].rows[user]).ring
    return [str(state.keys["item"].ids[item]) for item, _, _ in found]


def counts(state: State, user: str) -> tuple[int, int, int]:
    row, columns = state.keys["user"].rows[user], state.tables["user"].columns
    return int(columns["pushed"][row]), int(columns["events"][row]), int(columns["last"][row] - NOW)


def test_interactions_are_merged_by_time_and_counts_are_added(model: Recommender) -> None:
    learn(model, "v1", 1, 3, 5)
    learn(model, "ann", 2, 4)
    assert model.join(["v1"], "ann") == 1
    assert ring(model.state, "ann") == ["i1", "i2", "i3", "i4", "i5"]
    assert counts(model.state, "ann") == (5, 5, 5)
    assert list(model.state.keys["user"].rows) == ["ann"]
    learn(model, "ann", 6)
    assert ring(model.state, "ann")[-2:] == ["i5", "i6"]


def test_the_newest_interactions_stay_when_there_are_too_many(model: Recommender) -> None:
    learn(model, "v1", *range(0, 200, 2))
    learn(model, "ann", *range(1, 400, 2))
    model.join(["v1"], "ann")
    kept = [f"i{time}" for time in sorted({*range(0, 200, 2), *range(145, 400, 2)})]
    assert ring(model.state, "ann") == kept[-dim.RING :]
    assert counts(model.state, "ann")[:2] == (300, 300)


def test_a_user_who_did_nothing_yet_takes_over_even_when_there_is_no_room_for_one_more(model: Recommender) -> None:
    for user in ("v1", "bob", "cid"):
        learn(model, user, 1, 2)
    assert model.state.keys["user"].full
    model.join(["v1"], "ann")
    assert set(model.state.keys["user"].rows) == {"bob", "cid", "ann"}
    assert ring(model.state, "ann") == ["i1", "i2"]


def test_ids_that_did_nothing_change_nothing(model: Recommender) -> None:
    learn(model, "ann", 1)
    before = model.state.digest()
    assert model.join(["v1", "ann"], "ann") == 0
    assert model.state.digest() == before


def test_the_later_search_under_way_is_kept(model: Recommender) -> None:
    learn(model, "v1", 9, kind=SEARCH, query="pot")
    learn(model, "ann", 5, kind=SEARCH, query="tea")
    model.join(["v1"], "ann")
    past = joining.past(model.state, model.state.keys["user"].rows["ann"])
    assert model.state.keys["query"].ids[past.query] == "pot"


def test_a_follower_of_the_changes_has_the_same_bytes(model: Recommender) -> None:
    learn(model, "v1", 1, 3, 5)
    learn(model, "ann", 2)
    follower = State(SCHEMA, SMALL.ceilings())
    follower.apply(model.state.full())
    model.state.cut()
    model.join(["v1"], "ann")
    model.join(["ann"], "ann@shop")
    follower.apply(model.state.cut())
    assert follower.digest() == model.state.digest()


# -- Redis does the same ---------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def store(redis_url: str) -> Iterator[Store]:
    made = Store(redis_url, "joining", timeout=20.0, retries=1)
    yield made
    made.close()


DID = st.lists(st.integers(1, 6), max_size=8).map(sorted)
"""Times of events in the order of their arrival, some at the same time; in a ring they do not fall."""


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(DID, DID)
def test_the_history_in_redis_and_the_ring_of_the_learner_are_merged_by_the_same_rule(
    store: Store, his: list[int], hers: list[int]
) -> None:
    store.call("DEL", *[store.key(name) for name in ("h-marks", "identities", "identified", "h:v1", "h:ann")])
    model, offset = Recommender(new_state(SMALL), SMALL), 0
    for user, times in (("v1", his), ("ann", hers)):
        did = []
        for time in times:
            item = f"{user}-{offset}"
            did.append((model.state.add("item", item), int(NOW) + time, 0))
            histories.write(store, {user: [(0, offset, NOW + time, 0, item)]}, "t")
            offset += 1
        more = joining.UserRows(len(did), len(did), 0, -1, 0, did)
        joining.add(model.state, model.state.add("user", user), more)
    model.join(["v1"], "ann")
    identities.join(store, Identified(0, 0, "ann", ("v1",)), "c")
    assert history(store, "v1").items == []
    assert history(store, "ann").items[::-1] == ring(model.state, "ann")
