"""/recommend over real HTTP, from versions that the real checkpointer wrote into an embedded Redis."""

from __future__ import annotations

import json
import os
import signal
import threading
import time

import httpx
import pytest

from models.records.items import ItemFacts
from service.local import embedded
from service.runtime.circuit_breaker import REST_LIMIT
from service.serving.histories import BUDGET
from streaming.settings.loading import Settings, load_settings
from tests.conftest import eventually
from tests.support.processes.serving import Learner, Served, ids, learner, service, shop

FAILED = "sluicegate_history_read_failures_total"


def serving(served: Served, version: str) -> bool:
    return bool(served.get("/readyz").json()["version"] == version)


def test_before_anything_is_learned_the_answer_is_no_error(settings: Settings) -> None:
    with service(settings) as served:
        eventually(lambda: served.get("/readyz").status_code == 200, timeout=100.0)  # it may have to compile first
        answer = served.get("/recommend/anybody")
        assert answer.status_code == 200
        assert answer.json()["degraded"] == ["no_version"]
        assert answer.json()["items"] == []
        assert served.sample("sluicegate_degraded_total", reason="no_version") >= 1


def test_before_the_first_version_the_catalogue_answers(settings: Settings) -> None:
    with learner(settings) as made, service(settings) as served:
        made.describe({"tea": ItemFacts(category="drinks", title="Tea"), "mug": ItemFacts(category="kitchen")})
        eventually(lambda: served.items("/recommend/anybody?category=drinks") == ["tea"])
        answer = served.get("/recommend/anybody?category=drinks").json()
        assert answer["served_by"] == "catalogue"
        assert answer["items"][0]["title"] == "Tea"


def test_an_answer_names_user_version_and_scores(settings: Settings, taught: Learner) -> None:
    version = taught.commit()
    with service(settings) as served:
        eventually(lambda: serving(served, version))
        answer = served.get("/recommend/user-3?n=5")
        document = answer.json()
        assert document["model_version"] == version
        assert 0 <= document["model_age_seconds"] < 60
        assert document["degraded"] == []
        assert document["request_id"] == answer.headers["x-request-id"]
        assert [item["rank"] for item in document["items"]] == [1, 2, 3, 4, 5]
        scores = [item["score"] for item in document["items"]]
        assert scores == sorted(scores, reverse=True)
        assert all(item["source"] for item in document["items"])


def test_an_unknown_user_and_an_anonymous_one_get_full_pages(settings: Settings, taught: Learner) -> None:
    version = taught.commit()
    with service(settings) as served:
        eventually(lambda: serving(served, version))
        assert len(served.items("/recommend/nobody-we-know?n=10")) == 10
        anonymous = served.post("/recommend", json={"recent_items": ["item-3", {"item_id": "item-8"}], "n": 10})
        assert len(list(ids(anonymous))) == 10
        assert served.items("/recommend?user_id=nobody%2Fwith+a+slash&n=10")


def test_exclude_and_exclude_seen_keep_items_off_the_page(settings: Settings, taught: Learner) -> None:
    taught.learn([("user-3", "item-9")], kind=3)
    version = taught.commit()
    with service(settings) as served:
        eventually(lambda: serving(served, version))
        everything = served.items("/recommend/user-3?n=100")
        history = [entry["item_id"] for entry in served.get("/users/user-3").json()["history"]]
        assert history[0] == "item-9"
        assert set(served.items("/recommend/user-3?n=100&exclude_seen=all")) == set(everything) - set(history)
        assert set(served.items("/recommend/user-3?n=100&exclude_seen=purchased")) == set(everything) - {"item-9"}
        excluded = served.items("/recommend/user-3?n=100&exclude=item-1,item-2&exclude=item-5")
        assert set(excluded) == set(everything) - {"item-1", "item-2", "item-5"}


