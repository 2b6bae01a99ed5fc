"""Histories and facts wait for Redis, in order and bounded, and arrive once."""

import threading
import time

import pytest

from models.records.items import ItemFacts
from streaming.live import beats
from streaming.live.facts import FactsFollower
from streaming.live.writer import LiveWriter
from streaming.settings.loading import Settings
from streaming.store.store import Store
from tests.conftest import eventually
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


def test_versions_need_not_wait_for_a_repair_that_takes_long(store):
    """What waits meanwhile is noted in Redis as missing: a learner that follows a dead one reads it from Kafka."""
    go, asked = threading.Event(), []

    def restore(pieces, write, over):
        asked.extend(pieces)
        if not go.wait(0.05):
            return False
        write([{"ann": [(0, 1, 10.0, 0, "tea")]}], [])
        return not over()

    writer = LiveWriter(store, TOPICS, time.monotonic, lambda: None, restore=restore)
    writer.add([{"ann": [(0, 1, 10.0, 0, "tea")]}], [])
    assert writer.flush()
    store.call("DEL", store.key("h", "ann"), *beats.hashes(store.key))
    number = writer.add([{"ann": [(0, 2, 11.0, 0, "cup")]}], [(0, 7, "tea", ItemFacts())])
    assert not writer.flush()
    eventually(lambda: not writer.flush() and writer.flushed == number)
    assert beats.look(store).repair == {"topic-1:0": 2, "topic-2:0": 7}
    assert history(store, "ann").items == []
    go.set()
    eventually(writer.flush)
    assert (asked[0].topic, asked[0].partition, asked[0].start) == ("events", 0, 0)
    assert history(store, "ann").items == ["cup", "tea"]
    assert beats.look(store).repair is None
    assert beats.look(store).marks == {"topic-1:0": 2, "topic-2:0": 7}
    writer.add([{"ann": [(0, 3, 12.0, 0, "pot")]}], [])
    assert writer.flush(), "the beats are those of the repaired Redis"


def test_a_redis_that_goes_back_in_the_middle_of_its_repair_is_repaired_from_scratch(store):
    entries = [{"ann": [(0, offset, 10.0 + offset, 0, f"i{offset}")]} for offset in (1, 2, 3)]
    emptied = []

    def restore(pieces, write, over):
        write(entries[:1], [])
        if not emptied:
            emptied.append(store.call("DEL", store.key("h", "ann"), *beats.hashes(store.key)))
        write(entries[1:], [])
        return not over()

    writer = LiveWriter(store, TOPICS, time.monotonic, lambda: None, restore=restore)
    writer.add(entries, [])
    assert writer.flush()
    store.call("DEL", store.key("h", "ann"), *beats.hashes(store.key))
    writer.add([{"bob": [(0, 4, 12.0, 0, "pot")]}], [])
    assert not writer.flush()
    eventually(writer.flush)
    assert emptied
    assert history(store, "ann").items == ["i3", "i2", "i1"]
    assert history(store, "bob").items == ["pot"]
    assert beats.look(store).repair is None
