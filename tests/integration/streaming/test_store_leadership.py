"""One learner at a time, and what a learner may do while it cannot be sure."""

import threading
import time

import pytest

from streaming.settings.loading import Settings
from streaming.store.leadership import Leadership, stand_by
from streaming.store.store import Store
from tests.conftest import eventually

TTL = 1.0


class Clock:
    """A monotonic clock that a test can move."""

    def __init__(self) -> None:
        self.ahead = 0.0

    def __call__(self) -> float:
        return time.monotonic() + self.ahead


@pytest.fixture
def store(settings: Settings):
    found = Store.for_lease(settings)
    yield found
    found.close()


def test_a_second_learner_stands_by_until_the_first_gives_the_lease_back(store):
    lease = store.acquire_lease("one", 20 * TTL)
    acquired = lease.renewed_at
    leadership = Leadership(store, lease, 0.1, time.monotonic)
    taken = []
    waiting = threading.Thread(target=lambda: taken.append(stand_by(store, "two", TTL, threading.Event(), 0)))
    waiting.start()
    eventually(lambda: lease.renewed_at > acquired + TTL)
    assert leadership.held()
    assert not taken
    leadership.close()
    eventually(lambda: taken)
    waiting.join()
    assert taken[0].epoch == lease.epoch + 1


def test_standing_by_ends_when_asked_to(store):
    store.acquire_lease("one", 60.0)
    stop = threading.Event()
    stop.set()
    assert stand_by(store, "two", TTL, stop, 0) is None


def test_a_learner_paused_past_its_lease_finds_out_before_it_applies_anything(store):
    clock = Clock()
    lease = store.acquire_lease("one", TTL)
    leadership = Leadership(store, lease, 60.0, clock)  # never renews by itself, as while it is stopped
    eventually(lambda: store.acquire_lease("two", TTL))
    clock.ahead = TTL
    assert not leadership.held()
    leadership.close()


def test_a_learner_paused_past_its_lease_goes_on_when_nobody_took_it(store):
    clock = Clock()
    leadership = Leadership(store, store.acquire_lease("one", TTL), 60.0, clock)
    eventually(lambda: store.call("EXISTS", store.key("lease")) == 0)
    clock.ahead = TTL
    assert leadership.held()
    leadership.close()


def test_a_restart_under_the_same_name_takes_the_lease_at_once(store):
    first = store.acquire_lease("one", 60.0)
    again = stand_by(store, "one", 60.0, threading.Event(), 0)
    assert again.epoch > first.epoch
    assert not store.renew(first)


def test_learning_goes_on_in_memory_while_redis_is_away(settings: Settings, store):
    lease = store.acquire_lease("one", TTL)
    away = Store("redis://127.0.0.1:1/0", settings.namespace, timeout=0.2, retries=0)
    clock = Clock()
    leadership = Leadership(away, lease, 0.05, clock)
    clock.ahead = 10 * TTL
    assert leadership.held()
    leadership.close()
    away.close()


def test_a_lost_lease_stays_lost(store):
    leadership = Leadership(store, store.acquire_lease("one", TTL), 60.0, time.monotonic)
    leadership.lose()
    assert not leadership.held()
    leadership.close()
