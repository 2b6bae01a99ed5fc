"""The panels listed here in, `dashboards/*.json` as Grafana reads them out. Run: python -m deploy.grafana.build

JSON by hand repeats forty lines a panel; a test holds the written files to this list.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NamedTuple

FOLDER = Path(__file__).with_name("dashboards")
SOURCE = {"type": "prometheus", "uid": "${datasource}"}
WIDTH = 24  # Grafana's grid
FAILING = (
    '(sum(rate(sluicegate_http_requests_total{code=~"5.."}[5m])) or vector(0))'
    " / clamp_min(sum(rate(sluicegate_http_requests_total[5m])), 1e-9)"
)


class Panel(NamedTuple):
    """One graph or number: what it shows, in which unit, and the queries with their legends."""

    title: str
    about: str
    unit: str
    queries: tuple[tuple[str, str], ...]  # (PromQL, legend)
    kind: str = "timeseries"
    width: int = 8
    height: int = 7


def quantiles(metric: str, by: str = "") -> tuple[tuple[str, str], ...]:
    """Median and 99th percentile of a histogram."""
    group = f"le, {by}" if by else "le"
    legend = f" {{{{{by}}}}}" if by else ""
    rate = f"sum by ({group}) (rate({metric}_bucket[$__rate_interval]))"
    return tuple((f"histogram_quantile({q}, {rate})", f"p{round(q * 100)}{legend}") for q in (0.5, 0.99))


OVERVIEW: tuple[tuple[str, tuple[Panel, ...]], ...] = (
    (
        "Is it well?",
        (
            Panel(
                "Requests that fail",
                "Share of answers with a 5xx status, five minutes.",
                "percentunit",
                (
                    (
                        FAILING,
                        "failing",
                    ),
                ),
                "stat",
                4,
                4,
            ),
            Panel(
                "Learner",
                "How many processes hold the lease; 1 is right.",
                "none",
                (("sum(sluicegate_lease_held)", "holding"),),
                "stat",
                4,
                4,
            ),
            Panel(
                "Served model's age",
                "Since the version being served was cut.",
                "s",
                (("time() - min(sluicegate_serving_version_created_timestamp_seconds > 0)", "age"),),
                "stat",
                4,
                4,
            ),
            Panel(
                "Event to history, p99",
                "From an event's arrival in Kafka to its place in the user's history.",
                "s",
                (quantiles("sluicegate_event_to_history_seconds")[1],),
                "stat",
                4,
                4,
            ),
            Panel(
                "Event to served model, p99",
                "From an event's arrival in Kafka to a served model that learnt it.",
                "s",
                (quantiles("sluicegate_event_to_served_seconds")[1],),
                "stat",
                4,
                4,
            ),
            Panel(
                "Lag",
                "Records in Kafka that are not yet read.",
                "short",
                (("sum(sluicegate_consumer_lag_records)", "records"),),
                "stat",
                4,
                4,
            ),
        ),
    ),
    (
        "Requests",
        (
            Panel(
                "Requests by route",
                "Answers a second.",
                "reqps",
                (("sum by (route) (rate(sluicegate_http_requests_total[$__rate_interval]))", "{{route}}"),),
            ),
            Panel(
                "Duration of /recommend",
                "Seconds to answer, median and 99th percentile.",
                "s",
                tuple(
                    (query.replace("_bucket[", '_bucket{route=~"/recommend.*"}['), legend)
                    for query, legend in quantiles("sluicegate_http_request_duration_seconds", "route")
                ),
            ),
            Panel(
                "Slates by what filled them",
                "The learned ranker, the best single source, or a fallback; slates a second.",
                "reqps",
                (("sum by (served_by) (rate(sluicegate_recommendations_total[$__rate_interval]))", "{{served_by}}"),),
            ),
            Panel(
                "Degraded answers",
                "Answers that were less than they could be, by reason; a second.",
                "reqps",
                (("sum by (reason) (rate(sluicegate_degraded_total[$__rate_interval]))", "{{reason}}"),),
            ),
            Panel(
                "Gate decisions",
                "Decisions a minute, by action.",
                "cpm",
                (("60 * sum by (action) (rate(sluicegate_gate_decisions_total[$__rate_interval]))", "{{action}}"),),
            ),
            Panel(
                "Gate mode",
                "1 for the mode in force.",
                "none",
                (("max by (mode) (sluicegate_gate_mode)", "{{mode}}"),),
            ),
        ),
    ),
    (
        "Events",
        (
            Panel(
                "Events by outcome",
                "Records of the events topic a second, by what became of them.",
                "ops",
                (("sum by (outcome) (rate(sluicegate_events_total[$__rate_interval]))", "{{outcome}}"),),
            ),
            Panel(
                "Lag by partition",
                "Records not yet read.",
                "short",
                (
                    (
                        "sum by (topic, partition) (sluicegate_consumer_lag_records)",
                        "{{topic}}/{{partition}}",
                    ),
                ),
            ),
            Panel(
                "Dead letters",
                "Records refused as unusable a second, by reason.",
                "ops",
                (("sum by (reason) (rate(sluicegate_deadletter_total[$__rate_interval]))", "{{reason}}"),),
            ),
            Panel(
                "Event to history",
                "Seconds from arrival in Kafka to the user's history.",
                "s",
                quantiles("sluicegate_event_to_history_seconds"),
            ),
            Panel(
                "Event to served model",
                "Seconds from arrival in Kafka to a served model that learnt it.",
                "s",
                quantiles("sluicegate_event_to_served_seconds"),
            ),
            Panel(
                "Event time",
                "How far the latest learnt event is behind the clock.",
                "s",
                (("time() - max(sluicegate_consumer_watermark_timestamp_seconds > 0)", "behind"),),
            ),
        ),
    ),
    (
        "Quality, each event tested before it is learnt",
        (
            Panel(
                "Hit rate at 20",
                "Share of tested events whose item was in the contender's first 20; fading.",
                "percentunit",
                (("max by (contender) (sluicegate_prequential_hit_rate)", "{{contender}}"),),
                width=12,
                height=9,
            ),
            Panel(
                "Mean reciprocal rank",
                "Mean of 1/rank of tested events, within 20; fading.",
                "none",
                (("max by (contender) (sluicegate_prequential_reciprocal_rank)", "{{contender}}"),),
                width=12,
                height=9,
            ),
        ),
    ),
    (
        "What pages achieve",
        (
            Panel(
                "Pages followed by an event",
                "Share of the newest versions' pages that a click, purchase and so on followed, by request_id.",
                "percentunit",
                (('max by (kind) (sluicegate_version_event_rate{version="current"})', "{{kind}}"),),
            ),
            Panel(
                "Attributed events",
                "Events a second by the versions whose page they name and stood on.",
                "eps",
                (("sum by (version) (rate(sluicegate_attributed_events_total[$__rate_interval]))", "{{version}}"),),
            ),
            Panel(
                "Slates written",
                "Slates a second to the topic, left out beyond what is written, and dropped.",
                "reqps",
                (("sum by (outcome) (rate(sluicegate_slate_records_total[$__rate_interval]))", "{{outcome}}"),),
            ),
        ),
    ),
    (
        "Versions and state",
        (
            Panel(
                "Writing a version",
                "Median seconds by phase.",
                "s",
                quantiles("sluicegate_version_duration_seconds", "phase")[:1],
            ),
            Panel(
                "Bytes to Redis",
                "Bytes of versions a second, by kind.",
                "Bps",
                (("sum by (kind) (rate(sluicegate_version_bytes_total[$__rate_interval]))", "{{kind}}"),),
            ),
            Panel(
                "Version written and served",
                "Sequence numbers; they move together while the gate is open.",
                "none",
                (
                    ("max(sluicegate_version_sequence)", "written"),
                    ("max(sluicegate_serving_version_sequence)", "served"),
                ),
            ),
            Panel(
                "Ids with a row",
                "By key space; each has a ceiling.",
                "short",
                (("max by (space) (sluicegate_model_keys)", "{{space}}"),),
            ),
            Panel(
                "Evictions",
                "Idle rows evicted at a ceiling, a second.",
                "ops",
                (("sum by (space) (rate(sluicegate_evictions_total[$__rate_interval]))", "{{space}}"),),
            ),
            Panel(
                "Memory of the processes",
                "Resident bytes.",
                "bytes",
                (('process_resident_memory_bytes{job=~"learner|service"}', "{{job}}"),),
            ),
        ),
    ),
)


def target(number: int, query: str, legend: str) -> dict[str, Any]:
    """One query of a panel."""
    return {"refId": chr(ord("A") + number), "datasource": SOURCE, "expr": query, "legendFormat": legend}


def render(panel: Panel, number: int, left: int, top: int) -> dict[str, Any]:
    """A panel as Grafana stores it."""
    return {
        "id": number,
        "type": panel.kind,
        "title": panel.title,
        "description": panel.about,
        "datasource": SOURCE,
        "gridPos": {"x": left, "y": top, "w": panel.width, "h": panel.height},
        "fieldConfig": {"defaults": {"unit": panel.unit, "min": 0}, "overrides": []},
        "targets": [target(index, *query) for index, query in enumerate(panel.queries)],
    }


def lay_out(rows: tuple[tuple[str, tuple[Panel, ...]], ...]) -> list[dict[str, Any]]:
    """Rows of panels, left to right and wrapped at the grid's width."""
    laid: list[dict[str, Any]] = []
    top = 0
    for title, panels in rows:
        laid.append({
            "id": len(laid) + 1,
            "type": "row",
            "title": title,
            "collapsed": False,
            "gridPos": {"x": 0, "y": top, "w": WIDTH, "h": 1},
            "panels": [],
        })
        top, left, tallest = top + 1, 0, 0
        for panel in panels:
            if left + panel.width > WIDTH:
                top, left, tallest = top + tallest, 0, 0
            laid.append(render(panel, len(laid) + 1, left, top))
            left, tallest = left + panel.width, max(tallest, panel.height)
        top += tallest
    return laid


def dashboard(uid: str, title: str, rows: tuple[tuple[str, tuple[Panel, ...]], ...]) -> dict[str, Any]:
    """A whole dashboard; its data source is a variable, so that it can be imported anywhere."""
    return {
        "uid": uid,
        "title": title,
        "tags": ["sluicegate"],
        "timezone": "browser",
        "schemaVersion": 41,
        "editable": False,
        "refresh": "10s",
        "time": {"from": "now-30m", "to": "now"},
        "templating": {
            "list": [{"name": "datasource", "type": "datasource", "query": "prometheus", "label": "Data source"}]
        },
        "panels": lay_out(rows),
    }


DASHBOARDS = {"overview.json": dashboard("sluicegate-overview", "Sluicegate: overview", OVERVIEW)}


def text(content: dict[str, Any]) -> str:
    """A dashboard as it is written to its file."""
    return json.dumps(content, indent=1) + "\n"


if __name__ == "__main__":
    for name, content in DASHBOARDS.items():
        (FOLDER / name).write_text(text(content))
