"""A model rebuilt from a real topic: from the same log, apart from the live chain, and since when it is asked for."""

from __future__ import annotations

import json
import threading
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from models.ledger.progress import Piece, Progress, Quarantined
from models.records.control import Erase, encode_control
from models.state.schema import SCHEMA
from models.state.state import State
from streaming.consumer.by_time import RecordsByTime
from streaming.intake.catalogue import KnownItems
from streaming.jobs.rebuild import NotRebuiltError, RebuildRun, RebuildRunsError, Rebuilt, Step, rebuild
from streaming.versions import adoption as adopting
from streaming.versions import loading as versions
from tests.conftest import eventually
from tests.support.processes.harness import Installation, counts
from tests.support.streams.streams import Shop

COUNT = 900


@pytest.fixture(scope="module")
def ours(broker: str, redis_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    with Installation(broker, redis_url, tmp_path_factory.mktemp("rebuild"), 3) as made:
        made.send_facts(Shop(seed=71).facts(), time.time() - 90.0)
        made.send(Shop(seed=71).stream(COUNT, time.time() - 60.0, interval=0.05))
        made.flush()
        yield made


def rebuilt(ours: Installation, since: float = 0.0, steps: list[Step] | None = None) -> tuple[Rebuilt, State]:
    told = steps if steps is not None else []
    found = rebuild(ours.settings, since, told.append, threading.Event(), time.monotonic)
    beside = ours.store.under(adopting.PART)
    loaded = versions.load(beside, found.version, SCHEMA, served_only=False)
    assert loaded is not None
    return found, loaded.state


def test_a_rebuilt_model_has_learned_every_record_once_and_leaves_the_live_chain_alone(ours: Installation) -> None:
    steps: list[Step] = []
    found, state = rebuilt(ours, steps=steps)
    progress = found.progress
    assert (progress.consumed, progress.digest) == (len(ours.ledger), ours.ledger.digest())
    assert counts(state, "item", "item_stats") == ours.ledger.per_item()
    assert counts(state, "user", "user") == ours.ledger.per_user()
    assert ours.store.head() is None
    assert steps[-1].done == steps[-1].total == len(ours.ledger)
    assert all(step.rate > 0 and step.left >= 0 for step in steps)
    assert sum(each.end - each.first for each in found.reach) == len(ours.ledger)


def test_a_rebuild_replaces_the_one_before(ours: Installation) -> None:
    beside = ours.store.under(adopting.PART)
    rebuilt(ours)
    found, _ = rebuilt(ours)
    assert [pointer.id for pointer in beside.versions()] == [found.version]
    kept = {key.decode().split(":")[-1] for key in ours.store.call("KEYS", beside.key("meta", "*"))}
    assert kept == {found.version}


def test_events_from_before_since_are_consumed_and_not_learned(ours: Installation) -> None:
    records = [each for each in ours.ledger.records() if each.event is not None and each.outcome == "learnt"]
    middle = sorted(each.event["timestamp"] for each in records if each.event is not None)[COUNT // 2]
    found, state = rebuilt(ours, since=middle)
    assert found.progress.digest == ours.ledger.digest()
    outcomes = found.progress.outcomes
    assert 0 < outcomes["before"] < COUNT
    assert outcomes["before"] + outcomes["learnt"] == COUNT
    assert sum(counts(state, "user", "user").values()) == outcomes["learnt"]


def test_an_erased_user_is_not_learned_again(ours: Installation) -> None:
    user = next(iter(ours.ledger.per_user()))
    ours.post_order(encode_control(Erase("e1", user)), time.time())
    ours.flush()
    found, state = rebuilt(ours)
    assert found.progress.outcomes["erased"] == ours.ledger.per_user()[user]
    assert user not in state.keys["user"].rows
    assert found.progress.erasures == 1


def test_one_rebuild_at_a_time_and_one_that_is_stopped_leaves_nothing(ours: Installation) -> None:
    beside = ours.store.under(adopting.PART)
    lease = beside.acquire_lease("somebody", 5.0)
    assert lease is not None
    with pytest.raises(RebuildRunsError, match="another rebuild"):
        rebuilt(ours)
    beside.release(lease)
    stop = threading.Event()
    stop.set()
    with pytest.raises(NotRebuiltError, match="as asked"):
        rebuild(ours.settings, 0.0, lambda _: None, stop, time.monotonic)
    with pytest.raises(NotRebuiltError, match="no event to learn"):
        rebuilt(ours, since=time.time() + 9.0)
    assert beside.head() is None


def test_a_wish_that_cannot_be_fulfilled_is_withdrawn(ours: Installation, tmp_path: Path) -> None:
    del tmp_path
    adopting.ask(ours.store, adopting.Adoption("w1", "no such version", rebuilt=True))
    assert adopting.due_model(ours.store, {}) is None
    assert adopting.asked(ours.store) is None


def test_quarantined_events_are_not_learned_and_the_list_of_quarantines_is_kept(ours: Installation) -> None:
    sent = [each for each in ours.ledger.records() if each.topic == ours.events and each.partition == 0]
    start, stop = sent[3].offset, sent[9].offset
    held = Quarantined("q1", 1.0, "9-1-ab", events=stop - start, pieces=(Piece(ours.events, 0, start, stop),), first=5)
    released = Quarantined("q2", 1.0, "9-1-ab", state="replayed", pieces=(Piece(ours.events, 0, 0, start),))
    fresh = RebuildRun(ours.settings, KnownItems(), 0.0, [held, released])
    with RecordsByTime(ours.settings, fresh.topics, {}, fresh.control) as past:
        for runs in past.batches(200):
            fresh.learn(runs)
    progress = fresh.model.progress
    assert progress.digest == ours.ledger.digest()
    assert progress.outcomes["quarantined"] == stop - start
    assert [(each.id, each.state, each.first) for each in progress.quarantines] == [
        ("q1", "held", -1),
        ("q2", "replayed", -1),
    ]
    learnt = counts(fresh.model.state, "user", "user")
    assert sum(learnt.values()) == progress.outcomes["learnt"] < sum(ours.ledger.per_user().values())


def test_a_rebuild_that_is_ahead_of_the_learner_waits_for_it(ours: Installation) -> None:
    found, _ = rebuilt(ours)
    wish = adopting.Adoption("w3", found.version, rebuilt=True, offsets=found.progress.offsets)
    adopting.ask(ours.store, wish)
    assert adopting.due_model(ours.store, {}) is None  # there is no version yet: nothing was read
    assert adopting.asked(ours.store) == wish
    watch = adopting.AdoptionWatch(ours.store, adopted="")
    eventually(lambda: watch.due(found.progress))
    assert not watch.due(Progress())
    watch.landed(Progress())
    assert adopting.asked(ours.store) == wish
    watch.landed(Progress(adopted="w3"))
    watch.close()
    assert adopting.asked(ours.store) is None
    assert ours.store.under(adopting.PART).head() is None


def test_a_model_from_before_a_quarantine_is_not_adopted(ours: Installation) -> None:
    found, _ = rebuilt(ours)
    head = found.progress.copy()
    wish = adopting.Adoption("w2", found.version, rebuilt=True)
    loaded = adopting.model_of(ours.store, wish, head, {})
    assert (loaded.manifest.progress.adopted, loaded.manifest.progress.rebuilt) == ("w2", "w2")
    head.quarantines = [Quarantined("q1", 1.0, "9-1-ab")]
    with pytest.raises(adopting.CannotAdopt, match="rebuild again"):
        adopting.model_of(ours.store, wish, head, {})
    head = found.progress.copy()
    head.topics = dict.fromkeys(head.topics, "another")
    with pytest.raises(adopting.CannotAdopt, match="another log"):
        adopting.model_of(ours.store, wish, head, {})


def test_a_topic_of_another_shape_is_rebuilt_as_well(broker: str, redis_url: str, tmp_path: Path) -> None:
    theirs = f"t{uuid.uuid4().hex[:8]}.theirs"
    fields = {"user_id": "who", "item_id": "what", "event_type": "how", "timestamp": "@time"}
    mapping = [{"topic": theirs, "fields": fields, "types": {"seen": "click"}}]
    with Installation(broker, redis_url, tmp_path, 1, mapping=json.dumps(mapping)) as ours:
        admin = ours.admin()
        admin.create_topics({theirs: {"num_partitions": 1, "replication_factor": 1}}, wait_for_metadata=True)
        admin.close()
        ours.send(Shop(seed=72).stream(100, time.time() - 9.0, interval=0.01))
        for number in range(60):
            event = {"user_id": f"their-{number % 7}", "item_id": f"thing-{number % 5}"}
            record = {"who": event["user_id"], "what": event["item_id"], "how": "seen"}
            ours._post(theirs, json.dumps(record).encode(), b"k", time.time(), event, "learnt")
        ours.flush()
        found, state = rebuilt(ours)
        assert found.progress.digest == ours.ledger.digest()
        assert counts(state, "user", "user") == ours.ledger.per_user()
        assert counts(state, "item", "item_stats") == ours.ledger.per_item()


def test_records_with_lines_are_rebuilt_line_by_line(broker: str, redis_url: str, tmp_path: Path) -> None:
    theirs = f"t{uuid.uuid4().hex[:8]}.orders"
    fields = {"user_id": "who", "item_id": "lines[*].sku", "event_id": "id", "timestamp": "@time"}
    mapping = [{"topic": theirs, "fields": fields, "default_type": "purchase"}]
    with Installation(broker, redis_url, tmp_path, 1, mapping=json.dumps(mapping)) as ours:
        admin = ours.admin()
        admin.create_topics({theirs: {"num_partitions": 1, "replication_factor": 1}}, wait_for_metadata=True)
        admin.close()
        for number in [*range(60), 7]:
            who, skus = f"their-{number % 7}", [f"thing-{(number + turn) % 5}" for turn in range(number % 4 + 1)]
            record = {"who": who, "id": f"o{number}", "lines": [{"sku": sku} for sku in skus]}
            outcome = "duplicate" if number == 7 and len(ours.ledger) == 60 else "learnt"
            first, *rest = [({"user_id": who, "item_id": sku}, outcome) for sku in skus]
            ours._post(theirs, json.dumps(record).encode(), b"k", time.time(), *first, rest)
            ours.flush()
        found, state = rebuilt(ours)
        assert (found.progress.consumed, found.progress.digest) == (61, ours.ledger.digest())
        assert found.progress.outcomes == ours.ledger.outcomes() == {"learnt": 150, "duplicate": 4}
        assert found.progress.spread == ours.ledger.spread() == 150 + 4 - 61
        assert counts(state, "user", "user") == ours.ledger.per_user()
        assert counts(state, "item", "item_stats") == ours.ledger.per_item()
