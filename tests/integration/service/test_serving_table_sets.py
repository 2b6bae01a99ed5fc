"""Two table sets that follow a chain of versions: what the second one needs from Redis."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from models.snapshot.chunks import Damaged
from models.state.copies import duplicate
from models.state.schema import SCHEMA
from service.serving.table_sets import TableSets
from streaming.settings.loading import Settings
from streaming.store.store import Store
from streaming.thread_turns import LONGEST_REST
from tests.support.processes.serving import Learner


@pytest.fixture
def store(settings: Settings) -> Iterator[Store]:
    made = Store.for_service(settings)
    yield made
    made.close()


def served_digest(taught: Learner) -> str:
    tables = TableSets(taught.store, SCHEMA)
    assert taught.checkpointer.last is not None
    assert tables.prepare(taught.checkpointer.last.id) == "load"
    assert tables.idle is not None
    return tables.idle.state.digest()


def test_only_the_first_set_is_loaded_from_a_base(taught: Learner, store: Store) -> None:
    tables = TableSets(store, SCHEMA)
    base = taught.commit()
    assert tables.prepare(base) == "load"
    tables.swap()
    ways = []
    for turn in range(3):
        taught.learn([(f"user-{turn}", f"new-{turn}")])
        version = taught.commit()
        wanted = served_digest(taught)
        ways.append(tables.prepare(version))
        assert tables.idle is not None
        assert tables.idle.state.digest() == wanted
        tables.swap()
    assert ways == ["copy", "apply", "apply"]


def test_after_a_refused_challenger_the_idle_set_holds_the_champion(taught: Learner, store: Store) -> None:
    tables = TableSets(store, SCHEMA)
    base = taught.commit()
    tables.prepare(base)
    tables.swap()
    taught.learn([("user-1", "new")])
    refused = taught.commit()
    assert tables.prepare(refused) == "copy"
    tables.drop_idle()
    assert tables.prepare(base) == "copy"
    assert tables.idle is not None
    assert tables.active is not None
    assert tables.idle.state.digest() == tables.active.state.digest()
    # Nothing that made the refused one is remembered: it is read again, and what is damaged is seen.
    store.call("DEL", store.key("c", refused, 0))
    with pytest.raises(Damaged):
        tables.prepare(refused)


def test_it_rests_between_deltas_while_requests_are_answered(taught: Learner, store: Store) -> None:
    rests: list[float] = []
    tables = TableSets(store, SCHEMA, rests.append)
    base = taught.commit()
    for turn in range(3):
        taught.learn([(f"user-{turn}", f"new-{turn}")])
        last = taught.commit()
    tables.prepare(base)
    tables.prepare(last)
    assert not rests, "nobody waits for an answer yet"
    tables.swap()
    for turn in range(3, 6):
        taught.learn([(f"user-{turn}", f"new-{turn}")])
        last = taught.commit()
    assert tables.prepare(last) == "copy"
    assert len(rests) == 2 * (3 - 1), "after each delta that is decoded and each that is applied, but for the last"
    assert all(0 < each <= LONGEST_REST for each in rests)
    assert tables.idle is not None
    assert tables.idle.state.digest() == served_digest(taught)


def test_a_copy_shares_no_memory_with_its_original(taught: Learner) -> None:
    state = taught.recommender.state
    twin = duplicate(state)
    assert twin.digest() == state.digest()
    for name, data in twin.tables.items():
        for column, values in data.columns.items():
            assert not np.shares_memory(values, state.tables[name].columns[column])
    taught.learn([("user-1", "new"), ("user-2", "newer")])
    before = twin.digest()
    assert before != state.digest()
    assert "new" not in twin.keys["item"].rows
