"""Redis away, full, emptied or back to an older state: no version is lost, and none appears that was not cut."""

import pytest

from service.local import embedded
from streaming.checkpoint import ancestry
from streaming.checkpoint.checkpointer import Checkpointer
from streaming.store.store import Store
from streaming.versions import loading as versions
from tests.conftest import eventually
from tests.support.streams import toy
from tests.support.streams.toy import Heard, Toy


@pytest.fixture
def redis(tmp_path):
    with embedded.redis(tmp_path / "redis") as child:
        yield child


@pytest.fixture
def store(redis):
    made = Store(f"redis://{redis.address}/0", "main", timeout=20.0, retries=1)
    yield made
    made.close()


@pytest.fixture
def checkpointer(store):
    made = Checkpointer(store, store.acquire_lease("a", 30.0), toy.SCHEMA, hooks=Heard())
    yield made
    made.close()


def cut(checkpointer, learner, *, copied=False):
    known = learner.state.changed() if copied else None
    return checkpointer.cut(learner.state, learner.progress, learner.admission, dict, force=True, known=known)


def failures(checkpointer):
    return checkpointer._hooks.failures


def loaded(store):
    return versions.load(store, "head", toy.SCHEMA, served_only=False)


def test_a_redis_that_was_emptied_is_filled_again_by_the_living_learner(store, checkpointer):
    learner = Toy().learn(10)
    assert cut(checkpointer, learner)
    assert checkpointer.flush(60.0)
    store.call("FLUSHALL")
    cut(checkpointer, learner.learn(20))
    assert not checkpointer.flush(5.0)
    assert failures(checkpointer) == ["parent"]
    eventually(lambda: cut(checkpointer, learner))
    assert checkpointer.flush(60.0)
    assert loaded(store).state.digest() == Toy().learn(20).state.digest()
    assert loaded(store).manifest.kind == "base"
    assert store.renew(checkpointer._lease)
    assert int(store.call("GET", store.key("epoch"))) == checkpointer._lease.epoch


def test_an_idle_learner_notices_an_emptied_redis_and_fills_it_without_a_new_event(store, checkpointer):
    learner = Toy().learn(10)
    assert cut(checkpointer, learner)
    assert checkpointer.flush(60.0)
    store.call("FLUSHALL")
    assert eventually(lambda: cut(checkpointer, learner))
    assert checkpointer.flush(60.0)
    assert loaded(store).state.digest() == learner.state.digest()


def went_back(store, version, lost):
    """Redis as it was when `version` was its head."""
    store.call("HSET", store.key("head"), "id", version.id, "seq", version.seq)
    for each in lost:
        store.call("ZREM", store.key("idx"), each.id)
        store.call("DEL", store.key("meta", each.id))


@pytest.mark.parametrize("copied", [False, True])
def test_after_a_failover_the_next_version_extends_the_head_that_is_there(store, checkpointer, copied):
    learner = Toy()
    for until in (10, 20, 30):
        eventually(lambda until=until: cut(checkpointer, learner.learn(until), copied=copied))
        assert checkpointer.flush(60.0)
    first, *lost = store.versions()
    followers = [versions.load(store, each.id, toy.SCHEMA, served_only=True) for each in (first, *lost)]
    went_back(store, first, lost)
    cut(checkpointer, learner.learn(40), copied=copied)
    assert not checkpointer.flush(5.0)
    assert failures(checkpointer) == ["parent"]
    assert eventually(lambda: cut(checkpointer, learner, copied=copied))
    assert checkpointer.flush(60.0)
    found = loaded(store)
    assert (found.manifest.kind, found.manifest.parent, found.manifest.seq) == ("delta", first.id, 5)
    assert found.state.digest() == Toy().learn(40).state.digest()
    assert found.manifest.progress == Toy().learn(40).progress
    served = versions.load(store, "head", toy.SCHEMA, served_only=True).state.digest()
    for follower in followers:
        versions.advance(store, follower.state, follower.manifest.id, found.manifest.id, served_only=True)
        assert follower.state.digest() == served, "also a follower of a version that Redis has lost needs no base"


def test_a_head_older_than_what_is_remembered_is_followed_by_a_base(store, checkpointer, monkeypatch):
    monkeypatch.setattr(ancestry, "KEPT_CUTS", 2)
    learner = Toy()
    for until in (10, 20, 30, 40):
        eventually(lambda until=until: cut(checkpointer, learner.learn(until)))
        assert checkpointer.flush(60.0)
    first, *lost = store.versions()
    went_back(store, first, lost)
    cut(checkpointer, learner.learn(50))
    assert not checkpointer.flush(5.0)
    assert eventually(lambda: cut(checkpointer, learner))
    assert checkpointer.flush(60.0)
    assert loaded(store).manifest.kind == "base"
    assert loaded(store).state.digest() == Toy().learn(50).state.digest()


def test_a_cut_made_while_redis_is_away_is_committed_when_it_is_back(redis, store, checkpointer):
    learner = Toy().learn(10)
    assert cut(checkpointer, learner)
    assert checkpointer.flush(60.0)
    redis.stop()
    assert eventually(lambda: cut(checkpointer, learner.learn(20)))
    assert not checkpointer.flush(0.5)
    assert not cut(checkpointer, learner.learn(30)), "one cut at a time: the rows of the next stay marked"
    assert set(failures(checkpointer)) <= {"connection", "timeout"}
    redis.start()
    assert checkpointer.flush(60.0)
    assert loaded(store).manifest.progress.offsets == {"events": {0: 20}}
    assert eventually(lambda: cut(checkpointer, learner))
    assert checkpointer.flush(60.0)
    assert loaded(store).state.digest() == Toy().learn(30).state.digest()
    assert [pointer.seq for pointer in store.versions()] == [1, 2, 3]


def test_a_full_redis_refuses_the_upload_and_keeps_head_until_there_is_room(store, checkpointer):
    learner = Toy().learn(10)
    assert cut(checkpointer, learner)
    assert checkpointer.flush(60.0)
    store.call("CONFIG", "SET", "maxmemory", 1)
    assert eventually(lambda: cut(checkpointer, learner.learn(20)))
    eventually(lambda: "oom" in failures(checkpointer))
    assert store.head().seq == 1
    assert loaded(store).state.digest() == Toy().learn(10).state.digest()
    store.call("CONFIG", "SET", "maxmemory", 0)
    assert checkpointer.flush(60.0)
    assert loaded(store).state.digest() == Toy().learn(20).state.digest()


def test_chunks_that_expired_before_their_commit_are_sent_again(store):
    learner, removed = Toy().learn(10), []

    def failpoint(name):
        if name == "commit.4" and not removed:
            removed.append(store.call("KEYS", store.key("c", "*")))
            store.call("DEL", *removed[0])

    checkpointer = Checkpointer(store, store.acquire_lease("a", 30.0), toy.SCHEMA, hooks=Heard(), failpoint=failpoint)
    assert cut(checkpointer, learner)
    assert checkpointer.flush(60.0)
    assert failures(checkpointer) == ["missing"]
    assert loaded(store).state.digest() == learner.state.digest()
    checkpointer.close()


def test_a_script_that_redis_forgot_is_sent_again(store, checkpointer):
    learner = Toy().learn(10)
    assert cut(checkpointer, learner)
    assert checkpointer.flush(60.0)
    store.call("SCRIPT", "FLUSH")
    assert eventually(lambda: cut(checkpointer, learner.learn(20)))
    assert checkpointer.flush(60.0)
    assert failures(checkpointer) == []
    assert store.head().seq == 2
