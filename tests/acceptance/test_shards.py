"""Shards as actors of Ray: kill -9 and SIGSTOP of any, or of the coordinator, lose nothing and repeat nothing."""

from __future__ import annotations

import os
import random
import signal
import time

import pytest

from tests.acceptance.conftest import Open
from tests.acceptance.test_kills import RATE, assert_exact, endless
from tests.support.processes.actors import actors
from tests.support.processes.harness import Installation
from tests.support.processes.roles import Process
from tests.support.streams.streams import EPOCH, Shop

pytest.importorskip("ray", reason="the extra `ray` is not installed: make acceptance does it")

# Kills of one run; KILLS=50 for more.
KILLS = int(os.environ.get("KILLS") or 3)
# Seconds that Ray may take to start, and an actor to come back, on a machine that is busy with other tests.
STARTED = 120.0
# Longest life between two kills, in seconds: several versions.
LIFE = 2.0
SHARDS = {"learner__shards": 2, "learner__split_when": "start", "learner__merge_interval": 0.2}


def split(ours: Installation) -> Process:
    """A learner whose shards learn."""
    learner = ours.learner(wait=False, **SHARDS)
    ours.wait(
        lambda: learner.ready() and learner.metrics().get("sluicegate_split") == 1.0, "shards", learner, timeout=STARTED
    )
    return learner


def moved(ours: Installation, learner: Process) -> None:
    """Wait for a version that is newer than the newest one by now."""
    before = ours.head()
    ours.wait(
        lambda: (head := ours.head()) is not None and (before is None or head.seq > before.seq), "a version", learner
    )


@pytest.mark.timeout(180 + 40 * KILLS)
def test_shards_and_coordinators_killed_at_random_instants_learn_everything_once(
    open_installation: Open, seed: int
) -> None:
    ours, rng, heads = open_installation(), random.Random(seed), []
    ours.send_facts(Shop(seed=seed).facts(), EPOCH)
    feed = ours.feed(endless(seed), RATE)
    learner = split(ours)
    for number in range(KILLS):
        time.sleep(rng.uniform(0, LIFE))  # the instant is drawn
        shards, coordinators = actors(learner, "Shard"), actors(learner, "Coordinator")
        doomed = (shards[:1], coordinators, shards[1:] + coordinators)[number % 3] or shards + coordinators
        for pid in doomed:
            os.kill(pid, signal.SIGKILL)
        moved(ours, learner)
        head = ours.head()
        heads += [head] if head is not None else []
    feed.finish()
    ours.wait_learnt(learner)
    learner.terminate()
    assert learner.wait_exit() == 0
    ours.verify()
    assert_exact(ours, heads)


@pytest.mark.timeout(300)
def test_a_shard_that_hangs_is_left_out_and_started_again_while_versions_go_on(
    open_installation: Open, seed: int
) -> None:
    ours = open_installation()
    feed = ours.feed(endless(seed), RATE)
    learner = split(ours)
    hanging = actors(learner, "Shard")[0]
    os.kill(hanging, signal.SIGSTOP)
    ours.wait(lambda: hanging not in actors(learner, "Shard"), "the end of the shard that hangs", learner)
    moved(ours, learner)
    ours.wait(lambda: len(actors(learner, "Shard")) == 2, "both shards", learner)
    feed.finish()
    ours.wait_learnt(learner)
    learner.terminate()
    assert learner.wait_exit() == 0
    ours.verify()
