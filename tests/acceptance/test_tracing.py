"""One trace from the shop's own span over HTTP, Kafka and the learner to the version that is served, by a collector."""

from __future__ import annotations

import itertools
import json
import time
import urllib.request

from tests.acceptance.conftest import Open
from tests.support.processes.collector import Collector, Span
from tests.support.processes.roles import Process
from tests.support.streams.streams import Shop

NUMBERS = itertools.count(1)


def click(service: Process, flags: str) -> str:
    """Sends a click as a shop that traces its own requests does. The id of the trace."""
    trace = f"{next(NUMBERS):032x}"
    event = {"event_type": "click", "user_id": "ann", "item_id": "item-1", "timestamp": time.time()}
    request = urllib.request.Request(
        f"http://{service.address}/events",
        json.dumps(event).encode(),
        {"Content-Type": "application/json", "traceparent": f"00-{trace}-00f067aa0ba902b7-{flags}"},
        method="POST",
    )
    with urllib.request.urlopen(request, timeout=30) as answer:
        assert answer.status == 202
    return trace


def test_a_trace_goes_from_the_request_to_the_version_that_has_learned_its_event(open_installation: Open) -> None:
    with Collector() as collector:
        ours = open_installation(tracing__endpoint=collector.endpoint, tracing__share=0, gate__least_tested=1)
        ours.send(Shop(seed=2).stream(300, time.time(), interval=0.01))
        learner, service = ours.learner(), ours.service()
        unrecorded = click(service, "00")
        found: list[Span] = []
        path = ["POST /events", f"send {ours.events}", "learn", "write version", "serve version"]

        def served() -> bool:
            # A version that another one overtakes is never served: then the next click's is.
            trace = click(service, "01")

            def has_come() -> bool:
                found[:] = collector.spans(trace)
                return {span.name for span in found} >= set(path)  # learner and service send theirs when each likes

            deadline = time.monotonic() + 8
            while time.monotonic() < deadline and not has_come():
                time.sleep(0.1)
            return has_come()

        ours.wait(served, "a trace up to the served version", learner, service)
        spans = {span.name: span for span in found}
        assert sorted(spans) == sorted(path), found
        for name, before in itertools.pairwise(reversed(path)):
            assert spans[name].parent == spans[before].id
            assert spans[name].begun >= spans[before].begun
        request, version = spans["POST /events"], spans["serve version"].attributes["sluicegate.version.id"]
        assert request.parent == "00f067aa0ba902b7"
        assert request.attributes["http.response.status_code"] == 202
        assert spans["write version"].attributes["sluicegate.version.id"] == version
        assert spans["learn"].attributes["sluicegate.batch.events"] >= 1
        assert [spans[name].service for name in path] == [
            f"sluicegate-{process}" for process in ("service", "service", "learner", "learner", "service")
        ]
        assert "ann" not in str(found)
        assert not any(span.failed for span in found)
        assert service.get("/recommend/ann")[0] == 200
        assert collector.spans(unrecorded) == [], "neither the caller nor a share of 0 asks for it"
