"""Kafka or Redis away, full or damaged: what goes on, what waits, and that nothing is lost."""

from __future__ import annotations

import time
from collections.abc import Iterable
from itertools import islice

import pytest

from tests.acceptance.conftest import Open
from tests.acceptance.test_kills import endless, stop
from tests.acceptance.test_one_learner import consumed
from tests.support.processes.apache_kafka import ApacheKafka
from tests.support.processes.harness import Installation
from tests.support.processes.redis_server import RedisServer
from tests.support.processes.roles import Process
from tests.support.streams.streams import LEARNT, Planned

# Short enough that a test can see several tries; in production it is half a minute.
BROKER = {"kafka__bootstrap_timeout": 2, "kafka__request_timeout": 3}
# How many seconds the processor time of an idle learner is measured, one by one, and the share of a core it may take.
WATCHED, IDLE = 4, 0.15


def test_a_learner_started_without_a_broker_waits_and_then_learns(open_installation: Open, kafka: ApacheKafka) -> None:
    ours = open_installation(**BROKER)
    ours.send(islice(endless(7), 1_000))
    kafka.kill()
    learner = ours.learner(wait=False)
    ours.wait(lambda: "waiting" in str(learner.get("/readyz")[1]), "it says that it waits", learner)
    assert learner.get("/livez")[0] == 200
    kafka.start()
    stop(ours, learner)


def share_of_a_core(ours: Installation, learner: Process) -> float:
    """Processor time per second that a process uses, over one second."""
    used, begun = learner.cpu(), time.monotonic()
    ours.wait(lambda: time.monotonic() - begun >= 1.0, "time to measure", learner)
    return (learner.cpu() - used) / (time.monotonic() - begun)


def test_a_broker_that_goes_away_costs_no_processor_time_and_learning_resumes(
    open_installation: Open, kafka: ApacheKafka
) -> None:
    ours = open_installation(**BROKER)
    stream = endless(8)
    learner = ours.learner()
    ours.send(islice(stream, 1_000))
    ours.wait_learnt(learner)
    kafka.kill()
    ours.wait(lambda: away(learner), "it tells that Kafka is away", learner)
    # The least of several: a collection of garbage falls into one of them, a loop that spins into all.
    share = min(share_of_a_core(ours, learner) for _ in range(WATCHED))
    print(f"{share:.1%} of a core while the broker is away")
    assert share < IDLE, f"{share:.0%} of a core while the broker is away"
    kafka.start()
    ours.send(islice(stream, 1_000))
    ours.wait(lambda: not away(learner), "it tells that Kafka is back", learner)
    stop(ours, learner)


def away(learner: Process) -> bool:
    """Whether the learner says that it finds no Kafka."""
    return learner.metrics("sluicegate_kafka_away")["sluicegate_kafka_away"] == 1


@pytest.mark.parametrize("seconds", [0.0, 3.0], ids=["briefly", "longer than the lease"])
def test_without_redis_learning_goes_on_and_everything_is_committed_when_it_is_back(
    open_installation: Open, redis: RedisServer, seconds: float
) -> None:
    ours = open_installation(learner__lease_ttl=2.0, learner__lease_renewal=0.4)
    stream = endless(9)
    learner = ours.learner()
    ours.send(islice(stream, 1_000))
    before = ours.wait_learnt(learner)
    redis.kill()
    gone = time.monotonic()
    ours.send(islice(stream, 1_000))
    ours.wait(lambda: consumed(learner) == len(ours.ledger), "everything is learned without Redis", learner)
    ours.wait(lambda: time.monotonic() - gone > seconds, "Redis away long enough", learner)
    ours.send(islice(stream, 200))
    ours.wait(lambda: consumed(learner) == len(ours.ledger), "learning still goes on", learner)
    redis.start()
    assert ours.wait_learnt(learner).seq > before.seq
    stop(ours, learner)


def test_a_full_redis_keeps_the_head_it_has_and_takes_versions_again_when_there_is_room(
    open_installation: Open,
) -> None:
    ours = open_installation()
    stream = endless(10)
    learner = ours.learner()
    ours.send(islice(stream, 1_000))
    before = ours.wait_learnt(learner)
    ours.store.call("CONFIG", "SET", "maxmemory", "1mb")
    try:
        # Impressions enter no history, so that it is the version that finds no room; then the histories do not either.
        ours.send(as_impressions(islice(stream, 500)))
        ours.wait(lambda: failures(learner, "oom") > 0, "a version fails for want of memory", learner)
        ours.send(islice(stream, 500))
        ours.wait(lambda: consumed(learner) == len(ours.ledger), "learning goes on", learner)
        head = ours.load()
        assert head.manifest.id == before.id
        assert not head.skipped
    finally:
        ours.store.call("CONFIG", "SET", "maxmemory", "0")
    stop(ours, learner)


def as_impressions(planned: Iterable[Planned]) -> list[Planned]:
    """The same records of the same users as impressions of the same items."""
    shown = [each for each in planned if each.outcome == LEARNT and "item_id" in each.event]
    return [each._replace(event=each.event | {"event_type": "impression"}) for each in shown]


def failures(learner: Process, kind: str) -> float:
    """Versions that were not committed for this reason."""
    name = "sluicegate_version_failures_total"
    return learner.metrics(name).get(f"{name}{{kind={kind}}}", 0)


def damage(ours: Installation, version: str) -> None:
    """Flip one bit in the middle of every chunk of a version."""
    for chunk in ours.store.manifest(version).chunks:
        key = ours.store.key("c", version, chunk.index)
        data = bytearray(ours.store.call("GET", key))
        data[len(data) // 2] ^= 0x10
        ours.store.call("SET", key, bytes(data))


def test_a_damaged_chunk_is_reported_and_the_version_before_it_is_used(open_installation: Open) -> None:
    ours = open_installation()
    stream = endless(11)
    learner = ours.learner()
    for _ in range(3):
        ours.send(islice(stream, 500))
        ours.wait_learnt(learner)
    learner.terminate()
    assert learner.wait_exit() == 0
    head = ours.head()
    assert head is not None
    assert head.kind == "delta", "the last version must be one that can be damaged alone"
    damage(ours, head.id)
    loaded = ours.load()
    assert head.id in loaded.skipped
    assert loaded.manifest.seq < head.seq
    heir = ours.learner()
    ours.wait(lambda: heir.said(head.id) and heir.said("damaged"), "the damage is reported", heir)
    ours.send(islice(stream, 500))
    stop(ours, heir)
    assert not ours.load().skipped, "the newest version still builds on the damaged one"


def test_with_every_version_damaged_the_learner_ends_with_a_name_instead_of_starting_cold(
    open_installation: Open,
) -> None:
    ours = open_installation()
    learner = ours.learner()
    ours.send(islice(endless(12), 500))
    stop(ours, learner)
    for base in ours.store.bases():
        damage(ours, base.id)
    heir = ours.learner(wait=False)
    assert heir.wait_exit() == 6
    assert heir.said("no sound version")
