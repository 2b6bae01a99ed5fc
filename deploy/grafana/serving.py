"""Dashboard Serving: what shoppers get, how fast, from which version, and whether they follow it."""

from __future__ import annotations

from deploy.grafana.panels import Panel, Rows, quantiles, rate, top
from deploy.grafana.shared import DEGRADED, EVENT_TO_SERVED, REQUESTS, SERVED_BY

ARM = "{{experiment}} {{arm}}"
PER_SLATE = "/ on (experiment, arm) group_left clamp_min(max by (experiment, arm) (sluicegate_experiment_slates), 1)"


def measured(measures: str) -> str:
    """Returns the query for what the users of each arm did. `measures`: names, as in a matcher of Prometheus."""
    return f'max by (experiment, arm, measure) (sluicegate_experiment_measured{{measure=~"{measures}"}})'


def followed(by: str) -> tuple[tuple[str, str], ...]:
    """Return the query for the share of slates that a click or a purchase followed, split by a label."""
    events = f'sum by ({by}, kind) (rate(sluicegate_{by}_followed_total{{kind=~"click|purchase"}}[1h]))'
    slates = f"clamp_min(sum by ({by}) (rate(sluicegate_{by}_shown_total[1h])), 1e-9)"
    return ((f"{events} / on ({by}) group_left () {slates}", f"{{{{{by}}}}} {{{{kind}}}}"),)


