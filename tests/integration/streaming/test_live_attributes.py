"""Attributes of users in Redis: set once an order, moved with a join, gone with an erasure."""

from __future__ import annotations

import time
from typing import Any

import pytest

from streaming.live import Described, Identified, LiveWriter, attributes, erasures, identities
from streaming.live.beats import WentBack
from streaming.live.writer import Erased
from streaming.store import Store

TOPICS = {"events": "topic-1", "items": "topic-2", "control": "topic-3"}


def of(store: Store, user: str) -> dict[str, Any]:
    found = attributes.parse(store.call(*attributes.request(store.key, user)))
    return {} if found is None else found.values()


def plan(offset: int, user: str, name: str) -> Described:
    return Described(0, offset, user, b'{"plan":"%s"}' % name.encode())


def write(store: Store, *parts: Described | Identified | Erased) -> None:
    mirror = LiveWriter(store, TOPICS, time.monotonic, lambda: None)
    mirror.add(list(parts), [])
    assert mirror.waiting == len(parts)
    assert mirror.flush()


def test_the_newest_order_counts_and_one_that_is_sent_again_changes_nothing(store: Store) -> None:
    write(store, plan(1, "ann", "free"), plan(2, "bob", "free"))
    write(store, plan(3, "ann", "pro"))
    write(store, plan(1, "ann", "free"))  # as after a crash
    assert (of(store, "ann"), of(store, "bob"), of(store, "eve")) == ({"plan": "pro"}, {"plan": "free"}, {})
    write(store, Described(0, 4, "ann", b""))
    assert of(store, "ann") == {}
    assert attributes.of_users(store, ["ann", "bob"]) == {"bob": attributes.parse(b'{"plan":"free"}')}


def test_a_visitors_attributes_become_those_of_a_user_who_has_none(store: Store) -> None:
    write(store, plan(1, "v1", "guest"), plan(2, "v2", "guest"), plan(3, "bob", "pro"))
    write(store, Identified(0, 4, "ann", ("v1",)), Identified(0, 5, "bob", ("v2",)))
    assert (of(store, "ann"), of(store, "bob")) == ({"plan": "guest"}, {"plan": "pro"}), "the user's own stay"
    assert (of(store, "v1"), of(store, "v2")) == ({}, {})
    write(store, plan(6, "v1", "pro"))
    assert (of(store, "ann"), of(store, "v1")) == ({"plan": "pro"}, {}), "both ids mean the user now"


def test_an_erasure_takes_them_along_and_the_receipt_says_so(store: Store) -> None:
    write(store, plan(1, "ann", "pro"), plan(2, "bob", "pro"), Identified(0, 3, "ann", ("v1",)))
    write(store, Erased(0, 4, "v1", "r1"))
    assert (of(store, "ann"), of(store, "bob")) == ({}, {"plan": "pro"})
    assert erasures.read(store, "r1")["attributes"] == "1"
    assert not any(b"ann" in field for field in store.call("HKEYS", identities.attributes(store.key)))


def test_a_redis_that_went_back_takes_none(store: Store) -> None:
    beat = attributes.write(store, plan(1, "ann", "pro"), "c")
    store.call("HSET", store.key("h-marks"), "beat", beat - 1)
    with pytest.raises(WentBack):
        attributes.write(store, plan(2, "ann", "free"), "c", beat)
    assert of(store, "ann") == {"plan": "pro"}
