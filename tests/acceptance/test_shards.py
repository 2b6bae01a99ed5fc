"""Shards as actors of Ray: kill -9 and SIGSTOP of any, of all around them, lose nothing and repeat nothing.

Three kills are played each time. `KILLS=50 make acceptance ARGS="-k at_random_instants -s"` plays every harm several
times, those of Redis, of the broker and of Ray's own processes too.
"""

from __future__ import annotations

import itertools
import json
import os
import random
import signal
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.acceptance.conftest import Open
from tests.acceptance.test_kills import RATE, assert_exact, endless
from tests.support.processes.actors import actors, head, leader, shards
from tests.support.processes.apache_kafka import ApacheKafka
from tests.support.processes.harness import Installation
from tests.support.processes.log_lines import parsed
from tests.support.processes.redis_server import RedisServer
from tests.support.processes.roles import Process
from tests.support.streams.streams import EPOCH, Shop

pytest.importorskip("ray", reason="the extra `ray` is not installed: make acceptance does it")

# Kills of one run; KILLS=50 for more.
KILLS = int(os.environ.get("KILLS") or 3)
# Seconds that Ray may take to start, and an actor to come back, on a machine that is busy with other tests.
STARTED = 120.0
# Longest life between two kills, in seconds: several versions.
LIFE = 2.0
SPLIT = "sluicegate_split"
SHARDS = {
    "learner__shards": 2,
    "learner__split_when": "start",
    "learner__merge_interval": 0.2,
    "learner__partial_events": 10,  # a round of some forty events has four pieces
    "learner__shard_patience": 6.0,
}


def split(ours: Installation) -> Process:
    """A learner whose shards learn."""
    learner = ours.learner(wait=False, **SHARDS)
    ours.wait(lambda: learner.ready() and learner.metrics(SPLIT).get(SPLIT) == 1.0, "shards", learner, timeout=STARTED)
    return learner


def moved(ours: Installation, learner: Process) -> None:
    """Wait for a version that is newer than the newest one by now."""
    before = ours.head()
    ours.wait(
        lambda: (head := ours.head()) is not None and (before is None or head.seq > before.seq), "a version", learner
    )


class Watch:
    """Looks at versions while something is down: `oldest` is the longest time for which the newest one stayed it."""

    def __init__(self, ours: Installation) -> None:
        self._ours, self._id, self._since, self.oldest = ours, "", time.monotonic(), 0.0

    def look(self) -> None:
        head, now = self._ours.head(), time.monotonic()
        self.oldest = max(self.oldest, now - self._since)
        if head is not None and head.id != self._id:
            self._id, self._since = head.id, now


def restarts(learner: Process) -> float:
    return sum(learner.metrics("sluicegate_shard_restarts_total").values())


def all_learn(learner: Process) -> bool:
    metrics = learner.metrics(SPLIT, "sluicegate_shard_learning")
    return metrics.pop(SPLIT, 0.0) == 1.0 and [*metrics.values()] == [1.0] * SHARDS["learner__shards"]


