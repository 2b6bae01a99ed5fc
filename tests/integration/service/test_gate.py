"""The gate as services run it: real versions, real decisions in Redis, several services at once."""

from __future__ import annotations

import hashlib
import time

import httpx
import msgspec
import numpy as np
import pytest

from models.dimensions import RANKER
from models.gate import audit
from models.gate.audit import AuditRecord
from models.recommender import new_scratch
from models.snapshot.manifest import ChunkInfo, seal
from models.statistics.comparison import Comparison, Standing
from models.statistics.confidence import Sums
from models.statistics.reservoir import SLICE
from streaming.settings.loading import Settings
from tests.conftest import eventually
from tests.support.processes.serving import Learner, Served, changed, service


def serving(served: Served, version: str) -> bool:
    return bool(served.get("/readyz").json()["version"] == version)


def decisions(served: Served) -> list[AuditRecord]:
    """Every decision, oldest first."""
    found = served.get("/gate/decisions?limit=500").json()["decisions"]
    return [msgspec.convert(entry, AuditRecord, strict=False) for entry in reversed(found)]


def complaints(entries: list[AuditRecord]) -> list[str]:
    return audit.complaints([msgspec.json.encode(entry) for entry in entries])


def command(served: Served, verb: str, **more: object) -> httpx.Response:
    """Ask as an operator would: the gate may decide something by itself between the look and the request."""
    while True:
        revision = served.get("/gate").json()["revision"]
        answer = served.post(f"/gate/{verb}", json={"reason": "a test", "revision": revision, **more})
        if answer.status_code != 409:
            return answer


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
        assert complaints(entries) == []
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
        assert complaints(entries) == []
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
        assert complaints(decisions(served)) == []


def test_a_freeze_ends_by_itself(settings: Settings, taught: Learner) -> None:
    first = taught.commit()
    with service(settings) as served:
        eventually(lambda: serving(served, first))
        command(served, "freeze", seconds=0.3)
        taught.learn([("user-1", "item-1")])
        second = taught.commit()
        eventually(lambda: serving(served, second))
        # On a busy machine the freeze is over before the version is there, and the decision before it says so.
        assert any(each.reasons[0] == "freeze_expired" for each in decisions(served)[2:])


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


def test_a_rollback_for_harm_does_not_wait_behind_faulty_challengers(settings: Settings, taught: Learner) -> None:
    first = taught.commit()
    with service(settings) as served:
        eventually(lambda: serving(served, first))
        taught.learn([("user-1", "item-1")])
        second = taught.commit()
        eventually(lambda: serving(served, second))
        # So many of them that the next challenger would be looked at in half a minute.
        for _ in range(8):
            served.context.gatekeeper.follower.backoff.failed()
        taught.learn([("user-1", "item-1")])
        harmful = taught.commit(standing(first, -400.0))
        damage(taught, harmful)
        eventually(lambda: serving(served, first))
        (back,) = (each for each in decisions(served) if each.action == "rollback")
        assert (back.reasons, back.to_version) == (("harm",), first)
        assert served.context.gatekeeper.follower.backoff.waiting, "the challenger's own pause goes on"
        assert complaints(decisions(served)) == []


def test_a_service_notices_that_the_audit_was_changed_at_its_start_and_later(settings: Settings) -> None:
    with service(settings) as served:
        for mode in ("manual", "continuous", "manual"):
            command(served, "mode", mode=mode)
        check, store = served.context.audit, served.context.store
        check.look()
        assert served.sample("sluicegate_gate_audit_faults") == 0
        key = store.key("audit")
        newest = store.decisions(1)[0][0]
        # The newest record is removed, and the next one does not follow the one before it.
        store.call("XDEL", key, newest)
        command(served, "mode", mode="continuous")
        check.look()
        assert check.faults == ["revision 4: does not follow the record before it"]
        assert served.sample("sluicegate_gate_audit_faults") == 1
    with service(settings) as served:
        eventually(lambda: served.sample("sluicegate_gate_audit_faults") == 1)


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


def test_nan_in_a_version_is_refused_by_name(settings: Settings, taught: Learner) -> None:
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


def standing(
    against: str, total: float, *, variance: float = 200.0, n: int = 4_000, name: str = "reference"
) -> Standing:
    """Evidence as the learner writes it: `total` more hits than the other in `n` tested events."""
    compared = Comparison(against, hit=Sums(1.0, n, total, 200.0), reciprocal=Sums(0.5, n))
    return msgspec.structs.replace(Standing(applied=50_000), **{name: compared})


