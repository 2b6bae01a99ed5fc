"""The gate over a Redis that lost something: operators command at once, and a dangling pointer heals by itself."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from streaming.settings.loading import Settings
from streaming.store.store import Store
from tests.conftest import eventually
from tests.integration.service.test_gate import command, serving
from tests.support.processes.serving import Learner, service


@pytest.fixture
def store(settings: Settings) -> Iterator[Store]:
    made = Store.for_learner(settings)
    yield made
    made.close()


def lose(store: Store, *names: str) -> None:
    store.call("UNLINK", *(store.key(name) for name in names))


def served_by(store: Store) -> str | None:
    pointer = store.serving()
    return pointer.id if pointer is not None else None


def test_over_an_emptied_redis_the_shown_revision_is_the_one_that_counts(
    settings: Settings, taught: Learner, store: Store
) -> None:
    first = taught.commit()
    with service(settings) as served:
        eventually(lambda: serving(served, first))
        command(served, "freeze", seconds=600)
        assert served.get("/gate").json()["revision"] >= 2
        lose(store, "gate", "audit", "serving", "prev", "reference")
        # 0, or 1 once the gate has noted that it is frozen.
        eventually(lambda: served.get("/gate").json()["revision"] < 2)
        assert served.get("/gate").json()["mode"] == "frozen", "what the operator ordered is remembered"
        for _ in range(5):
            body = {"reason": "a test", "revision": served.get("/gate").json()["revision"]}
            thawed = served.post("/gate/thaw", json=body)
            if thawed.status_code == 200:
                break
        assert thawed.status_code == 200, thawed.text
        assert thawed.json()["gate"]["mode"] == "continuous"
        eventually(lambda: served_by(store) == first)


def test_a_pointer_to_a_version_that_is_gone_is_replaced_without_a_person(
    settings: Settings, taught: Learner, store: Store
) -> None:
    first = taught.commit()
    with service(settings) as served:
        eventually(lambda: serving(served, first))
    store.call("HSET", store.key("serving"), "id", "999-1-gone", "seq", 999)
    taught.learn([("user-1", "item-1")])
    second = taught.commit()
    with service(settings) as served:
        eventually(lambda: served_by(store) == second)
        eventually(lambda: serving(served, second))
        assert served.get("/gate").json()["load_error"] is None


def test_a_cursor_that_is_no_cursor_is_the_callers_mistake(settings: Settings, taught: Learner) -> None:
    with service(settings) as served:
        for cursor in ("garbage", "-", "+", "(1-1", "1", "1-1-1", "0-0", "99999999999999999999-0"):
            refused = served.get("/gate/decisions", params={"before": cursor})
            assert (refused.status_code, refused.json()["type"].rsplit("#", 1)[-1]) == (422, "invalid"), cursor
        assert served.get("/gate/decisions", params={"before": "1-1"}).json()["decisions"] == []


def test_a_command_that_redis_refuses_is_told_as_a_fault_and_not_as_an_outage(
    settings: Settings, taught: Learner, store: Store
) -> None:
    first = taught.commit()
    with service(settings) as served:
        eventually(lambda: serving(served, first))
        lose(store, "audit")
        store.call("SET", store.key("audit"), "another program's")
        store.call("SET", store.key("h", "ann"), "another program's")
        refused = served.get("/gate/decisions")
        assert refused.status_code == 500
        assert "does not answer" not in refused.text
        for _ in range(5):
            assert served.get("/recommend/ann").json()["degraded"] == ["history_unavailable"]
        assert served.get("/recommend/user-1").json()["degraded"] == [], "one user's key says nothing of the others"
