"""Erasures over HTTP: an order in Kafka, a receipt with its progress, and a service that forgets the user as well."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

import streaming.live.showings
from models.ledger.erasures import Receipt
from models.records.control import Erase, decode_control
from models.slate.rotation import impression, page
from models.snapshot.manifest import Manifest
from service.http.auth import digest
from streaming.kafka.topics import ensure_topics
from streaming.live import erasures as erasing
from streaming.live import histories
from streaming.settings.loading import Settings
from streaming.store.store import Store
from tests.conftest import eventually
from tests.integration.service.test_http import in_topic, problem
from tests.support.processes.serving import Served, changed, connected, service


@pytest.fixture
def served(settings: Settings) -> Iterator[Served]:
    """A service whose topics exist and whose producer is connected."""
    ensure_topics(settings)
    with connected(settings) as running:
        yield running


def test_an_erasure_is_an_order_in_kafka_and_its_receipt_follows_it(
    served: Served, settings: Settings, store: Store
) -> None:
    histories.write(store, {"ann": [(0, 1, 10.0, 0, "tea"), (0, 2, 11.0, 0, "cup")]}, "t")
    streaming.live.showings.write(store, [("ann", page("5f", ["tea"], time.time()))])
    asked = time.time()
    answer = served.http.delete("/users/ann")
    assert answer.status_code == 202, answer.text
    receipt = answer.json()["erasure_id"]
    ((_, value),) = in_topic(settings, "control", 1)
    assert decode_control(value) == Erase(receipt, "ann", "local")
    found = served.get(answer.json()["receipt"]).json()
    assert (found["status"], found["removed"], found["versions_that_may_hold_the_user"]) == ("accepted", {}, None)
    assert asked <= found["requested_at"] <= time.time()
    assert "ann" not in answer.text + str(found)

    erasing.forget_history(store, "ann", "c", (0, 0), receipt)  # what the learner does
    erasing.committed(store, [Receipt(receipt, 12.5, 1, 2, 2)], Manifest("9-1-ab", 9, "base"))
    erasing.committed(store, [Receipt(receipt, 12.5, 1, 2, 2)], Manifest("11-1-cd", 11, "delta"))  # told again
    found = served.get(f"/erasures/{receipt}").json()
    assert (found["status"], found["erased_at"], found["version"]) == ("complete", 12.5, "9-1-ab")
    live = {"history": 2, "shown": 1, "attributes": 0}
    assert found["removed"] == {**live, "user_row": 1, "interactions": 2, "dedupe_entries": 2}
    assert served.get("/users/ann").json()["known"] is False

    store.call("ZADD", store.key("idx"), 8, "8-1-ab")
    store.call("HSET", store.key("reference"), "id", "8-1-ab", "seq", 8)
    found = served.get(f"/erasures/{receipt}").json()
    assert (found["status"], found["versions_that_may_hold_the_user"], found["held_by"]) == ("erased", 1, ["reference"])
    assert any("retention" in line for line in found["not_erased"])


def test_every_replica_forgets_what_the_user_was_shown(served: Served, store: Store) -> None:
    shown = served.context.showings
    for user in ("ann", "bob"):
        shown.add(user, page("5f", ["tea"], time.time()))
    served.context.intake.impressions.append(("ann", impression("5f", "tea", 1.0)))
    eventually(lambda: served.context.erasures._last)  # it has looked once
    erasing.forget_history(store, "ann", "c", (0, 0), "r0")
    eventually(lambda: "ann" not in shown)
    assert "bob" in shown
    assert not served.context.intake.impressions


def test_an_erasure_that_cannot_be_ordered_or_found_is_a_problem(served: Served) -> None:
    assert problem(served.http.delete("/users"), 422)["errors"][0]["path"] == "user_id"
    problem(served.http.delete("/users/" + "x" * 257), 422)
    problem(served.http.delete("/users/a%0Ab"), 422)
    assert served.http.delete("/users", params={"user_id": "a/b"}).status_code == 202
    for unknown in ("0" * 24, "a.b", "h:ann"):
        problem(served.get(f"/erasures/{unknown}"), 404)
    problem(served.get("/erasures/" + "x" * 300), 422)


def test_only_an_admin_may_erase(settings: Settings) -> None:
    keys = (f"events:{digest('e')}", f"admin:{digest('a')}", f"read:{digest('r')}")
    with service(changed(settings, service={"keys": keys})) as served:
        for key in ("e", "r"):
            problem(served.http.delete("/users/ann", headers={"X-API-Key": key}), 403)
            problem(served.get("/erasures/" + "0" * 24, headers={"X-API-Key": key}), 403)
        problem(served.http.delete("/users/ann"), 401)


def test_without_kafka_an_erasure_is_refused(settings: Settings) -> None:
    with service(changed(settings, kafka={"bootstrap": "127.0.0.1:1"})) as served:
        answer = served.http.delete("/users/ann")
        assert "Send the same request again" in problem(answer, 503)["next"]
