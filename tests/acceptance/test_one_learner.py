"""Whatever is started twice, paused or asked to stop, there is one learner and one effect."""

from __future__ import annotations

import time

import pytest

from tests.acceptance.conftest import Open
from tests.acceptance.test_kills import RATE, endless, stop
from tests.support.processes.harness import Installation
from tests.support.processes.roles import Process

# A lease short enough that a test can wait for its end.
LEASE = {"learner__lease_ttl": 3.0, "learner__lease_renewal": 0.4}


def leads(process: Process) -> bool:
    """Whether this process says it is the learner."""
    return process.metrics("sluicegate_lease_held").get("sluicegate_lease_held") == 1.0


def goes_on(ours: Installation, alive: Process) -> None:
    """Wait until the newest version is a newer one."""
    before = ours.head()
    ours.wait(lambda: (head := ours.head()) is not None and head.id != (before and before.id), "a newer version", alive)


def test_of_two_learners_one_stands_by_and_takes_over_when_the_other_is_killed(open_installation: Open) -> None:
    ours = open_installation(**LEASE)
    feed = ours.feed(endless(3), RATE)
    first = ours.learner()
    ours.wait(lambda: leads(first), "the first learner leads", first)
    second = ours.learner(learner__instance="second")
    assert not leads(second)
    goes_on(ours, first)
    first.kill()
    ours.wait(lambda: leads(second), "the second learner leads", second)
    goes_on(ours, second)
    feed.finish()
    stop(ours, second)


def test_a_learner_that_was_paused_past_its_lease_is_fenced_and_steps_down(open_installation: Open) -> None:
    ours = open_installation(**LEASE)
    feed = ours.feed(endless(4), RATE)
    zombie = ours.learner()
    ours.wait(lambda: leads(zombie), "the first learner leads", zombie)
    heir = ours.learner(learner__instance="second")
    goes_on(ours, zombie)
    zombie.pause()
    ours.wait(lambda: leads(heir), "the second learner leads", heir)
    goes_on(ours, heir)
    zombie.resume()
    ours.wait(lambda: zombie.said("stepped down"), "the zombie steps down", zombie, heir)
    ours.wait(lambda: not leads(zombie) and zombie.ready(), "the zombie stands by", zombie, heir)
    assert leads(heir)
    goes_on(ours, heir)
    heir.kill()
    ours.wait(lambda: leads(zombie), "the former zombie leads again", zombie)
    feed.finish()
    stop(ours, zombie)


def test_two_learners_under_one_name_have_one_effect_and_do_not_take_turns(open_installation: Open) -> None:
    ours = open_installation(**LEASE)
    feed = ours.feed(endless(5), RATE)
    first = ours.learner()
    ours.wait(lambda: leads(first), "the first learner leads", first)
    second = ours.learner()
    ours.wait(lambda: first.said("stepped down"), "the first learner steps down", first, second)
    ours.wait(lambda: leads(second), "the second learner leads", second)
    for _ in range(5):
        goes_on(ours, second)
    assert leads(second)
    assert not leads(first)
    first.kill()
    feed.finish()
    stop(ours, second)


def test_sigterm_writes_the_last_version_gives_the_lease_back_and_exits_0(open_installation: Open) -> None:
    ours = open_installation(learner__version_interval=600)
    learner = ours.learner()
    ours.send(each for each, _ in zip(endless(6), range(2_000), strict=False))
    ours.wait(lambda: consumed(learner) == len(ours.ledger), "everything is learned", learner)
    assert not ours.learnt(), "a version was written before its time, so the last one proves nothing"
    asked = time.monotonic()
    learner.terminate()
    assert learner.wait_exit() == 0
    assert time.monotonic() - asked < 20
    ours.verify()
    lease = ours.store.acquire_lease("somebody else", 5.0)
    assert lease is not None, "the lease was not given back"


def test_a_learner_that_takes_over_tells_of_the_version_it_goes_on_from(open_installation: Open) -> None:
    ours = open_installation()
    first = ours.learner()
    ours.send(each for each, _ in zip(endless(7), range(500), strict=False))
    stop(ours, first)
    last = ours.load().manifest
    heir = ours.learner(learner__version_interval=600)
    sequence, committed = "sluicegate_version_sequence", "sluicegate_version_committed_timestamp_seconds"
    ours.wait(lambda: heir.metrics(sequence)[sequence] == last.seq, "it goes on from the last one", heir)
    assert heir.metrics(committed)[committed] == pytest.approx(last.created_at)
    stop(ours, heir)


def consumed(learner: Process) -> float:
    """Records of all topics this process has learned, or refused for a reason."""
    return sum(learner.metrics("sluicegate_records_consumed_total").values())
