"""What the shop says of items is the same in every follower within a second, and never older than what was known."""

import time

import pytest

from models.records.attributes import checked
from models.records.items import ItemFacts
from service.local import embedded
from streaming.live import facts
from streaming.live.facts import FactsFollower
from streaming.store.store import Store, StoreUnavailable
from streaming.thread_turns import LONGEST_REST
from tests.conftest import eventually


@pytest.fixture
def store(redis_url, namespace):
    made = Store(redis_url, namespace, timeout=20.0, retries=1)
    yield made
    made.close()


@pytest.fixture
def follower(store):
    made = FactsFollower(store)
    yield made
    made.close()


def test_a_change_is_visible_within_a_second(store, follower):
    follower.start()
    assert follower.ready.wait(60.0)
    waits = []
    for offset in range(5):
        facts.write(store, [(0, offset, "tea", ItemFacts(category="drinks", price=float(offset)))], "t1")
        started = time.monotonic()
        eventually(lambda offset=offset: follower.get("tea") == ItemFacts(category="drinks", price=float(offset)))
        waits.append(time.monotonic() - started)
    assert min(waits) < 1.0, "the others may have had to wait for the machine"


def test_a_replay_never_puts_older_facts_over_newer_ones(store, follower):
    old, new = ItemFacts(price=1.0), ItemFacts(price=2.0)
    changes = [(0, 1, "tea", old), (0, 2, "cup", old), (0, 3, "tea", new), (0, 4, "cup", None)]
    facts.write(store, changes, "t1")
    follower.step()
    facts.write(store, changes[:3], "t1")
    assert follower.step() == 0
    assert follower.get("tea") == new
    assert follower.get("cup") is None
    fresh = FactsFollower(store)
    fresh.step()
    assert (fresh.get("tea"), fresh.hidden("tea"), fresh.hidden("cup")) == (new, False, True)


def test_it_rests_between_parts_once_others_wait_for_its_thread(store):
    rests = []
    follower = FactsFollower(store, rest=rests.append)
    many = [(0, offset, f"i{offset}", ItemFacts(price=1.0)) for offset in range(2_000)]
    facts.write(store, many, "t1")
    assert follower.step() == 2_000
    assert rests == [], "nobody waits before everything was read"
    facts.write(store, [(0, offset + 2_000, item, each) for _, offset, item, each in many], "t1")
    assert follower.step() == 2_000
    assert len(rests) == 3, "between four parts"
    store.call("HSET", store.key("facts", "marks"), "store", "another")
    rests.clear()
    assert follower.step() >= 2_000
    assert len(rests) >= 4, "after each part of the whole hash"
    assert all(0 < rest <= LONGEST_REST for rest in rests)


def test_removed_and_unavailable_items_are_hidden_until_the_shop_says_otherwise(store, follower):
    changes = [(0, 0, "tea", ItemFacts(category="a")), (0, 1, "cup", ItemFacts(category="a", available=False))]
    facts.write(store, changes, "t1")
    facts.write(store, [(0, 2, "tea", None)], "t1")
    follower.step()
    assert [follower.hidden(item) for item in ("tea", "cup", "unknown")] == [True, True, False]
    facts.write(store, [(0, 3, "tea", ItemFacts(category="b")), (0, 4, "cup", ItemFacts(category="a"))], "t1")
    assert follower.step() == 2
    assert [follower.hidden(item) for item in ("tea", "cup")] == [False, False]
    assert not follower._removed
    assert not follower._unavailable


def test_the_index_of_categories_follows_moves_and_removals(store, follower):
    drinks, food = ItemFacts(category="drinks"), ItemFacts(category="food")
    facts.write(store, [(0, 0, "tea", drinks), (0, 1, "rum", drinks), (0, 2, "pie", food)], "t1")
    follower.step()
    assert (follower.category("drinks"), follower.category("none")) == (["tea", "rum"], [])
    facts.write(store, [(0, 3, "tea", food), (0, 4, "rum", None)], "t1")
    follower.step()
    assert (follower.category("drinks"), follower.category("food")) == ([], ["pie", "tea"])
    assert follower.categories() == ["food"]
    assert len(follower) == 2


