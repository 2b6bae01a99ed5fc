"""Attributes of users over HTTP: who may set them, the order in Kafka, who is then in an experiment, and the slate."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from models.experiments.definition import Arm, Experiment
from models.records import Describe, decode_control
from models.records.slates import SlateRecord, decode_slate
from service.http.auth import digest
from streaming.kafka.topics import ensure_topics
from streaming.live import Described, Identified, attributes, identities
from streaming.settings.loading import Settings
from tests.conftest import eventually
from tests.integration.service.test_http import in_topic, problem
from tests.support.processes.serving import Learner, Served, changed, connected, keep

AMONG = Experiment("among", "0f" * 8, (Arm("a", 0.5), Arm("b", 0.5)), start=1.0, segment="plan:pro")
EVENTS = {"X-API-Key": "events"}


@pytest.fixture
def served(settings: Settings) -> Iterator[Served]:
    ensure_topics(settings)
    keys = tuple(f"{role}:{digest(role)}" for role in ("read", "events", "beacon"))
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


def known(slate: SlateRecord | None) -> bool:
    return slate is not None and slate.segments is not None
