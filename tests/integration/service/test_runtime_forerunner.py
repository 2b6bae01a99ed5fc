"""What is loaded ahead counts only for the version that the pointers name when somebody asks."""

from __future__ import annotations

from models.state.schema import SCHEMA
from models.warmup import warm_serving
from service.runtime import Forerunner
from service.serving.table_sets import TableSets
from streaming.settings.loading import Settings
from streaming.store.store import Store
from tests.support.processes.serving import Learner


def begun(settings: Settings) -> Forerunner:
    warm_serving()  # a machine without compiled kernels loads nothing ahead
    forerunner = Forerunner(settings)
    forerunner.start()
    forerunner._thread.join()
    return forerunner


def digest(store: Store, version: str) -> str:
    tables = TableSets(store, SCHEMA)
    tables.prepare(version)
    assert tables.idle is not None
    return tables.idle.state.digest()


def point(store: Store, **pointers: str) -> None:
    for name, version in pointers.items():
        store.call("HSET", store.key(name), "id", version, "seq", version.split("-")[0])


def test_served_version_and_reference_are_there_without_another_read(
    settings: Settings, taught: Learner, store: Store
) -> None:
    first = taught.commit()
    taught.learn([("user-1", "new")])
    second = taught.commit()
    wanted = digest(store, first), digest(store, second)
    point(store, reference=first, serving=second)
    forerunner = begun(settings)
    store.call("FLUSHDB")  # what is not in memory cannot be read
    tables = TableSets(store, SCHEMA, forerunner=forerunner)
    tables.keep(first)
    assert tables.prepare(second) == "load"
    assert tables.kept is not None
    assert tables.idle is not None
    assert (tables.kept.state.digest(), tables.idle.state.digest()) == wanted
    assert (tables.kept.id, tables.idle.id) == (first, second)


def test_pointers_that_moved_meanwhile_are_followed_by_deltas(
    settings: Settings, taught: Learner, store: Store
) -> None:
    first = taught.commit()
    point(store, serving=first)
    forerunner = begun(settings)
    taught.learn([("user-2", "newer")])
    second = taught.commit()
    tables = TableSets(store, SCHEMA, forerunner=forerunner)
    assert tables.prepare(second) == "load"
    assert tables.idle is not None
    assert tables.idle.state.digest() == digest(store, second)


def test_a_version_that_is_no_successor_is_loaded_in_its_place(
    settings: Settings, taught: Learner, store: Store
) -> None:
    first = taught.commit()
    taught.learn([("user-3", "later")])
    second = taught.commit()
    point(store, serving=second)
    forerunner = begun(settings)
    tables = TableSets(store, SCHEMA, forerunner=forerunner)
    assert tables.prepare(first) == "load"  # an operator went back
    assert tables.idle is not None
    assert (tables.idle.id, tables.idle.state.digest()) == (first, digest(store, first))


def test_what_cannot_be_loaded_ahead_is_left_to_the_gatekeeper(
    settings: Settings, taught: Learner, store: Store
) -> None:
    assert begun(settings).served() is None, "nothing is served yet"
    version = taught.commit()
    point(store, serving=version)
    store.call("DEL", store.key("c", version, 0))
    damaged = begun(settings)
    assert (damaged.reference(), damaged.served()) == (None, None)
