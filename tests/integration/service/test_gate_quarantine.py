"""Orders of quarantines over HTTP: put into the audit, sent to the learner, refused when they make no sense."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from models.gate import GateState, Version
from models.ledger.progress import Quarantined
from models.records.control import Drop, Quarantine, Replay, decode_control
from service.http import Proposal
from service.routes.quarantine import proposed
from streaming.kafka.topics import ensure_topics
from streaming.settings.loading import Settings
from tests.conftest import eventually
from tests.integration.service.test_gate import standing
from tests.integration.service.test_http import in_topic, problem
from tests.support.processes.serving import Learner, Served, changed, connected


@pytest.fixture
def served(settings: Settings, taught: Learner) -> Iterator[Served]:
    """A service that serves its first version, with a connection to Kafka."""
    ensure_topics(settings)
    version = taught.commit()
    with connected(settings) as running:
        eventually(lambda: running.get("/gate").json()["serving"] == version)
        yield running


def ask(served: Served, path: str, **more: Any) -> Any:
    """Send an order at the revision that the gate shows; again when the gate moved a version in between."""
    for _ in range(5):
        body = {"reason": "a broken exporter", "revision": served.get("/gate").json()["revision"], **more}
        answer = served.post(f"/gate/quarantine{path}", json=body)
        if answer.status_code != 409 or "revision" in more:
            break
    return answer


def say(taught: Learner, *quarantines: Quarantined) -> None:
    """Commit a version that reports these quarantines."""
    taught.progress.quarantines = list(quarantines)
    taught.commit()


def test_an_order_is_put_into_the_audit_and_sent_to_the_learner(
    served: Served, taught: Learner, settings: Settings
) -> None:
    reference = served.get("/gate").json()["reference"] or served.get("/gate").json()["serving"]
    found = ask(served, "")
    assert found.status_code == 202, found.text
    name = found.json()["quarantine"]
    assert found.json()["version"] == reference
    say(taught, Quarantined(name, 9.0, reference, "a broken exporter", "local", events=7))
    eventually(lambda: served.get("/gate/quarantine").json()["quarantines"])
    (told,) = served.get("/gate/quarantine").json()["quarantines"]
    assert (told["id"], told["state"], told["events"]) == (name, "held", 7)
    assert ask(served, f"/{name}/replay").status_code == 202
    assert ask(served, f"/{name}/drop").status_code == 202
    orders = [decode_control(value) for _, value in in_topic(settings, "control", 3)]
    assert [type(order) for order in orders] == [Quarantine, Replay, Drop]
    assert (orders[0].version, orders[1].quarantine, orders[2].actor) == (reference, name, "local")
    assert [name in each["detail"] for each in noted(served)] == [True, True, True]
    assert served.get("/gate").json()["mode"] == "continuous"


def test_an_order_that_makes_no_sense_is_refused_with_a_reason(served: Served, taught: Learner) -> None:
    assert problem(ask(served, "", version="9-9-zz"), 422)["errors"][0]["path"] == "$.version"
    problem(ask(served, "", revision=0, reason=""), 422)
    assert "revision" in problem(ask(served, "", revision=10_000), 409)["detail"]
    problem(ask(served, "/nothing/drop"), 404)
    say(taught, Quarantined("q1", 9.0, "v", state="dropped"))
    assert "is dropped, not held" in problem(ask(served, "/q1/replay"), 409)["detail"]


def test_after_a_rollback_for_harm_the_gate_proposes_a_quarantine() -> None:
    good, harmed = Version("5-1-ab", 5), GateState(recovering=True, rolled_back_at=50.0)
    assert proposed(GateState(), good, []) is None
    assert proposed(harmed, good, []) == Proposal("5-1-ab", 50.0)
    assert proposed(harmed, None, []) is None
    assert proposed(harmed, good, [Quarantined("q0", 49.0, "v")]) is not None
    assert proposed(harmed, good, [Quarantined("q1", 51.0, "v", state="refused")]) is not None
    assert proposed(harmed, good, [Quarantined("q2", 51.0, "v")]) is None


def test_with_auto_a_rollback_for_harm_orders_a_quarantine(settings: Settings, taught: Learner) -> None:
    ensure_topics(settings)
    first = taught.commit()
    with connected(changed(settings, gate={"quarantine": "auto", "cooldown": 0.01})) as served:
        eventually(lambda: served.get("/gate").json()["serving"] == first)
        taught.learn([("user-1", "item-1")])
        second = taught.commit()
        eventually(lambda: served.get("/gate").json()["serving"] == second)
        taught.learn([("user-1", "item-1")])
        taught.commit(standing(first, -400.0))
        eventually(lambda: served.get("/gate").json()["serving"] == first)
        ((_, value),) = in_topic(settings, "control", 1)
        order = decode_control(value)
        assert isinstance(order, Quarantine)
        assert (order.version, order.actor, order.reason) == (first, "auto", "harm")
        eventually(lambda: noted(served))
        assert order.id in noted(served)[0]["detail"]


def noted(served: Served) -> list[dict[str, Any]]:
    found = served.get("/gate/decisions").json()["decisions"]
    return [each for each in found if each["action"] == "quarantine"]
