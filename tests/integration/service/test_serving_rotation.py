"""Items that one service showed go down at another: through topic `slates`, the learner and Redis, all real."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack, closing
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from models.records.events import IMPRESSION, Event
from models.records.slates import SlateRecord, encode_slate
from models.slate.rotation import ITEMS_PER_USER, Showing, impression, page
from streaming.evidence.attribution import SlateAttributor
from streaming.kafka.producer import EventProducer
from streaming.kafka.topics import ensure_topics
from streaming.live import erasures as erasing
from streaming.live import showings as shown
from streaming.settings.loading import Settings
from streaming.store.store import QuickStore, Store
from streaming.telemetry import LearnerTelemetry
from tests.conftest import eventually
from tests.support.processes.serving import Served, changed, learner, service, shop


@pytest.fixture
def store(settings: Settings) -> Iterator[Store]:
    found = Store.for_histories(settings)
    yield found
    found.close()


def following(settings: Settings, store: Store) -> SlateAttributor:
    """What the learner runs next to learning; the caller closes it."""
    return SlateAttributor(settings, LearnerTelemetry(CollectorRegistry()), store=store)


def remembered(store: Store, user: str) -> list[Showing]:
    return shown.parse(store.call(*shown.request(store.key, user)))


def rotated(served: Served, user: str, n: int = 30) -> dict[str, float]:
    """How far rotation moves each item down at this service; only items that it moves."""
    answer = served.get(f"/recommend/{user}", params={"n": n, "rotate": 1.0, "explain": "true"}).json()
    moved = {
        item["item_id"]: sum(part["contribution"] for part in item["contributions"] if part["name"] == "rotation")
        for item in answer["items"]
    }
    return {item: value for item, value in moved.items() if value}


def shown_by(served: Served, path: str) -> Any:
    return served.get(path).json()


def test_an_item_that_one_service_showed_goes_down_at_another_until_the_user_acts_or_is_erased(
    settings: Settings, store: Store
) -> None:
    ensure_topics(settings)
    with ExitStack() as stack:
        taught = stack.enter_context(learner(settings))
        taught.learn(shop())
        version = taught.commit()
        follower = stack.enter_context(closing(following(settings, store)))
        first, second, third = (stack.enter_context(service(settings)) for _ in range(3))
        for served in (first, second, third):
            eventually(lambda served=served: served.get("/readyz").json()["version"] == version, timeout=30.0)
        eventually(lambda: first.context.intake.producer)
        eventually(follower.following.is_set, timeout=30.0)

        told = shown_by(first, "/recommend/user-3?n=3")  # nothing of rotation in it
        first.get("/recommend?n=3")  # nobody's
        page_, request_id = [item["item_id"] for item in told["items"]], told["request_id"]
        eventually(lambda: remembered(store, "user-3"))
        assert [(each.request_id, each.items) for each in remembered(store, "user-3")] == [(request_id, page_)]
        assert len(store.call("KEYS", store.key("shown", "*"))) == 1

        seen = Event(IMPRESSION, "user-3", page_[0], time.time(), request_id=request_id)
        follower.offer([seen, seen])
        eventually(lambda: any(any(each.seen) for each in remembered(store, "user-3")))
        down = rotated(second, "user-3")
        assert set(down) == set(page_)
        # log2(1 + 1) against log2(1 + 1/2), a few seconds later.
        assert down[page_[0]] / down[page_[1]] == pytest.approx(1 / 0.585, rel=0.02)
        assert down[page_[1]] == pytest.approx(down[page_[2]])

        taught.now = time.time() + 1.0
        taught.learn([("user-3", page_[1])])
        assert page_[1] not in rotated(third, "user-3", n=30)
        eventually(lambda: len(remembered(store, "user-3")) == 3)

        erasing.forget_history(store, "user-3", "c", (0, 0), "r0")
        assert erasing.read(store, "r0") == {"history": "4", "shown": "3", "attributes": "0"}
        assert remembered(store, "user-3") == []
        eventually(lambda: "user-3" not in third.context.showings)
        assert rotated(third, "user-3") == {}
        assert not [key for key in store.call("KEYS", store.key("*")) if b"user-3" in key]

        with closing(following(settings, store)) as successor:  # it reads the topic from before the erasure again
            eventually(lambda: successor.attribution._shown.keys() >= {request_id}, timeout=30.0)
            with EventProducer(settings) as producer:
                slate = SlateRecord("last", time.time(), ["item-1"], user_id="user-4")
                producer.send("slates", "user-4", encode_slate(slate))
            eventually(lambda: remembered(store, "user-4"))
        assert remembered(store, "user-3") == []


def test_without_redis_a_service_rotates_the_items_it_showed_itself(settings: Settings) -> None:
    with learner(settings) as taught:
        taught.learn(shop())
        version = taught.commit()
        with service(settings) as served:
            eventually(lambda: served.get("/readyz").json()["version"] == version)
            away = changed(settings, redis={"url": "redis://127.0.0.1:1"})
            served.context.histories._store = QuickStore(away, 0.2)
            assert rotated(served, "user-3", n=3) == {}
            answer = served.get("/recommend/user-3?n=3&rotate=1").json()
            assert "history_unavailable" in answer["degraded"]
            assert len(rotated(served, "user-3")) >= 3


def test_showings_sent_twice_or_out_of_order_are_one_list_in_order(store: Store) -> None:
    now = time.time()
    older, newer = page("1", ["tea", "mug"], now - 9.0), page("2", ["pot"], now)
    told = [
        ("ann", each) for each in (impression("1", "mug", now - 8.0), newer, impression("1", "cup", now - 7.0), older)
    ]
    for _ in range(2):
        shown.write(store, told)
    assert remembered(store, "ann") == [Showing("1", now - 9.0, ["tea", "mug"], [0.0, now - 8.0]), newer]
    assert 0 < store.call("TTL", shown.name(store.key, "ann")) <= shown.TTL_SECONDS


def test_a_user_s_list_is_bounded_and_the_oldest_pages_go_first(store: Store) -> None:
    pages = [page(f"r{n}", [f"item-{n}-{place}" for place in range(10)], 1000.0 + n) for n in range(20)]
    shown.write(store, [("ann", each) for each in pages])
    assert remembered(store, "ann") == pages[-(ITEMS_PER_USER // 10) :]
    shown.write(store, [("ann", each) for each in pages])  # read again by a new learner
    assert remembered(store, "ann") == pages[-(ITEMS_PER_USER // 10) :]
    shown.write(store, [("ann", page("long", [str(n) for n in range(200)], 2000.0))])
    assert sum(len(each.items) for each in remembered(store, "ann")) == ITEMS_PER_USER


def test_showings_that_redis_refuses_are_dropped_counted_and_not_tried_again_at_once(settings: Settings) -> None:
    clock = [0.0]
    dropped: list[float] = []
    away = Store("redis://127.0.0.1:1", settings.namespace, timeout=0.2, retries=0)
    memory = shown.ShowingsWriter(away, dropped.append, lambda: 1e6, lambda: clock[0])
    for now, user in ((1e6, "ann"), (1e6, None), (1e6 - shown.TTL_SECONDS, "ann")):
        memory.page(SlateRecord("5f", now, ["tea"], user_id=user))
    memory.seen("ann", "5f", "tea", 1e6)
    memory.flush()
    assert dropped == [2]
    away.close()
    memory.seen("ann", "5f", "tea", 1e6)
    memory.flush()  # within the pause: not tried
    memory.flush()  # nothing there
    assert dropped == [2, 1]
