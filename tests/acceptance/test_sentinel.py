"""Failovers behind sentinels and behind a name that moves: a few seconds, and nothing that was learned."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import pytest

from streaming.settings.loading import Settings, load_settings
from streaming.store import QuickStore, Store, StoreUnavailable
from tests.acceptance.conftest import Open
from tests.acceptance.test_kills import endless, stop
from tests.support.processes.moving_name import MovingName
from tests.support.processes.processes import wait_until
from tests.support.processes.redis_sentinel import PASSWORD, Watched, watched
from tests.support.processes.redis_server import RedisServer


def _settings(url: str, **more: str) -> Settings:
    return load_settings(None, {"SLUICEGATE_REDIS__URL": url, **more})


def test_learning_goes_on_when_a_name_moves_and_the_old_primary_lives_on_as_a_replica(
    tmp_path: Path, open_installation: Open
) -> None:
    with RedisServer(tmp_path / "a") as old, RedisServer(tmp_path / "b") as new:
        one, other = (Store.for_service(_settings(each.url)) for each in (old, new))
        name = MovingName(old.port)
        ours = open_installation(redis__url=f"redis://127.0.0.1:{name.port}/0")
        stream = endless(18)
        learner, service = ours.learner(), ours.service()
        ours.send(islice(stream, 500))
        ours.wait_learnt(learner)
        other.call("REPLICAOF", "127.0.0.1", old.port)
        wait_until(lambda: other.call("ROLE")[3] == b"connected", "the replica is level")
        one.call("WAIT", 1, 5000)
        other.call("REPLICAOF", "NO", "ONE")
        name.target = new.port
        one.call("REPLICAOF", "127.0.0.1", new.port)
        ours.send(islice(stream, 500))
        # The installation's own client reads through the name as well.
        ours.wait_learnt(learner, service)
        there = Store.for_service(_settings(new.url, SLUICEGATE_NAMESPACE=ours.settings.namespace))
        ours.wait(lambda: there.head() == ours.store.head(), "the new primary has it", learner, service)
        there.close()
        stop(ours, learner)
        ours.close()
        one.close()
        other.close()
        name.close()


@pytest.fixture(scope="module")
def sentinel(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    with watched(tmp_path_factory.mktemp("sentinel")) as made:
        yield made


def test_learning_and_answers_go_on_behind_sentinels_when_the_primary_is_killed_under_load(
    sentinel: Watched, open_installation: Open
) -> None:
    ours = open_installation(redis__url=sentinel.url, redis__password=PASSWORD)
    stream = endless(17)
    learner, service = ours.learner(), ours.service()
    ours.send(islice(stream, 500))
    ours.wait_learnt(learner)
    killed = sentinel.kill_primary()
    ours.send(islice(stream, 500))
    ours.wait_learnt(learner, service)
    ours.wait(lambda: not service.get("/recommend/u1")[1].get("degraded"), "answers are whole", learner, service)
    sentinel.restart(killed)
    stop(ours, learner)
    ours.verify()


def test_clients_follow_the_sentinels_when_the_primary_is_killed(sentinel: Watched) -> None:
    settings = _settings(sentinel.url, SLUICEGATE_REDIS__PASSWORD=PASSWORD)
    store = Store.for_learner(settings)

    async def read(quick: QuickStore) -> object:
        with contextlib.suppress(StoreUnavailable):
            return await quick.call("GET", store.key("c", "v1", 0))
        return None

    async def scenario() -> None:
        quick = QuickStore(settings, 1.0)
        store.put_chunk("v1", 0, b"one")
        store.call("WAIT", 1, 2000)
        assert await read(quick) == b"one"
        killed = sentinel.kill_primary()

        def written() -> bool:
            with contextlib.suppress(StoreUnavailable):
                store.put_chunk("v2", 0, b"two")
                return True
            return False

        wait_until(written, "the replica takes writes")
        async with asyncio.timeout(60.0):
            while await read(quick) != b"one":
                await asyncio.sleep(0.02)
        await quick.close()
        sentinel.restart(killed)

    asyncio.run(scenario())
    assert store.call("GET", store.key("c", "v2", 0)) == b"two"
    store.close()


def test_clients_leave_a_primary_that_hands_over_before_it_becomes_a_replica(sentinel: Watched) -> None:
    """It takes writes for some ten more seconds, and all of them are lost."""
    store = Store.for_learner(_settings(sentinel.url, SLUICEGATE_REDIS__PASSWORD=PASSWORD))

    def left(former: int) -> bool:
        with contextlib.suppress(StoreUnavailable):
            return int(store.call("INFO", "server")["tcp_port"]) != former
        return False

    def settled(former: int) -> bool:
        return sentinel.role(former) == "slave" or sentinel.primary == former

    early = False
    for _ in range(4):  # now and then the sentinels are as quick as the client, or take a busy server for a dead one
        former = sentinel.hand_over()
        wait_until(lambda former=former: left(former) or sentinel.primary == former, "the client is at the new primary")
        early = sentinel.role(former) == "master" and sentinel.primary != former
        store.call("SET", "after", str(former))
        wait_until(lambda former=former: settled(former), "the former primary is a replica")
        if sentinel.primary == former:
            early = False  # the sentinels went back to it of their own accord: nothing is shown
            continue
        assert store.call("GET", "after") == str(former).encode()
        if early:
            break
    assert early, "the client left each former primary only when it was a replica"
    store.close()


def test_a_name_that_the_sentinels_do_not_know_and_sentinels_that_are_away_are_said(sentinel: Watched) -> None:
    for url in (sentinel.url.replace("/shop/", "/unknown/"), "redis+sentinel://127.0.0.1:1/shop/0"):
        store = Store.for_service(_settings(url))
        with pytest.raises(StoreUnavailable) as caught:
            store.ping()
        assert caught.value.kind == "connection"
        store.close()