def test_harm_brings_the_reference_back_on_every_replica_within_a_few_looks(
    settings: Settings, taught: Learner
) -> None:
    first = taught.commit()
    with service(settings) as one, service(settings) as two:
        eventually(lambda: serving(one, first) and serving(two, first))
        taught.learn([("user-1", "item-1")])
        second = taught.commit()
        eventually(lambda: serving(one, second) and serving(two, second))
        assert one.get("/gate").json()["reference"] == first
        taught.learn([("user-1", "item-1")])
        taught.commit(standing(first, -400.0))
        started = time.monotonic()
        eventually(lambda: serving(one, first) and serving(two, first))
        # A look takes its interval, and on a busy machine a few times that.
        assert time.monotonic() - started < 25 * settings.service.poll_interval
        (rolled,) = [entry for entry in decisions(one) if entry.action == "rollback"]
        assert (rolled.reasons, rolled.from_version, rolled.to_version) == (("harm",), second, first)
        assert rolled.numbers["reference_hit_high"] < 0
        shown = one.get("/gate").json()
        assert shown["recovering"]
        assert shown["numbers"]["reference_n"] == 4_000
        eventually(lambda: all(each.sample("sluicegate_gate_recovering") == 1 for each in (one, two)))
        assert taught.progress.offsets["events"][0] == 62
        assert audit.complaints([msgspec.json.encode(entry) for entry in decisions(one)]) == []


def test_after_a_rollback_only_what_is_shown_to_be_as_good_goes_live(settings: Settings, taught: Learner) -> None:
    quick = changed(settings, gate={"cooldown": 0.01})
    first = taught.commit()
    with service(quick) as served:
        eventually(lambda: serving(served, first))
        taught.learn([("user-1", "item-1")])
        second = taught.commit()
        eventually(lambda: serving(served, second))
        taught.learn([("user-1", "item-1")])
        taught.commit(standing(first, -400.0))
        eventually(lambda: serving(served, first))
        taught.learn([("user-1", "item-1")])
        taught.commit(standing(first, -300.0, name="champion"))
        eventually(lambda: decisions(served)[-1].reasons == ("recovering", "harm"))
        taught.learn([("user-1", "item-1")])
        good = taught.commit(standing(first, 300.0, name="champion"))
        eventually(lambda: serving(served, good))
        assert decisions(served)[-1].reasons == ("sound", "recovered")


def test_a_stretch_without_harm_moves_the_reference(settings: Settings, taught: Learner) -> None:
    first = taught.commit()
    with service(settings) as served:
        eventually(lambda: serving(served, first))
        taught.learn([("user-1", "item-1")])
        second = taught.commit(standing(first, 300.0))
        eventually(lambda: serving(served, second))
        eventually(lambda: served.get("/gate").json()["reference"] == second)
        assert decisions(served)[-1].reasons == ("sound", "healthy")


def test_an_operator_rolls_back_and_promotes_against_the_evidence_by_force(settings: Settings, taught: Learner) -> None:
    quick = changed(settings, gate={"cooldown": 0.01})
    first = taught.commit()
    with service(quick) as served:
        eventually(lambda: serving(served, first))
        command(served, "mode", mode="manual")
        taught.learn([("user-1", "item-1")])
        second = taught.commit(standing(first, -400.0))
        eventually(lambda: served.get("/gate").json()["head"] == second)
        assert command(served, "promote").json()["reasons"] == ["harm"]
        assert serving(served, first)
        assert command(served, "promote", force=True).json()["reasons"] == ["requested", "forced", "sound"]
        assert serving(served, second)
        assert command(served, "rollback").json()["action"] == "rollback"
        assert serving(served, first)
        assert command(served, "rollback").json()["reasons"] == ["not_older"]


def test_in_mode_shadow_the_baseline_orders_slates(settings: Settings, taught: Learner) -> None:
    version = taught.commit(Standing(learnt=Comparison("own_recent")))
    with service(changed(settings, gate={"mode": "shadow"})) as served:
        eventually(lambda: serving(served, version))
        assert served.get("/gate").json()["baseline"]
        answer = served.get("/recommend/user-1").json()
        assert answer["served_by"] not in {"ranker", "linear", "served"}
        assert served.sample("sluicegate_gate_baseline") == 1