def test_a_category_page_is_full_while_the_category_has_items(settings: Settings, taught: Learner) -> None:
    taught.describe({
        f"item-{n}": ItemFacts(category="even" if n % 2 == 0 else "odd", price=n + 1.0) for n in range(30)
    })
    taught.describe({f"new-{n}": ItemFacts(category="even") for n in range(5)})
    version = taught.commit()
    with service(settings) as served:
        eventually(lambda: serving(served, version) and served.get("/items/new-4").status_code == 200)
        answer = served.get("/recommend/user-3?n=50&category=even").json()
        found = {item["item_id"] for item in answer["items"]}
        assert found == {f"item-{n}" for n in range(0, 30, 2)} | {f"new-{n}" for n in range(5)}
        assert {item["category"] for item in answer["items"]} == {"even"}
        assert answer["items"][0]["price"] is not None
        assert set(served.items("/popular?category=odd&n=50")) == {f"item-{n}" for n in range(1, 30, 2)}


def test_an_untouched_item_is_recommended_where_it_fits(settings: Settings, taught: Learner) -> None:
    taught.describe({f"item-{n}": ItemFacts(category="even" if n % 2 == 0 else "odd") for n in range(30)})
    taught.describe({f"new-{n}": ItemFacts(category="even") for n in range(3)})
    version = taught.commit()
    with service(settings) as served:
        eventually(lambda: serving(served, version))
        answer = served.post("/recommend", json={"recent_items": ["item-4"], "n": 100}).json()
        untouched = {item["item_id"] for item in answer["items"] if item["source"] == "untouched"}
        assert (
            {"new-0", "new-1", "new-2"} <= untouched <= {f"item-{n}" for n in range(30)} | {"new-0", "new-1", "new-2"}
        )
        assert not untouched & {item for _, item in shop()}


def test_a_search_finds_what_others_took_after_it(settings: Settings, taught: Learner) -> None:
    taught.learn(shop(rounds=40))
    taught.learn([(f"user-{n}", f"item-{n % 3}") for n in range(15)], query="Tea pots")
    version = taught.commit()
    with service(settings) as served:
        eventually(lambda: serving(served, version))
        found = served.get("/recommend/never-seen?n=10&query=tea%20%20POTS").json()["items"]
        assert {"item-0", "item-1", "item-2"} <= {item["item_id"] for item in found if item["source"] == "query"}
        body = {"user_id": "user-9", "query": "tea pots", "candidates": ["item-20", "item-1", "item-25"]}
        assert next(iter(ids(served.post("/recommend", json=body)))) == "item-1"
        assert served.get("/recommend/user-9?query=" + "x" * 2000).status_code == 422
        assert all(item["source"] != "query" for item in served.get("/recommend/user-9").json()["items"])


def test_one_event_or_one_recent_item_makes_a_page_personal(settings: Settings, taught: Learner) -> None:
    taught.learn(shop(rounds=40))
    taught.learn([("just came", "item-7")])
    version = taught.commit()
    with service(settings) as served:
        eventually(lambda: serving(served, version))
        stranger = served.items("/recommend/never-seen?n=10")
        assert served.items("/recommend/just%20came?n=10") != stranger
        assert len(served.items("/recommend/just%20came?n=10")) == 10
        session = list(ids(served.post("/recommend", json={"recent_items": ["item-3"], "n": 10})))
        assert len(session) == 10
        assert session != stranger


def test_a_removed_or_unavailable_item_is_gone_within_a_second(settings: Settings, taught: Learner) -> None:
    version = taught.commit()
    with service(settings) as served:
        eventually(lambda: serving(served, version))
        waited = []
        for _ in range(3):
            first, second = served.items("/recommend/user-3?n=2")
            started = time.monotonic()
            taught.describe({first: None, second: ItemFacts(available=False)})
            gone = {first, second}
            eventually(lambda gone=gone: not gone & set(served.items("/recommend/user-3?n=100")))
            waited.append(time.monotonic() - started)
        assert min(waited) < 1.0, "the others may have had to wait for the machine"
        assert not {first, second} & set(served.items("/popular?n=100"))
        assert not {first, second} & set(served.items("/items/item-3/similar?n=100"))
        assert served.get(f"/items/{second}").json()["available"] is False


