"""Counts of answers."""

from __future__ import annotations

from service.runtime.telemetry import Telemetry


def test_a_probe_that_says_not_ready_is_no_failed_answer() -> None:
    telemetry = Telemetry()
    telemetry.initialise([("GET", "/readyz"), ("GET", "/recommend/{user_id}")])
    for route, code in (("/readyz", 503), ("/recommend/{user_id}", 503), ("/recommend/{user_id}", 404)):
        telemetry.answered("GET", route, code, 0.01)
    assert telemetry.counts().failed == 1
