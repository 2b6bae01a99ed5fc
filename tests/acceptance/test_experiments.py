"""A shop whose users click more on one arm of an experiment shows it, with counts that no kill changes."""

from __future__ import annotations

import random
import time
from collections import Counter
from typing import Any

from tests.acceptance.conftest import Open
from tests.support.processes.harness import Installation
from tests.support.processes.roles import Process
from tests.support.streams.streams import Shop

USERS, ROUNDS = 220, 3
CLICKS = {"plain": 0.15, "bold": 0.6}
"""Share of the slates that a user of each arm clicks on."""


def visit(service: Process, user: str, random_: random.Random, shown: Counter[str]) -> dict[str, Any] | None:
    """One slate; the click on it, if there is one."""
    status, answer = service.get(f"/recommend/{user}?n=5")
    assert status == 200, answer
    arm = answer["experiments"]["boldness"]
    shown[arm] += 1
    if random_.random() >= CLICKS[arm]:
        return None
    event = {"event_type": "click", "user_id": user, "item_id": random_.choice(answer["items"])["item_id"]}
    return event | {"timestamp": time.time(), "request_id": answer["request_id"], "event_id": answer["request_id"]}


def counted(service: Process) -> dict[str, tuple[int, float]]:
    """Slates and clicks by arm, as the service tells them."""
    found = service.get("/experiments/boldness")[1]
    return {arm["name"]: (arm["slates"], arm["measures"]["click"]["total"]) for arm in found["arms"]}


def running(ours: Installation, service: Process, learner: Process) -> None:
    """Starts the experiment and waits until users are in it."""
    status, found = service.ask(
        "POST",
        "/experiments",
        {
            "name": "boldness",
            "minimum_days": 0,
            "arm": [{"name": "plain", "share": 0.5}, {"name": "bold", "share": 0.5, "diversity": 0.5}],
        },
    )
    assert (status, found["state"]) == (201, "scheduled"), found
    ours.wait(lambda: "experiments" in service.get("/recommend/nobody")[1], "the experiment runs", service, learner)


def test_the_arm_that_is_clicked_more_is_found_better_and_each_click_counts_once_whatever_is_killed(
    open_installation: Open, seed: int
) -> None:
    ours = open_installation(service__slates_per_second=100_000)
    learner, service = ours.learner(), ours.service()
    ours.send(Shop(seed=21).stream(1_000, time.time() - 10.0, interval=0.01))
    head = ours.wait_learnt(learner)
    ours.wait(lambda: service.get("/model")[1].get("version") == head.id, "a version is served", learner, service)
    running(ours, service, learner)
    random_ = random.Random(seed)
    shown: Counter[str] = Counter({service.get("/recommend/nobody")[1]["experiments"]["boldness"]: 0})
    shown.clear()
    clicked: Counter[str] = Counter()
    for round_ in range(ROUNDS):
        events = [visit(service, f"visitor-{number}", random_, shown) for number in range(USERS)]
        clicks = [event for event in events if event is not None]
        status, answer = service.ask("POST", "/events", clicks, timeout=20)
        assert (status, answer["accepted"]) == (202, len(clicks)), answer
        arms = {f"visitor-{number}": "" for number in range(USERS)}
        del arms
        clicked["all"] += len(clicks)
        if round_ < ROUNDS - 1:
            time.sleep(random_.random())
            learner.kill()
            learner = ours.learner()
    print(shown, clicked, counted(service))
    ours.wait(
        lambda: sum(n for _, n in counted(service).values()) >= clicked["all"], "all is counted", service, learner
    )
    time.sleep(3)
    print(service.get("/experiments/boldness"))
    raise AssertionError
