"""A shop whose users click more on one arm of an experiment shows it, with counts that no kill changes."""

from __future__ import annotations

import random
import time
from collections import Counter
from typing import Any

from tests.acceptance.conftest import Open
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


def visit(service: Process, user: str, random_: random.Random) -> tuple[str, dict[str, Any] | None]:
    """One slate: its arm, and the click on it, if there is one."""
    status, answer = service.get(f"/recommend/{user}?n=5")
    assert status == 200, answer
    arm = answer["experiments"]["boldness"]
    if random_.random() >= CLICKS[arm]:
        return arm, None
    item = random_.choice(answer["items"])["item_id"]
    named = {"request_id": answer["request_id"], "event_id": answer["request_id"], "timestamp": time.time()}
    return arm, {"event_type": "click", "user_id": user, "item_id": item, **named}


def counted(service: Process) -> dict[str, tuple[int, float]]:
    """Slates and clicks by arm, as the service tells them."""
    found = service.get("/experiments/boldness")[1]
    return {arm["name"]: (arm["slates"], arm["measures"]["click"]["total"]) for arm in found["arms"]}


def begun(service: Process) -> bool:
    """Whether the experiment has begun."""
    return bool(service.get("/experiments/boldness")[1]["state"] == "running")


def test_the_arm_that_is_clicked_more_is_found_better_and_each_click_counts_once_whatever_is_killed(
    open_installation: Open, seed: int
) -> None:
    ours, random_ = open_installation(service__slates_per_second=100_000), random.Random(seed)
    learner, service = ours.learner(), ours.service()
    ours.send(Shop(seed=21).stream(1_000, time.time() - 10.0, interval=0.01))
    head = ours.wait_learnt(learner)
    ours.wait(lambda: service.get("/model")[1].get("version") == head.id, "a version is served", learner, service)
    status, found = service.ask("POST", "/experiments", BOLDNESS)
    assert (status, found["state"]) == (201, "scheduled"), found
    ours.wait(lambda: begun(service), "the experiment has begun", learner, service)
    shown: Counter[str] = Counter()
    clicked: Counter[str] = Counter()
    for round_ in range(ROUNDS):
        clicks = []
        for number in range(USERS):
            arm, click = visit(service, f"visitor-{number}", random_)
            shown[arm] += 1
            if click is not None:
                clicked[arm] += 1
                clicks.append(click)
        status, answer = service.ask("POST", "/events", clicks, timeout=20)
        assert (status, answer["accepted"]) == (202, len(clicks)), answer
        if round_ < ROUNDS - 1:
            # At any moment of counting what was just sent: before it, in the middle of a version, or after it.
            time.sleep(random_.random())
            learner.kill()
            learner = ours.learner()
    expected = {arm: (shown[arm], clicked[arm]) for arm in CLICKS}

    def all_counted() -> bool:
        # A version is cut when an event was learned: slates that come after the last one wait for the next.
        service.ask("POST", "/events", {"event_type": "search", "user_id": "nobody", "query": "anything"})
        return counted(service) == expected

    ours.wait(all_counted, f"counts of {expected}", learner, service, pause=0.3)
    found = service.get("/experiments/boldness")[1]
    assert found["verdict"] == "better", found["conclusion"]
    assert found["conclusion"][0].startswith("bold is better than plain"), found["conclusion"]
    lift = found["arms"][1]["measures"]["click"]["lift"]
    assert lift["low"] < CLICKS["bold"] / CLICKS["plain"] - 1 < (lift["high"] or 1e9)
    assert not found["shares_alarm"]
    series = "sluicegate_experiment_measured{arm=bold,experiment=boldness,measure=click}"
    ours.wait(lambda: learner.metrics().get(series) == clicked["bold"], "the metric has all clicks", learner)
