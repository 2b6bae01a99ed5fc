"""Learner, Redis, loader: a loaded version equals the cut, after any crash or damage in between."""

import sys
import threading
import weakref

import numpy as np
import pytest

from models.snapshot.compatibility import Incompatible
from models.state.merges import SUM
from models.state.tables import Column, Schema, Space, Table
from streaming.checkpoint.checkpointer import Checkpointer
from streaming.checkpoint.writer import FAILPOINTS
from streaming.store.store import Store
from streaming.versions import loading as versions
from streaming.versions.delta_cache import DeltaCache
from streaming.versions.loading import NeedsBase, NoSoundVersion
from streaming.versions.retention import BESIDE
from tests.conftest import eventually
from tests.support.streams import toy
from tests.support.streams.toy import Heard, Toy


class Died(BaseException):
    """Stands for os._exit at a failpoint."""


@pytest.fixture
def store(redis_url, namespace):
    made = Store(redis_url, namespace, timeout=20.0, retries=1)
    yield made
    made.close()


@pytest.fixture
def open_checkpointer(store):
    opened = []

    def open_(start=None, instance="a", **options):
        lease = store.acquire_lease(instance, 30.0)
        made = Checkpointer(store, lease, toy.SCHEMA, start=start, hooks=Heard(), **options)
        opened.append(made)
        return made

    yield open_
    for made in opened:
        made.close()


def cut(checkpointer, learner, **options):
    assert eventually(lambda: checkpointer.cut(learner.state, learner.progress, learner.admission, dict, **options))
    assert checkpointer.flush(60.0)
    return checkpointer.last


def unasked():
    """Evidence of a version that is not cut: it hands questions out once, so asking for it would lose them."""
    raise AssertionError("evidence was collected, and no version carries it")


def load(store, which="head", served_only=False, schema=toy.SCHEMA):
    return versions.load(store, which, schema, served_only=served_only)


def chain(open_checkpointer, count, **options):
    """A learner and its checkpointer after `count` versions; their ids, and the digest of the state at each."""
    learner, checkpointer = Toy(), open_checkpointer(**options)
    ids, digests = [], {}
    for number in range(count):
        learner.learn(10 * number + 10)
        ids.append(cut(checkpointer, learner, force=True).id)
        digests[ids[-1]] = learner.state.digest()
    return learner, checkpointer, ids, digests


def base_beside(checkpointer, learner, store):
    """One more version, with a base beside it."""
    checkpointer.bases.interval = -1.0
    learner.learn(learner.next + 10)
    last = cut(checkpointer, learner, force=True)
    checkpointer.bases.interval = 1e9
    eventually(lambda: last.id + BESIDE in {pointer.id for pointer in store.bases()})
    eventually(lambda: not checkpointer.bases.busy)
    return last.id


def test_an_empty_store_loads_nothing(store):
    assert load(store) is None
    assert load(store, "serving") is None


def test_a_state_rebuilt_from_versions_has_the_same_bytes_offsets_and_arrivals(store, open_checkpointer):
    learner, _, ids, digests = chain(open_checkpointer, 4)
    loaded = load(store)
    assert loaded.manifest.id == ids[-1]
    assert loaded.state.digest() == learner.state.digest()
    assert loaded.manifest.progress == learner.progress
    assert loaded.skipped == {}
    assert loaded.arrivals.event_hash.tolist() == learner.admission.window(40).event_hash.tolist()
    assert [store.manifest(id_).kind for id_ in ids] == ["base", "delta", "delta", "delta"]
    for id_ in ids:
        assert load(store, id_).state.digest() == digests[id_]


@pytest.mark.parametrize("together", [1, 4 << 20])
def test_deltas_read_together_or_one_by_one_make_the_same_state(store, open_checkpointer, monkeypatch, together):
    learner, _, ids, _ = chain(open_checkpointer, 6)
    monkeypatch.setattr(versions, "READ_BYTES", together)
    reads, read = [], Store.chunks_of
    monkeypatch.setattr(
        Store,
        "chunks_of",
        lambda self, some, *more: reads.append([each.id for each in some]) or read(self, some, *more),
    )
    assert load(store).state.digest() == learner.state.digest()
    assert reads == ([ids[1:]] if together > 1 else [[id_] for id_ in ids[1:]])
    behind = load(store, ids[1]).state
    versions.advance(store, behind, ids[1], ids[-1], served_only=False)
    assert behind.digest() == learner.state.digest()


