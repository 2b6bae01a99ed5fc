"""Nothing in, the panels that stand on two dashboards out: the overview, and one that goes on from there."""

from __future__ import annotations

from deploy.grafana.panels import AGAINST_BEST, Panel, quantiles, rate, top

AGAINST = Panel(
    "Against the best source",
    "Hit rate of what is served over that of the best single source; above 1 learning pays.",
    "none",
    ((AGAINST_BEST, "ratio"),),
    limit=0.9,
    worse="below",
    alerts=("BelowBaseline",),
)
REQUESTS = Panel(
    "Requests by route",
    "Answers a second.",
    "reqps",
    rate("sluicegate_http_requests_total", "route"),
)
SERVED_BY = Panel(
    "Slates by what filled them",
    "The learned ranker, the best single source, or a fallback; a second.",
    "reqps",
    rate("sluicegate_recommendations_total", "served_by"),
)
DEGRADED = Panel(
    "Degraded answers",
    "Answers that were less than they could be, a second, by reason.",
    "reqps",
    rate("sluicegate_degraded_total", "reason"),
    alerts=("ServiceDegraded",),
)
OUTCOMES = Panel(
    "Events by outcome",
    "Records of the events topic a second. Much that is rejected, late or duplicate points at a producer.",
    "ops",
    rate("sluicegate_events_total", "outcome"),
    alerts=("ManyBadEvents", "LearningStalled"),
)
DEAD_LETTERS = Panel(
    "Dead letters",
    "Unusable records a second, by reason; `sluicegate deadletter list` shows them.",
    "ops",
    rate("sluicegate_deadletter_total", "reason"),
    alerts=("ManyBadEvents",),
)
EVENT_TO_SERVED = Panel(
    "Event to served model",
    "Seconds from arrival in Kafka to a served model that learnt it.",
    "s",
    quantiles("sluicegate_event_to_served_seconds"),
    limit=5,
    alerts=("FreshnessBudgetBurns",),
)
HIT_RATE = Panel(
    "Hit rate at 20",
    "Share of tested events in the first 20 of every source, model and what is served; fading.",
    "percentunit",
    top("sluicegate_prequential_hit_rate", "contender"),
    width=12,
    height=9,
    alerts=("BelowBaseline", "HitsFell"),
)
RECIPROCAL_RANK = Panel(
    "Mean reciprocal rank",
    "Mean of 1/rank within 20 of every source, model and what is served; fading.",
    "none",
    top("sluicegate_prequential_reciprocal_rank", "contender"),
    width=12,
    height=9,
)
IDS = Panel(
    "Ids with a row",
    "By key space; each has a ceiling.",
    "short",
    top("sluicegate_model_keys", "space"),
)
EVICTIONS = Panel(
    "Evictions",
    "Idle rows evicted at a ceiling, a second.",
    "ops",
    rate("sluicegate_evictions_total", "space"),
    alerts=("CeilingReached",),
)