def test_facts_taken_over_together_are_those_taken_over_one_by_one(store):
    kinds = [
        ItemFacts(category=name, available=there, group_id=group)
        for name in ("a", "b", None)
        for there in (True, False)
        for group in ("g", None)
    ]
    changes = [(0, offset, f"i{offset}", kinds[offset % len(kinds)]) for offset in range(1_200)]
    slow = FactsFollower(store)
    slow.step()
    for each in changes:
        slow._put(*each[2:])
    facts.write(store, changes, "t1")
    told = []
    fast = FactsFollower(store, changed=told.append)
    assert fast.step() == len(changes)
    assert [sorted(some) for some in told] == [sorted(item for _, _, item, _ in changes)]
    assert {item: fast.get(item) for item in fast.items()} == {item: slow.get(item) for item in slow.items()}
    assert {name: set(fast.category(name)) for name in "ab"} == {name: set(slow.category(name)) for name in "ab"}
    assert (fast._unavailable, fast._variants) == (slow._unavailable, slow._variants)


def test_a_follower_that_missed_changes_reads_everything_again(store, follower, monkeypatch):
    facts.write(store, [(0, 0, "old", ItemFacts(price=1.0))], "t1")
    follower.step()
    facts.write(store, [(0, offset, f"i{offset}", ItemFacts(price=2.0)) for offset in range(1, 3000)], "t1")
    store.call("XTRIM", store.key("facts", "log"), "MAXLEN", 10)
    assert follower.step() == 3000
    assert len(follower) == 3000
    assert follower.get("i1") == ItemFacts(price=2.0)


def test_the_log_is_bounded(store, monkeypatch):
    monkeypatch.setattr(facts, "LOG_ENTRIES", 100)
    facts.write(store, [(0, offset, "tea", ItemFacts(price=float(offset))) for offset in range(5000)], "t1")
    assert store.call("XLEN", store.key("facts", "log")) < 400
    assert store.call("HLEN", store.key("facts")) == 1


def test_attributes_and_the_group_are_kept_as_they_were_said(store, follower):
    attributes = checked({"url": "https://s/1", "sizes": ["s"], "new": True})[0]
    told = ItemFacts(price=3.0, group_id="g", attributes=attributes)
    facts.write(store, [(0, 0, "tea", told), (0, 1, "cup", ItemFacts())], "t1")
    follower.step()
    assert follower.get("tea") == told
    assert follower.get("cup").attributes is None
    assert follower.grouped


def test_embeddings_are_kept_neither_in_redis_nor_in_a_follower(store, follower):
    embedding = tuple(n / 7 for n in range(4096))
    facts.write(store, [(0, n, f"i{n}", ItemFacts(category="c", embedding=embedding)) for n in range(50)], "t1")
    for follow in (follower, FactsFollower(store)):
        follow.step()
        assert follow.get("i7") == ItemFacts(category="c")
    for name in ((), ("log",)):
        assert store.call("MEMORY", "USAGE", store.key("facts", *name), "SAMPLES", 0) < 20_000


def test_the_log_does_not_grow_with_the_length_of_facts(store, follower):
    tags = tuple(f"{n:0250}" for n in range(60))
    facts.write(store, [(0, n, "tea", ItemFacts(tags=tags, price=float(n))) for n in range(1000)], "t1")
    assert store.call("MEMORY", "USAGE", store.key("facts", "log"), "SAMPLES", 0) < 200_000
    follower.step()
    facts.write(store, [(0, 1000, "tea", ItemFacts(tags=tags, price=7.5))], "t1")
    assert follower.step() == 1
    assert follower.get("tea").price == 7.5


