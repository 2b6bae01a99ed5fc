"""Panels that stand on two dashboards: the overview, and the one that shows more of the same."""

from __future__ import annotations

from deploy.grafana.panels import AGAINST_BEST, Panel, quantiles, rate, top

AGAINST = Panel(
    "Served model against the baseline",
    "Hit rate of the served model divided by that of the best single source. Above 1, learning pays off.",
    "none",
    ((AGAINST_BEST, "ratio"),),
    limit=0.9,
    worse="below",
    alerts=("BelowBaseline",),
)
REQUESTS = Panel(
    "Requests by route",
    "Answers per second.",
    "reqps",
    rate("sluicegate_http_requests_total", "route"),
)
SERVED_BY = Panel(
    "Slates by source",
    "Slates per second: from the learned ranker, the best single source, or a fallback.",
    "reqps",
    rate("sluicegate_recommendations_total", "served_by"),
)
DEGRADED = Panel(
    "Degraded answers",
    "Answers per second that were worse than they could be, by reason.",
    "reqps",
    rate("sluicegate_degraded_total", "reason"),
    alerts=("ServiceDegraded",),
)
OUTCOMES = Panel(
    "Events by outcome",
    "Records of the events topic per second. Many rejected, late or duplicate ones point to a producer.",
    "ops",
    rate("sluicegate_events_total", "outcome"),
    alerts=("ManyBadEvents", "LearningStalled"),
)
DEAD_LETTERS = Panel(
    "Dead letters",
    "Unusable records per second, by reason, which `sluicegate deadletter list` shows; and optional fields that could "
    "not be read, by name, whose events count without them.",
    "ops",
    (*rate("sluicegate_deadletter_total", "reason"), *rate("sluicegate_fields_left_out_total", "field")),
    alerts=("ManyBadEvents",),
)
EVENT_TO_SERVED = Panel(
    "Event to served model",
    "Seconds from an event's arrival in Kafka to a served model that learned it.",
    "s",
    quantiles("sluicegate_event_to_served_seconds"),
    limit=5,
    alerts=("FreshnessBudgetBurns",),
)
HIT_RATE = Panel(
    "Hit rate at 20",
    "Share of tested events in the first 20 of each source, of each model, and of the served ranking. Old events fade.",
    "percentunit",
    top("sluicegate_prequential_hit_rate", "contender"),
    width=12,
    height=9,
    alerts=("BelowBaseline", "HitsFell"),
)
RECIPROCAL_RANK = Panel(
    "Mean reciprocal rank",
    "Mean of 1/rank within the first 20, of each source, of each model, and of the served ranking. Old events fade.",
    "none",
    top("sluicegate_prequential_reciprocal_rank", "contender"),
    width=12,
    height=9,
)
IDS = Panel(
    "Ids with a row",
    "Rows by key space. Each space has a ceiling.",
    "short",
    top("sluicegate_model_keys", "space"),
)
EVICTIONS = Panel(
    "Evictions",
    "Idle rows evicted at a ceiling, per second.",
    "ops",
    rate("sluicegate_evictions_total", "space"),
    alerts=("CeilingReached",),
)
