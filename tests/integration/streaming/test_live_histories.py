"""What a user did is in Redis once, newest first, whatever is sent again."""

import pytest

from streaming.live import histories
from streaming.live.histories import CAP, TTL_SECONDS
from streaming.store.store import Store, StoreUnavailable
from tests.support.oracles.past import history


@pytest.fixture
def store(redis_url, namespace):
    made = Store(redis_url, namespace, timeout=20.0, retries=1)
    yield made
    made.close()


def entry(offset, item, partition=0, time=None, kind=0):
    return (partition, offset, 1000.5 + offset if time is None else time, kind, item)


def test_an_unknown_user_has_an_empty_history(store):
    assert history(store, "nobody") == ([], [], [])


def test_the_newest_comes_first_with_time_and_kind(store):
    histories.write(store, {"ann": [entry(1, "tea"), entry(2, "a b:c ✓", kind=3)], "bob": [entry(3, "cup")]}, "t1")
    histories.write(store, {"ann": [entry(4, "pot", time=1e9 + 0.123456)]}, "t1")
    assert history(store, "ann") == (["pot", "a b:c ✓", "tea"], [1e9 + 0.123456, 1002.5, 1001.5], [0, 3, 0])
    assert history(store, "bob").items == ["cup"]


def test_a_batch_sent_again_changes_nothing(store):
    batch = {"ann": [entry(1, "tea"), entry(2, "cup")], "bob": [entry(3, "tea")]}
    for _ in range(3):
        histories.write(store, batch, "t1")
    assert history(store, "ann").items == ["cup", "tea"]
    histories.write(store, {"ann": [entry(2, "cup"), entry(5, "pot")], "bob": [entry(3, "tea")]}, "t1")
    assert history(store, "ann").items == ["pot", "cup", "tea"]
    assert history(store, "bob").items == ["tea"]


def test_each_partition_and_each_topic_has_its_own_watermark(store):
    histories.write(store, {"ann": [entry(9, "tea", partition=0)]}, "t1")
    histories.write(store, {"ann": [entry(1, "cup", partition=1)]}, "t1")
    histories.write(store, {"ann": [entry(0, "pot", partition=0)]}, "t2")
    assert history(store, "ann").items == ["pot", "cup", "tea"]


def test_only_the_newest_are_kept(store):
    histories.write(store, {"ann": [entry(i, f"i{i}") for i in range(3000)]}, "t1")
    read = history(store, "ann")
    assert read.items == [f"i{i}" for i in range(2999, 2999 - CAP, -1)]
    assert history(store, "ann", 2).items == ["i2999", "i2998"]


def test_more_than_one_script_takes_are_all_written_once(store, monkeypatch):
    monkeypatch.setattr(histories, "ENTRIES_TOGETHER", 7)
    batch = {f"u{user}": [entry(user + 20 * i, f"i{i}") for i in range(3)] for user in range(20)}
    for _ in range(2):
        histories.write(store, batch, "t1")
    assert all(history(store, user).items == ["i2", "i1", "i0"] for user in batch)


def test_all_that_one_record_holds_is_written_though_a_script_ends_near_it(store, monkeypatch):
    monkeypatch.setattr(histories, "ENTRIES_TOGETHER", 7)
    batch = {f"u{user}": [entry(offset, f"i{offset}.{n}") for offset in range(9) for n in range(2)] for user in (1, 2)}
    for _ in range(2):
        histories.write(store, batch, "t1")
    wanted = [f"i{offset}.{n}" for offset in range(9) for n in range(2)][::-1]
    assert all(history(store, user).items == wanted for user in batch)


def test_an_idle_history_ends_by_itself(store):
    histories.write(store, {"ann": [entry(1, "tea")]}, "t1")
    assert 0 < store.call("TTL", store.key("h", "ann")) <= TTL_SECONDS


def test_every_fourth_entry_renews_and_cuts(store):
    key = store.key("h", "ann")
    histories.write(store, {"ann": [entry(0, "tea")]}, "t1", ttl=50, cap=6)
    for offset in range(1, 40):
        store.call("EXPIRE", key, 10)
        histories.write(store, {"ann": [entry(offset, f"i{offset}")]}, "t1", ttl=50, cap=6)
        length = store.call("LLEN", key)
        assert (store.call("TTL", key) > 10) == (offset % 4 == 3 if offset < 6 else length == 6)
        assert length == min(offset + 1, length) <= 6 + histories.RENEWAL - 1
    histories.write(store, {"ann": [entry(offset, f"i{offset}") for offset in range(40, 60)]}, "t1", ttl=50, cap=6)
    assert store.call("LLEN", key) == 6
    assert history(store, "ann", 6).items == [f"i{offset}" for offset in range(59, 53, -1)]


def test_partitions_may_come_mixed(store):
    batch = {"ann": [entry(5, "tea"), entry(2, "cup", partition=1)], "bob": [entry(1, "pot", partition=1)]}
    for _ in range(2):
        histories.write(store, batch, "t1")
    assert sorted(history(store, "ann").items) == ["cup", "tea"]
    assert history(store, "bob").items == ["pot"]


def test_a_deleted_history_does_not_come_back_by_a_replay(store):
    histories.write(store, {"ann": [entry(1, "tea")]}, "t1")
    assert store.call("UNLINK", store.key("h", "ann")) == 1
    histories.write(store, {"ann": [entry(1, "tea")]}, "t1")
    assert history(store, "ann").items == []


def test_large_offsets_are_exact(store):
    high = 2**52
    histories.write(store, {"ann": [entry(high, "tea", time=1.0)]}, "t1")
    histories.write(store, {"ann": [entry(high, "tea", time=1.0), entry(high + 1, "cup", time=2.0)]}, "t1")
    assert history(store, "ann").items == ["cup", "tea"]


def test_a_redis_that_is_away_is_said_and_not_hidden():
    store = Store("redis://127.0.0.1:1/0", "main", timeout=0.2, retries=0)
    with pytest.raises(StoreUnavailable):
        histories.write(store, {"ann": [entry(1, "tea")]}, "t1")
    with pytest.raises(StoreUnavailable):
        history(store, "ann")
    store.close()
