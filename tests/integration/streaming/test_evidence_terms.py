"""What a learner found out about its model outlives it: the next term, and a service that starts, go on with it.

One learner goes through all of it, in the order of the tests: what one of them leaves behind, the next begins with.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
import redis

from models.snapshot.manifest import Manifest, seal
from models.statistics import Standing
from service.gate.evidence import EvidenceReader, standing
from streaming.versions import recent
from tests.support.processes.harness import Installation
from tests.support.processes.roles import Process
from tests.support.streams.streams import Shop

COMPARED = 40
"""Tested events of a comparison that has got somewhere."""


def report(version: Manifest) -> Standing:
    found = standing(version.evidence)
    assert found is not None
    return found


class Running:
    """A learner under way, whose first version is champion and reference."""

    def __init__(self, ours: Installation) -> None:
        self.ours, self.shop, self.sent = ours, Shop(seed=61, users=80), 0
        self.start = time.time() - 600.0
        self.learner: Process = ours.learner()
        first = self.learnt(600)
        assert ours.store.decide(ours.store.gate().revision, b"{}", b"", first.id, reference=first.id)
        self.compared()

    def send(self, count: int) -> None:
        self.ours.send(self.shop.stream(count, self.start, self.sent, 0.01))
        self.sent += count

    def learnt(self, count: int) -> Manifest:
        self.send(count)
        return self.ours.wait_learnt(self.learner)

    def compared(self) -> None:
        """Learn until the comparison with the reference has got somewhere."""
        for _ in range(50):
            found = report(self.learnt(200)).reference
            if found is not None and found.n >= COMPARED:
                return
        raise AssertionError("nothing is compared")


@pytest.fixture(scope="module")
def running(broker: str, redis_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """An installation on the embedded broker and Redis, with a learner whose evidence has got somewhere."""
    lease = {"learner__lease_ttl": 3.0, "learner__lease_renewal": 0.4}
    often = {"learner__evidence_share": 1.0, "learner__base_interval": 2.0}
    with Installation(broker, redis_url, tmp_path_factory.mktemp("terms"), 1, **lease, **often) as ours:
        yield Running(ours)


def replace_evidence(ours: Installation, **more: Any) -> None:
    """Write the newest version's manifest again, as another release would have written it."""
    head = ours.head()
    assert head is not None
    other = msgspec.structs.replace(head, evidence=head.evidence | more)
    ours.store.call("SET", ours.store.key("meta", head.id), seal(other))


def questions(ours: Installation) -> list[tuple[float, int]]:
    """The old events that a service which starts now puts to versions: moment and user of each."""
    reader = EvidenceReader(ours.store)
    reader.evidence(ours.store.pointers(), None)
    return [(each.now, each.user) for each in reader.reservoir.questions]


def test_a_learner_that_is_killed_goes_on_with_its_evidence_and_so_does_a_service(running: Running) -> None:
    ours, learner = running.ours, running.learner
    before = report(ours.wait_learnt(learner))
    assert before.reference is not None
    assert before.began == ""
    while len(questions(ours)) <= 4:  # more than one version carries
        running.send(50)
        before = report(ours.wait_learnt(learner))
    learner.kill()
    known = questions(ours)
    newest = ours.head()
    assert newest is not None
    running.send(200)
    learner.start()
    ours.wait(learner.ready, "learner ready", learner)
    after = report(ours.wait_learnt(learner))
    assert after.began == f"taken up from version {newest.id}: all"
    assert after.reference is not None
    assert after.reference.n >= before.reference.n
    assert after.window.records >= before.window.records
    assert after.window.usual
    assert after.learnt is not None
    assert before.learnt is not None
    assert after.learnt.n > before.learnt.n
    assert learner.metrics()["sluicegate_evidence_terms_total{evidence=taken_up}"] == 1

    # The new term's base has the questions of the terms before it, so a service that starts now knows all of them.
    def base() -> bool:
        running.send(50)
        first = recent(ours.store)[0]
        return first.seq > newest.seq and "questions" in first.evidence

    ours.wait(base, "a base", learner, pause=0.3)
    ours.wait_learnt(learner)
    assert set(known) < set(questions(ours))
    # A version carries little of this: it is cut each second.
    sizes = [len(str(each.evidence["memory"])) for each in recent(ours.store) if "memory" in each.evidence]
    print(f"evidence for the next term: {max(sizes)} bytes in a version")
    assert max(sizes) < 6_000


def test_a_learner_that_lost_its_lease_goes_on_with_its_evidence(running: Running) -> None:
    ours, learner = running.ours, running.learner
    before, newest = report(ours.wait_learnt(learner)), ours.head()
    assert newest is not None
    learner.pause()
    ours.wait(lambda: ours.store.acquire_lease("somebody else", 0.5) is not None, "another takes the lease")
    learner.resume()
    ours.wait(lambda: learner.said("stepped down"), "the learner steps down", learner)
    after = report(running.learnt(200))
    assert after.began == f"taken up from version {newest.id}: all"
    assert before.reference is not None
    assert after.reference is not None
    assert after.reference.n >= before.reference.n


def broken(redis_url: str, ours: Installation) -> int:
    """Break the learner's connections to Redis, and return how many there were."""
    ours.store.call("CLIENT", "SETNAME", "the-test")
    name = f"sluicegate-{ours.settings.namespace}"
    with redis.Redis.from_url(redis_url) as client:
        theirs = [each["id"] for each in client.client_list() if each["name"] == name]
        return sum(client.client_kill_filter(_id=number) for number in theirs)


def test_a_learner_whose_connections_to_redis_break_goes_on_with_its_evidence(running: Running, redis_url: str) -> None:
    """Whether it connects again or begins a new term, nothing that it found out is lost."""
    ours, learner = running.ours, running.learner
    before, breaks = report(ours.wait_learnt(learner)), 0
    for _ in range(2):
        running.send(100)
        breaks += broken(redis_url, ours) > 0
        after = report(ours.wait_learnt(learner))
    assert breaks == 2
    assert after.began == "" or after.began.endswith(": all")
    assert before.reference is not None
    assert before.learnt is not None
    assert after.reference is not None
    assert after.learnt is not None
    assert after.reference.n >= before.reference.n
    assert after.learnt.n > before.learnt.n


def test_evidence_of_another_release_is_discarded_by_name_and_learning_goes_on(running: Running) -> None:
    ours, learner = running.ours, running.learner
    learner.kill()
    head = ours.head()
    assert head is not None
    replace_evidence(ours, memory="0:of another release")
    learner.start()
    ours.wait(learner.ready, "learner ready", learner)
    found = report(running.learnt(100))
    assert found.began == f"began again at version {head.id}: its evidence has form 0, this release reads form 2"
    assert learner.metrics()["sluicegate_evidence_terms_total{evidence=discarded}"] == 1
