"""Experiments over HTTP: an arm shows in the answer, the slate and the results; orders are refused or put on record."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest
from typer.testing import CliRunner

from models.experiments.assignment import Assignments
from models.experiments.definition import Arm, Experiment
from models.experiments.segments import segment_of
from models.experiments.tallies import Counts
from models.records import CLICK, Event, SlateRecord
from models.records.attributes import Attributes
from models.records.slates import decode_slate
from service.cli.main import app
from streaming.kafka.topics import ensure_topics
from streaming.settings.loading import Settings, load_settings
from tests.conftest import eventually
from tests.integration.service.test_http import in_topic, problem
from tests.support.processes.serving import Learner, Served, changed, connected, keep, service

BODY: dict[str, Any] = {
    "name": "variety",
    "reason": "do people click more?",
    "arm": [{"name": "plain", "share": 0.5}, {"name": "varied", "share": 0.5, "diversity": 0.4}],
}
ARMS = Arm("own", 0.5, order="machine"), Arm("popular", 0.5, order="popularity")
ORDERED = Experiment("order", "0f" * 8, ARMS, control="own", start=1.0, minimum=0.0)
ORDERS = {"own": "machine", "popular": "popularity_middle"}


@pytest.fixture
def served(settings: Settings, taught: Learner) -> Iterator[Served]:
    """A service that serves its first version."""
    version = taught.commit()
    with service(settings) as running:
        eventually(lambda: running.get("/gate").json()["serving"] == version)
        yield running


def users(arm: int, count: int = 5) -> list[str]:
    """Users of an arm of ORDERED."""
    everybody = Assignments([ORDERED])
    named = (f"user-{number}" for number in range(1_000))
    return [user for user in named if [place for _, place in everybody.of(user, 2.0)] == [arm]][:count]


def test_each_user_gets_the_slates_of_an_arm_and_the_answer_and_the_slate_name_it(
    settings: Settings, taught: Learner
) -> None:
    ensure_topics(settings)
    version = taught.commit()
    with connected(settings) as served:
        eventually(lambda: served.get("/gate").json()["serving"] == version)
        assert "experiments" not in served.get("/recommend/user-1").json()
        keep(taught.store, ORDERED)
        eventually(lambda: served.get("/experiments").json()["experiments"])
        for place, name in enumerate(("own", "popular")):
            for user in users(place):
                found = served.get(f"/recommend/{user}").json()
                assert found["experiments"] == {"order": name}
                assert found["served_by"] == ORDERS[name]
                again = served.post("/recommend", json={"user_id": user}).json()
                assert again["experiments"] == {"order": name}
        assert "experiments" not in served.post("/recommend", json={"recent_items": ["item-3"]}).json()
        assert "experiments" not in served.get("/popular").json()
        slates = [decode_slate(value) for _, value in in_topic(settings, "slates", 22)]
    arms = [(slate.user_id, slate.experiments) for slate in slates if slate is not None and slate.experiments]
    expected = [(user, {"order": name}) for place, name in enumerate(ORDERS) for user in users(place)]
    assert sorted(arms, key=str) == sorted([*expected, *expected], key=str)


def test_an_arm_may_be_served_the_reference(served: Served, taught: Learner) -> None:
    first = served.get("/gate").json()["serving"]
    eventually(lambda: served.context.tables.kept is not None)
    taught.learn([("user-1", "item-1")])
    second = taught.commit()
    eventually(lambda: served.get("/gate").json()["serving"] == second)
    reference = served.context.tables.kept.id
    arms = Arm("own", 0.5), Arm("popular", 0.5, version="reference")
    keep(taught.store, Experiment("order", ORDERED.salt, arms, start=1.0))
    one, other = users(0)[0], users(1)[0]
    eventually(lambda: "experiments" in served.get(f"/recommend/{one}").json())
    assert reference == first
    assert served.get(f"/recommend/{one}").json()["model_version"] == second
    assert served.get(f"/recommend/{other}").json()["model_version"] == first


def test_an_experiment_is_started_shown_stopped_and_deleted_and_the_audit_has_each(served: Served) -> None:
    asked = time.time()
    started = served.post("/experiments", json=BODY)
    assert started.status_code == 201, started.text
    found = started.json()
    assert (found["name"], found["state"], found["control"]) == ("variety", "scheduled", "plain")
    assert found["conclusion"] == ["It has not started yet."]
    assert asked + 4.0 < found["start"] < time.time() + 6.0
    assert [each["name"] for each in served.get("/experiments").json()["experiments"]] == ["variety"]
    assert served.get("/experiments/variety").json()["reason"] == "do people click more?"
    assert problem(served.post("/experiments", json=BODY), 409)["detail"].endswith("or take another name.")
    assert problem(served.http.delete("/experiments/variety"), 409)["detail"].endswith("stop it first.")
    stopped = served.post("/experiments/variety/stop", json={"reason": "enough"}).json()
    assert (stopped["stopped_by"], stopped["state"]) == ("local", "stopped")
    problem(served.post("/experiments/variety/stop", json={"reason": "enough"}), 409)
    assert served.http.delete("/experiments/variety").json() == {"experiments": []}
    problem(served.get("/experiments/variety"), 404)
    problem(served.post("/experiments/variety/stop", json={"reason": "enough"}), 404)
    kept = served.get("/gate/decisions?limit=100").json()["decisions"]
    assert [each["detail"] for each in kept if each["action"] == "experiment"] == [
        "experiment variety is deleted",
        "experiment variety is stopped: enough",
        "experiment variety starts: do people click more?",
    ]


def test_one_that_cannot_run_is_refused_by_what_is_wrong_and_changes_nothing(served: Served) -> None:
    twice = {**BODY, "arm": [{"name": "a", "share": 0.7}, {"name": "b", "share": 0.7}]}
    told = problem(served.post("/experiments", json=twice), 422)
    assert told["detail"] == "The experiment cannot run: arm: the shares add up to 1.4; they may add up to 1 at most."
    problem(served.post("/experiments", json={"name": "variety"}), 422)
    told = problem(served.post("/experiments", json={**BODY, "metric": "AAA"}), 422)
    assert told["errors"][0]["expected"] == "one of cart, click, purchase, revenue, spending"
    odd = {**BODY, "arm": [{"name": "a", "share": 0.5, "version": "old"}, {"name": "b", "share": 0.5}]}
    assert problem(served.post("/experiments", json=odd), 422)["errors"][0]["path"] == "$.arm[0].version"
    assert served.post("/experiments", json=BODY).status_code == 201
    told = problem(served.post("/experiments", json={**BODY, "name": "more"}), 409)
    assert "it sets diversity, and so does 'variety'" in told["detail"]
    assert [each["name"] for each in served.get("/experiments").json()["experiments"]] == ["variety"]


def test_results_are_those_of_the_newest_version(served: Served, taught: Learner) -> None:
    counts, everybody = Counts(), Assignments([ORDERED])
    for user in [*users(0, 80), *users(1, 80)]:
        arm = everybody.arms(user, 2.0)["order"].name
        for _ in range(20):
            counts.slate(SlateRecord("5f", 2.0, ["tea"], user, experiments={"order": arm}), everybody)
        for _ in range(4 if arm == "own" else 14):
            counts.event(Event(CLICK, user, "tea", 2.0, request_id="5f"), everybody)
    keep(taught.store, ORDERED)
    eventually(lambda: served.get("/experiments").json()["experiments"])
    taught.learn([("user-1", "item-1")])
    version = taught.commit(experiments=counts.packed())
    eventually(lambda: served.get("/experiments/order").json()["counted_in"] == version)
    found = served.get("/experiments/order").json()
    assert [(arm["slates"], arm["measures"]["click"]["total"]) for arm in found["arms"]] == [
        (1_600, 320),
        (1_600, 1_120),
    ]
    assert found["verdict"] == "better"
    assert found["conclusion"][0].startswith("popular is better than own: 250.0 % more clicks on slates per user")


def test_results_of_a_segment_are_those_of_its_users_alone(settings: Settings, taught: Learner) -> None:
    taught.commit()
    names = ("plan:pro", "plan:free")
    counts, everybody = Counts(), Assignments([ORDERED])
    for number, user in enumerate([*users(0, 80), *users(1, 80)]):
        arm, plan = everybody.arms(user, 2.0)["order"].name, "pro" if number % 2 else "free"
        for _ in range(20):
            shown = SlateRecord("5f", 2.0, ["tea"], user, experiments={"order": arm}, segments=[f"plan:{plan}"])
            counts.slate(shown, everybody, names)
        # Popular items are clicked on more by those who are pro alone.
        for _ in range(14 if (arm, plan) == ("popular", "pro") else 4):
            clicked = Event(CLICK, user, "tea", 2.0, request_id="5f")
            counts.event(
                clicked, everybody, Attributes(b'{"plan":"%s"}' % plan.encode()), tuple(map(segment_of, names))
            )
    keep(taught.store, ORDERED)
    taught.learn([("user-1", "item-1")])
    version = taught.commit(experiments=counts.packed())
    with service(changed(settings, learner={"segments": names})) as served:
        eventually(
            lambda: [each["counted_in"] for each in served.get("/experiments").json()["experiments"]] == [version]
        )
        whole, pro, free = (served.get(f"/experiments/order{more}").json() for more in ("", *map(asked, names)))
        assert [each["among"] for each in (whole, pro, free)] == ["", *names]
        assert {tuple(each["segments"]) for each in (whole, pro, free)} == {names}
        assert [arm["slates"] for arm in pro["arms"]] == [arm["slates"] for arm in free["arms"]] == [800, 800]
        assert pro["arms"][1]["measures"]["click"]["total"] == 40 * 14
        assert [arm["slates"] for arm in whole["arms"]] == [1_600, 1_600]
        assert (pro["verdict"], free["verdict"]) == ("better", "undecided")
        assert pro["conclusion"][0].startswith("Among users with plan:pro: popular is better than own: 250.0 % more")
        assert "2 chances of error" in pro["conclusion"][-1]
        (listed,) = served.get("/experiments?segment=plan:pro").json()["experiments"]
        assert listed["arms"] == pro["arms"]
        told = problem(served.get("/experiments/order?segment=plan:gold"), 422)
        assert told["detail"].endswith("setting learner.segments names: plan:pro, plan:free.")
        assert told["errors"][0]["path"] == "query.segment"
        shown = CliRunner().invoke(app, ["experiment", "show", "order", "--segment", "plan:pro", "--url", served.base])
        assert "order, users with plan:pro, running since" in shown.output
        assert "Among users with plan:pro: popular is better than own" in " ".join(shown.output.split())
        refused = CliRunner().invoke(app, ["experiment", "show", "order", "--segment", "gold", "--url", served.base])
        assert (refused.exit_code, "plan:pro, plan:free" in refused.output) == (1, True), refused.output


def asked(segment: str) -> str:
    return f"?segment={segment}"


def test_experiments_of_the_settings_run_and_a_restart_changes_nothing(settings: Settings, taught: Learner) -> None:
    taught.commit()
    own = load_settings(
        None,
        {
            "SLUICEGATE_EXPERIMENT": '[{"name":"variety","arm":[{"name":"a","share":0.5},{"name":"b",'
            '"share":0.5,"diversity":0.4}]}]'
        },
    ).experiment
    with_both = changed(settings, experiments={"holdout": 0.1}).model_copy(update={"experiment": own})
    found: list[Any] = []
    for _ in range(2):
        with service(with_both) as served:
            eventually(lambda: len(served.get("/experiments").json()["experiments"]) == 2, timeout=30.0)
            kept = served.context.gatekeeper.experiments.kept
            found.append([(each.name, each.salt, each.start) for each in kept])
    assert found[0] == found[1]
    with service(settings) as served:
        eventually(lambda: {each["state"] for each in served.get("/experiments").json()["experiments"]} == {"stopped"})


def test_a_redis_that_was_emptied_gets_the_experiments_back(served: Served, taught: Learner) -> None:
    keep(taught.store, ORDERED)
    eventually(lambda: served.get("/experiments").json()["experiments"])
    taught.store.call("DEL", taught.store.key("gate"))
    taught.learn([("user-1", "item-1")])
    taught.commit()
    eventually(lambda: taught.store.gate().experiments != b"")
    assert served.get("/recommend/user-1").json()["experiments"]
