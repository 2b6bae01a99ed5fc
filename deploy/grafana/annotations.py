"""Marks on the time axis of every dashboard: what happened at the gate, and alarms about the stream."""

from __future__ import annotations

from typing import NamedTuple


class Annotation(NamedTuple):
    """Marks from a query: one for each stretch of time in which it has an answer.

    Attributes:
        name: its name, for the switch above the dashboard.
        query: PromQL that has an answer while it happens.
        title: what a mark says; `{{label}}` stands for the value of a label.
        about: the sentence below it.
        colour: Grafana's name of its colour.
    """

    name: str
    query: str
    title: str
    about: str
    colour: str


def happened(counter: str) -> str:
    """Returns a query that has an answer for the time after a counter rose."""
    return f"sum(increase({counter}[$__rate_interval])) > 0"


ANNOTATIONS = (
    Annotation(
        "Rollbacks",
        happened('sluicegate_gate_decisions_total{action="rollback"}'),
        "Rolled back",
        "An earlier version is served again. `sluicegate gate explain` says why.",
        "red",
    ),
    Annotation(
        "Freezes",
        'max(sluicegate_gate_mode{mode="frozen"}) == 1',
        "Frozen",
        "No version goes live. `sluicegate gate status` says who froze the gate, why, and until when.",
        "blue",
    ),
    Annotation(
        "Promotions by hand",
        happened('sluicegate_gate_operator_decisions_total{verb="promote"}'),
        "Promoted by hand",
        "An operator promoted a version. `sluicegate gate log` has the reason.",
        "purple",
    ),
    Annotation(
        "Drift alarms",
        "max by (alarm) (sluicegate_alarm) == 1",
        "Alarm: {{alarm}}",
        "The stream changed abruptly. One about hits holds versions while evidence cannot tell that they are good.",
        "orange",
    ),
)
"""All marks, on every dashboard."""
