"""A running system and a real Prometheus in, an answer with data for every panel and every alert rule out."""

from __future__ import annotations

import time
from functools import partial
from pathlib import Path

from deploy.grafana import build
from deploy.grafana.annotations import ANNOTATIONS, Annotation
from deploy.grafana.choices import CHOSEN, INSTALLATION, only
from tests.acceptance.conftest import Open
from tests.support.processes.processes import Late
from tests.support.processes.prometheus_server import Prometheus
from tests.support.processes.roles import Process
from tests.support.streams.streams import Shop

# Events a second while the panels are asked: enough that no rate is zero by chance.
RATE = 200
# Seconds that all of it may take: a rate needs two scrapes, a quantile something to count.
PATIENCE = 60.0


OPERATOR: tuple[tuple[str, dict[str, object]], ...] = (
    ("mode", {"mode": "manual"}),
    ("promote", {}),
    ("freeze", {"seconds": 3600}),
)


def asked(query: str, matchers: str, namespace: str = ".*", instance: str = ".*") -> str:
    """The query as Grafana sends it when these are chosen above a dashboard."""
    values = {"$__rate_interval": "20s", "$namespace": namespace, "$instance": instance}
    query = only(query, matchers)
    for name, value in values.items():
        query = query.replace(name, value)
    return query


def marked(prometheus: Prometheus, annotation: Annotation) -> bool:
    """Whether Grafana would put a mark now."""
    return bool(prometheus.query(asked(annotation.query, INSTALLATION)))


def carried_out(service: Process, verb: str, more: dict[str, object]) -> bool:
    """Asks the gate once, as an operator does; it may have decided something by itself in between."""
    revision = service.get("/gate")[1]["revision"]
    status, answer = service.ask("POST", f"/gate/{verb}", {"reason": "a test", "revision": revision, **more})
    return status == 200 and answer["action"] != "hold"


def test_every_panel_shows_data_of_a_running_system(open_installation: Open, tmp_path: Path) -> None:
    ours = open_installation(experiments__holdout=0.4, learner__segments='["tier:gold"]')
    learner, service = ours.learner(witness__estimators="facto.FMRegressor"), ours.service()
    feed = ours.feed(Shop(seed=3).stream(RATE * 120, time.time(), interval=1 / RATE), RATE)
    targets = {"learner": [learner.address], "service": [service.address]}
    with Prometheus(tmp_path / "prometheus", targets) as prometheus:
        unanswered = {
            (panel.title, asked(query, CHOSEN))
            for rows in build.ROWS.values()
            for title, panels in rows
            if title != "Shards"  # of several learners, which tests of their own start
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
            # What an operator does is marked on every dashboard; rollbacks and alarms are played to promtool.
            for verb, more in OPERATOR:
                ours.wait(partial(carried_out, service, verb, more), verb, learner, service)
            for annotation in ANNOTATIONS:
                if annotation.name in {"Promotions by hand", "Freezes"}:
                    ours.wait(partial(marked, prometheus, annotation), annotation.name, learner, service)
        except Late:
            assert not unanswered, f"without data: {sorted(unanswered)}"
            raise
        finally:
            feed.finish()
        lag = "sum(sluicegate_consumer_lag_records)"  # of the learner alone
        assert prometheus.query(asked(lag, CHOSEN, instance=learner.address))
        assert not prometheus.query(asked(lag, CHOSEN, instance=service.address))
        assert not prometheus.query(asked(lag, CHOSEN, namespace="another"))
        recorded = {rule["name"] for rule in prometheus.rules() if rule["type"] == "recording"}
        assert len(recorded) == 8
        assert [name for name in recorded if not prometheus.query(name)] == []
        sick = [rule["name"] for rule in prometheus.rules() if rule["health"] not in {"ok", "unknown"}]
        assert sick == []