SERVING: Rows = (
    (
        "Objectives",
        (
            Panel(
                "Failed recommendations",
                "Share with a 5xx status. The objective is 0.1 % in 30 days; 1.44 % for an hour calls somebody.",
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
                "Share of recommendations. The objective is 1 %; 14.4 % for an hour calls somebody.",
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
                "Share of events that took longer to reach a served model. The objective is 1 %.",
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
                "Answers per second. 4xx are faults of callers, 5xx are ours.",
                "reqps",
                rate("sluicegate_http_requests_total", "code"),
                alerts=("RecommendFails",),
            ),
            Panel(
                "Duration of recommendations",
                "Seconds to answer, median and 99th percentile of all replicas.",
                "s",
                quantiles("sluicegate_http_request_duration_seconds", where='{route=~"/recommend(/.user_id.)?"}'),
                limit=0.025,
                alerts=("RecommendSlow",),
            ),
            Panel(
                "Duration by replica",
                "99th percentile of each replica. One that stands out is sick.",
                "s",
                quantiles("sluicegate_http_request_duration_seconds", "instance", '{route=~"/recommend(/.user_id.)?"}')[
                    1:
                ],
                limit=0.025,
                alerts=("RecommendSlow",),
            ),
            Panel(
                "Requests in progress",
                "Requests being answered, and event streams to live pages, by replica.",
                "short",
                (
                    ("sluicegate_http_requests_in_progress", "requests {{instance}}"),
                    ("sluicegate_http_streams", "streams {{instance}}"),
                ),
            ),
            Panel(
                "Refused requests",
                "Requests per second beyond a rate limit, and without a key that permits them.",
                "reqps",
                (
                    ("sum(rate(sluicegate_rate_limited_total[$__rate_interval]))", "rate limited"),
                    ("sum(rate(sluicegate_auth_failures_total[$__rate_interval]))", "not permitted"),
                    ("sum(rate(sluicegate_http_connections_closed_total[$__rate_interval]))", "connections closed"),
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
                "Slates by scenario",
                "Slates per second; `none` are requests that name no scenario.",
                "reqps",
                rate("sluicegate_scenario_slates_total", "scenario"),
            ),
            Panel(
                "Short slates by scenario",
                "Slates per second with fewer items than were asked for: the scenario's filters leave too little.",
                "reqps",
                rate("sluicegate_scenario_short_slates_total", "scenario"),
            ),
            Panel(
                "Slates followed by an event, by scenario",
                "Share of the slates that a click or a purchase followed.",
                "percentunit",
                followed("scenario"),
            ),
            Panel(
                "Slates followed by an event, by segment",
                "The same for the segments of users in learner.segments.",
                "percentunit",
                followed("segment"),
            ),
            Panel(
                "Duration by scenario",
                "99th percentile of seconds from a parsed request to its slate.",
                "s",
                quantiles("sluicegate_scenario_duration_seconds", "scenario")[1:],
                limit=0.025,
            ),
            Panel(
                "Events by HTTP",
                "Events sent to POST /events, per second: written to the topic, rejected, or not taken by Kafka.",
                "ops",
                rate("sluicegate_events_accepted_total", "outcome"),
                alerts=("EventsRefused",),
            ),
            Panel(
                "Pages followed by an event",
                "Share of pages that an event followed, for the two newest groups of versions, by kind of event.",
                "percentunit",
                (("max by (version, kind) (sluicegate_version_event_rate)", "{{version}} {{kind}}"),),
                width=12,
            ),
            Panel(
                "Pages counted",
                "Slates of the two groups of versions. Where they are few, the share is uncertain.",
                "short",
                top("sluicegate_version_slates", "version"),
                width=12,
            ),
        ),
    ),
    (
        "Experiments on users",
        (
            Panel(
                "Lift over the control",
                "By the metric that decides, per user: the measured lift, and bounds that hold at every look. An arm "
                "with `low` above 0 is shown to be better.",
                "percentunit",
                (("max by (experiment, arm, bound) (sluicegate_experiment_lift)", f"{ARM} {{{{bound}}}}"),),
                width=12,
                signed=True,
            ),
            Panel(
                "Events of slates by arm",
                "Clicks, additions to the cart and purchases per slate, since the experiment began.",
                "percentunit",
                ((f"{measured('click|cart|purchase')} {PER_SLATE}", f"{ARM} {{{{measure}}}}"),),
                width=12,
            ),
            Panel(
                "Revenue by arm",
                "Worth of the purchases of an arm's users, since the experiment began: from slates, and in all.",
                "short",
                ((measured("revenue|spending"), f"{ARM} {{{{measure}}}}"),),
                width=12,
            ),
            Panel(
                "Shares are wrong",
                "1: an arm has more or fewer users than its share says, so no comparison is to be trusted.",
                "short",
                (("max by (experiment) (sluicegate_experiment_shares_wrong)", "{{experiment}}"),),
                limit=0.5,
                width=12,
                alerts=("ExperimentSharesWrong",),
            ),
        ),
    ),
    (
        "Versions",
        (
            Panel(
                "Version by replica",
                "Sequence number of the version that each replica serves. They differ for a second at most.",
                "none",
                (("sluicegate_serving_version_sequence", "{{instance}}"),),
                alerts=("VersionUnloadable", "ServiceAbsent"),
            ),
            Panel(
                "Age of the served version",
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
                "Failed loads in five minutes.",
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
                "Seconds. A request waits 50 ms at most.",
                "s",
                quantiles("sluicegate_history_read_seconds"),
                limit=0.05,
                alerts=("ServiceDegraded",),
            ),
            Panel(
                "Failed reads and writes of histories",
                "Per second: those that Redis did not answer in time.",
                "ops",
                (
                    ("sum(rate(sluicegate_history_read_failures_total[$__rate_interval]))", "reads"),
                    ("sum(rate(sluicegate_history_write_failures_total[$__rate_interval]))", "writes"),
                ),
                alerts=("ServiceDegraded", "HistorySlow"),
            ),
            Panel(
                "Redis as the service sees it",
                "1 when Redis answered the last request, by replica.",
                "none",
                (("sluicegate_serving_store_up", "{{instance}}"),),
                "state-timeline",
                alerts=("ServiceDegraded",),
            ),
            Panel(
                "Memory of Redis",
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
                "Resident bytes, and the served tables among them.",
                "bytes",
                (
                    ('process_resident_memory_bytes{job="service"}', "resident {{instance}}"),
                    ("sluicegate_serving_state_bytes", "tables {{instance}}"),
                ),
            ),
            Panel(
                "Open files",
                "Open files by process. The limit is process_max_fds.",
                "short",
                (('process_open_fds{job=~"learner|service"}', "{{job}} {{instance}}"),),
            ),
        ),
    ),
)
