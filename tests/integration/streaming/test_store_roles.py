"""A learner waits for Redis, a service does not; passwords come from the settings and are never shown."""

import asyncio
import os
import signal
import threading
import time

import pytest

from service.local import embedded
from streaming.settings.loading import load_settings
from streaming.store.store import QuickStore, Store, StoreUnavailable
from tests.conftest import eventually


@pytest.fixture
def redis(tmp_path):
    with embedded.redis(tmp_path / "redis") as child:
        yield child


def settings_of(redis, **more):
    return load_settings(None, {"SLUICEGATE_REDIS__URL": f"redis://{redis.address}/0", **more})


def test_a_service_gives_up_on_a_silent_redis_within_a_second(redis):
    store = Store.for_service(settings_of(redis))
    store.ping()
    os.kill(redis.pid, signal.SIGSTOP)
    try:
        waited = []
        for _ in range(3):
            started = time.monotonic()
            with pytest.raises(StoreUnavailable, match="did not answer in time") as caught:
                store.head()
            assert caught.value.kind == "timeout"
            waited.append(time.monotonic() - started)
        assert min(waited) < 1.0, "the others may have had to wait for the machine"
    finally:
        os.kill(redis.pid, signal.SIGCONT)
    assert store.head() is None
    store.close()


def test_a_burst_of_reads_waits_for_connections_and_none_is_refused(redis):
    """redis-py opens 100 at most, and the next read would be told as an outage: all users without a history."""

    async def burst():
        store = QuickStore(settings_of(redis), 60.0)
        answers = await asyncio.gather(*(store.calls([("PING",), ("GET", "x")]) for _ in range(300)))
        assert answers == [[True, None]] * 300
        assert all(await asyncio.gather(*(store.call("PING") for _ in range(300))))
        await store.close()

    asyncio.run(burst())


def test_a_learner_waits_for_a_slow_redis(redis):
    store = Store.for_learner(settings_of(redis))
    store.ping()
    os.kill(redis.pid, signal.SIGSTOP)
    waker = threading.Timer(0.8, os.kill, (redis.pid, signal.SIGCONT))
    waker.start()
    assert store.ping() > 0.5
    waker.join()
    store.close()


def test_the_password_of_the_settings_opens_redis_and_a_wrong_one_is_named(redis, tmp_path):
    plain = Store.for_learner(settings_of(redis))
    plain.call("CONFIG", "SET", "requirepass", "open sesame")
    plain.close()
    file = tmp_path / "password"
    file.write_text("open sesame\n")
    store = Store.for_service(settings_of(redis, SLUICEGATE_REDIS__PASSWORD_FILE=str(file)))
    store.ping()
    store.close()
    for wrong in ({}, {"SLUICEGATE_REDIS__PASSWORD": "open barley"}):
        store = Store.for_service(settings_of(redis, **wrong))
        with pytest.raises(StoreUnavailable, match="refused our name, password") as caught:
            store.ping()
        assert caught.value.kind == "auth"
        assert "barley" not in str(caught.value)
        store.close()


def test_a_password_that_is_rotated_counts_at_the_next_connection(redis, tmp_path):
    """Redis keeps those who are in, so nobody notices until a connection is lost."""
    file, admin = tmp_path / "password", Store.for_learner(settings_of(redis))
    file.write_text("\ufefffirst\r\n", encoding="utf-8")
    admin.call("CONFIG", "SET", "requirepass", "first")
    settings = settings_of(redis, SLUICEGATE_REDIS__PASSWORD_FILE=str(file))
    learner, service = Store.for_learner(settings), QuickStore(settings, 5.0)

    async def rotated():
        assert await service.call("PING")
        admin.call("CONFIG", "SET", "requirepass", "second")
        admin.call("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
        for store in (learner, service):
            with pytest.raises(StoreUnavailable) as caught:
                await service.call("PING") if store is service else learner.ping()
            # A service tries once: it finds its connection gone, and the next one refused.
            assert caught.value.kind in {"auth", "connection"}
        file.write_text("second")
        assert learner.ping()
        assert await service.call("PING")
        file.unlink()
        admin.call("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
        with pytest.raises(StoreUnavailable, match=r"redis\.password_file: .* cannot be used"):
            learner.ping()
        await service.close()

    learner.ping()
    asyncio.run(rotated())
    for store in (learner, admin):
        store.close()


@pytest.mark.parametrize(
    ("config", "kind"),
    [(("maxmemory", "1"), "oom"), (("min-replicas-to-write", "3"), "readonly")],
)
def test_why_redis_does_not_write_is_named(redis, config, kind):
    store = Store.for_learner(settings_of(redis))
    store.call("CONFIG", "SET", *config)
    with pytest.raises(StoreUnavailable) as caught:
        store.put_chunk("v1", 0, b"bytes")
    assert caught.value.kind == kind
    store.close()


def test_a_redis_that_is_busy_with_somebodys_script_is_late_and_refuses_nothing(redis):
    store = Store.for_learner(settings_of(redis))
    somebody = Store(f"redis://{redis.address}/0", "somebody", timeout=60.0, retries=0)
    store.call("CONFIG", "SET", "lua-time-limit", "10")

    def endless():
        with pytest.raises(StoreUnavailable):
            somebody.call("EVAL", "while true do end", 0)

    thread = threading.Thread(target=endless)
    thread.start()

    def kind():
        try:
            store.ping()
        except StoreUnavailable as error:
            return error.kind
        return ""

    assert eventually(kind) == "timeout"
    store.call("SCRIPT", "KILL")
    thread.join()
    store.ping()
    for each in (store, somebody):
        each.close()


def test_a_replica_that_may_not_be_written_to_is_named(redis):
    store = Store.for_learner(settings_of(redis))
    store.call("REPLICAOF", "127.0.0.1", "1")
    with pytest.raises(StoreUnavailable, match="replica") as caught:
        store.put_chunk("v1", 0, b"bytes")
    assert caught.value.kind == "readonly"
    with pytest.raises(StoreUnavailable) as caught:
        store.acquire_lease("a", 4.0)
    assert caught.value.kind == "readonly"
    store.close()
