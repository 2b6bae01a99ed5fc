"""Histories and facts wait for Redis, in order and bounded, and arrive once."""

import time

import pytest

from models.records.items import ItemFacts
from streaming.live.facts import FactsFollower
from streaming.live.writer import LiveWriter
from streaming.settings.loading import Settings
from streaming.store.store import Store
from tests.support.oracles.past import history

TOPICS = {"events": "topic-1", "items": "topic-2"}


@pytest.fixture
def store(settings: Settings):
    found = Store.for_learner(settings)
    yield found
    found.close()


@pytest.fixture
def away(settings: Settings):
    found = Store("redis://127.0.0.1:1/0", settings.namespace, timeout=0.2, retries=0)
    yield found
    found.close()


def test_histories_and_facts_are_there_after_a_flush(store):
    writer = LiveWriter(store, TOPICS, time.monotonic, lambda: None)
    writer.add(
        [{"ann": [(0, 1, 10.0, 0, "tea"), (0, 2, 11.0, 3, "cup")]}], [(0, 1, "tea", ItemFacts(category="drinks"))]
    )
    assert writer.flush()
    assert writer.waiting == 0
    assert history(store, "ann").items == ["cup", "tea"]
    follower = FactsFollower(store)
    follower.step()
    assert follower.get("tea").category == "drinks"


def test_what_redis_did_not_take_waits_and_goes_first(store, away):
    failures = []
    now = [0.0]
    writer = LiveWriter(away, TOPICS, lambda: now[0], lambda: failures.append(1))
    writer.add([{"ann": [(0, 1, 10.0, 0, "tea")]}], [])
    assert not writer.flush()
    writer.add([{"ann": [(0, 2, 11.0, 0, "cup")], "bob": [(0, 3, 12.0, 0, "pot")]}], [])
    assert not writer.flush()  # within the pause: not even tried
    assert (writer.waiting, len(failures)) == (3, 1)
    writer._store = store
    now[0] = 10.0
    assert writer.flush()
    assert history(store, "ann").items == ["cup", "tea"]
    assert history(store, "bob").items == ["pot"]


def test_the_intake_is_told_to_wait_when_too_much_waits(away, monkeypatch):
    monkeypatch.setattr("streaming.live.writer.WAITING_LIMIT", 2)
    writer = LiveWriter(away, TOPICS, time.monotonic, lambda: None)
    writer.add([{"ann": [(0, 1, 10.0, 0, "tea")]}], [])
    assert not writer.full
    writer.add([{"bob": [(0, 2, 10.0, 0, "tea")]}], [])
    assert writer.full


def test_a_replayed_batch_changes_no_history(store):
    batch = {"ann": [(0, 1, 10.0, 0, "tea"), (0, 2, 11.0, 0, "cup")]}
    for _ in range(2):
        writer = LiveWriter(store, TOPICS, time.monotonic, lambda: None)
        writer.add([dict(batch)], [])
        assert writer.flush()
    assert history(store, "ann").items == ["cup", "tea"]
