"""The Python clients, with threads and with an event loop, against a real service, its Kafka and its Redis."""

from __future__ import annotations

import asyncio
import inspect
import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from sluicegate_client import AsyncClient, Away, Batching, Client, Refused, Retry

from models.records.items import ItemFacts
from service.http.auth import digest
from service.local.embedded import free_port
from streaming.kafka.topics import ensure_topics
from streaming.settings.loading import Settings
from tests.conftest import eventually
from tests.integration.service.test_http import in_topic
from tests.support.processes.serving import Learner, Served, changed, connected

KEY = "key-of-the-shop"
QUICK = Retry(attempts=2, first=0.05, longest=0.2, patience=1.0)


class Waited:
    """An AsyncClient whose methods are called like those of Client: what both promise is tested once."""

    def __init__(self, address: str, key: str = "", **more: Any) -> None:
        self._runner = asyncio.Runner()
        self._client = self._runner.run(self._made(address, key, more))
        self.outbox = self._client.outbox

    async def _made(self, address: str, key: str, more: dict[str, Any]) -> AsyncClient:
        return AsyncClient(address, key, **more)

    def __getattr__(self, name: str) -> Callable[..., Any]:
        async def call(*args: Any, **named: Any) -> Any:
            found = getattr(self._client, name)(*args, **named)
            return await found if inspect.isawaitable(found) else found

        return lambda *args, **named: self._runner.run(call(*args, **named))

    def __enter__(self) -> Waited:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
        self._runner.close()


@pytest.fixture(params=[Client, Waited], ids=["threads", "event loop"])
def client(request: pytest.FixtureRequest) -> Any:
    """Makes a client of one of the two kinds."""
    return request.param


@pytest.fixture
def guarded(settings: Settings) -> Settings:
    """Settings with a key, and a port that stays when the service starts again."""
    ensure_topics(settings)
    return changed(settings, service={"keys": (f"admin:{digest(KEY)}",), "port": free_port()})


@pytest.fixture
def served(guarded: Settings) -> Iterator[Served]:
    with connected(guarded, trusted=False) as running:
        yield running


def events(settings: Settings, count: int) -> list[dict[str, Any]]:
    return [json.loads(value or b"") for _, value in in_topic(settings, "events", count)]


def test_every_method_has_an_answer_of_its_type(guarded: Settings, taught: Learner, client: Any) -> None:
    taught.describe({"item-1": ItemFacts(title="Tea", price=2.5)})
    version = taught.commit()
    with connected(guarded, trusted=False) as served, client(served.base, KEY) as shop:
        ready = {"X-API-Key": KEY}
        eventually(lambda: served.get("/readyz", headers=ready).json()["version"] == version, timeout=60.0)
        eventually(lambda: served.get("/items/item-1", headers=ready).json().get("title"))
        slate = shop.recommend("user-1", n=3, candidates=["item-1", "item-2"])
        assert {item.item_id: item.title for item in slate.items} == {"item-1": "Tea", "item-2": None}
        assert len(shop.recommend(recent_items=["item-1"], n=2).items) == 2
        assert len(shop.popular(4).items) == 4
        assert len(shop.similar("item-1", 2).items) == 2
        others = shop.similar("item-1", exclude=["item-2"], pinned=[{"item_id": "item-9", "place": 1}], n=4)
        assert others.items[0].item_id == "item-9"
        assert "item-2" not in {item.item_id for item in others.items}
        assert [item.item_id for item in shop.popular(price_max=3.0).items] == ["item-1"]
        unseen = {item.item_id for item in shop.trending(30, user_id="user-1", exclude_seen="all").items}
        everything = {item.item_id for item in shop.trending(30).items}
        assert everything - unseen == {"item-1", "item-11", "item-21"}
        assert shop.bought_together("item-1", exclude_in_view=False).items == ()
        sent = shop.send_events([{"event_type": "click", "user_id": "ann", "item_id": "item-1"}, {"user_id": "ann"}])
        assert [outcome.outcome for outcome in sent.outcomes] == ["accepted", "rejected"]
        assert shop.send_items([{"item_id": "item-3", "title": "Pot", "colour": "red"}]).attributes == {"colour": 1}
        assert shop.remove_item("a/b").outcome == "accepted"
        told = shop.set_user("ann/b", {"plan": "pro", "address": {"street": "x"}})
        assert (told.user_id, told.outcome, told.left_out) == ("ann/b", "accepted", ("address",))
        assert shop.identify("v1", "ann").outcome == "accepted"


def test_tracked_events_arrive_in_batches_with_ids_and_times(served: Served, guarded: Settings, client: Any) -> None:
    batching = Batching(events=20, seconds=60.0)
    with client(
        served.base, KEY, batching=batching, now=lambda: 1_700_000_000.0, new_id=iter(map(str, range(99))).__next__
    ) as shop:
        for number in range(50):
            shop.track("click", "ann", f"item-{number}", context={"page": "home"})
        shop.track("search", "ann", query="tea", event_id="own", timestamp=1_700_000_001.0)
        assert shop.flush(60.0) == 0
        found = events(guarded, 51)
        assert (shop.outbox.refused, shop.outbox.dropped) == (0, 0)
    assert {event["event_id"] for event in found} == {*map(str, range(50)), "own"}
    assert {event["timestamp"] for event in found} == {1_700_000_000.0, 1_700_000_001.0}
    posted = {"method": "POST", "route": "/events", "code": "202"}
    eventually(lambda: served.sample("sluicegate_http_requests_total", **posted) == 3)  # counted after its last byte


def test_nothing_is_lost_while_the_service_is_away(guarded: Settings, client: Any) -> None:
    address = f"http://127.0.0.1:{guarded.service.port}"
    with client(address, KEY, retry=QUICK, batching=Batching(events=10, seconds=0.01)) as shop:
        for number in range(30):
            shop.track("click", "ann", f"item-{number}")
        assert shop.flush(0.5) == 30
        assert isinstance(shop.outbox.trouble, Away)
        with pytest.raises(Away, match="tried 2 times"):
            shop.recommend("ann")
        with connected(guarded, trusted=False, port=guarded.service.port):
            assert shop.flush(60.0) == 0
    assert {event["item_id"] for event in events(guarded, 30)} == {f"item-{number}" for number in range(30)}


def test_a_wrong_key_is_told_and_its_events_wait_for_the_right_one(served: Served, client: Any) -> None:
    with client(served.base, "wrong", retry=QUICK) as shop:
        with pytest.raises(Refused, match="X-API-Key") as raised:
            shop.recommend("ann")
        assert raised.value.status == 401
        shop.track("click", "ann", "tea")
        assert shop.flush(0.3) == 1
        assert isinstance(shop.outbox.trouble, Refused)
        assert shop.close(0.1) == 1
        with pytest.raises(RuntimeError, match="closed"):
            shop.track("click", "ann", "tea")
