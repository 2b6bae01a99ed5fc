"""Joined ids with a real broker and Redis: once through kills, in both processes, in a rebuild and in an erasure."""

from __future__ import annotations

import random
import time

import pytest

from streaming.versions import adoption
from tests.acceptance.conftest import Open
from tests.acceptance.test_kills import RATE, live_a_while, stop
from tests.acceptance.test_rebuild import run
from tests.acceptance.test_service import alike, items, model_version, recommended, whole
from tests.support.oracles.past import NOTHING, history
from tests.support.processes.harness import Installation, counts
from tests.support.processes.roles import Process
from tests.support.streams.streams import Shop, visitor, visits


@pytest.mark.timeout(180)
def test_ids_that_are_joined_between_kills_are_one_user_and_everything_is_learnt_once(
    open_installation: Open, seed: int
) -> None:
    shop, ours, rng = Shop(seed=seed, users=20), open_installation(), random.Random(seed)
    users = sorted(shop.tastes)[:5]
    feed = ours.feed(visits(list(shop.stream(2_500)), users), RATE)
    for user in users[:3]:
        learner = ours.learner(wait=False)
        live_a_while(learner, rng)
        ours.identify(visitor(user), user)
        live_a_while(learner, rng)
        learner.kill()
    # It carries the order out, and no version has it.
    dying = ours.learner(wait=False, failpoint="commit.4")
    ours.identify(visitor(users[3]), users[3])
    assert dying.wait_exit() == 137
    learner = ours.learner()
    ours.identify(visitor(users[4]), users[4])
    ours.identify(users[4], "the last one")
    feed.finish()
    stop(ours, learner)
    found = ours.load()
    known = found.identities
    assert [known.resolve(visitor(user)) for user in users] == [*users[:4], "the last one"]
    assert found.manifest.progress.identities == 6
    assert not {*map(visitor, users), users[4]} & found.state.keys["user"].rows.keys()
    assert all(history(ours.store, visitor(user)) == NOTHING for user in users)


def test_a_rebuild_and_an_erasure_know_all_ids_of_a_user(open_installation: Open) -> None:
    shop, ours = Shop(seed=63, users=30), open_installation(partitions=2, gate__margin=0.5)
    user = min(shop.tastes)
    learner, service = ours.learner(), ours.service()
    ours.send(visits(list(shop.stream(1_500, time.time() - 20.0, interval=0.01)), [user]))
    head = ours.wait_learnt(learner)
    ours.wait(lambda: model_version(service) == head.id, "the last version is served", learner, service)
    assert history_of(service, user) != history_of(service, visitor(user)) != []

    identify(ours, service, user)
    ours.wait(lambda: history_of(service, visitor(user)) == history_of(service, user), "one history", learner, service)
    assert len(history_of(service, user)) == len(ours.ledger.history(user, 128))
    assert identify(ours, service, user) == "joined"  # asked once more: nothing is written
    assert alike(whole(ours, service, visitor(user)), whole(ours, service, user))
    ours.wait_learnt(learner)
    ours.verify()

    assert run(ours)["adopted"]
    ours.wait(lambda: adoption.asked(ours.store) is None, "the model is adopted", learner)
    ours.wait_learnt(learner)
    ours.verify()
    assert ours.load().identities.resolve(visitor(user)) == user

    total = ours.ledger.per_user()
    status, answer = service.ask("DELETE", f"/users/{visitor(user)}")
    assert status == 202, answer
    ours.ledger.add(ours.settings.topic("control"), 0, 1, None, "fact")
    ours.wait(lambda: service.get(answer["receipt"])[1]["status"] != "accepted", "the user is erased", learner)
    removed = service.get(answer["receipt"])[1]["removed"]
    assert (removed["user_row"], removed["dedupe_entries"]) == (1, total.pop(user))
    assert counts(ours.load().state, "user", "user") == total
    assert history_of(service, user) == history_of(service, visitor(user)) == []
    assert items(recommended(service, visitor(user))) == items(recommended(service, "stranger"))


def identify(ours: Installation, service: Process, user: str) -> str:
    """Join the user's two ids over HTTP; the outcome. A record that was written is entered into the ledger."""
    status, answer = service.ask("POST", "/identify", {"anonymous_id": visitor(user), "user_id": user})
    assert status == 202, answer
    if answer["outcome"] == "accepted":
        ours.ledger.add(ours.settings.topic("control"), 0, 0, None, "fact")
        ours.ledger.join(visitor(user), user)
    return str(answer["outcome"])


def history_of(service: Process, user: str) -> list[str]:
    return [each["item_id"] for each in service.history(user)]
