"""A user is erased for good: through a version from before it being served, a kill, a late event, and a fresh model."""

from __future__ import annotations

import time
from contextlib import closing

from models.schema import SCHEMA
from streaming import histories, versions
from streaming.settings import load_settings
from streaming.store import Store
from tests.acceptance.conftest import Open
from tests.acceptance.test_service import items, learnt_and_served, model_version, recommended
from tests.support.harness import Installation, counts, variables
from tests.support.roles import Process
from tests.support.streams import Planned


def gate(service: Process, verb: str, **more: object) -> str:
    """Carry out an operator's word; the version that is served afterwards."""
    for _ in range(20):
        body = {"reason": "test", "revision": service.get("/gate")[1]["revision"], **more}
        status, answer = service.ask("POST", f"/gate/{verb}", body)
        if status == 200:
            return str(answer["gate"]["serving"])
    raise AssertionError(f"{verb}: {status} {answer}")


def busiest(ours: Installation) -> str:
    return max(ours.ledger.per_user().items(), key=lambda pair: pair[1])[0]


def erase(ours: Installation, service: Process, user: str) -> str:
    """The path of the receipt, once the model is said to have lost the user."""
    status, answer = service.ask("DELETE", f"/users/{user}")
    assert status == 202, answer
    ours.ledger.add(ours.settings.topic("control"), 0, 0, None, "fact")
    path = answer["receipt"]
    ours.wait(lambda: service.get(path)[1]["status"] != "accepted", "the user is erased", *ours.processes)
    return str(path)


def test_an_erased_user_does_not_come_back(open_installation: Open) -> None:
    ours = open_installation(partitions=1)
    learner, service = learnt_and_served(ours)
    user, total = busiest(ours), ours.ledger.per_user()
    old = gate(service, "mode", mode="manual")
    assert items(recommended(service, user)) != items(recommended(service, "stranger"))

    receipt = service.get(erase(ours, service, user))[1]
    removed = receipt["removed"]
    assert removed["dedupe_entries"] == total.pop(user)
    assert removed["user_row"] == 1
    assert removed["history"] > 0 < removed["interactions"]
    assert "serving" in receipt["held_by"]

    # The version that is served knew the user, and it makes no difference; nor does going back to it.
    assert model_version(service) == old
    assert_a_stranger(service, user)
    assert gate(service, "promote", force=True) != old
    assert gate(service, "rollback") == old
    assert_a_stranger(service, user)

    learner.kill()
    learner.start()
    ours.wait(learner.ready, "learner ready", learner)
    said = {"event_type": "click", "user_id": user, "item_id": "item-1-1", "timestamp": receipt["erased_at"] - 60.0}
    ours.send([Planned(said, time.time(), "erased")])
    ours.wait_learnt(learner)
    assert counts(ours.load().state, "user", "user") == total
    assert_a_stranger(service, user)
    assert fresh_model(ours) == total


def assert_a_stranger(service: Process, user: str) -> None:
    assert service.get(f"/users/{user}")[1]["known"] is False
    mine, theirs = (items(recommended(service, each)) for each in (user, "stranger"))
    assert mine == theirs


def fresh_model(ours: Installation) -> dict[str, int]:
    """Events by user of a model that is learnt anew from the beginning of the same topics."""
    topics = {f"kafka__{role}_topic": ours.settings.topic(role) for role in ("events", "items", "control", "slates")}
    chosen = {"namespace": f"{ours.settings.namespace}-anew", **topics, "kafka__deadletter_topic": "anew"}
    learner = ours.learner(**chosen)
    settings = load_settings(None, variables({**chosen, "redis__url": ours.settings.redis.url}))
    with closing(Store.for_service(settings)) as store:

        def all_read() -> bool:
            head = store.head()
            return head is not None and store.manifest(head.id).progress.consumed == len(ours.ledger)

        ours.wait(all_read, "the fresh model has read everything", learner)
        assert histories.read(store, busiest(ours)) == histories.NOTHING
        loaded = versions.load(store, "head", SCHEMA, served_only=False)
        assert loaded is not None
        return counts(loaded.state, "user", "user")
