"""Shards as actors of Ray: kill -9 and SIGSTOP of any, or of the coordinator, lose nothing and repeat nothing."""

from __future__ import annotations

import itertools
import os
import random
import signal
import time

import pytest

from tests.acceptance.conftest import Open
from tests.acceptance.test_kills import RATE, assert_exact, endless
from tests.support.processes.actors import actors
from tests.support.processes.harness import Installation
from tests.support.processes.log_lines import parsed
from tests.support.processes.roles import Process
from tests.support.streams.streams import EPOCH, Shop

pytest.importorskip("ray", reason="the extra `ray` is not installed: make acceptance does it")

# Kills of one run; KILLS=50 for more.
KILLS = int(os.environ.get("KILLS") or 3)
# Seconds that Ray may take to start, and an actor to come back, on a machine that is busy with other tests.
STARTED = 120.0
# Longest life between two kills, in seconds: several versions.
LIFE = 2.0
SHARDS = {
    "learner__shards": 2,
    "learner__split_when": "start",
    "learner__merge_interval": 0.2,
    "learner__shard_patience": 6.0,
}


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


@pytest.mark.timeout(240 + 40 * KILLS)
def test_shards_and_coordinators_killed_at_random_instants_learn_everything_once(
    open_installation: Open, seed: int
) -> None:
    ours, rng, heads = open_installation(), random.Random(seed), []
    ours.send_facts(Shop(seed=seed).facts(), EPOCH)
    feed = ours.feed(endless(seed), RATE)
    learner = split(ours)
    for harm in itertools.islice(itertools.cycle((kill_a_shard, kill_the_coordinator, stop_a_shard, kill_all)), KILLS):
        time.sleep(rng.uniform(0, LIFE))  # the instant is drawn
        harm(ours, learner, rng)
        moved(ours, learner)
        head = ours.head()
        heads += [head] if head is not None else []
    feed.finish()
    ours.wait_learnt(learner)
    learner.terminate()
    assert learner.wait_exit() == 0
    # What Ray says when its processes die has the format of the log, too.
    assert {each["process"] for each in parsed(learner.log.read_text(), "json")} >= {"learner", "coordinator"}
    ours.verify()
    assert_exact(ours, heads)


def kill_a_shard(_: Installation, learner: Process, rng: random.Random) -> None:
    os.kill(rng.choice(actors(learner, "Shard")), signal.SIGKILL)


def kill_the_coordinator(_: Installation, learner: Process, __: random.Random) -> None:
    for pid in actors(learner, "Coordinator"):
        os.kill(pid, signal.SIGKILL)


def stop_a_shard(ours: Installation, learner: Process, rng: random.Random) -> None:
    """A shard that hangs is killed, and versions go on meanwhile."""
    hanging = rng.choice(actors(learner, "Shard"))
    os.kill(hanging, signal.SIGSTOP)
    ours.wait(lambda: hanging not in actors(learner, "Shard"), "the end of the shard that hangs", learner)


def kill_all(_: Installation, learner: Process, __: random.Random) -> None:
    for pid in (*actors(learner, "Shard"), *actors(learner, "Coordinator")):
        os.kill(pid, signal.SIGKILL)
