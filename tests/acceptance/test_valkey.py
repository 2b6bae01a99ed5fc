"""The Valkey of docker-compose.yml reads the volume that its Redis 7.4 wrote, as its command line says."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import yaml

from models.state.schema import SCHEMA
from service.local import embedded
from service.local.embedded import EmbeddedError, free_port
from streaming.settings.loading import load_settings
from streaming.store.store import Store
from streaming.versions import loading as versions
from tests.acceptance.test_backup import appending, settings_of
from tests.support.oracles.past import history
from tests.support.processes.harness import ROOT
from tests.support.processes.processes import Server, wait_until
from tests.support.processes.redis_server import RedisServer, pong
from tests.support.processes.serving import learner, shop

COMMAND: list[str] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]["redis"]["command"]
# Version of the format that Redis 7.4 writes. Debian's 7.0 writes 10, which any Valkey reads.
FORMAT = b"REDIS0012"


def written_by_redis(folder: Path) -> str:
    """Version and history in an append-only file as Redis 7.4 would write it."""
    with RedisServer(folder) as redis, learner(settings_of(redis)) as taught:
        taught.learn(shop())
        version = taught.commit()
        store = Store.for_learner(settings_of(redis))
        store.call("BGREWRITEAOF")
        wait_until(lambda: appending(store), "all is in the base of the append-only file")
        store.close()
    (base,) = (folder / "appendonlydir").glob("*.base.rdb")
    raw = base.read_bytes()
    assert len(raw) > 10_000
    base.write_bytes(FORMAT + raw[len(FORMAT) : -8] + bytes(8))  # a checksum of 0 stands for none
    return version


@contextmanager
def valkey(folder: Path, *options: str) -> Iterator[int]:
    """The port of a Valkey on this folder, started as docker-compose.yml does."""
    port = free_port()
    assert COMMAND[0] == "valkey-server"
    command = [str(embedded._redis_binary()), *COMMAND[1:], "--port", str(port), "--dir", str(folder), *options]
    server = Server("Valkey", command, port, folder.with_suffix(".log"), pong)
    try:
        server.start(60.0)
        yield port
    finally:
        server.stop()


def test_valkey_reads_the_volume_of_the_redis_that_was_there_before(tmp_path: Path) -> None:
    folder = tmp_path / "volume"
    version = written_by_redis(folder)
    with pytest.raises(EmbeddedError, match="RDB format version 12"), valkey(folder, "--rdb-version-check", "strict"):
        pass
    with valkey(folder) as port:
        store = Store.for_learner(load_settings(None, {"SLUICEGATE_REDIS__URL": f"redis://127.0.0.1:{port}/0"}))
        loaded = versions.load(store, "head", SCHEMA, served_only=False)
        assert loaded is not None
        assert loaded.manifest.id == version
        assert len(history(store, "user-1").items) == 3
        store.close()