@pytest.mark.timeout(240 + 75 * KILLS)
def test_shards_and_coordinators_killed_at_random_instants_learn_everything_once(
    open_installation: Open, kafka: ApacheKafka, redis: RedisServer, seed: int
) -> None:
    ours, rng, heads = open_installation(), random.Random(seed), []
    recoveries, ages = defaultdict(list), []
    ours.send_facts(Shop(seed=seed).facts(), EPOCH)
    feed = ours.feed(endless(seed), RATE)
    learner = split(ours)
    ours.wait(
        lambda: (
            len(actors(learner, "Shard")) == SHARDS["learner__shards"] + 1 and len(actors(learner, "Coordinator")) == 2
        ),
        "those that wait",
        learner,
        timeout=STARTED,
    )
    for harm in itertools.islice(itertools.cycle(HARMS), KILLS):
        time.sleep(rng.uniform(0, LIFE))  # the instant is drawn
        of_a_shard, before = harm in {kill_a_shard, stop_a_shard}, restarts(learner)
        learner = harm(Victims(ours, learner, kafka, redis, rng))
        began, watch = time.monotonic(), Watch(ours)

        def again(
            learner: Process = learner, watch: Watch = watch, before: float = before if of_a_shard else -1.0
        ) -> bool:  # a coordinator that begins counts from 0, and answers nothing before
            watch.look()
            return restarts(learner) > before and all_learn(learner)

        ours.wait(again, "all shards", learner, timeout=STARTED)
        recoveries[harm.__name__].append(round(time.monotonic() - began, 2))
        ages += [round(watch.oldest, 2)] if of_a_shard else []
        moved(ours, learner)
        head = ours.head()
        heads += [head] if head is not None else []
    feed.finish()
    ours.enter_copies()
    ours.wait_learnt(learner)
    learner.terminate()
    assert learner.wait_exit() == 0
    # What Ray says when its processes die has the format of the log, too.
    assert {each["process"] for each in parsed(learner.log.read_text(), "json")} >= {"learner", "coordinator"}
    ours.verify()
    assert_exact(ours, heads)
    found = {"kills": KILLS, "seed": seed, "recovery_s": dict(recoveries), "oldest_version_s": max(ages, default=0.0)}
    print(json.dumps(found))
    if os.environ.get("KILLS_RESULT"):
        Path(os.environ["KILLS_RESULT"]).write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


class Victims(NamedTuple):
    """Whom a harm can strike."""

    ours: Installation
    learner: Process
    kafka: ApacheKafka
    redis: RedisServer
    rng: random.Random

    def processes(self, look: Callable[[Process], list[int]]) -> list[int]:
        """The processes that `look` finds, once there are any."""
        pids: list[int] = []

        def there() -> bool:
            pids[:] = look(self.learner)
            return bool(pids)

        self.ours.wait(there, f"processes of {look.__name__}", self.learner, timeout=STARTED)
        return pids

    def kill(self, pid: int) -> Process:
        """Kill one of the learner's processes; the learner goes on."""
        os.kill(pid, signal.SIGKILL)
        return self.learner


def kill_a_shard(victims: Victims) -> Process:
    return victims.kill(victims.rng.choice(victims.processes(shards)))


def kill_the_coordinator(victims: Victims) -> Process:
    return victims.kill(victims.processes(leader)[0])


def stop_a_shard(victims: Victims) -> Process:
    """A shard that hangs is killed, and versions go on meanwhile."""
    ours, learner = victims.ours, victims.learner
    hanging = victims.rng.choice(victims.processes(shards))
    os.kill(hanging, signal.SIGSTOP)
    ours.wait(lambda: hanging not in actors(learner, "Shard"), "the end of the shard that hangs", learner)
    return learner


def kill_all(victims: Victims) -> Process:
    """Also those that wait."""
    learner = victims.learner
    for pid in (*actors(learner, "Shard"), *actors(learner, "Coordinator")):
        victims.kill(pid)
    return learner


def kill_a_shard_and_the_coordinator(victims: Victims) -> Process:
    """The next coordinator takes the spare that answers, not the process that is still starting."""
    pid = victims.rng.choice(victims.processes(shards))
    victims.kill(victims.processes(leader)[0])
    return victims.kill(pid)


def kill_redis(victims: Victims) -> Process:
    victims.redis.kill()
    victims.redis.start()
    return victims.learner


def kill_the_broker(victims: Victims) -> Process:
    victims.kafka.kill()
    victims.kafka.start()
    return victims.learner


def kill_the_head(victims: Victims) -> Process:
    """One of Ray's own processes: the learner ends by itself, all that it started with it, and is started again."""
    learner = victims.learner
    victims.kill(victims.rng.choice(victims.processes(head)))
    assert learner.wait_exit(STARTED) != 0
    return split(victims.ours)


HARMS = (
    kill_a_shard,
    kill_the_coordinator,
    stop_a_shard,
    kill_all,
    kill_a_shard_and_the_coordinator,
    kill_redis,
    kill_the_broker,
    kill_the_head,
)
"""In the order in which they are played."""
