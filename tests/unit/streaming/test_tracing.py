"""Spans reach a collector over HTTP; what is not recorded costs nothing, and a bad context is no context."""

from __future__ import annotations

import subprocess
import sys

import pytest

from streaming.consumer.record_batches import WireRecord
from streaming.kafka import Record
from streaming.learner.traces import MOST, BatchTraces
from streaming.settings import BadSettings, load_settings
from streaming.tracing import Tracer, TracingMissing, recorded, tracer_of

CALLER = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
TRACE = CALLER.split("-")[1]


def test_a_trace_is_followed_from_span_to_span() -> None:
    collector_of = pytest.importorskip("tests.support.processes.collector", reason="the extra `otel`").Collector
    with collector_of() as collector:
        tracer = Tracer(collector.endpoint, 0.0, "service", "shop2")
        with tracer.request("GET", CALLER) as span:
            span.update_name("POST /events")
            with tracer.sending("events", 2) as headers:
                sent = recorded(headers)
        (learned,) = tracer.happened("learn", [sent], 10.0, 12.5, {"sluicegate.batch.events": 7})
        tracer.close()
        found = {each.name: each for each in collector.spans()}
    assert {each.trace for each in found.values()} == {TRACE}
    assert {each.service for each in found.values()} == {"sluicegate-service"}
    assert found["POST /events"].parent == CALLER.split("-")[2]
    assert found["send events"].parent == found["POST /events"].id
    assert found["learn"].parent == found["send events"].id == sent.split("-")[2]
    assert learned.split("-")[2] == found["learn"].id
    assert (found["learn"].begun, found["learn"].ended) == (10.0, 12.5)
    assert found["learn"].attributes == {"sluicegate.batch.events": 7}


def test_of_traces_that_begin_here_a_share_is_recorded_and_outside_of_one_nothing_is_sent() -> None:
    collector_of = pytest.importorskip("tests.support.processes.collector", reason="the extra `otel`").Collector
    with collector_of() as collector:
        drawn = iter((0.24, 0.25, 0.5, 0.0))
        tracer = Tracer(collector.endpoint, 0.25, "service", "main", lambda: next(drawn))
        assert [tracer.wants("") for _ in range(3)] == [True, False, False]
        assert tracer.wants(CALLER)
        assert not tracer.wants(CALLER[:-1] + "0"), "its caller does not record it"
        assert tracer.wants("not a context"), "it counts as none"
        with tracer.request("GET", "not a context"), tracer.sending("events", 1) as headers:
            assert len(headers) == 1
        with tracer.sending("events", 1) as headers:
            assert headers == ()
        tracer.close()
        assert [span.name for span in collector.spans()] == ["GET", "send events"]


def record(context: str | None) -> Record:
    headers = () if context is None else (("other", b"1"), ("traceparent", context.encode()))
    return WireRecord("events", 0, 0, 0, None, None, headers)


@pytest.mark.parametrize(
    "context",
    [
        "",
        "00",
        CALLER[:-1] + "0",
        CALLER.replace("00-", "ff-"),
        CALLER.replace(TRACE, "0" * 32),
        CALLER.upper(),
        CALLER + "x" * 300,
        CALLER.replace("0af7", "\u00e9\u00e9\u00e9\u00e9"),
    ],
)
def test_what_is_no_recorded_context_is_passed_over(context: str) -> None:
    assert BatchTraces.found([[record(context), record(None)]]) == []


def test_the_records_of_one_request_are_one_trace_and_a_batch_has_few() -> None:
    assert BatchTraces.found([[record(CALLER), record(CALLER)], [record(CALLER)]]) == [CALLER]
    many = [record(f"00-{place:032x}-{place:016x}-01") for place in range(1, 3 * MOST)]
    assert len(BatchTraces.found([many])) == MOST


def test_off_is_no_tracer_and_loads_no_library() -> None:
    assert tracer_of(None, 1.0, "service", "main") is None
    script = (
        "import sys, service.app, streaming.__main__, streaming.process;"
        "from streaming.settings import Settings; service.app.create_app(Settings());"
        "sys.exit('opentelemetry.exporter' in sys.modules)"  # redis-py itself imports a part of the SDK
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_without_the_extra_an_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "opentelemetry.exporter.otlp.proto.http.trace_exporter", None)
    with pytest.raises(TracingMissing, match=r"pip install 'sluicegate\[otel\]'"):
        tracer_of("http://collector:4318/v1/traces", 0.01, "learner", "main")


@pytest.mark.parametrize(
    ("address", "wrong"),
    [
        ("collector:4318", "an address such as"),
        ("http://collector:4318", "an address such as"),
        ("http://me:secret@collector:4318/v1/traces", "OTEL_EXPORTER_OTLP_HEADERS"),
    ],
)
def test_an_address_that_cannot_be_used_is_refused_without_showing_it(address: str, wrong: str) -> None:
    with pytest.raises(BadSettings, match=wrong) as refused:
        load_settings(None, {"SLUICEGATE_TRACING__ENDPOINT": address})
    assert "secret" not in str(refused.value)