def test_an_event_affects_the_next_answer_before_any_new_version(settings: Settings, taught: Learner) -> None:
    version = taught.commit()
    with service(settings) as served:
        eventually(lambda: serving(served, version))
        first = served.items("/recommend/user-3?n=1")[0]
        taught.learn([("user-3", first)])
        assert first not in served.items("/recommend/user-3?n=5&exclude_seen=all")
        assert served.get("/recommend/user-3").json()["model_version"] == version


def test_similar_items_and_an_unknown_item(settings: Settings, taught: Learner) -> None:
    version = taught.commit()
    with service(settings) as served:
        eventually(lambda: serving(served, version))
        assert "item-3" not in served.items("/items/item-3/similar?n=10")
        assert len(served.items("/items/item-3/similar?n=10")) == 10
        missing = served.get("/items/never-heard-of/similar")
        assert missing.status_code == 404
        assert missing.headers["content-type"] == "application/problem+json"
        assert "never-heard-of" in missing.json()["detail"]


def test_versions_change_under_load_without_an_answer_that_mixes_two(settings: Settings, taught: Learner) -> None:
    versions = [taught.commit()]
    with service(settings) as served:
        eventually(lambda: serving(served, versions[0]))
        answers: list[tuple[str, tuple[float, ...]]] = []
        stop = threading.Event()

        def asking() -> None:
            with httpx.Client(base_url=served.base) as client:
                while not stop.is_set():
                    answer = client.get("/popular?n=5")
                    assert answer.status_code == 200
                    document = answer.json()
                    scores = tuple(item["score"] for item in document["items"])
                    answers.append((document["model_version"], scores))

        threads = [threading.Thread(target=asking) for _ in range(3)]
        for thread in threads:
            thread.start()
        for turn in range(6):
            taught.learn([("user-1", f"item-{turn}")] * (20 * (turn + 1)))
            versions.append(taught.commit())
            eventually(lambda: serving(served, versions[-1]))
        stop.set()
        for thread in threads:
            thread.join()
        by_version = {version: {scores for seen, scores in answers if seen == version} for version in versions}
        # Popularity decays by the events learned, not by time: one version has one list, whenever it is asked.
        assert all(len(scores) <= 1 for scores in by_version.values())
        assert sum(bool(scores) for scores in by_version.values()) >= 3
        assert served.sample("sluicegate_serving_load_duration_seconds_count", phase="apply") >= 3
        assert served.sample("sluicegate_event_to_served_seconds_count") >= 5


def test_a_service_that_starts_later_serves_the_version_decided_before(settings: Settings, taught: Learner) -> None:
    version = taught.commit()
    with service(settings) as first:
        eventually(lambda: serving(first, version))
        expected = first.get("/popular?n=20").json()["items"]
    with service(settings) as second:
        eventually(lambda: serving(second, version))
        assert second.get("/popular?n=20").json()["items"] == expected


