"""A backup of a running Redis, and a new one that starts from it: as docs/operations.md says."""

from __future__ import annotations

import subprocess
from pathlib import Path

from models.state.schema import SCHEMA
from streaming.settings.loading import Settings, load_settings
from streaming.store.store import Store
from streaming.versions import loading as versions
from tests.support.oracles.past import history
from tests.support.processes.processes import program, wait_until
from tests.support.processes.redis_server import RedisServer
from tests.support.processes.serving import learner, shop


def settings_of(redis: RedisServer) -> Settings:
    return load_settings(None, {"SLUICEGATE_REDIS__URL": redis.url})


def backed_up(redis: RedisServer, folder: Path) -> str:
    """Version and history in a running Redis, copied by redis-cli; what comes afterwards is not in the copy."""
    with learner(settings_of(redis)) as taught:
        taught.learn(shop())
        version = taught.commit()
        folder.mkdir()
        command = [program("redis-cli", "redis-tools"), "-p", str(redis.port), "--rdb", str(folder / "dump.rdb")]
        subprocess.run(command, check=True, capture_output=True, timeout=60)
        taught.learn([("user-1", "item-1")])
        assert taught.commit() != version
    return version


def appending(store: Store) -> bool:
    found = store.call("INFO", "persistence")
    return int(found["aof_enabled"]) == 1 and int(found["aof_rewrite_in_progress"]) == 0


def test_a_redis_restored_from_a_backup_has_the_version_and_histories_of_that_moment(tmp_path: Path) -> None:
    folder = tmp_path / "restored"
    with RedisServer(tmp_path / "lost") as redis:
        version = backed_up(redis, folder)
    with RedisServer(folder, appendonly="no") as redis:
        store = Store.for_learner(settings_of(redis))
        store.call("CONFIG", "SET", "appendonly", "yes")
        wait_until(lambda: appending(store), "the append-only file is written")
        store.close()
    with RedisServer(folder) as redis:
        store = Store.for_learner(settings_of(redis))
        loaded = versions.load(store, "head", SCHEMA, served_only=False)
        assert loaded is not None
        assert loaded.manifest.id == version
        assert loaded.manifest.progress.offsets == {"events": {0: len(shop())}}
        assert len(history(store, "user-1").items) == 3
        store.close()
