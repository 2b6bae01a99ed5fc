"""A request reads one version to its end: what it holds is never written to, and it never begins on what was left."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Thread

import pytest

from models.snapshot.chunks import Damaged
from models.state.schema import SCHEMA
from service.serving import table_sets
from service.serving.table_sets import TableSet, TableSets
from tests.conftest import eventually
from tests.support.processes.serving import Learner


def another(taught: Learner, number: int) -> str:
    """One more version, with an item that the one before does not have."""
    taught.learn([(f"user-{number}", f"new-{number}")])
    return taught.commit()


@pytest.fixture
def tables(taught: Learner) -> TableSets:
    """Two sets of tables: the active one holds a version, the idle one the version before it."""
    made = TableSets(taught.store, SCHEMA)
    for version in (taught.commit(), another(taught, 1)):
        made.prepare(version)
        made.swap()
    assert made.active is not None
    assert made.idle is not None
    return made


def test_tables_that_a_request_still_reads_are_left_to_it(
    tables: TableSets, taught: Learner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(table_sets, "LEAVE_DEADLINE", 0.01)
    with tables.hold() as held:
        assert held is not None
        version, digest = held.id, held.state.digest()
        tables.prepare(another(taught, 2))
        tables.swap()
        assert tables.idle is held
        assert tables.prepare(another(taught, 3)) == "load"
        assert tables.idle is not held
        assert (held.id, held.state.digest()) == (version, digest)


def test_tables_are_written_once_the_last_request_has_left_them(tables: TableSets, taught: Learner) -> None:
    ways: list[str] = []
    with tables.hold() as held, tables.hold() as again:
        assert held is not None
        assert held is again
        version, digest = held.id, held.state.digest()
        tables.prepare(another(taught, 2))
        tables.swap()
        newest = another(taught, 3)
        thread = Thread(target=lambda: ways.append(tables.prepare(newest)), daemon=True)
        thread.start()
        eventually(lambda: tables.idle is None)  # the thread is at work on it
        assert (held.id, held.state.digest()) == (version, digest)
    thread.join(10.0)
    assert ways == ["apply"]
    assert tables.idle is held
    assert held.id == newest
    assert held.state.digest() != digest


def test_a_swap_between_the_look_and_the_count_leads_to_the_tables_that_are_active_now(
    tables: TableSets, taught: Learner, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The request has looked, and another version goes live before it is counted as a reader."""
    left, newest = tables.active, another(taught, 2)
    assert left is not None
    count = left.reading

    @contextmanager
    def late() -> Iterator[TableSet]:
        monkeypatch.undo()
        tables.prepare(newest)
        tables.swap()
        with count() as counted:
            yield counted

    monkeypatch.setattr(left, "reading", late)
    with tables.hold() as held:
        assert held is tables.active
        assert held is not left
        assert held is not None
        assert held.id == newest
        # Nobody reads what was left: it can be written to at once.
        assert left.left(0.0)
        assert tables.prepare(another(taught, 3)) == "apply"
        assert tables.idle is left
        assert held.id == newest


def test_tables_and_the_order_of_lists_change_with_one_swap(tables: TableSets, taught: Learner) -> None:
    """The request that first sees a version sees it in the order that the same decision chose."""
    for wanted in (True, False):
        tables.prepare(another(taught, 2 + wanted))
        tables.swap(baseline=wanted)
        assert tables.active is not None
        assert (tables.active.order is not None) == wanted
    tables.serve_baseline(True)
    tables.prepare(another(taught, 4))
    tables.swap()
    assert tables.active.order is not None


def test_a_version_that_cannot_be_prepared_leaves_nothing_that_could_go_live(
    tables: TableSets, taught: Learner
) -> None:
    damaged = another(taught, 2)
    taught.store.call("SET", taught.store.key("c", damaged, 0), b"damage")
    with pytest.raises(Damaged):
        tables.prepare(damaged)
    assert tables.idle is None
    with pytest.raises(AssertionError, match="nothing was prepared"):
        tables.swap()
    sound = tables.prepare(damaged, or_older=True)
    assert sound == "load"
    assert tables.idle is not None
    assert tables.active is not None
    assert tables.idle.id == tables.active.id
    assert tables.idle.state.digest() == tables.active.state.digest()
