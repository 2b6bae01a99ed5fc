"""`sluicegate doctor` on brokers and Redis in many conditions: each finding says what is wrong and how to fix it."""

from __future__ import annotations

import json
import os
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import SecretStr
from typer.testing import CliRunner

from models.ledger.progress import Progress
from service.cli.main import app
from service.doctor.examination import examine
from service.doctor.findings import STATES, Finding
from service.doctor.kafka import examine_log
from service.doctor.machine import examine_machine
from service.doctor.redis import Newest, examine_store
from service.doctor.settings import examine_settings
from service.local import embedded
from streaming.consumer.inspection import inspect_log
from streaming.kafka.producer import EventProducer
from streaming.kafka.topics import ensure_mapped_topics, ensure_topics
from streaming.settings.loading import Settings, load_settings
from streaming.store.store import Store
from tests.conftest import eventually
from tests.support.processes.serving import changed, learner, shop


def named(findings: list[Finding], check: str) -> Finding:
    """The one finding of this name."""
    (found,) = [finding for finding in findings if finding.check == check]
    return found


@pytest.fixture
def free(settings: Settings) -> Settings:
    """The settings of the test, with ports that nobody uses."""
    ports = {"service": {"port": embedded.free_port()}, "learner": {"metrics_port": embedded.free_port()}}
    return changed(settings, **ports)


@pytest.fixture
def own_redis(tmp_path: Path) -> Iterator[tuple[Settings, Store]]:
    """A Redis of the test's own, whose configuration it may change."""
    with embedded.redis(tmp_path / "redis") as child:
        settings = load_settings(None, {"SLUICEGATE_REDIS__URL": f"redis://{child.address}/0"})
        store = Store.for_learner(settings)
        yield settings, store
        store.close()


def test_when_all_is_well_nothing_fails_and_nothing_needs_a_fix(free: Settings) -> None:
    ensure_topics(free)
    findings = examine(free, time.time(), 5.0)
    assert [finding for finding in findings if finding.state in {"failure", "skipped"}] == []
    assert all(bool(finding.mend) == (finding.state != "ok") for finding in findings)
    assert "4 partitions" in named(findings, "kafka.topic.events").text
    assert "cleanup compact" in named(findings, "kafka.topic.items").text
    assert named(findings, "kafka.topic.control").state == "ok"


