"""Dashboard Overview: is the system up, fresh, learning, and better than the baseline?"""

from __future__ import annotations

from deploy.grafana.panels import FAILING, Panel, Rows, quantiles, rate, top
from deploy.grafana.shared import (
    AGAINST,
    DEAD_LETTERS,
    DEGRADED,
    EVENT_TO_SERVED,
    EVICTIONS,
    HIT_RATE,
    IDS,
    OUTCOMES,
    RECIPROCAL_RANK,
    REQUESTS,
    SERVED_BY,
)

OVERVIEW: Rows = (
    (
        "Health",
        (
            Panel(
                "Failed requests",
                "Share of answers with a 5xx status over five minutes. The objective is one in a thousand.",
                "percentunit",
                (
                    (
                        FAILING,
                        "failing",
                    ),
                ),
                "stat",
                3,
                4,
                limit=0.001,
                alerts=("RecommendFails", "RecommendFailsSlowly"),
            ),
            Panel(
                "Learner",
                "Number of processes that hold the lease. It must be 1.",
                "none",
                (("sum(sluicegate_lease_held)", "holding"),),
                "stat",
                3,
                4,
                limit=1,
                worse="below",
                alerts=("LearnerAbsent", "TwoLearners"),
            ),
            Panel(
                "Age of the champion",
                "Time since the served version was cut.",
                "s",
                (("time() - min(sluicegate_serving_version_created_timestamp_seconds > 0)", "age"),),
                "stat",
                3,
                4,
                limit=3600,
                alerts=("GateStuck",),
            ),
            Panel(
                "Event to history, p99",
                "Time from an event's arrival in Kafka to the user's history.",
                "s",
                (quantiles("sluicegate_event_to_history_seconds")[1],),
                "stat",
                3,
                4,
                limit=5,
                alerts=("HistorySlow",),
            ),
            Panel(
                "Event to served model, p99",
                "Time from an event's arrival in Kafka to a served model that learned it.",
                "s",
                (quantiles("sluicegate_event_to_served_seconds")[1],),
                "stat",
                3,
                4,
                limit=5,
                alerts=("FreshnessBudgetBurns",),
            ),
            Panel(
                "Lag",
                "Records in Kafka that are not read yet.",
                "short",
                (("sum(sluicegate_consumer_lag_records)", "records"),),
                "stat",
                3,
                4,
                limit=1000,
                alerts=("LagGrows",),
            ),
            AGAINST._replace(kind="stat", width=3, height=4),
            Panel(
                "Recovering from a rollback",
                "1 after a rollback on evidence, until a version is shown to be no worse than the champion.",
                "none",
                (("max(sluicegate_gate_recovering)", "recovering"),),
                "stat",
                3,
                4,
                limit=1,
                alerts=("GateRolledBack",),
            ),
        ),
    ),
    (
        "Requests",
        (
            REQUESTS,
            Panel(
                "Duration of /recommend",
                "Seconds to answer, median and 99th percentile.",
                "s",
                tuple(
                    (query.replace("_bucket[", '_bucket{route=~"/recommend.*"}['), legend)
                    for query, legend in quantiles("sluicegate_http_request_duration_seconds", "route")
                ),
                limit=0.025,
                alerts=("RecommendSlow",),
            ),
            SERVED_BY,
            DEGRADED,
            Panel(
                "Gate decisions",
                "Decisions per minute, by action.",
                "cpm",
                (("60 * sum by (action) (rate(sluicegate_gate_decisions_total[$__rate_interval]))", "{{action}}"),),
            ),
            Panel(
                "Gate mode",
                "1 for the mode in force.",
                "none",
                top("sluicegate_gate_mode", "mode"),
                alerts=("GateFrozen",),
            ),
        ),
    ),
    (
        "Events",
        (
            OUTCOMES,
            Panel(
                "Lag by partition",
                "Records not read yet.",
                "short",
                (
                    (
                        "sum by (topic, partition) (sluicegate_consumer_lag_records)",
                        "{{topic}}/{{partition}}",
                    ),
                ),
                alerts=("LagGrows",),
            ),
            DEAD_LETTERS,
            Panel(
                "Event to history",
                "Seconds from an event's arrival in Kafka to the user's history.",
                "s",
                quantiles("sluicegate_event_to_history_seconds"),
                limit=5,
                alerts=("HistorySlow",),
            ),
            EVENT_TO_SERVED,
            Panel(
                "Event time",
                "How far the latest learned event is behind the clock.",
                "s",
                (("time() - max(sluicegate_consumer_watermark_timestamp_seconds > 0)", "behind"),),
            ),
        ),
    ),
    (
        "Quality: each event is tested before it is learned",
        (
            HIT_RATE,
            RECIPROCAL_RANK,
        ),
    ),
    (
        "Outcome of pages",
        (
            Panel(
                "Pages followed by an event",
                "Share of the newest versions' pages that a click, a purchase and so on followed, by request_id.",
                "percentunit",
                (('max by (kind) (sluicegate_version_event_rate{version="current"})', "{{kind}}"),),
            ),
            Panel(
                "Attributed events",
                "Events per second whose item was on the page that they name, by group of versions.",
                "eps",
                rate("sluicegate_attributed_events_total", "version"),
            ),
            Panel(
                "Slates written",
                "Slates per second: written to the topic, left out by sampling, and dropped.",
                "reqps",
                rate("sluicegate_slate_records_total", "outcome"),
            ),
        ),
    ),
    (
        "Versions and state",
        (
            Panel(
                "Writing a version",
                "Median seconds, by phase.",
                "s",
                quantiles("sluicegate_version_duration_seconds", "phase")[:1],
            ),
            Panel(
                "Bytes to Redis",
                "Bytes of versions per second, by kind.",
                "Bps",
                rate("sluicegate_version_bytes_total", "kind"),
            ),
            Panel(
                "Newest version and champion",
                "Sequence numbers. They move together while the gate promotes.",
                "none",
                (
                    ("max(sluicegate_version_sequence)", "written"),
                    ("max(sluicegate_serving_version_sequence)", "served"),
                ),
                alerts=("VersionStale", "GateStuck"),
            ),
            IDS,
            EVICTIONS,
            Panel(
                "Memory of the processes",
                "Resident bytes.",
                "bytes",
                (('process_resident_memory_bytes{job=~"learner|service"}', "{{job}}"),),
            ),
        ),
    ),
)
