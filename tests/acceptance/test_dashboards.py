"""A running system and a real Prometheus in, an answer with data for every panel and every alert rule out."""

from __future__ import annotations

import time
from pathlib import Path

from deploy.grafana import build
from tests.acceptance.conftest import Open
from tests.support.processes.processes import Late
from tests.support.processes.prometheus_server import Prometheus
from tests.support.streams.streams import Shop

# Events a second while the panels are asked: enough that no rate is zero by chance.
RATE = 200
# Seconds that all of it may take: a rate needs two scrapes, a quantile something to count.
PATIENCE = 60.0


def test_every_panel_shows_data_of_a_running_system(open_installation: Open, tmp_path: Path) -> None:
    ours = open_installation()
    learner, service = ours.learner(witness__estimators="facto.FMRegressor"), ours.service()
    feed = ours.feed(Shop(seed=3).stream(RATE * 120, time.time(), interval=1 / RATE), RATE)
    targets = {"learner": [learner.address], "service": [service.address]}
    with Prometheus(tmp_path / "prometheus", targets) as prometheus:
        unanswered = {
            (panel.title, query.replace("$__rate_interval", "20s"))
            for rows in build.ROWS.values()
            for _, panels in rows
            for panel in panels
            for query, _ in panel.queries
        }

        def all_answered() -> bool:
            assert service.get("/recommend/user-1")[0] == 200
            answered = {(title, query) for title, query in unanswered if prometheus.query(query)}
            unanswered.difference_update(answered)
            return not unanswered

        try:
            ours.wait(all_answered, "an answer for every panel", learner, service, timeout=PATIENCE, pause=0.5)
        except Late:
            raise AssertionError(f"without data: {sorted(unanswered)}") from None
        finally:
            feed.finish()
        recorded = {rule["name"] for rule in prometheus.rules() if rule["type"] == "recording"}
        assert len(recorded) == 8
        assert [name for name in recorded if not prometheus.query(name)] == []
        sick = [rule["name"] for rule in prometheus.rules() if rule["health"] not in {"ok", "unknown"}]
        assert sick == []
