"""A user is erased for good: through a version from before it being served, a kill, a late event, and a fresh model."""

from __future__ import annotations

import time
from contextlib import closing

from models.ledger.erasures import user_hash
from models.records.control import Erase, encode_control
from models.state.schema import SCHEMA
from streaming.live import erasures as erasing
from streaming.settings.loading import load_settings
from streaming.store.store import Store
from streaming.versions import loading as versions
from tests.acceptance.conftest import Open
from tests.acceptance.test_service import items, learnt_and_served, model_version, recommended, whole
from tests.support.oracles.past import NOTHING, history
from tests.support.processes.harness import Installation, counts, variables
from tests.support.processes.roles import Process
from tests.support.streams.streams import Planned, Shop


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
    assert items(whole(ours, service, user)) != items(recommended(service, "stranger"))

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


def test_an_erased_user_is_gone_from_the_newest_version_and_stays_gone(open_installation: Open) -> None:
    shop, ours = Shop(seed=41), open_installation(partitions=1, learner__base_interval=5)
    learner = ours.learner()
    planned = list(shop.stream(1_500, time.time() - 20.0, interval=0.01))
    ours.send(planned)
    before = ours.wait_learnt(learner)
    user, others = max(ours.ledger.per_user().items(), key=lambda pair: pair[1])[0], ours.ledger.per_user()
    del others[user]
    assert history(ours.store, user).items
    ours.post_order(encode_control(Erase("one", user)), time.time())
    ours.flush()
    ours.wait(lambda: "seq" in erasing.read(ours.store, "one"), "the receipt is written", learner)
    assert history(ours.store, user) == NOTHING
    receipt, loaded = erasing.read(ours.store, "one"), ours.load()
    assert counts(loaded.state, "user", "user") == others
    assert (receipt["user_row"], receipt["dedupe_entries"]) == ("1", str(ours.ledger.per_user()[user]))
    assert int(receipt["interactions"]) > 0 < int(receipt["history"])
    assert int(receipt["seq"]) > before.seq
    assert loaded.erasures.covers(user_hash(user), float(receipt["erased_at"]) - 0.001)

    # No version from before it is left, with no further event: bases are written for its sake.
    seq = int(receipt["seq"])
    ours.wait(lambda: erasing.holding(ours.store, seq) == (0, []), "older versions are let go of", learner)

    learner.kill()
    learner.start()
    ours.wait(learner.ready, "learner ready", learner)
    again = planned[-1].event | {"user_id": user, "event_id": "again"}
    ours.post(Planned(again, time.time(), "erased"))  # a late redelivery
    fresh = again | {"timestamp": time.time() + 1.0, "event_id": "after"}
    ours.post(Planned(fresh, time.time() + 1.0))
    ours.wait_learnt(learner)
    assert counts(ours.load().state, "user", "user")[user] == 1
    assert ours.load().manifest.progress.outcomes["erased"] == 1
    assert history(ours.store, user).items == [fresh["item_id"]]


def assert_a_stranger(service: Process, user: str) -> None:
    assert service.get(f"/users/{user}")[1]["known"] is False
    assert user not in {found["user_id"] for found in service.get(f"/users?q={user}")[1]["users"]}
    mine, theirs = (items(recommended(service, each)) for each in (user, "stranger"))
    assert mine == theirs


def fresh_model(ours: Installation) -> dict[str, int]:
    """Events by user of a model that is learned again from the beginning of the same topics."""
    topics = {f"kafka__{role}_topic": ours.settings.topic(role) for role in ("events", "items", "control", "slates")}
    chosen = {"namespace": f"{ours.settings.namespace}-anew", **topics, "kafka__deadletter_topic": "anew"}
    learner = ours.learner(**chosen)
    settings = load_settings(None, variables({**chosen, "redis__url": ours.settings.redis.url}))
    with closing(Store.for_service(settings)) as store:

        def all_read() -> bool:
            head = store.head()
            return head is not None and store.manifest(head.id).progress.consumed == len(ours.ledger)

        ours.wait(all_read, "the fresh model has read everything", learner)
        assert history(store, busiest(ours)) == NOTHING
        loaded = versions.load(store, "head", SCHEMA, served_only=False)
        assert loaded is not None
        return counts(loaded.state, "user", "user")
