"""The same stream through Kafka and directly through the models ends in the same state; what users do shows at once."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from models.recommender.recommender import Recommender
from service.local.demo_data import purchases
from streaming.intake.parameters import recommender_settings
from tests.support.processes.harness import Installation, differences
from tests.support.processes.roles import Process
from tests.support.streams.streams import EPOCH, Planned, Shop, with_refusals
from tests.support.streams.twin import directly

Open = Callable[..., Installation]


@pytest.fixture
def open_installation(broker: str, redis_url: str, tmp_path: Path) -> Iterator[Open]:
    """An installation on the embedded broker and Redis; its processes end with the test."""
    with ExitStack() as stack:
        yield lambda **settings: stack.enter_context(Installation(broker, redis_url, tmp_path, 1, **settings))


def through_kafka(ours: Installation, planned: list[Planned], facts: Mapping[str, Mapping[str, Any]]) -> Recommender:
    """What the learner's process makes of it, as its last version says. Facts go first: then their order is certain."""
    learner = ours.learner()
    ours.send_facts(facts, planned[0].record_time)
    ours.wait_learnt(learner)
    ours.send(planned)
    ours.wait_learnt(learner)
    learner.terminate()
    assert learner.wait_exit() == 0
    ours.verify()
    return Recommender(ours.load().state, recommender_settings(ours.settings))


def assert_equal(one: Recommender, other: Recommender, now: float) -> None:
    assert one.scores() == other.scores()
    assert not differences(one.state, other.state)
    assert one.state.digest() == other.state.digest()
    some = [item for item in one.state.keys["item"].ids[:200:20] if item is not None]
    mine, theirs = (each.rank(some, [now] * len(some), [0] * len(some), now) for each in (one, other))
    assert mine.items == theirs.items
    assert mine.scores.tobytes() == theirs.scores.tobytes()


def test_real_purchases_and_a_typed_stream_through_kafka_and_directly_through_the_models_agree(
    open_installation: Open,
) -> None:
    bought, shop = purchases(2_000, EPOCH), Shop(seed=31)
    planned = [Planned(event, event["timestamp"]) for event in bought.events(0, len(bought))]
    planned += with_refusals(shop.stream(3_000), 31)
    facts = {**bought.facts, **shop.facts()}
    ours = open_installation()
    learnt = through_kafka(ours, planned, facts)
    assert_equal(learnt, directly(ours.settings, planned, facts), planned[-1].record_time)


def attributed(ours: Installation, learner: Process, service: Process) -> None:
    """A click that is sent to the service counts in the learner, for the first page that the service made."""
    _, answer = service.get("/recommend/visitor?n=3")
    event = {
        "event_type": "click",
        "user_id": "visitor",
        "item_id": answer["items"][2]["item_id"],
        "timestamp": time.time(),
        "request_id": answer["request_id"],
    }
    assert service.ask("POST", "/events", event)[0] == 202
    for name, what in (
        ("sluicegate_attributed_events_total", "the click is attributed"),
        ("sluicegate_version_event_rate", "one page, one click"),
    ):
        clicks = f"{name}{{kind=click,version=current}}"
        ours.wait(lambda name=name, clicks=clicks: learner.metrics(name).get(clicks) == 1, what, learner, service)


def test_what_a_user_just_did_shows_in_the_next_answers_and_counts_for_the_page_it_followed(
    open_installation: Open,
) -> None:
    shop, ours = Shop(seed=32), open_installation()
    learner, service = ours.learner(), ours.service()
    ours.send(shop.stream(2_000, time.time() - 20.0, interval=0.01))
    head = ours.wait_learnt(learner)

    def shown() -> list[str]:
        status, answer = service.get("/recommend/newcomer?n=10")
        assert status == 200, answer
        return [item["item_id"] for item in answer["items"]]

    ours.wait(lambda: service.get("/model")[1].get("version") == head.id, "the version is served", learner, service)
    attributed(ours, learner, service)
    assert sum(shop.category_of(item) == 7 for item in shown()) < 5
    event = {"event_type": "purchase", "user_id": "newcomer", "item_id": shop.item(7, 2), "timestamp": time.time()}
    assert service.ask("POST", "/events", event)[0] == 202
    ours.wait(
        lambda: sum(shop.category_of(item) == 7 for item in shown()) >= 5,
        "the answer reflects the purchase",
        learner,
        service,
        pause=0.01,
    )
