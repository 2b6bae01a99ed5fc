"""The gate as services run it: real versions, real decisions in Redis, several services at once."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

import httpx
import msgspec
import pytest

from models.audit import AuditRecord, broken_link
from models.manifest import ChunkInfo, seal
from streaming.settings import Settings
from tests.conftest import eventually
from tests.support.serving import Learner, Served, changed, learner, service, shop


@pytest.fixture
def taught(settings: Settings) -> Iterator[Learner]:
    """A learner that has learnt a small shop."""
    with learner(settings) as made:
        made.learn(shop())
        yield made


def serving(served: Served, version: str) -> bool:
    return bool(served.get("/readyz").json()["version"] == version)


def decisions(served: Served) -> list[AuditRecord]:
    """Every decision, oldest first."""
    found = served.get("/gate/decisions?limit=500").json()["decisions"]
    return [msgspec.convert(entry, AuditRecord, strict=False) for entry in reversed(found)]


def command(served: Served, verb: str, **more: object) -> httpx.Response:
    revision = served.get("/gate").json()["revision"]
    return served.post(f"/gate/{verb}", json={"reason": "a test", "revision": revision, **more})


def test_each_sound_version_goes_live_and_the_audit_says_so(settings: Settings, taught: Learner) -> None:
    with service(settings) as served:
        versions = []
        for _ in range(3):
            taught.learn([("user-1", "item-1")])
            versions.append(taught.commit())
            eventually(lambda: serving(served, versions[-1]))
        entries = decisions(served)
        assert [entry.to_version for entry in entries] == versions
        assert [entry.from_version for entry in entries] == ["", *versions[:2]]
        assert entries[0].reasons == ("first_version", "sound")
        assert broken_link(entries) is None
        assert entries[2].offsets == {"events": {0: 63}}
        assert served.sample("sluicegate_gate_decisions_total", action="promote") == 3


def test_two_services_make_one_decision_and_both_follow_it(settings: Settings, taught: Learner) -> None:
    with service(settings) as one, service(settings) as two:
        versions = []
        for _ in range(5):
            taught.learn([("user-1", "item-1")])
            versions.append(taught.commit())
            eventually(lambda: serving(one, versions[-1]) and serving(two, versions[-1]))
        entries = decisions(one)
        assert [entry.to_version for entry in entries] == versions
        assert broken_link(entries) is None
        taken = [served.sample("sluicegate_gate_decisions_total", action="promote") for served in (one, two)]
        assert sum(taken) == 5


def test_a_frozen_gate_holds_and_a_thawed_one_promotes(settings: Settings, taught: Learner) -> None:
    first = taught.commit()
    with service(settings) as served:
        eventually(lambda: serving(served, first))
        frozen = command(served, "freeze", seconds=600)
        assert frozen.status_code == 200
        assert frozen.json()["gate"]["mode"] == "frozen"
        assert served.sample("sluicegate_gate_mode", mode="frozen") == 1
        taught.learn([("user-1", "item-1")])
        second = taught.commit()
        eventually(lambda: decisions(served)[-1].reasons == ("frozen",))
        refused = command(served, "promote")
        assert (refused.json()["action"], refused.json()["reasons"]) == ("hold", ["frozen"])
        assert serving(served, first)
        assert command(served, "thaw").json()["gate"]["mode"] == "continuous"
        eventually(lambda: serving(served, second))
        assert [entry.action for entry in decisions(served)] == ["promote", "mode", "hold", "hold", "mode", "promote"]
        assert broken_link(decisions(served)) is None


def test_a_freeze_ends_by_itself(settings: Settings, taught: Learner) -> None:
    first = taught.commit()
    with service(settings) as served:
        eventually(lambda: serving(served, first))
        command(served, "freeze", seconds=0.3)
        taught.learn([("user-1", "item-1")])
        second = taught.commit()
        eventually(lambda: serving(served, second))
        assert decisions(served)[-1].reasons == ("freeze_expired", "sound")


def test_manual_waits_for_the_operator(settings: Settings, taught: Learner) -> None:
    first = taught.commit()
    with service(changed(settings, gate={"mode": "manual"})) as served:
        eventually(lambda: bool(decisions(served)) and decisions(served)[-1].reasons == ("manual",))
        assert served.get("/recommend/user-1").json()["degraded"] == ["no_version"]
        promoted = command(served, "promote")
        assert (promoted.json()["action"], promoted.json()["reasons"]) == ("promote", ["requested", "sound"])
        assert serving(served, first)
        assert decisions(served)[-1].actor == "local"
        assert decisions(served)[-1].detail == "a test"
        assert command(served, "mode", mode="continuous").json()["gate"]["mode"] == "continuous"


def test_a_freeze_does_not_wait_for_a_version_to_be_loaded(settings: Settings, taught: Learner) -> None:
    taught.commit()
    with service(changed(settings, gate={"mode": "manual"})) as served:
        eventually(lambda: bool(decisions(served)))
        for verb in ("freeze", "thaw"):
            assert command(served, verb).json()["action"] == "mode"
        assert served.sample("sluicegate_serving_load_duration_seconds_count", phase="check") == 0
        assert command(served, "promote").json()["action"] == "promote"
        assert served.sample("sluicegate_serving_load_duration_seconds_count", phase="check") == 1


def test_a_request_for_another_revision_is_refused(settings: Settings, taught: Learner) -> None:
    version = taught.commit()
    with service(settings) as served:
        eventually(lambda: serving(served, version))
        answer = served.post("/gate/freeze", json={"reason": "late", "revision": 0})
        assert answer.status_code == 409
        assert answer.json()["revision"] == served.get("/gate").json()["revision"]
        assert served.get("/gate").json()["mode"] == "continuous"


def test_decisions_are_read_page_by_page(settings: Settings, taught: Learner) -> None:
    version = taught.commit()
    with service(settings) as served:
        eventually(lambda: serving(served, version))
        for mode in ("manual", "continuous", "manual"):
            command(served, "mode", mode=mode)
        page = served.get("/gate/decisions?limit=2").json()
        rest = served.get("/gate/decisions", params={"limit": 10, "before": page["next"]}).json()
        found = [entry["revision"] for entry in (*page["decisions"], *rest["decisions"])]
        assert found == sorted(found, reverse=True)
        assert len(found) == 4
        assert rest["next"] is None


def damage(taught: Learner, version: str) -> None:
    """Turn one bit of a served chunk, and leave the manifest as it is."""
    manifest = taught.store.manifest(version)
    chunk = next(chunk for chunk in manifest.chunks if chunk.served)
    key = taught.store.key("c", version, chunk.index)
    data = bytearray(taught.store.call("GET", key))
    data[len(data) // 2] ^= 1
    taught.store.call("SET", key, bytes(data))


def test_a_damaged_version_is_never_served_and_the_next_sound_one_is(settings: Settings, taught: Learner) -> None:
    first = taught.commit()
    with service(changed(settings, gate={"mode": "manual"})) as served:
        eventually(lambda: bool(decisions(served)))
        command(served, "promote")
        eventually(lambda: serving(served, first))
        taught.learn([("user-1", "item-1")])
        second = taught.commit()
        damage(taught, second)
        refused = command(served, "promote").json()
        assert (refused["action"], refused["reasons"]) == ("hold", ["unreadable"])
        assert serving(served, first)
        assert served.get("/recommend/user-1").json()["model_version"] == first
        assert served.sample("sluicegate_serving_load_failures_total") >= 1


def test_a_version_of_a_newer_schema_is_refused_by_name(settings: Settings, taught: Learner) -> None:
    first = taught.commit()
    with service(settings) as served:
        eventually(lambda: serving(served, first))
        command(served, "mode", mode="manual")
        taught.learn([("user-1", "item-1")])
        second = taught.commit()
        manifest = taught.store.manifest(second)
        newer = msgspec.structs.replace(manifest, schema_version=manifest.schema_version + 1)
        taught.store.call("SET", taught.store.key("meta", second), seal(newer))
        assert command(served, "promote").json()["reasons"] == ["wrong_schema"]
        assert serving(served, first)


def test_not_a_number_in_a_version_is_refused_by_name(settings: Settings, taught: Learner) -> None:
    first = taught.commit()
    with service(settings) as served:
        eventually(lambda: serving(served, first))
        command(served, "mode", mode="manual")
        taught.learn([("user-1", "item-1")])
        second = taught.commit()
        poison(taught, second)
        assert command(served, "promote").json()["reasons"] == ["not_finite"]
        assert serving(served, first)


def poison(taught: Learner, version: str) -> None:
    """Write NaN where a factor is, with hashes that fit: what a defect in the learner could do, were it not checked."""
    manifest = taught.store.manifest(version)
    row = taught.recommender.state.keys["item"].rows["item-1"]
    good = taught.recommender.state.tables["item_factors"].columns["q"][row].tobytes()
    bad = b"\x00\x00\xc0\x7f" * (len(good) // 4)
    chunks = []
    for chunk in manifest.chunks:
        key = taught.store.key("c", version, chunk.index)
        data = taught.store.call("GET", key).replace(good, bad)
        taught.store.call("SET", key, data)
        chunks.append(ChunkInfo(chunk.index, len(data), hashlib.sha256(data).hexdigest(), chunk.served))
    taught.store.call("SET", taught.store.key("meta", version), seal(msgspec.structs.replace(manifest, chunks=chunks)))


def test_a_service_that_finds_the_served_version_damaged_serves_the_one_before(
    settings: Settings, taught: Learner
) -> None:
    first = taught.commit()
    with service(settings) as served:
        eventually(lambda: serving(served, first))
        taught.learn([("user-1", "item-1")])
        second = taught.commit()
        eventually(lambda: serving(served, second))
    damage(taught, second)
    with service(settings) as served:
        eventually(lambda: serving(served, first))
        assert served.get("/recommend/user-1").json()["degraded"] == ["version_unloadable"]
