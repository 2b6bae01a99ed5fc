"""Shards as threads of one process, on the embedded servers: everything once, whatever their number and their fate."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from models.experiments import Arm, Experiment
from models.referee import recalled
from streaming.learner import Learner, Stop
from streaming.process import labels
from streaming.shards import Splitting
from streaming.shards.sharded_term import FAILPOINTS
from streaming.telemetry import MISSING, LearnerTelemetry
from tests.acceptance.conftest import Open
from tests.acceptance.test_kills import RATE, endless
from tests.conftest import eventually
from tests.support.processes.crew import ThreadCrew
from tests.support.processes.harness import Installation
from tests.support.processes.redis_server import RedisServer
from tests.support.processes.serving import keep
from tests.support.streams.streams import EPOCH, Shop, with_refusals

FAST = {"learner__split_when": "start", "learner__merge_interval": 0.1, "learner__partial_events": 5}

# Most seconds of a wait, on a machine that is busy with other tests.
PATIENCE = 90.0


pytestmark = pytest.mark.timeout(400)


class Died(Exception):
    """Stands for the end of the coordinator's process: all that it holds in memory is gone."""


class Sharded:
    """A learner of several shards in this process; `crew` to kill them, `telemetry` to look at.

    Its coordinator ends at the point of a merge that `dies_at` names; `died` is set then.
    """

    def __init__(self, ours: Installation, shards: int, dies_at: str = "") -> None:
        self.settings = ours.settings.model_copy(
            update={"learner": ours.settings.learner.model_copy(update={"shards": shards})}
        )
        self.telemetry = LearnerTelemetry(CollectorRegistry(), labels(self.settings))
        self.crew = ThreadCrew(self.settings)
        self.stop = Stop(self.settings.learner.shutdown_grace, time.monotonic)
        self.died, self._dies_at = threading.Event(), dies_at
        splitting = Splitting(self.settings, self.crew, self.telemetry, point=self._reach) if shards > 1 else None
        self.learner = Learner.connected(self.settings, self.telemetry, self.stop, sharding=splitting)
        self.code: int | None = None
        self._thread = threading.Thread(target=self._run, name="learner")

    def _run(self) -> None:
        try:
            self.code = self.learner.run()
        except Died:
            self.died.set()

    def _reach(self, point: str) -> None:
        if point == self._dies_at:
            raise Died(point)

    def value(self, name: str, **of: str) -> float:
        return self.telemetry.registry.get_sample_value(f"sluicegate_{name}", of) or 0.0

    def restarts(self, shard: int) -> float:
        return sum(self.value("shard_restarts_total", shard=str(shard), reason=reason) for reason in MISSING)

    @property
    def split(self) -> bool:
        return self.value("split") == 1 and self.learner.ready() == "" and self.learner.state == "learning"

    def __enter__(self) -> Sharded:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop.set()
        self._thread.join(self.settings.learner.shutdown_grace)
        self.learner.close()
        self.crew.close()


@pytest.fixture
def ours(broker: str, redis_url: str, tmp_path: Path) -> Iterator[Installation]:
    with Installation(broker, redis_url, tmp_path, 4, **FAST) as made:
        yield made


@contextmanager
def learning(ours: Installation, shards: int) -> Iterator[Sharded]:
    with Sharded(ours, shards) as made:
        yield made
        ours.wait_learnt()
    assert made.code == 0


def test_versions_of_four_eight_one_and_two_shards_follow_one_another_and_hold_everything_once(
    ours: Installation,
) -> None:
    shop = Shop(seed=5)
    ours.send_facts(shop.facts(), EPOCH)
    ours.send(with_refusals(shop.stream(300), 5))
    for place, shards in enumerate((4, 8, 1, 2)):
        with learning(ours, shards) as made:
            if shards > 1:
                eventually(lambda made=made: made.split, PATIENCE)
            ours.send(with_refusals(shop.stream(300, first=300 * (place + 1)), place))
        ours.verify()


def test_shards_that_are_killed_or_hang_are_started_again_and_nothing_is_lost(ours: Installation) -> None:
    shop = Shop(seed=6)
    ours.send_facts(shop.facts(), EPOCH)
    ours.send(with_refusals(shop.stream(200), 6))
    with learning(ours, 3) as made:
        eventually(lambda: made.split, PATIENCE)
        feed = ours.feed(with_refusals(shop.stream(5_000, first=200), 7), 200.0)
        for shard, harm in ((0, made.crew.kill), (1, made.crew.hang)):
            before, head = made.restarts(shard), ours.head()
            assert head is not None
            harm(shard)
            eventually(lambda shard=shard, before=before: made.restarts(shard) > before, PATIENCE)
            eventually(lambda shard=shard: made.value("shard_learning", shard=str(shard)), PATIENCE)
            eventually(lambda head=head: (now := ours.head()) is not None and now.seq > head.seq, PATIENCE)
        feed.finish()
    assert made.value("shard_restarts_total", shard="1", reason="silent") >= 1
    assert made.value("merge_duration_seconds_count", phase="partial") >= 10
    ours.verify()


