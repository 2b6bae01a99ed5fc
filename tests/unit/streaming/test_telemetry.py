"""The learner's metrics, by value, on a registry of their own, and the server that shows them."""

import http.client

import pytest
from prometheus_client import CollectorRegistry

from models.records import SlateRecord
from models.statistics import Attribution
from streaming.learner.metrics_server import MetricsServer
from streaming.telemetry import Labels, LearnerTelemetry


def value(telemetry: LearnerTelemetry, name: str, **labels: str) -> float | None:
    return telemetry.registry.get_sample_value(f"sluicegate_{name}", labels)


def totals(**more: int) -> dict[str, int]:
    return {"evicted_items": 0, "evicted_users": 0, "deferred": 0, "unplaced": 0, "refused": 0} | more


def test_every_label_set_is_there_from_the_start():
    telemetry = LearnerTelemetry(
        CollectorRegistry(), Labels(("served",), ("json",), ("oom",), ("events",), ("river.x",))
    )
    assert value(telemetry, "events_total", outcome="capped") == 0
    assert value(telemetry, "deadletter_total", reason="json") == 0
    assert value(telemetry, "version_failures_total", kind="oom") == 0
    assert value(telemetry, "records_consumed_total", topic="events") == 0
    assert value(telemetry, "prequential_hit_rate", contender="served") == 0
    assert value(telemetry, "witness_hit_rate", contender="river.x") == 0


def test_totals_of_a_loaded_state_do_not_count_as_increments():
    telemetry = LearnerTelemetry(CollectorRegistry())
    telemetry.ceilings(totals(evicted_items=500, refused=3))
    assert value(telemetry, "evictions_total", space="item") == 0
    telemetry.ceilings(totals(evicted_items=564, refused=4, unplaced=2, deferred=9))
    assert value(telemetry, "evictions_total", space="item") == 64
    assert value(telemetry, "updates_refused_total") == 1
    assert value(telemetry, "unplaced_total") == 2
    assert value(telemetry, "deferred_total") == 9


def test_the_slates_of_a_second_term_are_counted_on_from_those_of_the_first():
    telemetry = LearnerTelemetry(CollectorRegistry(), Labels(scenarios=("cart",)))
    assert value(telemetry, "scenario_followed_total", scenario="cart", kind="click") == 0
    for term, slates in enumerate((3, 1)):
        found = Attribution(scenarios=["cart"])
        for number in range(slates):
            found.slate(SlateRecord(f"{term}-{number}", 1.0, ["tea"], scenario="cart"))
            telemetry.slates(found)
        found.event(f"{term}-0", 0, "tea")
        telemetry.slates(found)
    assert value(telemetry, "slates_total") == 4
    assert value(telemetry, "scenario_shown_total", scenario="cart") == 4
    assert value(telemetry, "scenario_shown_total", scenario="none") == 0
    assert value(telemetry, "scenario_followed_total", scenario="cart", kind="click") == 2


@pytest.mark.parametrize(
    ("path", "trouble", "status", "body"),
    [
        ("/metrics", "", 200, "sluicegate_events_total"),
        ("/livez", "loading", 200, "ok"),
        ("/readyz", "", 200, "ok"),
        ("/readyz", "loading", 503, "loading"),
        ("/other", "", 404, "/metrics"),
    ],
)
def test_the_small_server_shows_metrics_and_health(path, trouble, status, body):
    telemetry = LearnerTelemetry(CollectorRegistry())
    server = MetricsServer(telemetry.registry, "127.0.0.1", 0, lambda: trouble)
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        assert answer.status == status
        assert body in answer.read().decode()
    finally:
        connection.close()
        server.close()