def test_without_an_audit_nothing_is_promoted_and_a_rollback_still_happens(settings: Settings, taught: Learner) -> None:
    first = taught.commit()
    with service(settings) as served:
        eventually(lambda: serving(served, first))
        taught.learn([("user-1", "item-1")])
        second = taught.commit()
        eventually(lambda: serving(served, second))
        # Whatever else lives in this Redis has written over the audit: no record can be added to it.
        taught.store.call("SET", taught.store.key("audit"), "not a stream")
        taught.learn([("user-1", "item-1")])
        third = taught.commit()
        eventually(lambda: "WRONGTYPE" in (served.get("/gate").json()["store_error"] or ""))
        pointer = taught.store.serving()
        assert pointer is not None
        assert pointer.id == second
        taught.learn([("user-1", "item-1")])
        taught.commit(standing(first, -400.0))
        eventually(lambda: serving(served, first))
        assert third != second


def turn(taught: Learner) -> str:
    """Commit a version whose best is worst: as finite, as large, and as quick to answer as the one before."""
    ranker = taught.recommender.state.tables["ranker"]
    ranker.columns["weight"][:] *= -1
    ranker.mark(np.arange(len(ranker.columns["weight"]), dtype=np.int32))
    taught.progress.count("turned")
    return taught.commit(Standing(applied=50_000))


def grow(taught: Learner) -> None:
    """Make it a model that has left its youth, whose ranker answers."""
    for name, column, value in (("chosen", "contender", RANKER), ("clock", "applied", 50_000)):
        table = taught.recommender.state.tables[name]
        table.columns[column][:] = value
        table.mark(np.zeros(1, np.int32))


def remembered(taught: Learner, count: int) -> list[object]:
    """Questions about old events whose item the model ranks first, and one that is turned last."""
    now, items, kinds = taught.now, [f"item-{number}" for number in (1, 6, 11)], [0, 0, 0]
    times = [now - 1, now - 2, now - 3]
    first = taught.recommender.rank(items, times, kinds, now, 1, scratch=new_scratch()).items[0]
    return [[items, times, kinds, now + number / 1_000, first, 7] for number in range(count)]


@pytest.mark.parametrize("old", [0, 16])
def test_where_no_event_comes_a_held_version_goes_live_unless_old_events_speak_against_it(
    settings: Settings, taught: Learner, old: int
) -> None:
    grow(taught)
    first = taught.commit(Standing(applied=50_000), asked=remembered(taught, old))
    with service(settings) as served:
        keeper, tables = served.context.gatekeeper, served.context.tables
        eventually(lambda: serving(served, first) and tables.kept is not None)
        taught.learn([("user-1", "item-1")])
        second = taught.commit(Standing(applied=50_000))
        eventually(lambda: serving(served, second))
        assert decisions(served)[-1].numbers["replay_known"] == old
        third = turn(taught)
        eventually(lambda: decisions(served)[-1].reasons[:1] == ("lists_changed",))
        assert decisions(served)[-1].numbers["replay_lost"] <= SLICE, "few are asked about each version"
        keeper.policy = msgspec.structs.replace(keeper.policy, quiet=0.001)  # not a minute
        if old:
            said = f"of {old} old ones that the reference finds it misses {old}"
            eventually(lambda: keeper.numbers.get("replay_lost") == old and said in keeper.present().detail)
            assert keeper.present().reasons == ("lists_changed",)
            assert serving(served, second)
        else:
            eventually(lambda: serving(served, third))
            assert decisions(served)[-1].numbers["overlap"] < 0.3
        assert complaints(decisions(served)) == []


def test_a_challenger_whose_lists_share_nothing_with_the_champions_waits_for_evidence(
    settings: Settings, taught: Learner
) -> None:
    grow(taught)
    first = taught.commit(Standing(applied=50_000))
    with service(settings) as served:
        eventually(lambda: serving(served, first))
        second = turn(taught)
        eventually(lambda: decisions(served)[-1].reasons[:1] == ("lists_changed",))
        assert decisions(served)[-1].numbers["overlap"] < 0.3
        assert serving(served, first)
        taught.progress.count("turned")
        shown = taught.commit(msgspec.structs.replace(standing(first, 300.0), applied=50_000))
        eventually(lambda: serving(served, shown))
        assert decisions(served)[-1].to_version != second
