"""The commit protocol, the lease and the gate's compare-and-set, on a real Redis."""

import pytest

from models.snapshot.chunks import Damaged
from models.snapshot.encoding import Chunk, describe
from models.snapshot.manifest import Manifest, seal
from streaming.store import (
    Fenced,
    MissingChunk,
    Pointer,
    Stale,
    Store,
    StoreUnavailable,
    VersionGone,
    WrongParent,
    anchors_of,
)
from tests.conftest import eventually


@pytest.fixture
def store(redis_url, namespace):
    made = Store(redis_url, namespace, timeout=20.0, retries=1)
    yield made
    made.close()


@pytest.fixture
def lease(store):
    return store.acquire_lease("a", 4.0)


def upload(store, id_, seq, parent="", beside="", data=b"bytes"):
    chunks = [Chunk(data, True), Chunk(data * 2, False)]
    for index, chunk in enumerate(chunks):
        store.put_chunk(id_, index, chunk.data)
    infos = [describe(index, chunk) for index, chunk in enumerate(chunks)]
    kind = "delta" if parent else "base"
    return Manifest(id_, seq, kind, parent=parent, beside=beside, chunks=infos)


def commit(store, lease, id_, seq, parent="", **more):
    manifest = upload(store, id_, seq, parent, **more)
    return store.commit(manifest, seal(manifest), lease)


def test_a_commit_moves_head_and_lifts_the_expiry(store, lease):
    assert store.head() is None
    assert commit(store, lease, "v1", 1) == "OK"
    assert commit(store, lease, "v2", 2, parent="v1") == "OK"
    assert store.head() == Pointer("v2", 2)
    assert [pointer.id for pointer in store.versions()] == ["v1", "v2"]
    assert [pointer.id for pointer in store.bases()] == ["v1"]
    assert store.call("TTL", store.key("c", "v2", 0)) == -1
    assert store.chunks(store.manifest("v2")) == [b"bytes", b"bytesbytes"]
    assert store.chunks(store.manifest("v2"), served_only=True) == [b"bytes"]


def test_a_commit_sent_again_after_a_lost_answer_is_done_once(store, lease):
    manifest = upload(store, "v1", 1)
    assert store.commit(manifest, seal(manifest), lease) == "OK"
    assert store.commit(manifest, seal(manifest), lease) == "DUP"
    beside = upload(store, "v1.base", 1, beside="v1")
    assert store.commit(beside, seal(beside), lease) == "OK"
    assert store.commit(beside, seal(beside), lease) == "DUP"


def test_a_learner_of_an_older_epoch_is_fenced(store, lease):
    store.release(lease)
    newer = store.acquire_lease("b", 4.0)
    assert newer.epoch == lease.epoch + 1
    with pytest.raises(Fenced, match="epoch 2") as caught:
        commit(store, lease, "v1", 1)
    assert caught.value.epoch == 2
    with pytest.raises(Fenced):
        commit(store, lease, "v1.base", 1, beside="v1")
    assert store.head() is None


def test_of_two_owners_of_one_epoch_one_is_fenced(store, lease):
    store.call("SET", store.key("owner"), "somebody else")
    with pytest.raises(Fenced):
        commit(store, lease, "v1", 1)


def test_a_version_that_is_not_newer_than_head_is_stale(store, lease):
    commit(store, lease, "v5", 5)
    with pytest.raises(Stale, match="seq 5"):
        commit(store, lease, "v5b", 5)
    assert store.head().id == "v5"


def test_a_delta_must_extend_head_and_a_base_need_not(store, lease):
    commit(store, lease, "v1", 1)
    with pytest.raises(WrongParent) as caught:
        commit(store, lease, "v3", 3, parent="v2")
    assert caught.value.head == "v1"
    assert commit(store, lease, "v3b", 3) == "OK"


def test_a_delta_on_an_empty_redis_needs_a_base(store, lease):
    with pytest.raises(WrongParent, match="head is empty"):
        commit(store, lease, "v2", 2, parent="v1")


def test_a_version_with_a_missing_chunk_is_not_committed(store, lease):
    manifest = upload(store, "v1", 1)
    store.call("DEL", store.key("c", "v1", 1))
    with pytest.raises(MissingChunk):
        store.commit(manifest, seal(manifest), lease)
    assert store.head() is None
    assert store.call("TTL", store.key("c", "v1", 0)) > 0


def test_a_redis_that_lost_the_epoch_learns_it_again_from_a_commit(store, lease):
    lease.epoch = 7
    store.call("DEL", store.key("epoch"), store.key("owner"))
    assert commit(store, lease, "v1", 1) == "OK"
    assert store.call("GET", store.key("epoch")) == b"7"
    store.release(lease)
    assert store.acquire_lease("b", 4.0).epoch == 8


