"""After a failover every client of a process leaves the old primary, which lives on as a replica."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from service.local import embedded
from streaming.settings.loading import Settings, load_settings
from streaming.store import QuickStore, Store, StoreUnavailable
from tests.support.processes.moving_name import MovingName


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[tuple[Store, Store, MovingName]]:
    """Two Redis servers, and a name that points at the first."""
    with embedded.redis(tmp_path / "a") as one, embedded.redis(tmp_path / "b") as other:
        stores = [Store.for_service(_settings(f"redis://{each.address}/0")) for each in (one, other)]
        name = MovingName(one.port)
        yield stores[0], stores[1], name
        name.close()
        for store in stores:
            store.close()


def _settings(url: str, **more: str) -> Settings:
    return load_settings(None, {"SLUICEGATE_REDIS__URL": url, **more})


def _fail_over(old: Store, new: Store, name: MovingName) -> None:
    """The name leads to the new primary, and the old one lives on as a replica that has lost its primary."""
    name.target = int(new.call("INFO", "server")["tcp_port"])
    old.call("REPLICAOF", "127.0.0.1", "1")
    new.call("SET", "who", "new")


def test_a_connection_to_a_demoted_primary_is_dropped_at_its_first_refusal(
    pair: tuple[Store, Store, MovingName],
) -> None:
    old, new, name = pair
    store = Store.for_histories(_settings(f"redis://127.0.0.1:{name.port}/0"))
    store.put_chunk("v1", 0, b"one")
    _fail_over(old, new, name)
    with pytest.raises(StoreUnavailable) as caught:
        store.put_chunk("v2", 0, b"two")
    assert caught.value.kind == "readonly"
    store.put_chunk("v2", 0, b"two")
    assert new.call("GET", new.key("c", "v2", 0)) == b"two"
    store.close()


def test_clients_that_only_read_leave_the_old_primary_too(pair: tuple[Store, Store, MovingName]) -> None:
    old, new, name = pair
    settings = _settings(f"redis://127.0.0.1:{name.port}/0")
    gate, facts = Store.for_service(settings), Store.for_service(settings)

    async def scenario() -> None:
        quick = QuickStore(settings, 1.0)
        for _ in range(2):
            assert await quick.call("GET", "who") is None
        assert facts.call("GET", "who") is None
        _fail_over(old, new, name)
        gate.leave_replica()
        assert await quick.call("GET", "who") == b"new"
        assert facts.call("GET", "who") == b"new"
        await quick.close()

    gate.ping()
    asyncio.run(scenario())
    gate.close()
    facts.close()
