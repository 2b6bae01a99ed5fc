"""The list of users holds whoever has a history or attributes, and nobody else, whatever is written, erased or lost."""

from __future__ import annotations

import time

import pytest

from streaming.live import attributes, histories, users
from streaming.live.users import LISTED, Upkeep
from streaming.live.writer import LiveWriter
from streaming.live.writes import Described, Erased, Identified, Part
from streaming.store.store import Store
from tests.conftest import eventually

TOPICS = {"events": "topic-1", "items": "topic-2", "control": "topic-3"}


def found(store: Store, beginning: str = "", after: str | None = None, limit: int = 100) -> list[str]:
    return users.parse(store.call(*users.request(store.key, beginning, after, limit)))


def write(store: Store, *parts: Part, upkeep: Upkeep | None = None) -> None:
    writer = LiveWriter(store, TOPICS, time.monotonic, lambda: None, upkeep=upkeep)
    writer.add(parts, [])
    assert writer.flush()


def clicks(*names: str, offset: int = 1) -> dict[str, list[histories.Entry]]:
    return {user: [(0, offset + place, 10.0, 0, "tea")] for place, user in enumerate(names)}


def until_listed(store: Store, upkeep: Upkeep) -> int:
    """Steps until all users are listed: each looks at some of the keys that all tests have in this Redis."""
    most = 100 + 2 * store.call("DBSIZE") // users.KEYS_LOOKED_AT
    for steps in range(1, most):
        upkeep.step()
        if store.call(*users.listed_request(store.key)):
            return steps
    raise AssertionError(f"not listed in {most} steps")


def test_who_does_something_is_found_by_how_the_id_begins(store: Store) -> None:
    odd = ["an", "an:b", "an{c}", "an*", "an na", "anna", "añ", "anÿ", "an\U0010ffff"]
    write(store, clicks("ann", "bob", *odd))
    assert found(store, "an") == sorted(["ann", *(user for user in odd if user != "añ")], key=str.encode)
    assert found(store, "añ") == ["añ"]
    assert found(store, "an\U0010ffff") == ["an\U0010ffff"]
    assert found(store, "anna-") == found(store, "Ann") == []
    assert found(store, "an", limit=2) == ["an", "an na"]
    assert found(store, "an", after="an na", limit=2) == ["an*", "an:b"]


def test_an_erased_user_is_off_the_list_and_on_it_again_with_the_next_event(store: Store) -> None:
    for _ in range(2):  # the second time as after a crash: all of it is sent again
        write(store, clicks("ann", "bob"), Described(0, 1, "cee", b'{"plan":"pro"}'))
        write(store, Erased(0, 2, "ann", "r2"), Erased(0, 3, "cee", "r3"))
    assert found(store) == ["bob"]
    write(store, clicks("ann", offset=9))
    assert found(store) == ["ann", "bob"]


def test_joined_ids_leave_the_list_and_the_user_is_on_it(store: Store) -> None:
    write(store, clicks("v1"), Described(0, 1, "v2", b'{"plan":"pro"}'), Identified(0, 2, "ann", ("v1",)))
    assert found(store) == ["ann", "v2"]
    write(store, Identified(0, 3, "bob", ("v2", "v3")), Identified(0, 4, "cee", ("v4",)))
    assert found(store) == ["ann", "bob"]  # nobody knows anything of cee
    write(store, Erased(0, 5, "ann", "r5", ("v1",)))
    assert found(store) == ["bob"]


def test_a_user_with_attributes_alone_is_listed_until_they_are_taken_back(store: Store) -> None:
    write(store, Described(0, 1, "ann", b'{"plan":"pro"}'))
    assert found(store) == ["ann"]
    write(store, Described(0, 2, "ann", b""))
    upkeep = Upkeep(store)
    until_listed(store, upkeep)
    upkeep.step()
    assert found(store) == []


def test_users_from_before_there_was_a_list_are_listed_and_whoever_is_gone_is_not(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(users, "KEYS_LOOKED_AT", 10)
    monkeypatch.setattr(users, "TOGETHER", 7)
    many = [f"u{number:03}" for number in range(300)]
    for start in range(0, 300, 100):
        write(store, clicks(*many[start : start + 100], offset=1 + start))
    attributes.write(store, Described(0, 1, "zoe", b'{"plan":"pro"}'), "topic-3")
    store.call("DEL", store.key("users"))
    store.call("ZADD", store.key("users"), 0, "gone")
    assert store.call(*users.listed_request(store.key)) is None
    upkeep = Upkeep(store)
    assert until_listed(store, upkeep) > 1
    assert found(store, limit=400) == ["gone", *many, "zoe"]
    store.call("UNLINK", store.key("h", "u007"), store.key("h", "u299"))  # as when their time to live is over
    for _ in range(302 // 7 + 1):
        upkeep.step()
    left = [user for user in many if user not in {"u007", "u299"}]
    assert found(store, limit=400) == [*left, "zoe"]
    for _ in range(302 // 7 + 2):  # once more round, and nothing else goes
        upkeep.step()
    assert found(store, limit=400) == [*left, "zoe"]


def test_the_writer_keeps_the_list_and_begins_again_after_redis_went_back(store: Store) -> None:
    now = [0.0]
    histories.write(store, clicks("ann"), "topic-1")
    store.call("DEL", store.key("users"))
    writer = LiveWriter(store, TOPICS, lambda: now[0], lambda: None, upkeep=Upkeep(store))

    def listed() -> bool:
        now[0] += 2.0  # it looks once a second, at some of the keys that all tests have in this Redis
        return writer.flush() and bool(store.call(*users.listed_request(store.key)))

    eventually(listed)
    assert found(store) == ["ann"]
    store.call("DEL", store.key("users"), store.key("h-marks"))  # an older Redis, from before the list
    now[0] += 2.0
    assert not writer.flush()
    eventually(listed)
    assert found(store) == ["ann"]
    assert store.call("HEXISTS", store.key("h-marks"), LISTED)
