"""POST /identify over real HTTP: who may join which ids, what the order says, and that both ids get the same answer."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from models.records import Identify, decode_control
from service.http.auth import digest
from service.ingest.proofs import proof_of
from streaming.kafka.topics import ensure_topics
from streaming.live import Identified, identities
from streaming.settings.loading import Settings
from tests.conftest import eventually
from tests.integration.service.test_http import in_topic, problem
from tests.support.processes.serving import Learner, Served, changed, connected, service

SHOP = "https://shop.example"
SECRET = b"0123456789abcdef"
PAIR = {"anonymous_id": "v1", "user_id": "ann"}


def with_keys(settings: Settings, folder: Path) -> Settings:
    """Settings with a key for each role, an origin and a secret."""
    ensure_topics(settings)
    keys = tuple(f"{role}:{digest(role)}" for role in ("read", "events", "beacon", "admin"))
    secret = folder / "secret"
    secret.write_bytes(SECRET + b"\n")
    more = {"keys": keys, "beacon_origins": (SHOP,), "identify_secret_file": secret}
    return changed(settings, service=more)


@pytest.fixture
def open_to_pages(settings: Settings, tmp_path: Path) -> Settings:
    return with_keys(settings, tmp_path)


@pytest.fixture
def served(open_to_pages: Settings) -> Iterator[Served]:
    """A service whose orders are this test's alone."""
    with connected(open_to_pages, trusted=False) as running:
        yield running


@pytest.fixture(scope="module")
def shared(shared_settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A service for all tests that it refuses."""
    with connected(with_keys(shared_settings, tmp_path_factory.mktemp("secret")), trusted=False) as running:
        yield running


def say(served: Served, key: str = "events", **pair: Any) -> httpx.Response:
    return served.post("/identify", json={**PAIR, **pair}, headers={"X-API-Key": key})


def beacon(served: Served, origin: str = SHOP, **more: Any) -> httpx.Response:
    """What `navigator.sendBeacon` sends: text/plain, the key in the address."""
    headers = {"content-type": "text/plain;charset=UTF-8", "origin": origin}
    return served.post("/identify?key=beacon", content=json.dumps({**PAIR, **more}), headers=headers)


def test_the_shops_server_joins_two_ids_by_an_order_in_kafka(served: Served, settings: Settings) -> None:
    answer = say(served)
    assert (answer.status_code, answer.json()["outcome"]) == (202, "accepted")
    ((_, value),) = in_topic(settings, "control", 1)
    order = decode_control(value)
    assert isinstance(order, Identify)
    assert (order.anonymous, order.user) == ("v1", "ann")
    assert order.actor.startswith("events:")


@pytest.mark.parametrize(
    ("ask", "path"),
    [
        ({"anonymous_id": "ann"}, "$.anonymous_id"),
        ({"anonymous_id": ""}, "$.anonymous_id"),
        ({"user_id": "x" * 257}, "$.user_id"),
        ({"user_id": "a\nb"}, "$.user_id"),
        ({"anonymous_id": "a\nb"}, "$.anonymous_id"),
        ({"user": "ann"}, "$"),
    ],
)
def test_ids_that_cannot_be_joined_are_refused_by_their_path(shared: Served, ask: dict[str, str], path: str) -> None:
    assert problem(say(shared, **ask), 422)["errors"][0]["path"].startswith(path)


def test_reading_is_not_enough_to_join_ids(shared: Served) -> None:
    problem(say(shared, "read"), 403)
    problem(shared.post("/identify", json=PAIR), 401)


def test_a_public_key_joins_what_the_shop_has_signed_and_nothing_else(served: Served, settings: Settings) -> None:
    proof = proof_of(SECRET, "v1", "ann")
    forged = [
        {},
        {"proof": ""},
        {"proof": proof[:-1]},
        {"proof": "é" * 64},
        {"proof": proof, "user_id": "bob"},
        {"proof": proof, "anonymous_id": "v2"},
        {"proof": proof, "anonymous_id": "ann", "user_id": "v1"},
    ]
    for more in forged:
        assert "proof" in problem(beacon(served, **more), 403)["detail"]
    problem(beacon(served, "https://evil.example", proof=proof), 403)
    answer = beacon(served, proof=proof)
    assert (answer.status_code, answer.headers["access-control-allow-origin"]) == (202, SHOP)
    ((_, value),) = in_topic(settings, "control", 1)
    order = decode_control(value)
    assert isinstance(order, Identify)
    assert order.actor.startswith("beacon:")
    preflight = served.http.options("/identify", headers={"origin": SHOP, "access-control-request-method": "POST"})
    assert preflight.status_code == 204


def test_without_a_secret_a_public_key_joins_nothing(open_to_pages: Settings) -> None:
    settings = changed(open_to_pages, service={"identify_secret_file": None})
    with service(settings, trusted=False) as served:
        found = problem(beacon(served, proof=proof_of(b"", "v1", "ann")), 403)
        assert "service.identify_secret_file" in found["next"]


@pytest.mark.parametrize("secret", [None, b"", b"short", b"\xff" * 20])
def test_a_secret_that_cannot_be_used_is_named_before_the_service_starts(
    open_to_pages: Settings, secret: bytes | None
) -> None:
    file = open_to_pages.service.identify_secret_file
    assert file is not None
    if secret is None:
        file.unlink()
    else:
        file.write_bytes(secret)
    with pytest.raises(OSError, match=r"service\.identify_secret_file.*secret"), service(open_to_pages):
        pass


def test_without_kafka_a_join_is_refused(settings: Settings) -> None:
    with service(changed(settings, kafka={"bootstrap": "127.0.0.1:1"})) as served:
        assert "Send the same request again" in problem(say(served), 503)["next"]


def test_both_ids_get_the_users_slate_and_history_and_asking_again_writes_nothing(
    settings: Settings, taught: Learner
) -> None:
    ensure_topics(settings)
    taught.learn([("v1", "item-1"), ("v1", "item-6"), ("user-2", "item-2")])
    taught.commit()
    with connected(settings) as served:
        eventually(lambda: served.get("/gate").json()["serving"])
        before = served.get("/users/user-2").json()
        for ids in (("v1",), ("user-2", "v1")):
            into = "user-2" if len(ids) == 1 else "two"
            identities.join(taught.store, Identified(0, len(ids), into, ids), "c")
            found = [served.get(f"/users/{each}").json() for each in ("v1", "user-2", into)]
            assert [each["history"] for each in found] == [found[0]["history"]] * 3
            assert [each["user_id"] for each in found] == ["v1", "user-2", into]  # nobody learns the other id
            assert len(found[0]["history"]) == len(before["history"]) + 2
            slates = [served.items(f"/recommend/{each}?rotate=0.5&n=5") for each in ("v1", "user-2", into)]
            assert set(map(len, slates)) == {5}
            served.stop_clock()
            plain = [served.items(f"/recommend/{each}?n=5") for each in ("v1", "user-2", into)]
            assert plain == [plain[0]] * 3
            assert say(served, anonymous_id="v1", user_id=into).json()["outcome"] == "joined"
        answer = served.get("/recommend/v1?rotate=0.5")
        assert answer.json()["user_id"] == "v1"
        shown = [user for user in served.context.showings.users() if user]
        assert "two" in shown
        assert "v1" not in shown
        assert say(served, anonymous_id="v1", user_id="somebody else").json()["outcome"] == "accepted"
        assert len(in_topic(settings, "control", 1)) == 1
