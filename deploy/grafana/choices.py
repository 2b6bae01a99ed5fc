"""What the reader of a dashboard chooses above it, and queries narrowed to that choice."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final, NamedTuple

import yaml

ALERTS: Final = Path(__file__).resolve().parents[1] / "prometheus" / "alerts.yml"


class Choice(NamedTuple):
    """A variable of Grafana whose values come from a label.

    Attributes:
        name: its name, which is that of the label.
        label: what stands above the dashboard.
        about: what it is, for its description.
        query: where Grafana finds the values.
    """

    name: str
    label: str
    about: str
    query: str


CHOICES: Final = (
    Choice(
        "namespace",
        "Namespace",
        "Prometheus's label `namespace`: the namespace of Kubernetes, or what scrape_configs say.",
        "label_values(sluicegate_kafka_away, namespace)",
    ),
    Choice(
        "instance",
        "Instance",
        "Processes of the chosen namespaces: learners and replicas of the API.",
        'label_values(sluicegate_kafka_away{namespace=~"$namespace"}, instance)',
    ),
)
"""On every dashboard. Each process has the metric from its start."""

INSTALLATION: Final = 'namespace=~"$namespace"'
"""Matchers of an annotation: any replica may have decided what it marks, so the instance does not count."""
CHOSEN: Final = f'{INSTALLATION},instance=~"$instance"'
"""Matchers of a panel."""

RECORDED: Final[dict[str, str]] = {
    rule["record"]: rule["expr"]
    for group in yaml.safe_load(ALERTS.read_text())["groups"]
    for rule in group["rules"]
    if "record" in rule
}
_RECORDED: Final = re.compile(r"\bsluicegate:[\w:]+")
_SERIES: Final = re.compile(r"\b((?:sluicegate|process)_\w+)(?:\{([^}]*)\})?")


def only(query: str, matchers: str) -> str:
    """Returns a query that asks only for series with these labels.

    A recorded series has no label left to choose by, so its expression takes its place.

    >>> only("sum by (topic) (sluicegate_consumer_lag_records)", CHOSEN)
    'sum by (topic) (sluicegate_consumer_lag_records{namespace=~"$namespace",instance=~"$instance"})'
    >>> only('max(sluicegate_gate_mode{mode="frozen"}) == 1', INSTALLATION)
    'max(sluicegate_gate_mode{mode="frozen",namespace=~"$namespace"}) == 1'
    """
    plain = _RECORDED.sub(lambda found: f"({RECORDED[found[0]]})", query)
    return _SERIES.sub(lambda found: f"{found[1]}{{{','.join(filter(None, (found[2], matchers)))}}}", plain)
