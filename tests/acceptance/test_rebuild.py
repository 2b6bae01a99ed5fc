"""A model rebuilt next to the live one and adopted: exactly once, through a death, and judged by the gate."""

from __future__ import annotations

import json
import time
from typing import Any

from typer.testing import CliRunner

from service.cli.main import app
from streaming.versions import adoption as adopting
from tests.acceptance.conftest import Open
from tests.support.processes.harness import Installation
from tests.support.streams.streams import Shop

# A margin so wide that some dozen tested events show that a model is no worse: this is about who waits for whom.
GATE = {"gate__margin": 0.5, "gate__least_tested": 50}


def run(ours: Installation, *words: str) -> dict[str, Any]:
    done = CliRunner().invoke(app, ["rebuild", "--json", *words], env=ours._environ)
    assert done.exit_code == 0, done.output
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_a_rebuilt_model_is_adopted_once_and_served_when_it_is_shown_to_be_no_worse(open_installation: Open) -> None:
    ours = open_installation(2, **GATE)
    start = time.time() - 120.0
    planned = list(Shop(seed=81).stream(4_000, start, interval=0.02))
    learner = ours.learner()
    ours.send(planned[:2_000])
    ours.wait_learnt(learner)
    learner.terminate()
    assert learner.wait_exit() == 0

    # No learner: the wish waits for one. It dies as it commits, and the next one begins again.
    told = run(ours, "--wait", "0")
    assert not told["adopted"]
    assert (told["records"], told["digest"]) == (2_000, ours.ledger.digest())
    dying = ours.learner(wait=False, failpoint="commit.4")
    assert dying.wait_exit() == 137
    left = ours.head()
    assert left is not None
    assert not left.progress.adopted
    learner = ours.learner()
    ours.wait(lambda: adopting.asked(ours.store) is None, "the model is adopted", learner)
    head = ours.wait_learnt(learner)
    assert head.progress.adopted == head.progress.rebuilt != ""
    assert ours.store.under(adopting.PART).head() is None
    ours.verify()

    # A learner and a service run: the champion stays until the rebuilt model has shown itself.
    service = ours.service()
    ours.wait(lambda: service.get("/gate")[1]["serving"] is not None, "something is served", service)
    before = service.get("/gate")[1]["serving"]
    told = run(ours)
    assert told["adopted"]
    ours.send(planned[2_000:2_400])
    held = ours.wait_learnt(learner)
    assert held.progress.rebuilt != head.progress.rebuilt
    ours.wait(lambda: "unproven" in service.get("/gate")[1]["last_reasons"], "the gate waits", service)
    served = ours.store.manifest(service.get("/gate")[1]["serving"])
    assert served.progress.rebuilt == head.progress.rebuilt
    assert before
    feed = ours.feed(planned[2_400:], 200)
    ours.wait(
        lambda: _lineage(ours, service.get("/gate")[1]["serving"]) == held.progress.rebuilt, "it is served", service
    )
    feed.finish()
    reasons = {reason for each in service.get("/gate/decisions")[1]["decisions"] for reason in each["reasons"]}
    assert {"unproven", "proven"} <= reasons
    ours.wait_learnt(learner)
    ours.verify()

    # And back to the champion: its own offsets, later events are learned again.
    undone = run(ours, "--undo")
    assert undone["adopted"]
    assert _lineage(ours, undone["version"]) == held.progress.rebuilt
    ours.send(Shop(seed=82).stream(100, time.time() - 5.0, interval=0.01))
    last = ours.wait_learnt(learner)
    assert last.progress.adopted.startswith("undo")
    assert last.progress.rebuilt == held.progress.rebuilt
    ours.verify()


def test_a_learner_rebuilds_beside_itself_on_a_schedule(open_installation: Open) -> None:
    ours = open_installation(1, rebuild__every=1.0)
    learner = ours.learner()
    ours.send(Shop(seed=83).stream(300, time.time() - 5.0, interval=0.01))
    ours.wait(lambda: _rebuilt(ours) != "", "a rebuilt model is adopted", learner)
    learner.terminate()
    assert learner.wait_exit() == 0
    ours.verify()


def _rebuilt(ours: Installation) -> str:
    head = ours.head()
    return head.progress.rebuilt if head is not None else ""


def _lineage(ours: Installation, version: str) -> str:
    return ours.store.manifest(version).progress.rebuilt
