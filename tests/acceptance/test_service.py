"""The API as a process of its own: what a user just did shows at once, and it answers whoever else is away."""

from __future__ import annotations

import secrets
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import Any

import pytest
from kafka import KafkaAdminClient

from tests.acceptance.conftest import Open, limit
from tests.support.processes.apache_kafka import ApacheKafka
from tests.support.processes.harness import Installation
from tests.support.processes.redis_server import RedisServer
from tests.support.processes.roles import Process
from tests.support.streams.streams import Planned, Shop

# Records learned before anything is asked, and seconds between them: the last one is now.
EVENTS, INTERVAL = 3_000, 0.01
# Seconds an answer may take while another part is away. Timeouts towards Redis are well below; a machine that is busy
# with a dozen processes takes one or two.
ANSWER = 5.0

SHOP = Shop(seed=21)


def learnt_and_served(ours: Installation) -> tuple[Process, Process]:
    """Learner and service, the stream of a shop learned, and its last version served."""
    learner, service = ours.learner(), ours.service()
    ours.send(SHOP.stream(EVENTS, time.time() - EVENTS * INTERVAL, interval=INTERVAL))
    head = ours.wait_learnt(learner)
    ours.wait(lambda: model_version(service) == head.id, "the last version is served", learner, service)
    return learner, service


def recommended(service: Process, user: str, n: int = 10) -> dict[str, Any]:
    """The answer to one user; it must come, and in time."""
    asked = time.monotonic()
    status, answer = service.get(f"/recommend/{user}?n={n}")
    assert status == 200, answer
    assert time.monotonic() - asked < ANSWER
    assert len(answer["items"]) == n, answer
    return dict(answer)


def whole(ours: Installation, service: Process, user: str) -> dict[str, Any]:
    """The first answer that lacks nothing: on a busy machine Redis may be late for one."""
    found: dict[str, Any] = {}

    def lacks_nothing() -> bool:
        found.update(recommended(service, user))
        return found["degraded"] == []

    ours.wait(lacks_nothing, f"a whole answer for {user}", service)
    return found


def items(answer: dict[str, Any]) -> list[str]:
    return [item["item_id"] for item in answer["items"]]


def alike(one: dict[str, Any], other: dict[str, Any]) -> bool:
    """Whether two answers mostly agree: the seconds between them count in the ranking, so the last places may move."""
    return len(set(items(one)) & set(items(other))) >= 0.7 * len(one["items"])


def model_version(service: Process) -> str | None:
    return service.get("/recommend/nobody")[1]["model_version"]


def click(user: str, item: str) -> Planned:
    event = {"event_type": "click", "user_id": user, "item_id": item, "timestamp": time.time()}
    return Planned(event, time.time())


def test_one_event_through_kafka_changes_what_a_user_is_recommended(open_installation: Open) -> None:
    ours = open_installation()
    learner, service = learnt_and_served(ours)
    before = whole(ours, service, "newcomer")
    ours.send([click("newcomer", SHOP.item(5, 3))])
    ours.wait(lambda: items(recommended(service, "newcomer")) != items(before), "another answer", learner, service)
    after = items(recommended(service, "newcomer"))
    assert sum(SHOP.category_of(item) == 5 for item in after) >= 5, after
    assert SHOP.item(5, 4) in after, f"the usual successor of what was clicked is not in {after}"


def test_an_event_over_http_reaches_the_user_and_the_model(open_installation: Open) -> None:
    ours = open_installation()
    learner, service = learnt_and_served(ours)
    before, counted = whole(ours, service, "caller"), ours.load().manifest.progress.outcomes["learnt"]
    status, answer = service.ask("POST", "/events", click("caller", SHOP.item(2, 7)).event)
    assert (status, answer["accepted"]) == (202, 1)
    ours.wait(lambda: items(recommended(service, "caller")) != items(before), "another answer", learner, service)
    ours.wait(
        lambda: (head := ours.head()) is not None and head.progress.outcomes["learnt"] == counted + 1,
        "the event is in a version",
        learner,
    )


def test_an_item_taken_off_is_gone_from_answers_within_a_second_and_so_it_comes_back(open_installation: Open) -> None:
    ours = open_installation()
    learner, service = learnt_and_served(ours)
    first, waited = items(recommended(service, "user-2"))[0], []
    for available in (False, True):
        asked = time.monotonic()
        ours.post_fact(first, SHOP.facts()[first] | {"available": available}, time.time())
        ours.flush()
        ours.wait(
            lambda available=available: (first in items(recommended(service, "user-2", n=20))) == available,
            f"{first} shown: {available}",
            learner,
            service,
            pause=0.01,
        )
        waited.append(time.monotonic() - asked)
    assert min(waited) < 1.0, "the other may have had to wait for the machine"


def test_a_service_killed_and_restarted_answers_from_the_version_it_served(open_installation: Open) -> None:
    ours = open_installation()
    learner, service = learnt_and_served(ours)
    before = whole(ours, service, "user-3")
    service.kill()
    assert ours.processes[-1].get("/livez")[0] == 0
    begun = time.monotonic()
    heir = ours.service()
    assert time.monotonic() - begun < 30
    after = whole(ours, heir, "user-3")
    assert after["model_version"] == before["model_version"]
    assert alike(after, before)
    learner.check()


