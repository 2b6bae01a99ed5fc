"""Nothing in, the rows of dashboard Serving out: what shoppers get, how fast, of which version, and what came of it."""

from __future__ import annotations

from deploy.grafana.panels import Panel, Rows, quantiles, rate, top
from deploy.grafana.shared import DEGRADED, EVENT_TO_SERVED, REQUESTS, SERVED_BY

SERVING: Rows = (
    (
        "Objectives",
        (
            Panel(
                "Recommendations that fail",
                "Share with a 5xx; the objective is 0.1 % in 30 days, and at 1.44 % for an hour somebody is called.",
                "percentunit",
                (
                    ("sluicegate:recommend_errors:ratio_rate5m", "5 min"),
                    ("sluicegate:recommend_errors:ratio_rate1h", "1 h"),
                    ("sluicegate:recommend_errors:ratio_rate6h", "6 h"),
                ),
                limit=0.001,
                alerts=("RecommendFails", "RecommendFailsSlowly"),
            ),
            Panel(
                "Recommendations slower than 25 ms",
                "Share; the objective is 1 %, and at 14.4 % for an hour somebody is called.",
                "percentunit",
                (
                    ("sluicegate:recommend_slow:ratio_rate5m", "5 min"),
                    ("sluicegate:recommend_slow:ratio_rate1h", "1 h"),
                ),
                limit=0.01,
                alerts=("RecommendSlow",),
            ),
            Panel(
                "Events later than 5 s",
                "Share of events that took longer to be part of a served model; the objective is 1 %.",
                "percentunit",
                (("sluicegate:served_late:ratio_rate5m", "5 min"), ("sluicegate:served_late:ratio_rate1h", "1 h")),
                limit=0.01,
                alerts=("FreshnessBudgetBurns",),
            ),
        ),
    ),
    (
        "Requests",
        (
            REQUESTS,
            Panel(
                "Answers by status",
                "Answers a second; 4xx are the caller's, 5xx ours.",
                "reqps",
                rate("sluicegate_http_requests_total", "code"),
                alerts=("RecommendFails",),
            ),
            Panel(
                "Duration of recommendations",
                "Seconds to answer, median and 99th percentile of all replicas.",
                "s",
                quantiles("sluicegate_http_request_duration_seconds", where='{route=~"/recommend.*"}'),
                limit=0.025,
                alerts=("RecommendSlow",),
            ),
            Panel(
                "Duration by replica",
                "99th percentile of each; one that stands out is sick.",
                "s",
                quantiles("sluicegate_http_request_duration_seconds", "instance", '{route=~"/recommend.*"}')[1:],
                limit=0.025,
                alerts=("RecommendSlow",),
            ),
            Panel(
                "In progress",
                "Requests being answered, and streams that live pages watch, by replica.",
                "short",
                (
                    ("sluicegate_http_requests_in_progress", "requests {{instance}}"),
                    ("sluicegate_http_streams", "streams {{instance}}"),
                ),
            ),
            Panel(
                "Turned away",
                "Requests a second beyond a limit, and without a key that may do what they ask.",
                "reqps",
                (
                    ("sum(rate(sluicegate_rate_limited_total[$__rate_interval]))", "rate limited"),
                    ("sum(rate(sluicegate_auth_failures_total[$__rate_interval]))", "no right"),
                ),
            ),
        ),
    ),
    (
        "What shoppers get",
        (
            SERVED_BY,
            DEGRADED._replace(limit=0.001),
            Panel(
                "Events by HTTP",
                "Events sent to POST /events, a second: in the topic, refused with a reason, not taken by Kafka.",
                "ops",
                rate("sluicegate_events_accepted_total", "outcome"),
                alerts=("EventsRefused",),
            ),
            Panel(
                "Pages followed by an event",
                "Share of the pages of the newest thousand slates' versions, and of those before, by kind of event.",
                "percentunit",
                (("max by (version, kind) (sluicegate_version_event_rate)", "{{version}} {{kind}}"),),
                width=12,
            ),
            Panel(
                "Pages behind it",
                "Slates of the two groups of versions; few mean that the share is uncertain.",
                "short",
                top("sluicegate_version_slates", "version"),
                width=12,
            ),
        ),
    ),
    (
        "Versions",
        (
            Panel(
                "Version by replica",
                "Sequence number served by each; they differ for a second at most.",
                "none",
                (("sluicegate_serving_version_sequence", "{{instance}}"),),
                alerts=("VersionUnloadable", "ServiceAbsent"),
            ),
            Panel(
                "Age of what is served",
                "Seconds since it was cut, by replica.",
                "s",
                (("time() - (sluicegate_serving_version_created_timestamp_seconds > 0)", "{{instance}}"),),
                limit=3600,
                alerts=("GateStuck",),
            ),
            Panel(
                "Following a version",
                "99th percentile of seconds, by phase.",
                "s",
                quantiles("sluicegate_serving_load_duration_seconds", "phase")[1:],
            ),
            Panel(
                "Versions that could not be loaded",
                "In five minutes.",
                "short",
                (("sum(increase(sluicegate_serving_load_failures_total[5m]))", "failed"),),
                limit=1,
                alerts=("VersionUnloadable",),
            ),
            Panel(
                "Items served",
                "Items in the tables of each replica.",
                "short",
                (("sluicegate_serving_items", "{{instance}}"),),
            ),
            EVENT_TO_SERVED,
        ),
    ),
    (
        "Redis and resources",
        (
            Panel(
                "Reading a history",
                "Seconds; a request waits 50 ms at most.",
                "s",
                quantiles("sluicegate_history_read_seconds"),
                limit=0.05,
                alerts=("ServiceDegraded",),
            ),
            Panel(
                "Failures of histories",
                "Reads and writes a second that Redis did not answer in time.",
                "ops",
                (
                    ("sum(rate(sluicegate_history_read_failures_total[$__rate_interval]))", "reads"),
                    ("sum(rate(sluicegate_history_write_failures_total[$__rate_interval]))", "writes"),
                ),
                alerts=("ServiceDegraded", "HistorySlow"),
            ),
            Panel(
                "Redis as the service sees it",
                "1 when the last look succeeded, by replica.",
                "none",
                (("sluicegate_serving_store_up", "{{instance}}"),),
                "state-timeline",
                alerts=("ServiceDegraded",),
            ),
            Panel(
                "Redis's memory",
                "Bytes used when the last version was committed, and its maxmemory (0: none).",
                "bytes",
                (("max(sluicegate_redis_used_bytes)", "used"), ("max(sluicegate_redis_ceiling_bytes)", "maxmemory")),
                alerts=("RedisNearFull", "RedisFull"),
            ),
            Panel(
                "Processor",
                "Cores in use, by process.",
                "none",
                (
                    (
                        'rate(process_cpu_seconds_total{job=~"learner|service"}[$__rate_interval])',
                        "{{job}} {{instance}}",
                    ),
                ),
            ),
            Panel(
                "Memory",
                "Resident bytes, and the served table sets in them.",
                "bytes",
                (
                    ('process_resident_memory_bytes{job="service"}', "resident {{instance}}"),
                    ("sluicegate_serving_state_bytes", "tables {{instance}}"),
                ),
            ),
            Panel(
                "Open files",
                "By process; its limit is process_max_fds.",
                "short",
                (('process_open_fds{job=~"learner|service"}', "{{job}} {{instance}}"),),
            ),
        ),
    ),
)
