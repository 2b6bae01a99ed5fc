"""kill -9 of the learner, of Redis and of the broker: afterwards nothing is lost and nothing is learned twice."""

from __future__ import annotations

import itertools
import json
import os
import random
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from models.snapshot.manifest import Manifest
from streaming.checkpoint.writer import FAILPOINTS
from tests.acceptance.conftest import KILLS, Open
from tests.support.processes.apache_kafka import ApacheKafka
from tests.support.processes.harness import Installation, differences
from tests.support.processes.processes import Late, wait_until
from tests.support.processes.redis_server import RedisServer
from tests.support.processes.roles import Process
from tests.support.streams.streams import EPOCH, Planned, Shop, with_refusals
from tests.support.streams.twin import directly

# Records a second while something is killed: enough that every version carries some, and that a replay takes no time.
RATE = 200.0
# Kills from which the recoveries are judged: fewer say nothing about their 99th percentile.
MANY = 200
# Seconds that 99 of 100 recoveries may take, from the start of the process until it learns. A learner that is not ready
# by then is killed anyway: after less, on a busy machine, every kill would strike before a version.
RECOVERY = 10.0
# Longest life after that, in seconds: several versions. Where a start takes longer, so does the first version after it.
LIFE = 2.0


def endless(seed: int) -> Iterator[Planned]:
    """A stream that outlasts any test."""
    shop = Shop(seed=seed)
    slices = (shop.stream(2_000, first=first) for first in itertools.count(0, 2_000))
    return itertools.chain.from_iterable(with_refusals(each, seed) for each in slices)


def live_a_while(learner: Process, rng: random.Random) -> float | None:
    """Wait for a random instant: of the start, of loading and replaying, or of learning and committing.

    Returns the seconds until the learner was ready, or None when it is to be killed without being asked.
    """
    recovered = None
    if rng.random() < 0.75:
        began = time.monotonic()
        try:
            wait_until(learner.ready, "a ready learner", RECOVERY)
        except Late:
            return time.monotonic() - began  # a slow start is an instant like any other
        recovered = time.monotonic() - began
    # The instant itself is what is drawn: there is no condition to wait for.
    time.sleep(rng.uniform(0, max(LIFE, recovered or 0.0)))
    return recovered


def report(recoveries: list[float], seed: int) -> None:
    """Print how long the starts after a kill took; with KILLS_RESULT=FILE, write it there as JSON."""
    figures = {
        "kills": KILLS,
        "seed": seed,
        "measured": len(recoveries),
        "recovery_s": {
            f"p{q:g}": round(float(np.percentile(recoveries, q)), 2) for q in (50, 90, 99, 99.9, 100) if recoveries
        },
    }
    print(json.dumps(figures))
    if os.environ.get("KILLS_RESULT"):
        Path(os.environ["KILLS_RESULT"]).write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")


def stop(ours: Installation, learner: Process) -> None:
    """SIGTERM, once everything is learned; the oracles must hold for what is left."""
    ours.wait_learnt(learner)
    learner.terminate()
    assert learner.wait_exit() == 0
    ours.verify()


def assert_exact(ours: Installation, heads: list[Manifest]) -> None:
    """Each of these versions had consumed exactly what lies below its own offsets."""
    must = ours.ledger.standings(head.progress.offsets for head in heads)
    for head, (count, digest) in zip(heads, must, strict=True):
        assert (head.progress.consumed, head.progress.digest) == (count, digest), head


@pytest.mark.timeout(90 + 10 * KILLS)
def test_a_learner_killed_at_random_instants_learns_everything_once(open_installation: Open, seed: int) -> None:
    ours, rng, heads = open_installation(), random.Random(seed), []
    recoveries: list[float] = []
    ours.send_facts(Shop(seed=seed).facts(), EPOCH)
    feed = ours.feed(endless(seed), RATE)
    for _ in range(KILLS):
        learner = ours.learner(wait=False)
        recovered = live_a_while(learner, rng)
        recoveries += [recovered] if recovered is not None else []
        learner.kill()
        head = ours.head()
        heads += [head] if head is not None else []
    feed.finish()
    stop(ours, ours.learner())
    assert_exact(ours, heads)
    report(recoveries, seed)
    assert KILLS < MANY or float(np.percentile(recoveries, 99)) <= RECOVERY
    assert KILLS < 5 or len({head.id for head in heads}) > KILLS // 4, "most kills struck before anything was learned"