def test_a_run_with_restarts_ends_in_the_same_bytes_as_one_without(store, open_checkpointer):
    learner = Toy()
    for until in (15, 40, 41, 90):
        cut(open_checkpointer(load(store) and load(store).manifest), learner.learn(until))
        learner.learn(until + 7)  # learned but never versioned: dies with the process
        learner = Toy.of(load(store))
        assert learner.next == until
    assert learner.learn(120).state.digest() == Toy().learn(120).state.digest()
    assert learner.progress == Toy().learn(120).progress
    assert [pointer.seq for pointer in store.versions()] == [1, 2, 3, 4]
    assert len(store.bases()) == 1


def test_a_base_that_is_written_leaves_no_copy_of_the_model_behind(store, open_checkpointer, monkeypatch):
    learner, checkpointer, _, _ = chain(open_checkpointer, 2)
    offer, copied = checkpointer.bases.offer, []

    def noted(job):
        copied.extend(weakref.ref(each) for table in job.changes.tables.values() for each in table.columns.values())
        offer(job)

    monkeypatch.setattr(checkpointer.bases, "offer", noted)
    base_beside(checkpointer, learner, store)
    assert copied
    eventually(lambda: all(each() is None for each in copied))


def test_a_cut_without_anything_new_is_no_version(open_checkpointer):
    learner, checkpointer, _, _ = chain(open_checkpointer, 1)
    assert not checkpointer.cut(learner.state, learner.progress, learner.admission, dict, force=True)


@pytest.mark.parametrize("point", FAILPOINTS)
def test_death_at_any_step_repeats_or_loses_nothing(store, open_checkpointer, point):
    def failpoint(name):
        if name == point and armed:
            raise Died(name)

    armed = []
    learner, checkpointer, _, _ = chain(open_checkpointer, 2, failpoint=failpoint)
    armed.append(point)
    checkpointer.bases.interval = -1.0
    learner.learn(30)
    with dead_threads():
        checkpointer.cut(learner.state, learner.progress, learner.admission, dict, force=True)
        assert eventually(
            lambda: not all(thread.is_alive() for thread in (checkpointer._thread, checkpointer.bases.thread))
        )
        loaded = load(store)
    assert loaded.skipped == {}
    assert loaded.manifest.progress.offsets["events"][0] in {20, 30}
    again = Toy.of(loaded)
    assert again.learn(50).state.digest() == Toy().learn(50).state.digest()
    cut(open_checkpointer(loaded.manifest), again)
    final = load(store)
    assert final.state.digest() == Toy().learn(50).state.digest()
    assert final.manifest.progress == Toy().learn(50).progress


class dead_threads:  # noqa: N801 - reads as a statement
    """A thread that dies of `Died` is what the test wants; anything else still fails it."""

    def __enter__(self):
        self._before = threading.excepthook
        threading.excepthook = lambda args: None if args.exc_type is Died else self._before(args)

    def __exit__(self, *_):
        threading.excepthook = self._before


def test_the_service_loads_the_served_part_alone(store, open_checkpointer):
    _learner, _, ids, _ = chain(open_checkpointer, 3)
    store.decide(0, b"", b"", ids[1])
    loaded = load(store, "serving", served_only=True)
    assert loaded.manifest.id == ids[1]
    assert "user" not in loaded.state.keys
    assert loaded.arrivals is None
    manifest = versions.advance(store, loaded.state, ids[1], ids[2], served_only=True)
    assert manifest.id == ids[2]
    assert loaded.state.digest() == load(store, ids[2], served_only=True).state.digest()


