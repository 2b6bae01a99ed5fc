"""A Redis that went back behind what a service has seen of it: nothing older is served from it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from models.records.items import ItemFacts
from service.runtime.telemetry import Telemetry
from service.serving.histories import BUDGET, Histories
from streaming.live import beats, erasures, facts, histories
from streaming.live.facts import FactsFollower
from streaming.settings.loading import Settings
from streaming.store import Argument, QuickStore, Store
from tests.conftest import eventually
from tests.support.processes.serving import Learner, service


def copied(store: Store, *names: str) -> dict[str, bytes]:
    return {name: store.call("DUMP", name) for name in names}


def put_back(store: Store, kept: dict[str, bytes]) -> None:
    for name, data in kept.items():
        store.call("RESTORE", name, 0, data, "REPLACE")


def test_the_history_of_an_erased_user_that_a_failover_brought_back_is_not_served(
    settings: Settings, taught: Learner
) -> None:
    store = taught.store
    first = taught.commit()
    kept = copied(store, store.key("h", "user-1"), store.key("h-marks"))
    with service(settings) as served:
        eventually(lambda: served.get("/readyz").json()["version"] == first)
        assert served.get("/recommend/user-1").json()["degraded"] == []
        erasures.forget_history(store, "user-1", "c", (0, 1), "receipt")
        assert served.get("/users/user-1").json()["history"] == []
        put_back(store, kept)
        assert served.get("/recommend/user-1").json()["degraded"] == ["history_unavailable"]
        # The learner repairs it: first it says so, then it erases the user again.
        beats.begin(store, {"c:0": 1})
        assert served.get("/recommend/user-2").json()["degraded"] == ["history_unavailable"]
        erasures.forget_history(store, "user-1", "c", (0, 1), "receipt")
        assert served.get("/recommend/user-1").json()["degraded"] == ["history_unavailable"]
        store.run("repaired", beats.hashes(store.key), ["again"])
        assert served.get("/recommend/user-1").json()["degraded"] == []
        assert served.get("/users/user-1").json()["history"] == []


def test_who_asks_for_a_history_waits_for_a_busy_redis(settings: Settings, taught: Learner) -> None:
    first = taught.commit()
    with service(settings, budget=BUDGET) as served:
        eventually(lambda: served.get("/readyz").json()["version"] == first)
        taught.store.call("CLIENT", "PAUSE", 400, "ALL")
        found = served.get("/users/user-1")
        assert (found.status_code, found.json()["known"]) == (200, True)


def test_a_removed_item_stays_removed_while_redis_is_behind(settings: Settings) -> None:
    store = Store.for_learner(settings)
    facts.write(store, [(0, 0, "tea", ItemFacts()), (0, 1, "cup", ItemFacts())], "t")
    names = [store.key("facts"), *(store.key("facts", name) for name in ("log", "marks"))]
    kept = copied(store, *names)
    facts.write(store, [(0, 2, "tea", None)], "t")
    follower = FactsFollower(store)
    follower.step()
    assert follower.hidden("tea")
    put_back(store, kept)
    follower.step()
    assert follower.hidden("tea"), "older facts are not taken"
    beats.begin(store, {"t:0": 2})
    facts.write(store, [(0, 2, "tea", None), (0, 3, "pot", ItemFacts())], "t")
    follower.step()
    assert follower.get("pot") is None
    store.run("repaired", beats.hashes(store.key), ["again"])
    follower.step()
    assert follower.hidden("tea")
    assert follower.get("pot") is not None
    store.close()


def test_no_write_covers_up_what_is_missing(settings: Settings) -> None:
    store = Store.for_learner(settings)
    beat = histories.write(store, {"ann": [(0, 1, 10.0, 0, "tea")]}, "t")
    kept = copied(store, store.key("h", "ann"), store.key("h-marks"))
    beat = histories.write(store, {"ann": [(0, 2, 11.0, 0, "cup")]}, "t", beat=beat)
    put_back(store, kept)
    for write in (
        lambda: histories.write(store, {"ann": [(0, 3, 12.0, 0, "pot")]}, "t", beat=beat),
        lambda: erasures.forget_history(store, "ann", "c", (0, 1), "receipt", beat),
    ):
        try:
            write()
        except beats.WentBack:
            continue
        raise AssertionError("written over a gap")
    assert store.call("LLEN", store.key("h", "ann")) == 1
    store.close()


class HeldBack(QuickStore):
    """Hands the first answer over only when the second one was."""

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings, timeout=5.0)
        self.asked, self.second = 0, asyncio.Event()
        self.first_is_read = asyncio.Event()

    async def calls(self, commands: Sequence[Sequence[Argument]]) -> list[Any]:
        """As the store does, with the first answer held back."""
        self.asked += 1
        number = self.asked
        answers = await super().calls(commands)
        if number == 1:
            self.first_is_read.set()
            await self.second.wait()
        return answers


async def in_reverse(settings: Settings, store: Store) -> list[bool]:
    """Whether each of two histories could be read: asked for together, answered in reverse, with a write between."""
    quick = HeldBack(settings)
    read = Histories(quick, Telemetry(), budget=5.0)
    first = asyncio.ensure_future(read.past("ann"))
    await quick.first_is_read.wait()
    await asyncio.to_thread(histories.write, store, {"ann": [(0, 2, 11.0, 0, "cup")]}, "t")
    newer = await read.past("ann")
    quick.second.set()
    older = await first
    await quick.close()
    return [older.read, newer.read]


def test_answers_that_come_in_another_order_are_no_redis_that_went_back(settings: Settings) -> None:
    store = Store.for_learner(settings)
    histories.write(store, {"ann": [(0, 1, 10.0, 0, "tea")]}, "t")
    assert asyncio.run(in_reverse(settings, store)) == [True, True]
    store.close()