def test_one_script_takes_at_most_so_many_changes_and_bytes():
    long = ItemFacts(tags=tuple(f"{n:0250}" for n in range(60)))
    batches = list(facts._batches([(0, n, "tea", long) for n in range(700)]))
    assert sum(len(flat) for flat in batches) == 4 * 700
    assert [flat[1] for flat in batches] == sorted(flat[1] for flat in batches)
    assert max(sum(len(raw) for raw in flat[3::4]) for flat in batches) <= facts.SCRIPT_BYTES
    short = list(facts._batches([(0, n, "tea", ItemFacts()) for n in range(1201)]))
    assert [len(flat) // 4 for flat in short] == [500, 500, 201]


def test_of_removed_items_the_latest_are_remembered(store, follower, monkeypatch):
    monkeypatch.setattr(facts, "TOMBSTONES", 10)
    follower.step()
    facts.write(store, [(0, n, f"i{n}", None) for n in range(30)], "t1")
    facts.write(store, [(0, 30, "i25", ItemFacts()), (0, 31, "i25", None), (0, 32, "i29", ItemFacts())], "t1")
    facts.write(store, [(0, 33, "i0", None), (0, 34, "last", None)], "t1")
    follower.step()
    fresh = FactsFollower(store)
    fresh.step()
    latest = {"i21", "i22", "i23", "i24", "i25", "i26", "i27", "i28", "i0", "last"}
    assert set(fresh._removed) == latest
    assert all(map(fresh.hidden, latest))
    assert len(follower._removed) <= 10
    assert all(map(follower.hidden, ("i25", "i0", "last")))
    assert store.call("HLEN", store.key("facts")) == 11
    assert fresh.get("i29") == ItemFacts()


def test_another_store_behind_the_address_is_read_from_its_beginning(store, follower):
    facts.write(store, [(0, offset, f"i{offset}", ItemFacts()) for offset in range(5)], "t1")
    follower.step()
    for name in ("", "log", "marks", "gone"):
        store.call("DEL", store.key("facts", name) if name else store.key("facts"))
    facts.write(store, [(0, offset, f"n{offset}", ItemFacts()) for offset in range(9)], "t1")
    follower.step()
    assert follower.get("i1") is None
    assert len(follower) == 9
    for name in ("", "log", "marks", "gone"):
        store.call("DEL", store.key("facts", name) if name else store.key("facts"))
    follower.step()
    assert len(follower) == 9, "an emptied Redis is filled again: until then the last known facts count"


def test_a_follower_keeps_what_it_knows_while_redis_is_away_and_says_so(tmp_path):
    now = [0.0]
    with embedded.redis(tmp_path) as child:
        store = Store(f"redis://{child.address}/0", "main", timeout=0.2, retries=0)
        facts.write(store, [(0, 0, "tea", ItemFacts(price=1.0))], "t1")
        follower = FactsFollower(store, clock=lambda: now[0])
        assert follower.stale
        follower.step()
        now[0] += 1.0
        assert not follower.stale
        child.stop()
        with pytest.raises(StoreUnavailable):
            follower.step()
        now[0] += 5.0
        assert follower.stale
        assert follower.get("tea") == ItemFacts(price=1.0)
        child.start()
        facts.write(store, [(0, 1, "cup", ItemFacts())], "t1")
        follower.step()
        assert not follower.stale
        assert follower.get("cup") is not None
        store.close()


def test_reading_while_following_is_safe(store, follower):
    follower.start()
    for start in range(0, 3000, 100):
        facts.write(store, [(0, start + i, f"i{i}", ItemFacts(category=f"c{start % 7}")) for i in range(100)], "t1")
        for number in range(7):
            assert len(follower.category(f"c{number}")) <= 100
    eventually(lambda: follower.category(f"c{2900 % 7}") == [f"i{i}" for i in range(100)])


def test_facts_that_somebody_broke_in_redis_do_not_stop_the_others(store, follower, caplog):
    facts.write(store, [(0, 0, "tea", ItemFacts(price=1.0)), (0, 1, "cup", ItemFacts(price=2.0))], "t1")
    follower.step()
    store.call("HSET", store.key("facts"), "tea", b'{"price": "free"')
    fresh = FactsFollower(store)
    fresh.step()
    assert (fresh.get("tea"), fresh.get("cup")) == (None, ItemFacts(price=2.0))
    assert "facts of item 'tea' can't be read" in caplog.text


def test_what_is_hidden_is_neither_in_its_category_nor_among_what_is_shown(store, follower):
    known, off = ItemFacts(category="c"), ItemFacts(category="c", available=False)
    facts.write(store, [(0, 0, "a", known), (0, 1, "b", off), (0, 2, "c", known), (0, 3, "d", known)], "t1")
    facts.write(store, [(0, 4, "c", off), (0, 5, "d", None)], "t1")
    follower.step()
    assert (follower.category("c"), follower.shown(9), follower.items()) == (["a"], ["a"], ["a", "b", "c"])
    facts.write(store, [(0, 6, "b", known)], "t1")
    follower.step()
    assert (follower.category("c"), follower.shown(9), follower.shown(1)) == (["a", "b"], ["a", "b"], ["a"])


def test_the_first_items_of_a_large_category_come_without_the_rest(store, follower):
    facts.write(store, [(0, i, f"i{i}", ItemFacts(category="c")) for i in range(50)], "t1")
    follower.step()
    assert follower.category("c", 3) == ["i0", "i1", "i2"]