def test_a_service_that_is_behind_a_gap_needs_a_base(store, open_checkpointer):
    _learner, _checkpointer, ids, _ = chain(open_checkpointer, 4)
    loaded = load(store, ids[0], served_only=True)
    before = loaded.state.digest()
    with pytest.raises(NeedsBase):
        versions.advance(store, loaded.state, ids[2], ids[0], served_only=True)
    store.call("DEL", store.key("c", ids[2], 0))
    with pytest.raises(NeedsBase, match="chunk 0 is missing"):
        versions.advance(store, loaded.state, ids[0], ids[3], served_only=True)
    store.call("DEL", store.key("meta", ids[2]))
    with pytest.raises(NeedsBase):
        versions.advance(store, loaded.state, ids[0], ids[3], served_only=True)
    assert loaded.state.digest() == before


def break_chunk(store, id_, how):
    key = store.key("c", id_, 0)
    data = store.call("GET", key)
    if how == "missing":
        store.call("DEL", key)
    elif how == "manifest":
        raw = store.call("GET", store.key("meta", id_))
        store.call("SET", store.key("meta", id_), raw[:-9] + b"X" + raw[-8:])
    elif how == "no manifest":
        store.call("DEL", store.key("meta", id_))
    else:
        store.call("SET", key, {"flip": data[:99] + bytes([data[99] ^ 1]) + data[100:], "short": data[:-1]}[how])


@pytest.mark.parametrize("how", ["flip", "short", "missing", "manifest", "no manifest"])
def test_a_damaged_delta_leads_to_the_version_before_it_and_is_reported(store, open_checkpointer, how):
    _, _, ids, digests = chain(open_checkpointer, 4)
    break_chunk(store, ids[2], how)
    loaded = load(store)
    assert loaded.manifest.id == ids[1]
    assert loaded.state.digest() == digests[ids[1]]
    assert set(loaded.skipped) == {ids[2]}


@pytest.mark.parametrize("how", ["flip", "short", "missing", "manifest", "no manifest"])
def test_a_damaged_base_is_walked_around_by_a_longer_chain(store, open_checkpointer, how):
    learner, checkpointer, _, _ = chain(open_checkpointer, 3)
    with_base = base_beside(checkpointer, learner, store)
    cut(checkpointer, learner.learn(learner.next + 10), force=True)
    assert load(store).skipped == {}
    break_chunk(store, with_base + BESIDE, how)
    loaded = load(store)
    assert loaded.state.digest() == learner.state.digest()
    assert set(loaded.skipped) == {with_base + BESIDE}


def test_a_base_next_to_the_chain_makes_the_deltas_before_it_unnecessary(store, open_checkpointer):
    learner, checkpointer, ids, _ = chain(open_checkpointer, 3)
    with_base = base_beside(checkpointer, learner, store)
    assert store.head().id == with_base
    for id_ in ids:
        store.call("DEL", store.key("meta", id_))
    loaded = load(store)
    assert loaded.state.digest() == learner.state.digest()
    assert loaded.manifest.id == with_base
    assert loaded.manifest.kind == "delta"
    assert loaded.arrivals.event_hash.tolist() == learner.admission.window(40).event_hash.tolist()
    learner = Toy.of(loaded).learn(60)
    cut(open_checkpointer(loaded.manifest), learner)
    assert load(store).state.digest() == Toy().learn(60).state.digest()


def test_without_a_sound_version_it_stops_instead_of_starting_cold(store, open_checkpointer):
    _, _, ids, _ = chain(open_checkpointer, 3)
    break_chunk(store, ids[0], "flip")
    with pytest.raises(NoSoundVersion, match="use another namespace") as caught:
        load(store)
    assert ids[0] in caught.value.damaged


def test_a_lost_head_is_found_again_by_the_index(store, open_checkpointer):
    _learner, _, ids, _ = chain(open_checkpointer, 2)
    store.call("DEL", store.key("head"))
    assert load(store).manifest.id == ids[-1]


