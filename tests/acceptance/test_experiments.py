"""A shop whose users click more on one arm shows it by segment and on a dashboard, with counts that no kill changes."""

from __future__ import annotations

import json
import random
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from deploy.grafana.build import FOLDER
from tests.acceptance.conftest import Open
from tests.acceptance.test_dashboards import asked
from tests.support.processes.prometheus_server import Prometheus
from tests.support.processes.roles import Process
from tests.support.streams.streams import Shop

USERS, ROUNDS = 150, 3
CLICKS = {"plain": 0.12, "bold": 0.7}
"""Share of the slates that a user of each arm clicks on."""


BOLDNESS: dict[str, Any] = {
    "name": "boldness",
    "minimum_days": 0,
    "arm": [{"name": "plain", "share": 0.5}, {"name": "bold", "share": 0.5, "diversity": 0.5}],
}


def visit(service: Process, user: str, random_: random.Random) -> tuple[str, bool, dict[str, Any] | None]:
    """One slate: its arm, whether the service could read what is known of the user, and the click, if there is one."""
    status, answer = service.get(f"/recommend/{user}?n=5")
    assert status == 200, answer
    arm, known = answer["experiments"]["boldness"], "history_unavailable" not in answer["degraded"]
    if random_.random() >= CLICKS[arm]:
        return arm, known, None
    item = random_.choice(answer["items"])["item_id"]
    named = {"request_id": answer["request_id"], "event_id": answer["request_id"], "timestamp": time.time()}
    return arm, known, {"event_type": "click", "user_id": user, "item_id": item, **named}


def counted(service: Process, segment: str = "") -> dict[str, tuple[int, float]]:
    """Slates and clicks by arm, of all users or of those of a segment, as the service tells them."""
    found = service.get(f"/experiments/boldness?segment={segment}")[1]
    return {arm["name"]: (arm["slates"], arm["measures"]["click"]["total"]) for arm in found["arms"]}


def plan(number: int) -> str:
    """The plan of a visitor: two in three have one."""
    return ("pro", "free", "")[number % 3]


def drawn(prometheus: Prometheus, title: str) -> dict[tuple[str, str], float]:
    """What a panel of the shipped dashboard draws now, by arm and by what its queries tell apart besides."""
    panels = json.loads((FOLDER / "serving.json").read_text())["panels"]
    (panel,) = [each for each in panels if each["title"] == title]
    found = {}
    for target in panel["targets"]:
        for sample in prometheus.query(asked(target["expr"], "")):
            labels = sample["metric"]
            found[labels["arm"], labels.get("bound") or labels["measure"]] = float(sample["value"][1])
    return found


def begun(service: Process) -> bool:
    """Whether the experiment has begun."""
    return bool(service.get("/experiments/boldness")[1]["state"] == "running")


def test_the_arm_that_is_clicked_more_is_found_better_and_each_click_counts_once_whatever_is_killed(
    open_installation: Open, seed: int, tmp_path: Path
) -> None:
    segments = {"learner__segments": '["plan:pro", "plan:free"]'}
    ours, random_ = open_installation(service__slates_per_second=100_000, **segments), random.Random(seed)
    learner, service = ours.learner(), ours.service()
    ours.send(Shop(seed=21).stream(1_000, time.time() - 10.0, interval=0.01))
    head = ours.wait_learnt(learner)
    ours.wait(lambda: service.get("/model")[1].get("version") == head.id, "a version is served", learner, service)
    for number in range(USERS):
        given = {"plan": plan(number)} if plan(number) else {}
        assert service.ask("PUT", f"/users/visitor-{number}", {"attributes": given})[0] == 202
    last = f"/users/visitor-{USERS - 2}"
    ours.wait(lambda: bool(service.get(last)[1]["attributes"]), "attributes are in force", learner, service)
    status, found = service.ask("POST", "/experiments", BOLDNESS)
    assert (status, found["state"]) == (201, "scheduled"), found
    ours.wait(lambda: begun(service), "the experiment has begun", learner, service)
    shown: Counter[tuple[str, str]] = Counter()
    clicked: Counter[tuple[str, str]] = Counter()
    for round_ in range(ROUNDS):
        clicks = []
        for number in range(USERS):
            arm, known, click = visit(service, f"visitor-{number}", random_)
            shown[arm, plan(number) if known else ""] += 1
            if click is not None:
                clicked[arm, plan(number)] += 1
                clicks.append(click)
        status, answer = service.ask("POST", "/events", clicks, timeout=20)
        assert (status, answer["accepted"]) == (202, len(clicks)), answer
        if round_ < ROUNDS - 1:
            # At any moment of counting what was just sent: before it, in the middle of a version, or after it.
            time.sleep(random_.random())
            learner.kill()
            learner = ours.learner()
    expected = {
        segment: {arm: tuple(sum(count[arm, each] for each in plans) for count in (shown, clicked)) for arm in CLICKS}
        for segment, plans in (("", ("pro", "free", "")), ("plan:pro", ("pro",)), ("plan:free", ("free",)))
    }

    def all_counted() -> bool:
        # A version is cut when an event was learned: slates that come after the last one wait for the next.
        service.ask("POST", "/events", {"event_type": "search", "user_id": "nobody", "query": "anything"})
        return {segment: counted(service, segment) for segment in expected} == expected

    ours.wait(all_counted, f"counts of {expected}", learner, service, pause=0.3)
    found = service.get("/experiments/boldness")[1]
    assert found["verdict"] == "better", found["conclusion"]
    assert found["conclusion"][0].startswith("bold is better than plain"), found["conclusion"]
    lift = found["arms"][1]["measures"]["click"]["lift"]
    assert lift["low"] < CLICKS["bold"] / CLICKS["plain"] - 1 < (lift["high"] or 1e9)
    assert not found["shares_alarm"]
    bounds = {("bold", bound): lift[bound] for bound in ("value", "low", "high") if lift[bound] is not None}
    rates = {(arm, "click"): clicks / slates for arm, (slates, clicks) in expected[""].items()}
    with Prometheus(tmp_path / "prometheus", {"learner": [learner.address]}) as prometheus:

        def on_the_dashboard() -> bool:
            events = drawn(prometheus, "Events of slates by arm")
            return drawn(prometheus, "Lift over the control") == pytest.approx(bounds) and {
                each: events[each] for each in rates if each in events
            } == pytest.approx(rates)

        ours.wait(on_the_dashboard, "the dashboard shows the lift and the rates", learner, service)
