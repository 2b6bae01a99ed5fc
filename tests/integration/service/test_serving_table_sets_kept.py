"""The reference at hand: a rollback reads nothing from Redis, whatever its size."""

from __future__ import annotations

import time

from models.state.schema import SCHEMA
from service.gate.follower import Follower
from service.runtime.telemetry import Telemetry
from service.serving.table_sets import TableSets
from streaming.settings.loading import Settings
from streaming.store.store import Store
from streaming.store.versions import Pointer
from tests.support.processes.serving import Learner


def test_returning_to_the_kept_version_needs_no_store_and_keeps_it(settings: Settings, taught: Learner) -> None:
    store = Store.for_service(settings)
    tables = TableSets(store, SCHEMA)
    first = taught.commit()
    tables.prepare(first)
    tables.swap()
    tables.keep(first)
    assert tables.active is not None
    digest = tables.active.state.digest()
    for _ in range(3):
        taught.learn([("user-1", "item-1")])
        tables.prepare(taught.commit())
        tables.swap()
    assert tables.active.state.digest() != digest
    store.close()
    for _ in range(2):
        # Everything of Redis is gone: what is not in memory can't be read.
        taught.store.call("FLUSHDB")
        assert tables.prepare(first) == "copy"
        tables.swap()
        assert tables.active.state.digest() == digest
        tables.drop_idle()


def test_the_kept_version_follows_the_reference_by_deltas(settings: Settings, taught: Learner) -> None:
    tables = TableSets(taught.store, SCHEMA)
    first = taught.commit()
    tables.prepare(first)
    tables.swap()
    tables.keep(first)
    taught.learn([("user-2", "item-2")])
    second = taught.commit()
    tables.keep(second)
    before = taught.recommender.state.tables["item_stats"].columns["events"].copy()
    assert tables.prepare(second) == "copy"
    assert tables.idle is not None
    rows = len(tables.idle.state.keys["item"].ids)
    assert (tables.idle.state.tables["item_stats"].columns["events"][:rows] == before[:rows]).all()
    assert tables.nbytes > 2 * tables.idle.state.nbytes()


def test_the_reference_is_held_for_a_request_and_the_served_version_while_there_is_none(taught: Learner) -> None:
    tables = TableSets(taught.store, SCHEMA)
    with tables.hold_reference() as held:
        assert held is None
    first = taught.commit()
    tables.prepare(first)
    tables.swap(baseline=True)
    with tables.hold_reference() as held:
        assert held is tables.active
    tables.keep(first)
    taught.learn([("user-2", "item-2")])
    tables.prepare(taught.commit())
    tables.swap()
    with tables.hold_reference() as held:
        assert held is tables.kept
        assert (held.id, held.baseline) == (first, True), "what orders lists is the gate's choice for both"
        assert not held.left(0.0), "it is not brought forward under a request"


def test_a_service_that_starts_reads_one_base_for_the_served_version_and_the_reference(taught: Learner) -> None:
    tables = TableSets(taught.store, SCHEMA)
    telemetry = Telemetry()
    first = taught.commit()
    taught.learn([("user-2", "item-2")])
    second = taught.commit()
    pointers = {"reference": Pointer(first, 1), "serving": Pointer(second, 2), "head": Pointer(second, 2)}
    assert Follower(tables, SCHEMA, telemetry, time.time).follow(pointers, load=True)
    assert tables.active is not None
    assert tables.kept is not None
    assert (tables.active.id, tables.kept.id) == (second, first)
    counted = {
        how: telemetry.registry.get_sample_value("sluicegate_serving_load_duration_seconds_count", {"phase": how})
        for how in ("load", "copy")
    }
    assert counted == {"load": 0, "copy": 1}, "the served version came by deltas onto a copy of the reference"
    wanted = taught.recommender.state.tables["item_stats"].columns["events"]
    rows = len(tables.active.state.keys["item"].ids)
    assert (tables.active.state.tables["item_stats"].columns["events"][:rows] == wanted[:rows]).all()