def test_other_dimensions_are_refused_and_not_called_damage(store, open_checkpointer):
    chain(open_checkpointer, 1)
    other = Schema(
        1,
        [Space("item", 9), Space("user", 9, served=False)],
        [Table("weights", "item", (Column("q", "f4", (8,), merge=SUM),))],
        __name__,
    )
    for name, made in other.classes.items():
        setattr(sys.modules[__name__], name, made)
    with pytest.raises(Incompatible, match="put the old value back"):
        load(store, schema=other)


def test_after_a_walk_back_the_learner_commits_a_base_beyond_the_damage(store, open_checkpointer):
    _, _, ids, _ = chain(open_checkpointer, 3)
    break_chunk(store, ids[2], "flip")
    loaded = load(store)
    learner = Toy.of(loaded).learn(50)
    cut(open_checkpointer(loaded.manifest), learner)
    assert store.manifest(store.head().id).kind == "base"
    assert store.head().seq == 4
    assert load(store).state.digest() == Toy().learn(50).state.digest()
    assert load(store).skipped == {}


def test_a_fenced_learner_stops_writing_and_says_so(store, open_checkpointer):
    learner, old, _, _ = chain(open_checkpointer, 1)
    open_checkpointer(load(store).manifest)
    learner.learn(20)
    old.cut(learner.state, learner.progress, learner.admission, dict, force=True)
    assert not old.flush(5.0)
    assert old.fenced
    assert old._hooks.failures == ["fenced"]
    assert not old.cut(learner.state, learner.progress, learner.admission, dict, force=True)
    assert store.head().seq == 1


def test_a_nan_is_never_committed_and_a_base_follows_when_it_is_gone(store, open_checkpointer):
    learner, checkpointer, ids, _ = chain(open_checkpointer, 2)
    values = learner.learn(25).state.tables["weights"].columns["q"]
    sound = values[0, 0]
    values[0, 0] = float("nan")
    learner.state.tables["weights"].mark(np.array([0]))
    checkpointer.cut(learner.state, learner.progress, learner.admission, dict, force=True)
    assert not checkpointer.flush(5.0)
    assert checkpointer._hooks.failures == ["not_finite"]
    assert store.head().id == ids[-1]
    values[0, 0] = sound
    cut(checkpointer, learner.learn(30), force=True)
    assert store.manifest(store.head().id).kind == "base"
    assert load(store).state.digest() == Toy().learn(30).state.digest()


def test_hooks_see_the_phases_and_the_listener_sees_the_versions(store, open_checkpointer):
    heard = []
    _, checkpointer, ids, _ = chain(open_checkpointer, 2, on_committed=heard.append)
    eventually(lambda: [manifest.id for manifest in heard] == ids)
    assert {name for name, _ in checkpointer._hooks.phases} == {"cut", "encode", "upload", "commit"}


def test_a_listener_that_fails_does_not_undo_the_version(store, open_checkpointer):
    def listener(manifest):
        raise ConnectionError("Kafka is away")

    _, checkpointer, ids, _ = chain(open_checkpointer, 2, on_committed=listener)
    assert checkpointer._hooks.failures == ["listener", "listener"]
    assert store.head().id == ids[-1]


def test_collection_keeps_what_pointers_need_and_bounds_the_rest(store, open_checkpointer):
    learner, checkpointer, ids, digests = chain(open_checkpointer, 3)
    store.decide(0, b"", b"", ids[1], reference=ids[0])
    for _ in range(8):
        base_beside(checkpointer, learner, store)
        cut(checkpointer, learner.learn(learner.next + 5), force=True)
    checkpointer._index.collect()
    assert len(store.bases()) == 6
    assert load(store, ids[1]).state.digest() == digests[ids[1]]
    assert load(store, ids[0]).state.digest() == digests[ids[0]]
    assert load(store).state.digest() == learner.state.digest()
    known = {pointer.id for pointer in (*store.versions(), *store.bases())}
    assert ids[2] not in known
    left = store.call("KEYS", store.key("c", "*"))
    assert {key.decode().rsplit(":", 2)[1] for key in left} == known


