"""Attributes of users over HTTP: who may set them, the order in Kafka, who is then in an experiment, and the slate."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from pydantic import SecretStr

from models.experiments.definition import Arm, Experiment
from models.records import Describe, decode_control
from models.records.slates import SlateRecord, decode_slate
from service.http.auth import digest
from streaming.kafka.topics import ensure_topics
from streaming.live import Described, Identified, Upkeep, attributes, beats, erasures, histories, identities
from streaming.settings.loading import Settings
from tests.conftest import eventually
from tests.integration.service.test_http import in_topic, problem
from tests.integration.streaming.test_live_users import until_listed
from tests.support.processes.serving import Learner, Served, changed, connected, keep, service

AMONG = Experiment("among", "0f" * 8, (Arm("a", 0.5), Arm("b", 0.5)), start=1.0, segment="plan:pro")
EVENTS = {"X-API-Key": "events"}


@pytest.fixture
def served(settings: Settings) -> Iterator[Served]:
    ensure_topics(settings)
    keys = tuple(f"{role}:{digest(role)}" for role in ("read", "events", "beacon", "admin"))
    with connected(changed(settings, service={"keys": keys}), trusted=False) as running:
        yield running


def test_attributes_are_an_order_in_kafka_and_those_that_cannot_be_used_are_named(
    served: Served, settings: Settings
) -> None:
    sent = {"plan": "pro", "orders": 12, "cities": ["Oslo"], "address": {"street": "x"}, "gone": None}
    answer = served.http.put("/users/ann", json={"attributes": sent}, headers=EVENTS)
    assert (answer.status_code, answer.json()["left_out"]) == (202, ["address"]), answer.text
    ((_, value),) = in_topic(settings, "control", 1)
    order = decode_control(value)
    assert isinstance(order, Describe)
    assert (order.user, order.attributes) == ("ann", {"plan": "pro", "orders": 12, "cities": ["Oslo"]})
    assert order.actor.startswith("events:")


def test_who_may_not_write_items_may_not_set_them_and_a_wrong_body_is_refused_by_its_path(served: Served) -> None:
    body = {"attributes": {"plan": "pro"}}
    for role in ("read", "beacon"):
        problem(served.http.put("/users/ann", json=body, headers={"X-API-Key": role}), 403)
    problem(served.http.put("/users/ann", json=body), 401)
    for wrong, path in (
        ({}, "$.attributes"),
        ({"attributes": ["pro"]}, "$.attributes"),
        ({**body, "plan": 1}, "$.plan"),
    ):
        told = problem(served.http.put("/users/ann", json=wrong, headers=EVENTS), 422)
        assert told["errors"][0]["path"] == path


def test_only_users_of_the_segment_are_in_the_experiment_and_slates_name_their_segments(
    settings: Settings, taught: Learner
) -> None:
    ensure_topics(settings)
    version = taught.commit()
    settings = changed(settings, learner={"segments": ("plan:pro", "orders>=3", "tier:gold")})
    for offset, (user, plan) in enumerate((("user-1", "pro"), ("user-2", "free"))):
        said = Described(0, offset, user, b'{"plan":"%s","orders":5}' % plan.encode())
        attributes.write(taught.store, said, "c")
    identities.join(taught.store, Identified(0, 7, "user-1", ("v1",)), "c")
    keep(taught.store, AMONG)
    with connected(settings) as served:
        eventually(lambda: served.get("/gate").json()["serving"] == version)
        eventually(lambda: served.get("/experiments").json()["experiments"])
        assert served.get("/experiments/among").json()["segment"] == "plan:pro"
        assert served.get("/users/v1").json()["attributes"] == {"plan": "pro", "orders": 5}
        assert served.get("/users/user-3").json()["attributes"] == {}
        asked = ("user-1", "v1", "user-2", "user-3")
        alone = ["experiments" in served.get(f"/recommend/{user}").json() for user in asked]
        together = served.post("/recommend/batch", json={"user_ids": list(asked)}).text.splitlines()
        assert alone == ['"experiments"' in line for line in together] == [True, True, False, False]
        slates = [decode_slate(value) for _, value in in_topic(settings, "slates", 8)]
    found = sorted((each.user_id, each.segments, each.experiments is not None) for each in slates if known(each))
    pro, free = ("user-1", ["plan:pro", "orders>=3"], True), ("user-2", ["orders>=3"], False)
    assert found == [pro, pro, pro, pro, free, free]


def test_what_is_in_force_is_not_written_again_unless_an_order_may_be_on_its_way(
    served: Served, settings: Settings, taught: Learner
) -> None:
    users = ("ann", "bob", "cy", "dee")
    for offset, user in enumerate(users):
        attributes.write(taught.store, Described(0, offset, user, b'{"plan":"pro","orders":1}'), "c")
    identities.join(taught.store, Identified(0, 7, "bob", ("v1",)), "c")
    for user in ("ann", "v1", "bob"):
        assert sent(served, user, orders=1, plan="pro", gone=None) == "unchanged"
    assert sent(served, "eve") == "unchanged", "without any, and none are sent"
    assert sent(served, "ann", plan="pro", orders=True) == "accepted", "true is not 1"
    assert sent(served, "ann", plan="pro", orders=1) == "accepted", "the order before is not carried out yet"
    assert sent(served, "v1", plan="free") == "accepted"
    assert sent(served, "bob", plan="pro", orders=1) == "accepted", "of an id that is joined with the user"
    assert served.post("/identify", json={"anonymous_id": "v2", "user_id": "cy"}, headers=EVENTS).status_code == 202
    assert sent(served, "cy", plan="pro", orders=1) == "accepted", "a join may change what a user has"
    assert served.http.delete("/users/dee", headers={"X-API-Key": "admin"}).status_code == 202
    assert sent(served, "dee", plan="pro", orders=1) == "accepted", "and so may an erasure"
    orders = [decode_control(value) for _, value in in_topic(settings, "control", 8)]
    described = [(each.user, each.attributes) for each in orders if isinstance(each, Describe)]
    pro = {"plan": "pro", "orders": 1}
    assert described[1:] == [("ann", pro), ("v1", {"plan": "free"}), ("bob", pro), ("cy", pro), ("dee", pro)]
    assert described[0][1]["orders"] is True
    assert len(orders) == 8


def test_a_service_that_cannot_note_an_order_writes_every_request(settings: Settings, taught: Learner) -> None:
    ensure_topics(settings)
    for offset, user in enumerate(("ann", "bob")):
        attributes.write(taught.store, Described(0, offset, user, b'{"plan":"pro"}'), "c")
    taught.store.call("ACL", "SETUSER", "shop", "on", ">secret", "~*", "+@all", "-set")
    shop = changed(settings, redis={"username": "shop", "password": SecretStr("secret")})
    try:
        with connected(shop) as served:
            assert sent(served, "bob", plan="pro") == "unchanged", "reading is enough for that"
            assert sent(served, "bob", plan="free") == "accepted"
            taught.store.call("ACL", "SETUSER", "shop", "+set")
            assert sent(served, "ann", plan="pro") == "accepted", "others do not know of the order before"
    finally:
        taught.store.call("ACL", "DELUSER", "shop")
    assert len(in_topic(settings, "control", 2)) == 2


def test_users_are_found_by_how_their_id_begins(settings: Settings, taught: Learner) -> None:
    store = taught.store
    attributes.write(store, Described(0, 1, "uma", b'{"plan":"pro"}'), "c")
    identities.join(store, Identified(0, 2, "user-1", ("user-19",)), "c")
    erasures.forget_history(store, "user-18", "c", (0, 3), "receipt")
    with service(settings) as served:
        listed = sorted(f"user-{number}" for number in range(18))
        assert searched(served, "user-") == (listed, False, False)
        until_listed(store, Upkeep(store))
        assert searched(served, "user-") == (listed, False, True)
        assert searched(served, "u", limit=2) == (["uma", "user-0"], True, True)
        assert searched(served, "user-1")[0] == [user for user in listed if user.startswith("user-1")]
        assert searched(served, "User") == searched(served, "%00") == ([], False, True)
        newest = {user: served.get(f"/users/{user}").json()["history"][0]["timestamp"] for user in listed[:2]}
        answer = served.get("/users?q=u&limit=3").json()["users"]
        assert {user["user_id"]: user["last"] for user in answer} == {"uma": None} | newest


def test_a_search_passes_over_users_whose_history_has_ended(settings: Settings, taught: Learner) -> None:
    store = taught.store
    until_listed(store, Upkeep(store))
    store.call("UNLINK", *[store.key("h", f"user-{number}") for number in range(9)])
    store.call("ZADD", store.key("users"), *[part for number in range(100) for part in (0, f"zoe-{number:03}")])
    histories.write(store, {"zoe-100": [(0, 9_999, 10.0, 0, "tea")]}, "t")
    with service(settings) as served:
        assert searched(served, "user-", limit=3) == (["user-10", "user-11", "user-12"], True, True)
        assert searched(served, "user-9", limit=3) == (["user-9"], False, True)
        assert searched(served, "zoe-", limit=20) == (["zoe-100"], False, True)
        assert searched(served, "zoe-", limit=2) == ([], True, True), "after so many looks there may be more"


def test_a_search_needs_the_beginning_of_an_id_and_the_role_to_read(served: Served) -> None:
    reads = {"X-API-Key": "read"}
    long = "x" * 257
    for query, path in (("", "q"), ("?q=", "q"), (f"?q={long}", "q"), ("?q=a&limit=21", "limit")):
        told = problem(served.http.get(f"/users{query}", headers=reads), 422)
        assert told["errors"][0]["path"] == f"query.{path}"
    assert served.http.get("/users?q=a", headers=reads).json() == {"users": [], "more": False, "whole": False}
    for role in ("events", "beacon"):
        problem(served.http.get("/users?q=a", headers={"X-API-Key": role}), 403)
    problem(served.http.get("/users?q=a"), 401)


def test_nobody_is_found_while_redis_holds_less_than_it_did(settings: Settings, taught: Learner) -> None:
    with service(settings) as served:
        assert searched(served, "user-3") == (["user-3"], False, False)
        beats.begin(taught.store, {"c:0": 1})
        problem(served.get("/users?q=user-3"), 503)
        taught.store.run("repaired", beats.hashes(taught.store.key), ["again"])
        assert searched(served, "user-3")[0] == ["user-3"]


def searched(served: Served, beginning: str, limit: int = 20) -> tuple[list[str], bool, bool]:
    """Ids that were found, whether there may be more, and whether all users are listed."""
    answer = served.get(f"/users?q={beginning}&limit={limit}")
    assert answer.status_code == 200, answer.text
    found = answer.json()
    return [user["user_id"] for user in found["users"]], found["more"], found["whole"]


def sent(served: Served, user: str, **attributes: object) -> str:
    """Sets the attributes of a user; what became of it."""
    answer = served.http.put(f"/users/{user}", json={"attributes": attributes}, headers=EVENTS)
    assert answer.status_code == 202, answer.text
    return str(answer.json()["outcome"])


def known(slate: SlateRecord | None) -> bool:
    return slate is not None and slate.segments is not None
