"""A Redis that is silent rather than gone, and SIGTERM at the worst moments: learning goes on, the end is bounded."""

from __future__ import annotations

import os
import random
import signal
import time
from itertools import islice

from tests.acceptance.conftest import Open
from tests.acceptance.test_kills import endless, stop
from tests.acceptance.test_malformed import post
from tests.acceptance.test_one_learner import consumed
from tests.support.processes.apache_kafka import ApacheKafka
from tests.support.processes.redis_server import RedisServer
from tests.support.processes.roles import Process
from tests.support.streams.malformed import malformed

# The promise is 20 s from the signal; a machine with other work to do gets five more.
GRACE = 25.0


def test_a_silent_redis_does_not_stop_learning(open_installation: Open, redis: RedisServer) -> None:
    ours = open_installation(redis__learner_timeout=2)
    stream = endless(31)
    learner = ours.learner()
    ours.send(islice(stream, 1_000))
    ours.wait_learnt(learner)
    signal_to(redis, signal.SIGSTOP)
    try:
        ours.send(islice(stream, 1_000))
        ours.wait(lambda: consumed(learner) == len(ours.ledger), "everything is learned while Redis is silent", learner)
    finally:
        signal_to(redis, signal.SIGCONT)
    stop(ours, learner)


def signal_to(redis: RedisServer, number: int) -> None:
    """Send the server's process a signal."""
    assert redis.server is not None
    assert redis.server.pid is not None
    os.kill(redis.server.pid, number)


def ends_in_time(learner: Process) -> float:
    """Seconds from SIGTERM to the end."""
    begun = time.monotonic()
    learner.terminate()
    learner.wait_exit(GRACE + 10)
    return time.monotonic() - begun


def test_sigterm_ends_a_learner_that_never_found_its_broker(open_installation: Open, kafka: ApacheKafka) -> None:
    ours = open_installation()  # with the time-outs of production
    kafka.kill()
    try:
        learner = ours.learner(wait=False)
        ours.wait(lambda: "waiting" in str(learner.get("/readyz")[1]), "it says that it waits", learner)
        assert ends_in_time(learner) < GRACE
        assert learner.code == 0
    finally:
        kafka.start()


def test_sigterm_ends_a_learner_whose_broker_and_redis_went_away(
    open_installation: Open, kafka: ApacheKafka, redis: RedisServer
) -> None:
    ours = open_installation()
    stream = endless(32)
    learner = ours.learner()
    ours.send(islice(stream, 1_000))
    ours.wait_learnt(learner)
    ours.send(islice(stream, 1_000))
    signal_to(redis, signal.SIGSTOP)
    kafka.kill()
    try:
        assert ends_in_time(learner) < GRACE
    finally:
        signal_to(redis, signal.SIGCONT)
        kafka.start()
    heir = ours.learner()
    ours.send(islice(stream, 200))
    stop(ours, heir)


def test_versions_go_on_while_bad_records_keep_coming(open_installation: Open) -> None:
    ours = open_installation(learner__version_interval=0.2)
    stream = endless(33)
    learner = ours.learner()
    ours.send(islice(stream, 1_000))
    before = ours.wait_learnt(learner).seq
    rng, limit = random.Random(33), time.monotonic() + 60
    bad = malformed(2_000, 33)
    while (head := ours.head()) is None or head.seq < before + 5:
        post(ours, [bad.pop()], rng)
        ours.send(islice(stream, 20))
        assert time.monotonic() < limit, (
            f"{2_000 - len(bad)} bad records, and version {head and head.seq} after {before}"
        )
    stop(ours, learner)
