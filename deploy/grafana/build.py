"""Writes `dashboards/*.json` for Grafana from panels and annotations. Run: python -m deploy.grafana.build

A panel is forty lines of JSON. A test holds the written files to the modules.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from deploy.grafana.annotations import ANNOTATIONS, Annotation
from deploy.grafana.choices import CHOICES, CHOSEN, INSTALLATION, Choice, only
from deploy.grafana.learning import LEARNING
from deploy.grafana.overview import OVERVIEW
from deploy.grafana.panels import Panel, Rows
from deploy.grafana.serving import SERVING

FOLDER = Path(__file__).with_name("dashboards")
SOURCE = {"type": "prometheus", "uid": "${datasource}"}
RUNBOOK = "docs/runbook.md"  # replace it by the address where your team reads it
WIDTH = 24  # Grafana's grid
STEP = "15s"  # how exactly an annotation is placed, at least


def target(number: int, query: str, legend: str) -> dict[str, Any]:
    """Returns one query of a panel."""
    return {"refId": chr(ord("A") + number), "datasource": SOURCE, "expr": only(query, CHOSEN), "legendFormat": legend}


def field(panel: Panel) -> dict[str, Any]:
    """Returns the unit, axis and threshold of a panel."""
    defaults: dict[str, Any] = {"unit": panel.unit}
    if not panel.signed:
        defaults["min"] = 0
    if panel.limit is not None:
        below, above = ("green", "red") if panel.worse == "above" else ("red", "green")
        steps = [{"color": below, "value": None}, {"color": above, "value": panel.limit}]
        defaults["thresholds"] = {"mode": "absolute", "steps": steps}
        if panel.kind == "timeseries":
            defaults["custom"] = {"thresholdsStyle": {"mode": "line"}}
    return defaults


def render(panel: Panel, number: int, left: int, top: int) -> dict[str, Any]:
    """Returns a panel as Grafana stores it."""
    return {
        "id": number,
        "type": panel.kind,
        "title": panel.title,
        "description": panel.about,
        "datasource": SOURCE,
        "gridPos": {"x": left, "y": top, "w": panel.width, "h": panel.height},
        "links": [
            {"title": f"Runbook: {alert}", "url": f"${{runbook}}#{alert.lower()}", "targetBlank": True}
            for alert in panel.alerts
        ],
        "fieldConfig": {"defaults": field(panel), "overrides": []},
        "targets": [target(index, *query) for index, query in enumerate(panel.queries)],
    }


def mark(annotation: Annotation) -> dict[str, Any]:
    """Returns an annotation as Grafana stores it."""
    return {
        "name": annotation.name,
        "datasource": SOURCE,
        "enable": True,
        "iconColor": annotation.colour,
        "target": {"refId": "Anno", "expr": only(annotation.query, INSTALLATION), "interval": STEP},
        "titleFormat": annotation.title,
        "textFormat": annotation.about,
        "tagKeys": "",
        "useValueForTime": False,
    }


def variable(choice: Choice) -> dict[str, Any]:
    """Returns a choice above a dashboard as Grafana stores it; everything is chosen at first."""
    return {
        "name": choice.name,
        "type": "query",
        "label": choice.label,
        "description": choice.about,
        "datasource": SOURCE,
        "definition": choice.query,
        "query": {"query": choice.query, "refId": "StandardVariableQuery"},
        "refresh": 2,  # whenever the range of time changes: processes come and go
        "sort": 1,
        "multi": True,
        "includeAll": True,
        "allValue": ".*",  # also matches series without the label
        "current": {"text": ["All"], "value": ["$__all"]},
    }


def lay_out(rows: Rows) -> list[dict[str, Any]]:
    """Lays out rows of panels, left to right and wrapped at the grid's width."""
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


def dashboard(uid: str, title: str, rows: Rows) -> dict[str, Any]:
    """Returns a whole dashboard. Its data source is a variable, so that it can be imported anywhere."""
    return {
        "uid": uid,
        "title": title,
        "tags": ["sluicegate"],
        "timezone": "browser",
        "schemaVersion": 41,
        "editable": False,
        "refresh": "10s",
        "time": {"from": "now-30m", "to": "now"},
        "annotations": {"list": [mark(annotation) for annotation in ANNOTATIONS]},
        "templating": {
            "list": [
                {"name": "datasource", "type": "datasource", "query": "prometheus", "label": "Data source"},
                *(variable(choice) for choice in CHOICES),
                {"name": "runbook", "type": "constant", "query": RUNBOOK, "label": "Address of the runbook", "hide": 2},
            ]
        },
        "links": [
            {"type": "dashboards", "tags": ["sluicegate"], "title": "Sluicegate", "asDropdown": True, "keepTime": True}
        ],
        "panels": lay_out(rows),
    }


ROWS: dict[str, Rows] = {"overview": OVERVIEW, "learning": LEARNING, "serving": SERVING}
TITLES = {"overview": "overview", "learning": "learning and gate", "serving": "serving"}
DASHBOARDS = {
    f"{name}.json": dashboard(f"sluicegate-{name}", f"Sluicegate: {TITLES[name]}", rows) for name, rows in ROWS.items()
}


def text(content: dict[str, Any]) -> str:
    """Returns a dashboard as it is written to its file."""
    return json.dumps(content, indent=1) + "\n"


if __name__ == "__main__":
    for name, content in DASHBOARDS.items():
        (FOLDER / name).write_text(text(content))