@pytest.mark.timeout(300)
def test_a_learner_killed_at_every_point_of_the_commit_path_learns_everything_once(open_installation: Open) -> None:
    # A base beside the chain every second, so that its points come up too.
    ours, heads = open_installation(learner__base_interval=1), []
    feed = ours.feed(endless(1), RATE)
    for point in FAILPOINTS:
        learner = ours.learner(wait=False, failpoint=point)
        assert learner.wait_exit() == 137, f"{point} was never reached"
        head = ours.head()
        heads += [head] if head is not None else []
    feed.finish()
    stop(ours, ours.learner())
    assert_exact(ours, heads)


def test_redis_killed_and_restarted_on_its_data_costs_nothing(
    open_installation: Open, redis: RedisServer, seed: int
) -> None:
    ours, rng = open_installation(), random.Random(seed)
    feed = ours.feed(endless(seed), RATE)
    learner = ours.learner()
    for _ in range(4):
        before = ours.head()
        redis.kill()
        time.sleep(rng.uniform(0, 1.0))  # how long it is away is drawn
        redis.start()
        ours.wait(lambda before=before: _moved(ours, before), "a new version", learner)
    feed.finish()
    stop(ours, learner)


def test_the_broker_killed_and_restarted_on_its_data_costs_nothing(open_installation: Open, kafka: ApacheKafka) -> None:
    ours = open_installation()
    feed = ours.feed(endless(2), RATE)
    learner = ours.learner()
    for _ in range(2):
        before = ours.head()
        ours.wait(lambda before=before: _moved(ours, before), "a version before the broker dies", learner)
        kafka.kill()
        kafka.start()
    before = ours.head()
    ours.wait(lambda: _moved(ours, before), "a version after the broker is back", learner)
    feed.finish()
    ours.enter_copies()
    stop(ours, learner)


def test_learner_redis_and_broker_killed_together_cost_nothing(
    open_installation: Open, kafka: ApacheKafka, redis: RedisServer
) -> None:
    ours = open_installation()
    feed = ours.feed(endless(19), RATE)
    learner = ours.learner()
    ours.wait(lambda: _moved(ours, None), "a version", learner)
    learner.kill()
    redis.kill()
    kafka.kill()
    heir = ours.learner(wait=False)
    redis.start()
    kafka.start()
    before = ours.head()
    ours.wait(lambda: _moved(ours, before), "a version after all are back", heir)
    feed.finish()
    ours.enter_copies()
    stop(ours, heir)


def _moved(ours: Installation, before: Manifest | None) -> bool:
    head = ours.head()
    return head is not None and (before is None or head.seq > before.seq)


def test_with_one_partition_a_run_with_kills_ends_in_the_same_bytes(open_installation: Open, seed: int) -> None:
    shop, rng = Shop(seed=seed), random.Random(seed)
    planned = list(with_refusals(shop.stream(3_000), seed))
    calm, rough = (learnt_facts(open_installation(partitions=1), shop) for _ in range(2))
    calm.send(planned)
    stop(calm, calm.learner())
    feed = rough.feed(planned, 500.0)
    for _ in range(3):
        learner = rough.learner()
        time.sleep(rng.uniform(0, 1.0))  # the instant is drawn
        learner.kill()
    feed.join()
    feed.finish()
    stop(rough, rough.learner())
    first, second = calm.load().state, rough.load().state
    alone = directly(calm.settings, planned, shop.facts()).state
    assert not differences(first, second)
    assert not differences(first, alone)
    assert first.digest() == second.digest() == alone.digest()


def learnt_facts(ours: Installation, shop: Shop) -> Installation:
    """The facts of all items are learned before the first event, so that it is certain which came first."""
    ours.send_facts(shop.facts(), EPOCH)
    stop(ours, ours.learner())
    return ours