def test_a_redis_that_hangs_delays_only_a_few_requests_by_their_budget(
    broker: str, namespace: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    with embedded.redis(tmp_path_factory.mktemp("hanging")) as redis:
        url = f"redis://{redis.address}/0"
        settings = load_settings(
            None,
            {
                "SLUICEGATE_KAFKA__BOOTSTRAP": broker,
                "SLUICEGATE_REDIS__URL": url,
                "SLUICEGATE_NAMESPACE": namespace,
            },
        )
        with service(settings, budget=BUDGET) as served:
            with learner(settings) as made:
                made.learn(shop())
                version = made.commit()
                eventually(lambda: serving(served, version))
            eventually(lambda: served.get("/recommend/user-3").json()["degraded"] == [])
            assert redis.pid is not None
            os.kill(redis.pid, signal.SIGSTOP)
            try:
                before, began = served.sample(FAILED), time.monotonic()
                for _ in range(40):
                    answer = served.get("/recommend/user-3")
                    assert (answer.status_code, len(answer.json()["items"])) == (200, 10)
                    assert "history_unavailable" in answer.json()["degraded"]
                # The budget of 50 ms is paid by those that find out, and by one in a while that tries again.
                rests = (time.monotonic() - began) / REST_LIMIT
                assert 1 <= served.sample(FAILED) - before <= 10 + rests
            finally:
                os.kill(redis.pid, signal.SIGCONT)
            eventually(lambda: served.get("/recommend/user-3").json()["degraded"] == [])


def test_without_redis_answers_are_degraded_and_none_fails(
    broker: str, namespace: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("own-redis")
    with embedded.redis(folder) as redis:
        settings = load_settings(
            None,
            {
                "SLUICEGATE_KAFKA__BOOTSTRAP": broker,
                "SLUICEGATE_REDIS__URL": f"redis://{redis.address}/0",
                "SLUICEGATE_NAMESPACE": namespace,
            },
        )
        with service(settings) as served:
            with learner(settings) as made:
                made.learn(shop())
                version = made.commit()
                eventually(lambda: serving(served, version))
            port = redis.port
            redis.stop()
            degraded = served.get("/recommend/user-3")
            assert degraded.status_code == 200
            assert "history_unavailable" in degraded.json()["degraded"]
            assert degraded.json()["model_version"] == version
            assert len(degraded.json()["items"]) == 10
            eventually(lambda: "store_unavailable" in served.get("/readyz").json()["degraded"])
            assert served.get("/readyz").status_code == 200
            waited = []
            for _ in range(40):
                started = time.monotonic()
                assert served.get("/recommend/user-3").status_code == 200
                waited.append(time.monotonic() - started)
            assert sorted(waited)[5] < BUDGET, "a busy machine may delay most of them, and not all"
            for path in ("/users/user-3", "/gate/decisions"):
                assert served.get(path).status_code == 503
                assert served.get(path).headers["retry-after"]
            assert served.sample("sluicegate_serving_store_up") == 0
            with embedded.redis(folder, port):
                eventually(lambda: served.get("/recommend/user-3").json()["degraded"] == [])


def test_an_impossible_time_of_a_recent_item_is_named(settings: Settings) -> None:
    with service(settings) as served:
        for moment in (1e300, -1.0, 0, 1_569_888_000_000_000, 10**30, "1890-01-01T00:00:00Z", "yesterday"):
            entry = {"item_id": "item-8", "timestamp": moment}
            answer = served.post("/recommend", content=json.dumps({"recent_items": ["item-3", entry]}))
            assert answer.status_code == 422, moment
            assert answer.json()["errors"][0]["path"] == "$.recent_items[1].timestamp"


def test_recent_items_are_merged_by_time_with_the_stored_history(settings: Settings, taught: Learner) -> None:
    """The same events, sent by the page in milliseconds or stored before, give the same answer."""
    now = taught.now
    taught.learn([("told", "item-1"), ("stored", "item-1")])
    taught.now = now + 100
    taught.learn([("stored", "item-2"), ("told", "item-7"), ("stored", "item-7")])
    version = taught.commit()
    with service(settings) as served:
        eventually(lambda: serving(served, version))
        recent = [{"item_id": "item-2", "timestamp": int((now + 100.001) * 1000)}]
        told = served.post("/recommend", json={"user_id": "told", "recent_items": recent, "n": 20}).json()["items"]
        stored = served.post("/recommend", json={"user_id": "stored", "n": 20}).json()["items"]
        assert [item["item_id"] for item in told] == [item["item_id"] for item in stored]