def test_the_command_prints_json_and_its_exit_code_says_whether_something_failed(
    free: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    environ = {
        "KAFKA__BOOTSTRAP": free.kafka.bootstrap,
        "REDIS__URL": free.redis.url,
        "NAMESPACE": free.namespace,
        "SERVICE__PORT": str(free.service.port),
        "LEARNER__METRICS_PORT": str(free.learner.metrics_port),
        "MAPPING": json.dumps([{"topic": f"{free.namespace}.theirs", "preset": "segment"}]),
    }
    for name, value in environ.items():
        monkeypatch.setenv(f"SLUICEGATE_{name}", value)
    missing = CliRunner().invoke(app, ["doctor", "--json"])
    assert missing.exit_code == 9
    failed = {found["check"] for found in json.loads(missing.output) if found["state"] == "failure"}
    assert failed == {"kafka.topic.events", "kafka.topic.items", "kafka.topic.control", "kafka.topic.mapped"}
    assert f"--create --topic {free.namespace}.theirs" in missing.output
    ensure_topics(free)
    assert ensure_mapped_topics(load_settings(None, os.environ)) == [f"{free.namespace}.theirs"]
    well = CliRunner().invoke(app, ["doctor"])
    assert (well.exit_code, "failure" in well.output) == (0, False)
    assert f"{free.kafka.bootstrap}, speaking as version" in well.output


def test_without_kafka_and_redis_it_says_so_within_its_timeout_and_skips_what_it_cannot_ask(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("SLUICEGATE_KAFKA__BOOTSTRAP", f"127.0.0.1:{embedded.free_port()}")
    monkeypatch.setenv("SLUICEGATE_REDIS__URL", f"redis://127.0.0.1:{embedded.free_port()}/0")
    started = time.monotonic()
    done = CliRunner().invoke(app, ["doctor", "--json", "--timeout", "0.5"])
    assert time.monotonic() - started < 30
    assert done.exit_code == 9
    state = {found["check"]: found["state"] for found in json.loads(done.output)}
    assert (state["kafka.reachable"], state["redis.reachable"]) == ("failure", "failure")
    assert (state["kafka.offsets"], state["redis.persistence"]) == ("skipped", "skipped")
    assert set(state.values()) <= set(STATES)


def test_wrong_settings_end_it_with_code_2_and_the_nearest_right_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLUICEGATE_KAFKA__BOOTSTRAPS", "kafka:9092")
    with pytest.raises(Exception, match="KAFKA__BOOTSTRAP") as caught:
        CliRunner().invoke(app, ["doctor"], catch_exceptions=False)
    assert type(caught.value).__name__ == "BadSettings"


@pytest.mark.parametrize(
    ("changes", "check", "state", "mend"),
    [
        ([], "redis.persistence", "ok", ""),
        ([("appendonly", "no")], "redis.persistence", "failure", "appendonly yes"),
        ([("appendonly", "no"), ("save", "60 1")], "redis.persistence", "warning", "appendonly yes"),
        ([("maxmemory-policy", "allkeys-lru")], "redis.eviction", "warning", "noeviction"),
        ([("maxmemory-policy", "allkeys-lru"), ("maxmemory", "1gb")], "redis.eviction", "failure", "noeviction"),
        ([("maxmemory", "1gb")], "redis.eviction", "ok", ""),
        ([("maxmemory", "2gb")], "redis.memory", "ok", ""),
        ([("maxmemory", "1gb")], "redis.memory", "warning", "lower learner.history_bytes"),
        ([("maxmemory", "1mb")], "redis.memory", "failure", "raise maxmemory"),
    ],
)
def test_redis_is_told_how_to_keep_what_was_learnt(
    own_redis: tuple[Settings, Store], changes: list[tuple[str, str]], check: str, state: str, mend: str
) -> None:
    settings, store = own_redis
    for name, value in changes:
        store.call("CONFIG", "SET", name, value)
    found = named(examine_store(settings, time.time())[0], check)
    assert (found.state, mend in found.mend) == (state, True), found


def test_a_replica_and_a_wrong_clock_are_found(own_redis: tuple[Settings, Store]) -> None:
    settings, store = own_redis
    ahead = named(examine_store(settings, time.time() - 30)[0], "redis.clock")
    assert (ahead.state, "30.0 s ahead" in ahead.text) == ("warning", True)
    store.call("REPLICAOF", "127.0.0.1", embedded.free_port())
    found = named(examine_store(settings, time.time())[0], "redis.reachable")
    assert (found.state, "primary" in found.mend) == ("failure", True)


def test_a_user_without_rights_is_named_and_one_without_config_is_enough(own_redis: tuple[Settings, Store]) -> None:
    settings, store = own_redis
    store.call("ACL", "SETUSER", "shop", "on", ">secret", "~*", "+@all", "-config")
    as_shop = changed(settings, redis={"username": "shop", "password": SecretStr("secret")})
    findings = examine_store(as_shop, time.time())[0]
    assert {finding.state for finding in findings} == {"ok"}
    wrong = changed(settings, redis={"username": "shop", "password": SecretStr("wrong")})
    found = named(examine_store(wrong, time.time())[0], "redis.reachable")
    assert (found.state, "redis.password_file" in found.mend) == ("failure", True)
    assert "wrong" not in found.text.replace("WRONGPASS", "")


def test_the_versions_in_redis_are_reported_and_a_damaged_one_is_found(settings: Settings) -> None:
    with learner(settings) as taught:
        taught.learn(shop())
        version = taught.commit()
        findings, newest = examine_store(settings, time.time())
        assert newest is not None
        assert newest.holder == "test"
        assert "learner test holds the lease" in named(findings, "redis.versions").text
        taught.store.call("SETRANGE", taught.store.key("meta", version), 70, "xx")
        findings, newest = examine_store(settings, time.time())
    assert newest is None
    assert named(findings, "redis.versions").state == "failure"


def standing(settings: Settings, offset: int, *, cluster: str = "", age: float = 0.0) -> Newest:
    """A version that read partition 0 of events up to `offset`."""
    facts = inspect_log(settings)
    topics = {facts.topics[role].name: facts.topics[role].id for role in ("events", "items")}
    offsets = {settings.topic("events"): {0: offset}}
    return Newest(Progress(cluster or facts.cluster, topics, offsets), age, "first")


def test_our_offsets_are_compared_with_the_log(settings: Settings) -> None:
    ensure_topics(settings)
    own = [finding.check for finding in examine_log(settings, None)]
    assert own[-1] == "kafka.offsets"
    assert named(list(examine_log(settings, standing(settings, 0))), "kafka.offsets").state == "ok"
    other = named(list(examine_log(settings, standing(settings, 0, cluster="another"))), "kafka.offsets")
    assert (other.state, "--reset-offsets" in other.mend) == ("failure", True)
    restart = changed(settings, learner={"on_new_log": "restart"})
    assert (
        named(list(examine_log(restart, standing(restart, 0, cluster="another"))), "kafka.offsets").state == "warning"
    )


def test_records_that_wait_for_a_learner_that_commits_nothing_are_a_failure(settings: Settings) -> None:
    ensure_topics(settings)
    with EventProducer(settings) as producer:
        partition = producer.send("events", "someone", b"{}").wait(10.0)[0]
    waiting = standing(settings, 0, age=600.0)
    waiting.progress.offsets[settings.topic("events")] = {partition: 0}
    stuck = eventually(lambda: [f for f in examine_log(settings, waiting) if "10 min" in f.text])
    assert (stuck[0].check, stuck[0].state) == ("kafka.offsets", "failure")
    collecting = changed(settings, update={"mode": "batch"})
    assert named(list(examine_log(collecting, waiting)), "kafka.offsets").state == "ok"


def test_a_port_that_another_program_uses_is_named_with_its_setting(free: Settings) -> None:
    with socket.socket() as other:
        other.bind((free.service.host, free.service.port))
        other.listen()
        other.settimeout(0.0)
        found = named(list(examine_machine(free)), "machine.port.service")
    assert (found.state, "service.port" in found.mend) == ("failure", True)
    assert named(list(examine_machine(free)), "machine.port.service").state == "ok"


def test_files_keys_and_open_access_are_examined(settings: Settings, tmp_path: Path) -> None:
    secret = tmp_path / "password"
    missing = changed(settings, redis={"password_file": secret})
    assert named(list(examine_settings(missing)), "settings.files").state == "failure"
    secret.write_text("secret\n")
    secret.chmod(0o644)
    readable = named(list(examine_settings(missing)), "settings.files")
    assert (readable.state, readable.mend) == ("warning", f"chmod o-r {secret}")
    secret.chmod(0o600)
    assert named(list(examine_settings(missing)), "settings.files").state == "ok"
    shut = changed(settings, service={"host": "0.0.0.0"})
    assert named(list(examine_settings(shut)), "settings.keys").state == "failure"
    wide = changed(settings, service={"host": "0.0.0.0", "insecure": True})
    assert named(list(examine_settings(wide)), "settings.keys").state == "warning"
    clear = changed(settings, redis={"url": "redis://:secret@redis.shop:6379/0"})
    found = named(list(examine_settings(clear)), "settings.transport")
    assert ("redis.shop" in found.text, "secret" in found.text) == (True, False)
