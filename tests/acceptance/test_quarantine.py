"""What a broken exporter sent is taken back by an operator, learned after all, and counted once through it all."""

from __future__ import annotations

import json
import time
from typing import Any

from typer.testing import CliRunner

from service.cli.main import app
from tests.acceptance.conftest import Open
from tests.acceptance.test_service import EVENTS, items, learnt_and_served, model_version, recommended
from tests.support.processes.harness import Installation, counts
from tests.support.processes.roles import Process
from tests.support.streams.streams import Planned, Shop

SHOP = Shop(seed=23)
BROKEN = 1_500


def gate(service: Process, *words: str, reason: str = "") -> str:
    """What `sluicegate gate` prints."""
    said = ["gate", *words, "--url", f"http://{service.address}", *(["--reason", reason] if reason else [])]
    result = CliRunner().invoke(app, said)
    assert result.exit_code == 0, result.output
    return result.output


def listed(service: Process) -> list[dict[str, Any]]:
    return list(json.loads(gate(service, "quarantine", "list", "--json"))["quarantines"])


def given(ours: Installation, number: int) -> None:
    """An order of the service is in topic control: the ledger knows of it."""
    ours.ledger.add(ours.settings.topic("control"), 0, number, None, "fact")


def broken() -> list[Planned]:
    """Everybody buys the same thing, again and again: a broken exporter."""
    now = time.time()
    return [
        Planned({"event_type": "purchase", "user_id": f"user-{at % 200}", "item_id": "broken", "timestamp": now}, now)
        for at in range(BROKEN)
    ]


def test_what_a_broken_exporter_sent_is_taken_back_and_learnt_after_all(open_installation: Open) -> None:
    ours = open_installation()
    learner, service = learnt_and_served(ours)
    healthy, good = model_version(service), ours.ledger.per_item()
    assert healthy is not None
    ours.send(broken())
    head = ours.wait_learnt(learner)
    ours.wait(lambda: model_version(service) == head.id, "the ruined version is served", learner, service)
    assert "broken" in items(recommended(service, "stranger", 20))

    gate(service, "quarantine", "add", "--version", healthy, reason="a broken exporter")
    given(ours, 0)
    learner.kill()  # wherever it is with the order
    learner.start()
    ours.wait(learner.ready, "learner ready", learner)
    head = ours.wait_learnt(learner)
    (held,) = listed(service)
    assert (held["state"], held["events"], held["reason"]) == ("held", BROKEN, "a broken exporter")
    assert counts(ours.load().state, "item", "item_stats") == good
    assert head.progress.outcomes == {"learnt": EVENTS, "quarantined": BROKEN}
    ours.wait(lambda: model_version(service) == head.id, "the mended version is served", learner, service)
    assert "broken" not in items(recommended(service, "stranger", 20))

    gate(service, "quarantine", "replay", held["id"], reason="it was a sale")
    given(ours, 1)
    ours.wait_learnt(learner)
    assert listed(service)[0]["state"] == "replayed"
    assert counts(ours.load().state, "item", "item_stats") == ours.ledger.per_item()
    assert counts(ours.load().state, "user", "user") == ours.ledger.per_user()
    assert "the chain is whole" in gate(service, "verify")
    actions = [json.loads(line) for line in gate(service, "log", "--json", "--limit", "200").splitlines()]
    assert [each["detail"].split(" (")[0] for each in actions if each["action"] == "quarantine"] == [
        "it was a sale",
        "a broken exporter",
    ]