def test_the_service_answers_while_the_learner_is_away(open_installation: Open) -> None:
    ours = open_installation()
    learner, service = learnt_and_served(ours)
    learner.kill()
    whole(ours, service, "user-1")
    status, _ = service.ask("POST", "/events", click("user-1", SHOP.item(1, 1)).event)
    assert status == 202


def test_the_service_answers_while_kafka_is_away(open_installation: Open, kafka: ApacheKafka) -> None:
    ours = open_installation(kafka__bootstrap_timeout=2, kafka__request_timeout=2)
    _, service = learnt_and_served(ours)
    kafka.kill()
    whole(ours, service, "user-1")
    status, problem = service.ask("POST", "/events", click("user-1", SHOP.item(1, 1)).event, timeout=20)
    assert status == 503, problem
    assert problem["next"]
    ours.wait(lambda: service.metrics()["sluicegate_kafka_away"] == 1, "it tells that Kafka is away", service)
    kafka.start()
    ours.wait(
        lambda: service.ask("POST", "/events", click("user-1", SHOP.item(1, 1)).event, timeout=20)[0] == 202,
        "events are taken again",
        service,
    )


def large(user: str) -> dict[str, Any]:
    """A valid event of some 7 kB that hardly compresses."""
    context = {f"k{n}": secrets.token_urlsafe(180) for n in range(30)}
    return {"event_type": "search", "user_id": user, "query": "tea", "timestamp": time.time(), "context": context}


def test_what_kafka_refuses_for_good_is_one_rejected_event_and_the_rest_is_taken(
    open_installation: Open, kafka: ApacheKafka
) -> None:
    ours = open_installation()
    _, service = learnt_and_served(ours)
    small = click("user-1", SHOP.item(1, 1)).event
    admin = KafkaAdminClient(bootstrap_servers=kafka.bootstrap)
    with closing(admin):
        limit(admin, ours.settings.topic("events"), max_message_bytes="4000")
        status, answer = service.ask("POST", "/events", [small, large("user-1"), small], timeout=20)
        assert (status, [each["outcome"] for each in answer["outcomes"]]) == (202, ["accepted", "rejected", "accepted"])
        assert (answer["outcomes"][1]["reason"], answer["unavailable"]) == ("oversize", 0)
        assert "max.message.bytes" in answer["outcomes"][1]["expected"]
        status, problem = service.ask("POST", "/events", large("user-1"), timeout=20)
        assert (status, problem["errors"][0]["reason"]) == (422, "oversize")
        assert "again" not in problem["next"]
        with ThreadPoolExecutor(20) as pool:
            many = [large("user-2") if n % 10 == 0 else small for n in range(40)]
            found = list(pool.map(lambda event: service.ask("POST", "/events", event, timeout=20)[0], many))
        assert found == [422 if n % 10 == 0 else 202 for n in range(40)]
        limit(admin, ours.settings.topic("items"), max_message_bytes="1000")
        facts = {"embedding": [secrets.randbelow(10**9) / 1e9 for _ in range(1024)]}
        status, problem = service.ask("PUT", "/items/tea", facts, timeout=20)
        assert (status, "again" in problem["next"]) == (413, False)
        assert service.ask("PUT", "/items/tea", {"category": "drinks"}, timeout=20)[0] == 202
        assert service.ask("POST", "/events", small, timeout=20)[0] == 202
        assert service.metrics()["sluicegate_kafka_away"] == 0


def test_a_clock_out_of_bounds_stops_the_intake_only_as_long_as_it_is_wrong(
    open_installation: Open, kafka: ApacheKafka
) -> None:
    ours = open_installation()
    _, service = learnt_and_served(ours)
    event = click("user-1", SHOP.item(1, 1)).event
    admin = KafkaAdminClient(bootstrap_servers=kafka.bootstrap)
    with closing(admin):
        limit(admin, ours.settings.topic("events"), message_timestamp_before_max_ms="0")
        status, problem = service.ask("POST", "/events", event, timeout=20)
        assert (status, "clock" in problem["detail"]) == (503, True)
        limit(admin, ours.settings.topic("events"), message_timestamp_before_max_ms=str(2**63 - 1))
        ours.wait(
            lambda: service.ask("POST", "/events", event, timeout=20)[0] == 202, "events are taken again", service
        )


@pytest.mark.parametrize("restart", [False, True], ids=["running", "restarted"])
def test_the_service_says_what_it_lacks_while_redis_is_away(
    open_installation: Open, redis: RedisServer, restart: bool
) -> None:
    ours = open_installation()
    learner, service = learnt_and_served(ours)
    before = whole(ours, service, "user-1")
    redis.kill()
    if restart:
        service.kill()
        service = ours.service(wait=False)
        ours.wait(lambda: service.get("/livez")[0] == 200, "it lives without Redis", service)
        assert not service.ready()
        assert service.get("/recommend/user-1")[0] == 200
    else:
        ours.wait(lambda: bool(recommended(service, "user-1")["degraded"]), "it says it is degraded", service)
        answer = recommended(service, "user-1")
        assert answer["model_version"] == before["model_version"]
        assert "history_unavailable" in answer["degraded"]
    redis.start()
    ours.wait(service.ready, "it is ready", learner, service)
    ours.wait(lambda: recommended(service, "user-1")["degraded"] == [], "nothing is missing any more", learner, service)
    assert alike(whole(ours, service, "user-1"), before)