def test_one_learner_holds_the_lease_and_the_same_instance_takes_it_back(store, lease):
    assert lease.epoch == 1
    assert store.acquire_lease("b", 4.0) is None
    assert store.acquire_lease("", 4.0) is None
    again = store.acquire_lease("a", 4.0)
    assert again.epoch == 2
    assert not store.renew(lease)
    assert store.renew(again)


def test_an_instance_whose_name_begins_like_the_holders_does_not_take_its_lease(store):
    assert store.acquire_lease("a:b", 4.0)
    assert store.acquire_lease("a", 4.0) is None
    assert store.acquire_lease("a:b", 4.0).epoch == 2


def test_a_lease_that_ran_out_goes_to_the_next_and_the_zombie_is_told(store):
    zombie = store.acquire_lease("a", 0.05)
    taken = eventually(lambda: store.acquire_lease("b", 4.0))
    assert taken.epoch == 2
    assert not store.renew(zombie)
    store.release(zombie)
    assert store.call("GET", store.key("lease")) == taken.token.encode()
    assert store.renew(taken)


def test_a_zombie_whose_epoch_another_learner_was_given_too_stays_out(store):
    zombie = store.acquire_lease("a", 4.0)
    store.call("DEL", store.key("lease"), store.key("epoch"), store.key("owner"))
    taken = store.acquire_lease("b", 0.05)
    assert taken.epoch == zombie.epoch
    eventually(lambda: not store.call("EXISTS", store.key("lease")))
    assert not store.renew(zombie)
    assert store.renew(taken)


def test_a_lease_that_ran_out_while_nobody_wanted_it_is_renewed(store):
    lease = store.acquire_lease("a", 0.05)
    eventually(lambda: not store.call("EXISTS", store.key("lease")))
    assert store.renew(lease)


def test_a_lease_survives_a_redis_that_was_emptied(store, lease):
    lease.epoch = 4
    store.call("DEL", store.key("lease"), store.key("epoch"), store.key("owner"))
    assert store.renew(lease)
    assert store.acquire_lease("b", 4.0) is None
    assert commit(store, lease, "v1", 1) == "OK"


def test_the_holder_stops_before_its_lease_can_be_taken(redis_url, namespace):
    now = [100.0]
    store = Store(redis_url, namespace, timeout=20.0, retries=1, clock=lambda: now[0])
    lease = store.acquire_lease("a", 4.0)
    assert lease.valid(103.4)
    assert not lease.valid(103.5)
    now[0] = 102.0
    assert store.renew(lease)
    assert lease.valid(105.4)
    store.close()


def test_a_lease_counts_from_before_it_was_asked_for(redis_url, namespace):
    moments = iter(range(100, 200))
    store = Store(redis_url, namespace, timeout=20.0, retries=1, clock=lambda: float(next(moments)))
    lease = store.acquire_lease("a", 60.0)
    assert lease.renewed_at == 100.0
    before = float(next(moments))
    assert store.renew(lease)
    assert lease.renewed_at == before + 1.0
    store.close()


def test_of_two_decisions_made_on_one_revision_one_wins(store, lease, redis_url, namespace):
    commit(store, lease, "v1", 1)
    commit(store, lease, "v2", 2, parent="v1")
    other = Store(redis_url, namespace, timeout=20.0, retries=1)
    assert store.gate()[:2] == (0, b"")
    assert store.decide(0, b"one", b"first", "v1")
    assert not other.decide(0, b"two", b"second", "v2")
    assert other.gate()[:2] == (1, b"one")
    assert other.serving() == Pointer("v1", 1)
    assert other.decide(1, b"two", b"second", "v2")
    assert other.decide(2, b"three", b"third")
    assert store.pointers() == {"head": ("v2", 2), "serving": ("v2", 2), "prev": ("v1", 1)}
    assert [record for _, record in store.decisions(10)] == [b"third", b"second", b"first"]
    newest = store.decisions(1)[0][0]
    assert [record for _, record in store.decisions(1, newest)] == [b"second"]
    other.close()


def test_a_decision_sent_again_after_a_lost_answer_is_done_once(store, lease):
    commit(store, lease, "v1", 1)
    assert store.decide(0, b"state", b"record", "v1")
    assert store.decide(0, b"state", b"record", "v1")
    assert not store.decide(0, b"another state", b"record", "v1")
    assert store.gate().revision == 1
    assert len(store.decisions(10)) == 1


