"""The gate over a Redis that lost something: operators command at once, and a dangling pointer heals by itself."""

from __future__ import annotations

from prometheus_client.parser import text_string_to_metric_families

from streaming.settings.loading import Settings
from streaming.store.store import Store
from tests.conftest import eventually
from tests.integration.service.test_gate import command, serving
from tests.support.processes.serving import Learner, Served, service


def lose(store: Store, *names: str) -> None:
    store.call("UNLINK", *(store.key(name) for name in names))


def served_by(store: Store) -> str | None:
    pointer = store.serving()
    return pointer.id if pointer is not None else None


def loads_of(served: Served) -> float:
    """Versions that were loaded from a base."""
    return sample(served, "sluicegate_serving_load_duration_seconds_count", phase="load")


def sample(served: Served, name: str, **labels: str) -> float:
    """The sum of a metric's samples with these labels."""
    return sum(
        each.value
        for family in text_string_to_metric_families(served.get("/metrics").text)
        for each in family.samples
        if each.name == name and labels.items() <= each.labels.items()
    )


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


def test_over_a_redis_that_went_back_the_service_serves_on_until_the_learner_has_written_again(
    settings: Settings, taught: Learner, store: Store
) -> None:
    """The version that it serves is lost. Neither the older one nor the one that replaces it is loaded whole."""
    first = taught.commit()
    with service(settings) as served:
        eventually(lambda: serving(served, first))
        keys = store.call("KEYS", store.key("*"))
        saved = {key: store.call("DUMP", key) for key in keys}
        for user in ("user-1", "user-2"):
            taught.learn([(user, "item-1")])
            lost = taught.commit()
            eventually(lambda lost=lost: serving(served, lost))
        loads, revision = loads_of(served), served.get("/gate").json()["revision"]
        store.call("UNLINK", *store.call("KEYS", store.key("*")))
        for key, dumped in saved.items():
            store.call("RESTORE", key, 0, dumped)
        eventually(lambda: served.get("/gate").json()["revision"] < revision)
        assert serving(served, lost), "the older version is not loaded: the learner is about to write again"
        taught.checkpointer._look()
        taught.learn([("user-3", "item-1")])
        newest = taught.commit()
        eventually(lambda: serving(served, newest))
        assert served_by(store) == newest
        assert loads_of(served) == loads, "nothing was loaded whole"


def test_a_challenger_that_redis_lost_before_it_was_looked_at_costs_nothing(
    settings: Settings, taught: Learner, store: Store
) -> None:
    first = taught.commit()
    with service(settings) as served:
        eventually(lambda: serving(served, first))
        loads, (id_, seq) = loads_of(served), store.call("HMGET", store.key("head"), "id", "seq")
        store.call("HSET", store.key("head"), "id", "99-1-lost", "seq", 99)
        eventually(lambda: served.get("/gate").json()["head"] == "99-1-lost")
        store.call("HSET", store.key("head"), "id", id_, "seq", seq)
        taught.learn([("user-1", "item-1")])
        newest = taught.commit()
        eventually(lambda: serving(served, newest))
        assert loads_of(served) == loads, "no older version was loaded in its place"
        assert sample(served, "sluicegate_serving_load_failures_total") == 0.0


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
