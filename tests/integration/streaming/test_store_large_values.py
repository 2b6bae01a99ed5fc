"""Large values arrive whole and in their order, and an answer that does not come spoils no later one."""

import os

import pytest

from streaming.store import Store, StoreUnavailable

SIZES = (0, 1, 126, 127, 128, 4_096, 3 << 20)


@pytest.fixture
def store(redis_url, namespace):
    made = Store(redis_url, namespace, timeout=20.0, retries=1)
    yield made
    made.close()


def put(store):
    values = {store.key("c", size): os.urandom(size) for size in SIZES}
    for key, value in values.items():
        store.call("SET", key, value)
    return values


def test_values_of_any_length_arrive_as_they_were_written(store):
    values = put(store)
    keys = [*values, store.key("c", "missing"), *values]
    found = store.large("MGET", *keys)
    assert [None if each is None else bytes(each) for each in found] == [values.get(key) for key in keys]
    assert all(each.readonly for each in found if each is not None)
    assert store.call("MGET", *keys) == [values.get(key) for key in keys], "the connection goes on as before"


def test_a_refusal_has_its_name_and_leaves_a_connection_that_works(store):
    values = put(store)
    for command in (("HGETALL", *list(values)[:1]), ("MGET",), ("GET", *list(values)[:1])):
        with pytest.raises(StoreUnavailable) as refused:
            store.large(*command)
        assert refused.value.kind == "other"
        assert [bytes(each) for each in store.large("MGET", *values)] == [*values.values()]


def test_an_answer_that_comes_too_late_is_nobody_elses(redis_url, namespace, store):
    values = put(store)
    hasty = Store(redis_url, namespace, timeout=0.2, retries=0)
    try:
        assert hasty.ping() < 20.0  # connected before Redis pauses
        store.call("CLIENT", "PAUSE", 1_500, "ALL")
        with pytest.raises(StoreUnavailable) as late:
            hasty.large("MGET", *values)
        assert late.value.kind == "timeout"
        store.call("CLIENT", "UNPAUSE")
        assert store.ping() >= 0.0  # answered only once the pause is over
        assert [bytes(each) for each in hasty.large("MGET", *values)] == [*values.values()]
    finally:
        hasty.close()