@pytest.mark.parametrize(("history_bytes", "bases"), [(0, 1), (1 << 30, 4)])
def test_history_takes_no_more_bytes_than_it_may(store, open_checkpointer, history_bytes, bases):
    learner, checkpointer, ids, _ = chain(open_checkpointer, 3, history_bytes=history_bytes)
    for _ in range(3):
        newest = base_beside(checkpointer, learner, store)
        cut(checkpointer, learner.learn(learner.next + 5), force=True)
    checkpointer._index.collect()
    assert len(store.bases()) == bases
    known = {pointer.id for pointer in store.versions()}
    assert (ids[0] in known) == (history_bytes > 0)
    assert newest in known
    assert load(store).state.digest() == learner.state.digest()


def test_the_deltas_between_served_and_head_stay_within_history(store, open_checkpointer):
    learner, checkpointer, ids, _ = chain(open_checkpointer, 3)
    store.decide(0, b"", b"", ids[1])
    base_beside(checkpointer, learner, store)
    checkpointer._index.collect()
    loaded = load(store, "serving", served_only=True)
    assert versions.advance(store, loaded.state, ids[1], store.head().id, served_only=True).seq == 4


def test_cuts_become_coarser_when_uploads_take_more_than_a_fifth_of_the_time(store, open_checkpointer):
    now = [0.0]

    def slow(name):
        now[0] += 1.0 if name == "commit.4" else 0.0

    checkpointer, learner = open_checkpointer(failpoint=slow, clock=lambda: now[0]), Toy()

    def try_cut():
        return checkpointer.cut(learner.state, learner.progress, learner.admission, dict)

    assert eventually(lambda: checkpointer.cut(learner.learn(10).state, learner.progress, learner.admission, dict))
    assert checkpointer.flush(60.0)
    learner.learn(20)
    now[0] = 4.9
    assert not try_cut()
    now[0] = 5.0
    assert try_cut()
    assert checkpointer.flush(60.0)
    assert versions.load(store, "head", toy.SCHEMA, served_only=False).state.digest() == learner.state.digest()


def test_a_cut_while_another_is_under_way_is_skipped_and_loses_nothing(store, open_checkpointer):
    hold, learner = threading.Event(), Toy()
    checkpointer = open_checkpointer(failpoint=lambda name: hold.wait(10.0) if name == "commit.4" else None)
    assert checkpointer.cut(learner.learn(10).state, learner.progress, learner.admission, dict)
    assert not checkpointer.cut(learner.learn(20).state, learner.progress, learner.admission, unasked, force=True)
    hold.set()
    assert checkpointer.flush(60.0)
    assert load(store).manifest.progress.offsets == {"events": {0: 10}}
    cut(checkpointer, learner, force=True)
    assert load(store).state.digest() == learner.state.digest()
    assert not checkpointer.cut(learner.state, learner.progress, learner.admission, unasked)


def test_two_states_that_follow_one_chain_fetch_its_deltas_once(store, open_checkpointer):
    _learner, _checkpointer, ids, _ = chain(open_checkpointer, 4)
    first, second = (load(store, ids[0], served_only=True).state for _ in range(2))
    recent = DeltaCache()
    versions.advance(store, first, ids[0], ids[2], served_only=True, recent=recent)
    wanted = load(store, ids[3], served_only=True).state.digest()
    store.call("DEL", *(store.key("c", ids[number], 0) for number in (1, 2)))
    versions.advance(store, second, ids[0], ids[3], served_only=True, recent=recent)
    assert second.digest() == wanted
    versions.advance(store, first, ids[2], ids[3], served_only=True, recent=recent)
    assert first.digest() == wanted


def test_deltas_beyond_the_limit_are_not_kept(store, open_checkpointer):
    _learner, _checkpointer, ids, _ = chain(open_checkpointer, 4)
    newest = store.manifest(ids[3]).size
    recent = DeltaCache(limit=newest)
    state = load(store, ids[0], served_only=True).state
    versions.advance(store, state, ids[0], ids[3], served_only=True, recent=recent)
    assert list(recent.manifests) == [ids[3]]