def test_a_version_that_is_gone_is_never_served(store, lease):
    with pytest.raises(VersionGone):
        store.decide(0, b"one", b"first", "v9")
    assert store.gate()[:2] == (0, b"")
    assert store.serving() is None


def test_pins_are_set_left_and_taken_away(store, lease):
    commit(store, lease, "v1", 1)
    assert store.decide(0, b"", b"", pinned="v1", reference="v1")
    assert store.decide(1, b"", b"")
    assert store.pointers()["pinned"].id == "v1"
    assert store.decide(2, b"", b"", pinned="")
    assert set(store.pointers()) == {"head", "reference"}


def test_versions_are_not_forgotten_when_a_pointer_moved_meanwhile(store, lease):
    commit(store, lease, "v1", 1)
    commit(store, lease, "v2", 2, parent="v1")
    seen = store.pointers()
    store.decide(0, b"", b"", "v1")
    assert not store.forget({"v1": 2}, seen, lease)
    assert store.manifest("v1").seq == 1
    store.decide(1, b"", b"", "v2")
    store.call("DEL", store.key("prev"))
    assert store.forget({"v1": 2}, store.pointers(), lease)
    with pytest.raises(VersionGone):
        store.manifest("v1")
    assert store.call("EXISTS", store.key("c", "v1", 0), store.key("c", "v1", 1)) == 0
    assert [pointer.id for pointer in store.versions()] == ["v2"]


def test_anchors_are_named_kept_and_replaced_as_the_gate_says(store, lease):
    commit(store, lease, "v1", 1)
    commit(store, lease, "v2", 2, parent="v1")
    assert store.decide(0, b"", b"", "v2")
    before, one, two = store.pointers(), Pointer("v1", 1), Pointer("v2", 2)
    assert anchors_of(before) == []
    assert store.decide(1, b"", b"", anchors=[two, one])
    assert not store.forget({"v1": 2}, before, lease), "an anchor was named meanwhile"
    assert store.decide(2, b"", b"")
    assert anchors_of(store.pointers()) == [two, one]
    assert set(store.pointers()) == {"head", "serving", "anchor1", "anchor2"}
    assert store.decide(3, b"", b"", anchors=[two])
    assert anchors_of(store.pointers()) == [two]
    assert store.forget({"v1": 2}, store.pointers(), lease)


def test_a_fenced_learner_forgets_nothing(store, lease):
    commit(store, lease, "v1", 1)
    store.acquire_lease("a", 4.0)
    with pytest.raises(Fenced):
        store.forget({"v1": 2}, store.pointers(), lease)


@pytest.mark.parametrize("change", [b"", b"byteX", b"bytes!"])
def test_a_chunk_that_changed_in_redis_is_damaged(store, lease, change):
    commit(store, lease, "v1", 1)
    store.call("SET", store.key("c", "v1", 0), change)
    with pytest.raises(Damaged):
        store.chunks(store.manifest("v1"))


def test_small_versions_are_read_together_and_damage_is_that_of_its_version(store, lease, monkeypatch):
    for seq in (1, 2, 3):
        commit(store, lease, f"v{seq}", seq, parent=f"v{seq - 1}" if seq > 1 else "", data=bytes([seq]) * 9)
    store.call("DEL", store.key("c", "v2", 1))
    manifests = [store.manifest(f"v{seq}") for seq in (1, 2, 3)]
    calls, call = [], store.call
    monkeypatch.setattr(store, "call", lambda *command: calls.append(command[0]) or call(*command))
    first, second, third = store.chunks_of(manifests)
    assert calls == ["MGET"]
    assert (first, third) == ([b"\1" * 9, b"\1" * 18], [b"\3" * 9, b"\3" * 18])
    assert isinstance(second, Damaged)
    assert "chunk 1 is missing" in second.reason
    assert store.chunks_of(manifests, served_only=True) == [[bytes([seq]) * 9] for seq in (1, 2, 3)]
    (alone,) = store.chunks_of(manifests[1:2])
    assert isinstance(alone, Damaged)
    assert store.chunks_of([]) == []


def test_a_redis_that_is_away_is_named_and_not_waited_for():
    store = Store("redis://127.0.0.1:1/0", "main", timeout=0.2, retries=1)
    with pytest.raises(StoreUnavailable, match="can't be reached") as caught:
        store.head()
    assert caught.value.kind == "connection"
    store.close()


def test_redis_says_what_it_is_and_whether_it_evicts(store):
    assert store.ping() < 1.0
    assert store.info()["maxmemory_policy"] == "noeviction"
    assert store.info()["role"] == "master"
    used, ceiling = store.memory()
    assert (used > 0, ceiling) == (True, 0)