def test_a_coordinator_that_ends_at_every_point_of_a_merge_loses_nothing(ours: Installation) -> None:
    shop = Shop(seed=9)
    ours.send_facts(shop.facts(), EPOCH)
    ours.send(with_refusals(shop.stream(200), 9))
    for place, point in enumerate(FAILPOINTS, 1):
        with Sharded(ours, 2, dies_at=point) as made:
            ours.send(with_refusals(shop.stream(100, first=100 + 100 * place), place))
            assert made.died.wait(PATIENCE), f"{point} was never reached"
    with learning(ours, 2) as made:
        eventually(lambda: made.split, PATIENCE)
    ours.verify()


def test_evidence_adds_up_over_the_shards(ours: Installation) -> None:
    shop = Shop(seed=10)
    ours.send(with_refusals(shop.stream(400), 10))
    with learning(ours, 2) as made:
        eventually(lambda: made.split, PATIENCE)
        served = ours.wait_learnt().id
        assert ours.store.decide(ours.store.gate().revision, b"{}", b"", served, reference=served)
        feed = ours.feed(with_refusals(shop.stream(8_000, first=400), 11), 200.0)
        eventually(lambda: compared(ours, served) >= 20, PATIENCE)
        feed.finish()
    ours.verify()


def compared(ours: Installation, against: str) -> int:
    """Events on which the newest version was compared with the reference."""
    head = ours.head()
    found = recalled(head.evidence).standing.reference if head is not None else None
    return found.n if found is not None and found.against == against else 0


def test_one_learner_counts_while_an_experiment_runs_and_the_stream_is_split_again_after_it(ours: Installation) -> None:
    shop = Shop(seed=8)
    ours.send(with_refusals(shop.stream(200), 8))
    with learning(ours, 2) as made:
        eventually(lambda: made.split, PATIENCE)
        keep(ours.store, Experiment("shelf", "0f" * 16, (Arm("one", 0.5), Arm("two", 0.5)), start=1.0))
        eventually(lambda: not made.value("split") and made.learner.state == "learning", PATIENCE)
        ours.send(with_refusals(shop.stream(200, first=200), 9))
        ours.wait_learnt()
        keep(ours.store)
        eventually(lambda: made.split, PATIENCE)
    ours.verify()


def test_partitions_added_while_the_stream_is_split_belong_to_a_shard_at_once(open_installation: Open) -> None:
    ours, stream = open_installation(partitions=2, **FAST), endless(18)
    with learning(ours, 2) as made:
        eventually(lambda: made.split, PATIENCE)
        ours.send(islice(stream, 200))
        ours.wait_learnt()
        with contextlib.closing(ours.admin()) as admin:
            admin.create_partitions({ours.events: 5})
        ours.renew_producer()
        ours.send(islice(stream, 500))
        assert {sent.partition for sent in ours.ledger.records()} == set(range(5))
        head = ours.wait_learnt()
        assert made.split
    assert set(head.progress.offsets[ours.events]) == set(range(5))
    assert head.progress.digest == ours.ledger.digest()


def test_redis_killed_while_the_stream_is_split_costs_nothing(open_installation: Open, redis: RedisServer) -> None:
    ours = open_installation(**FAST)
    with learning(ours, 2) as made:
        eventually(lambda: made.split, PATIENCE)
        feed = ours.feed(endless(19), RATE)
        before = ours.head()
        assert before is not None
        redis.kill()
        redis.start()
        eventually(lambda: (now := ours.head()) is not None and now.seq > before.seq, PATIENCE)
        feed.finish()
    ours.verify()


def test_a_coordinator_that_lost_the_lease_commits_nothing_more(ours: Installation) -> None:
    shop = Shop(seed=7)
    ours.send(with_refusals(shop.stream(200), 7))
    with learning(ours, 2) as made:
        eventually(lambda: made.split, PATIENCE)
        other = ours.store.acquire_lease(ours.settings.learner.instance, 4.0)
        assert other is not None
        eventually(lambda: made.learner.displaced, PATIENCE)
        head = ours.head()
        ours.send(with_refusals(shop.stream(200, first=200), 8))
        assert ours.head() == head
        ours.store.release(other)
        eventually(lambda: made.split, PATIENCE)
    last = ours.head()
    assert last is not None
    assert last.epoch > other.epoch
    ours.verify()
