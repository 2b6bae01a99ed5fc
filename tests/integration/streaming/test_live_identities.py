"""Joined ids in Redis: one history, moved once, found again by an erasure and by a Redis that went back."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from models.ledger import user_hash
from models.records import Attributes, Describe, Erase, Identify, encode_control
from models.slate import page
from service.local import embedded
from streaming.kafka import EventProducer, ensure_topics
from streaming.live import Identified, LiveWriter, attributes, beats, erasures, identities, showings
from streaming.live.writer import Erased
from streaming.settings import Settings
from streaming.store import Store
from tests.conftest import eventually
from tests.integration.streaming.test_learner_cutting import UnderWay, clicked
from tests.support.oracles.past import NOTHING, history
from tests.support.processes.serving import changed

TOPICS = {"events": "topic-1", "items": "topic-2", "control": "topic-3"}


def user_of(store: Store, user: str) -> str | None:
    return identities.parse(store.call(*identities.request(store.key, user)))


def entry(offset: int, at: float, item: str) -> tuple[int, int, float, int, str]:
    return (0, offset, at, 0, item)


def test_histories_become_one_and_an_order_that_is_sent_again_changes_nothing(store: Store) -> None:
    before = {"v1": [entry(1, 10.0, "tea"), entry(3, 30.0, "pot")], "ann": [entry(2, 20.0, "cup")]}
    for _ in range(2):  # the second time as after a crash: all of it is sent again
        mirror = LiveWriter(store, TOPICS, time.monotonic, lambda: None)
        mirror.add([before], [])
        mirror.add([Identified(0, 7, "ann", ("v1",)), {"ann": [entry(4, 40.0, "mug")]}], [])
        assert mirror.waiting == 5
        assert mirror.flush()
        assert history(store, "ann").items == ["mug", "pot", "cup", "tea"]
        assert history(store, "v1") == NOTHING
        assert user_of(store, "v1") == "ann"
    assert 0 < store.call("TTL", store.key("h", "ann")) <= 400 * 86_400


def test_a_merged_history_keeps_no_more_than_any_other(store: Store) -> None:
    both = {"v1": [entry(n, float(n), f"v{n}") for n in range(0, 200, 2)]}
    both["ann"] = [entry(n, float(n), f"a{n}") for n in range(1, 200, 2)]
    mirror = LiveWriter(store, TOPICS, time.monotonic, lambda: None)
    mirror.add([both, Identified(0, 7, "ann", ("v1",))], [])
    assert mirror.flush()
    found = history(store, "ann", 1_000)
    assert len(found.items) == 128
    assert found.times == sorted(found.times, reverse=True)
    assert found.items[:2] == ["a199", "v198"]


def test_a_chain_ends_at_its_last_user_and_old_joins_are_forgotten(store: Store) -> None:
    mirror = LiveWriter(store, TOPICS, time.monotonic, lambda: None)
    mirror.add([{"v1": [entry(1, 1.0, "tea")], "v2": [entry(2, 2.0, "cup")], "ann": [entry(3, 3.0, "pot")]}], [])
    mirror.add([Identified(0, 1, "ann", ("v1",)), Identified(0, 2, "ann", ("v2",))], [])
    mirror.add([Identified(0, 3, "amy", ("ann", "v1", "v2"))], [])
    assert mirror.flush()
    assert history(store, "amy").items == ["pot", "cup", "tea"]
    assert [user_of(store, each) for each in ("v1", "v2", "ann", "amy")] == ["amy", "amy", "amy", None]
    mirror.add([Identified(0, 4, "bob", ("v9",), ("v1",))], [])
    assert mirror.flush()
    assert [user_of(store, each) for each in ("v1", "v2", "v9")] == [None, "amy", "bob"]
    assert identities.known(store, ["v2"]) == ["v2", "amy", "ann"]


def test_what_an_anonymous_visitor_was_shown_counts_for_the_user(store: Store) -> None:
    now = time.time()
    showings.write(store, [("v1", page("5f", ["tea"], now - 9)), ("ann", page("60", ["cup"], now - 5))])
    identities.join(store, Identified(0, 7, "ann", ("v1",)), "c")
    found = showings.parse(store.call(*showings.request(store.key, "ann")))
    assert [showing.request_id for showing in found] == ["5f", "60"]
    assert showings.parse(store.call(*showings.request(store.key, "v1"))) == []


def test_an_erasure_takes_all_ids_along_even_those_that_only_this_redis_knows(store: Store) -> None:
    mirror = LiveWriter(store, TOPICS, time.monotonic, lambda: None)
    mirror.add([{"v1": [entry(1, 1.0, "tea")], "v2": [entry(2, 2.0, "cup")], "bob": [entry(3, 3.0, "pot")]}], [])
    mirror.add([Identified(0, 1, "ann", ("v1",)), Identified(0, 2, "ann", ("v2",)), {"v2": [entry(4, 4.0, "mug")]}], [])
    mirror.add([Erased(0, 3, "ann", "r1", ("v1",)), {"ann": [entry(5, 5.0, "jar")]}], [])
    assert mirror.flush()
    assert [history(store, each).items for each in ("v1", "v2", "ann", "bob")] == [[], [], ["jar"], ["pot"]]
    assert [user_of(store, each) for each in ("v1", "v2")] == [None, None]
    assert erasures.read(store, "r1") == {"history": "3", "shown": "0", "attributes": "0"}
    log = [fields for _, fields in store.call("XRANGE", store.key("erased"), "-", "+")]
    told = {
        int(dict(zip(each[::2], each[1::2], strict=True))[b"u"]) if isinstance(each, list) else int(each[b"u"])
        for each in log
    }
    assert told == {user_hash(each) for each in ("ann", "v1", "v2")}


# -- a Redis that lost it all ------------------------------------------------------------------------------------------


@pytest.fixture
def histories_in(settings: Settings, tmp_path: Path) -> Iterator[Store]:
    """A Redis of its own for histories, which may be emptied."""
    with embedded.redis(tmp_path / "histories") as child:
        elsewhere = changed(settings, redis={"url": f"redis://{child.address}/0"})
        with closing(Store.for_histories(elsewhere)) as store:
            yield store


def test_an_emptied_redis_gets_back_who_is_joined_with_attributes_and_nobody_who_was_erased(
    settings: Settings, histories_in: Store
) -> None:
    settings = changed(settings, witness={"estimators": ()})
    ensure_topics(settings)
    with EventProducer(settings) as producer:
        for topic, value in (
            ("events", clicked("v1", "lamp")),
            ("control", encode_control(Describe("a1", "ann", {"plan": "pro", "address": {"no": "value"}}))),
            ("control", encode_control(Describe("a2", "v1", {"plan": "guest"}))),
            ("control", encode_control(Describe("a3", "bob", {"plan": "free"}))),
            ("control", encode_control(Identify("i1", "v1", "ann"))),
            ("events", clicked("ann", "cup")),
            ("events", clicked("v1", "sofa")),
            ("events", clicked("v2", "tea")),
            ("control", encode_control(Identify("i2", "v2", "bob"))),
            ("control", encode_control(Erase("r1", "bob"))),
        ):
            producer.send(topic, "key", value)
            assert producer.flush(60.0)

    def as_it_should_be() -> bool:
        found = beats.look(histories_in)
        joined = [user_of(histories_in, each) for each in ("v1", "v2")]
        pasts = [term.history(each) for each in ("ann", "v1", "bob", "v2")]
        repaired = found.repair is None and all(found.beats[:1])
        told = attributes.of_users(histories_in, ["ann", "v1", "bob", "v2"])
        whole = repaired and told == {"ann": Attributes(b'{"plan":"pro"}')}
        return whole and (joined, pasts) == (["ann", None], [["sofa", "cup", "lamp"], [], [], []])

    with ExitStack() as stack:
        term = UnderWay(settings, histories_in)
        stack.callback(term.stack.close)
        term.begin()
        term.learn(10)
        eventually(as_it_should_be, timeout=60.0)
        histories_in.call("FLUSHALL")
        eventually(as_it_should_be, timeout=60.0)
