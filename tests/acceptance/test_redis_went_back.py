"""A Redis that lost what was written under a running learner: everything is written again, and nobody comes back."""

from __future__ import annotations

import time
from contextlib import ExitStack
from itertools import islice
from pathlib import Path

import pytest

from models.records.control import Erase, encode_control
from streaming.live import erasures, histories, users
from streaming.settings.loading import load_settings
from streaming.store import Store
from tests.acceptance.conftest import Open
from tests.acceptance.test_kills import endless
from tests.support.oracles.past import NOTHING, history
from tests.support.processes.harness import HISTORIES, Installation
from tests.support.processes.moving_name import MovingName
from tests.support.processes.processes import wait_until
from tests.support.processes.redis_server import RedisServer
from tests.support.processes.roles import Process


def assert_whole(ours: Installation, erased: str) -> None:
    """Each history holds each of its events once, and that of the erased user nothing."""
    assert history(ours.store, erased) == NOTHING
    for user in [each for each in ours.ledger.per_user() if each != erased][:HISTORIES]:
        assert history(ours.store, user).items == ours.ledger.history(user, histories.CAP), user
    listed = users.parse(ours.store.call(*users.request(ours.store.key, "", None, 10_000)))
    acted = (each for each in ours.ledger.per_user() if ours.ledger.history(each, 1))
    assert listed == sorted(each for each in acted if each != erased)


def repaired(ours: Installation, learner: Process) -> bool:
    marks = ours.store.key("h-marks")
    done = ours.store.call("HEXISTS", marks, "repair") == 0 and ours.store.call("HEXISTS", marks, "beat") == 1
    name = "sluicegate_store_went_back_total"
    return done and learner.metrics(name)[name] >= 1


def on_sale(service: Process) -> set[str]:
    return {item["item_id"] for item in service.get("/items?limit=200")[1]["items"]}


@pytest.mark.parametrize("lost", ["the last writes", "everything"])
def test_a_redis_that_lost_writes_under_a_running_learner_is_repaired(
    tmp_path: Path, open_installation: Open, lost: str
) -> None:
    with ExitStack() as stack:
        old, new = (stack.enter_context(RedisServer(tmp_path / name)) for name in "ab")
        one, other = (
            Store.for_service(load_settings(None, {"SLUICEGATE_REDIS__URL": each.url})) for each in (old, new)
        )
        name = MovingName(old.port)
        stack.callback(name.close)
        ours = open_installation(redis__url=f"redis://127.0.0.1:{name.port}/0")
        stack.callback(ours.close)  # before the name, whose connections end with their clients
        stream = endless(23)
        learner, service = ours.learner(), ours.service()
        ours.post_fact("going", {"category": "tea"}, time.time())
        ours.post_fact("staying", {"category": "tea"}, time.time())
        ours.send(islice(stream, 600))
        ours.wait_learnt(learner)
        ours.wait(lambda: {"going", "staying"} <= on_sale(service), "facts are served", learner, service)
        user = max(ours.ledger.per_user().items(), key=lambda pair: pair[1])[0]
        if lost == "the last writes":
            # The replica stops following here: what comes now is lost with the primary.
            other.call("REPLICAOF", "127.0.0.1", old.port)
            wait_until(lambda: other.call("ROLE")[3] == b"connected", "the replica is connected")
            one.call("WAIT", 1, 5000)
            other.call("REPLICAOF", "NO", "ONE")
        ours.post_order(encode_control(Erase("one", user)), time.time())
        ours.post_fact("going", None, time.time())
        ours.send(each for each in islice(stream, 300) if each.event.get("user_id") != user)
        ours.wait_learnt(learner)
        ours.wait(lambda: "seq" in erasures.read(ours.store, "one"), "the receipt is written", learner)
        ours.wait(lambda: "going" not in on_sale(service), "the item is gone", learner, service)
        if lost == "the last writes":
            name.target = new.port
            one.call("REPLICAOF", "127.0.0.1", new.port)
        else:
            one.call("FLUSHALL")
        ours.wait(lambda: repaired(ours, learner), "Redis is repaired", learner, service)
        assert_whole(ours, user)
        ours.wait(ours.learnt, "a version is in it again", learner, service)
        ours.wait(lambda: "seq" in erasures.read(ours.store, "one"), "the receipt is written again", learner)
        ours.wait(lambda: "staying" in on_sale(service), "facts are served", learner, service)
        assert "going" not in on_sale(service)
        assert service.history(user) == []
        ours.send(each for each in islice(stream, 200) if each.event.get("user_id") != user)
        ours.wait_learnt(learner, service)
        assert_whole(ours, user)
        learner.terminate()
        assert learner.wait_exit() == 0
        one.close()
        other.close()
