"""Prometheus metrics of one service process, on a registry of its own.

Every label set that can occur is initialised, so that a rate is 0 instead of absent before the first event. Labels are
route templates and closed sets, never ids.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest
from prometheus_client.openmetrics.exposition import CONTENT_TYPE_LATEST
from prometheus_client.openmetrics.exposition import generate_latest as generate_openmetrics

from models.gate import ACTIONS, MODES, REASONS, VERBS, GateState, Verb
from models.records import DESCRIBING, LEAVABLE
from streaming.metric_factory import MetricFactory
from streaming.settings import MOST_ANCHORS

# Seconds. They bracket the targets for /recommend: p50 5 ms and 3 ms, p99 25 ms and 15 ms.
LATENCY: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)
# Seconds from the record of an event to a served version that has learned it: the targets are 3 s and 5 s at p99.
FRESHNESS: Final = (0.1, 0.25, 0.5, 1.0, 2.0, 3.0, 5.0, 10.0, 30.0, 60.0, 300.0, 1800.0)
# Seconds of loading: a delta is tens of milliseconds, a base of 400 MB seconds.
LOADING: Final = (0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 30.0)
# Seconds of one history read; the budget is 0.05.
READING: Final = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25)

DEGRADED: Final = ("history_unavailable", "no_version", "store_unavailable", "version_unloadable")
"""Why an answer was less than it could be. The set is closed: callers may branch on it, and it is a metric label."""

SERVED_BY: Final = ("ranker", "source", "popular", "catalogue", "requested", "nothing")
"""What filled the head of the slate: the learned ranker, the baseline, a fallback, or the request itself."""

OUTCOMES: Final = ("accepted", "rejected", "unavailable", "ignored")
"""Outcomes of an event sent to POST /events: in the topic, rejected with a reason, not accepted by Kafka, or made no
event by the mapping that the request names."""

ITEM_OUTCOMES: Final = ("accepted", "rejected", "unavailable")
"""Outcomes of an item sent to POST /items."""

SLATES: Final = ("sent", "left_out", "dropped")
"""Outcomes of a slate for topic `slates`: handed to Kafka, outside the sample or the rate, or lost."""

PHASES: Final = ("load", "copy", "apply", "check", "swap")
"""Phases of following a version: a whole state from a base, deltas onto a copy of the served tables, deltas onto the
idle tables, the guards, the swap."""

NO_SCENARIO: Final = "none"
"""Scenario label of requests without one; no scenario can be called so."""

UNMATCHED: Final = "unmatched"
"""Route label of requests that no route matches."""

FAILED: Final = 500
"""Least status of an answer that failed here; what is below is the caller's to change."""

PROBE: Final = "/readyz"
"""Its 503 says that requests should go elsewhere until this process is ready, and fails nobody."""

CLOSED: Final = ("deadline", "size", "room")
"""Why the service closes a connection: too slow, headers too large, or to make room for another."""


@dataclass(frozen=True, slots=True)
class AnswerCounts:
    """How many slates were answered, answers that failed (500 and above, but not of PROBE), and slates degraded."""

    slates: int = 0
    failed: int = 0
    degraded: Mapping[str, int] = field(default_factory=dict)

    def since(self, before: AnswerCounts) -> AnswerCounts:
        """What came after an earlier count; reasons without any are left out.

        >>> AnswerCounts(9, 2, {"no_version": 5}).since(AnswerCounts(4, 2, {"no_version": 5}))
        AnswerCounts(slates=5, failed=0, degraded={})
        """
        more = {name: count - before.degraded.get(name, 0) for name, count in self.degraded.items()}
        degraded = {name: count for name, count in more.items() if count}
        return AnswerCounts(self.slates - before.slates, self.failed - before.failed, degraded)


class Telemetry:
    """The metrics of one service process.

    >>> telemetry = Telemetry()
    >>> telemetry.degraded["no_version"].inc()
    >>> telemetry.registry.get_sample_value("sluicegate_degraded_total", {"reason": "no_version"})
    1.0
    """

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        metrics = MetricFactory(self.registry)
        self._requests = metrics.counter("http_requests", "Answers by route and status.", "method", "route", "code")
        self._durations = metrics.histogram(
            "http_request_duration_seconds",
            "Seconds from the request's first byte here to the answer's last; to the first of a stream.",
            LATENCY,
            "route",
        )
        self.in_progress = metrics.gauge("http_requests_in_progress", "Requests being answered.")
        self.streams = metrics.gauge("http_streams", "Streams open: live pages that watch.")
        closed = metrics.counter("http_connections_closed", "Connections closed by a limit, by reason.", "reason")
        self.connections_closed = {reason: closed.labels(reason) for reason in CLOSED}
        self._counters: dict[tuple[str, str, int], Counter] = {}
        self._failed = 0
        self._timers: dict[str, Histogram] = {UNMATCHED: self._durations.labels(UNMATCHED)}
        self._make_answers(metrics)
        self._make_serving(metrics)
        self._make_gate(metrics)

    def _make_answers(self, metrics: MetricFactory) -> None:
        served = metrics.counter("recommendations", "Slates by what filled their head.", "served_by")
        self.served_by = {name: served.labels(name) for name in SERVED_BY}
        self._scenario_slates = metrics.counter("scenario_slates", "Slates by scenario.", "scenario")
        self._scenario_short = metrics.counter(
            "scenario_short_slates", "Slates with fewer items than were asked for, by scenario.", "scenario"
        )
        self._scenario_seconds = metrics.histogram(
            "scenario_duration_seconds", "Seconds from a parsed request to its slate, by scenario.", LATENCY, "scenario"
        )
        self._scenarios: dict[str, tuple[Counter, Counter, Histogram]] = {}
        self.name_scenarios(())
        degraded = metrics.counter("degraded", "Answers that were less than they could be, by reason.", "reason")
        self.degraded = {name: degraded.labels(name) for name in DEGRADED}
        self.history_read = metrics.histogram("history_read_seconds", "Seconds to read a user's history.", READING)
        self.history_failures = metrics.counter(
            "history_read_failures", "History reads that failed or ran out of time."
        )
        events = metrics.counter("events_accepted", "Events sent to POST /events, by outcome.", "outcome")
        self.events = {name: events.labels(name) for name in OUTCOMES}
        left_out = metrics.counter(
            "fields_left_out",
            "Optional fields of records of another shape in POST /events that could not be used; their events count.",
            "field",
        )
        self.left_out = {name: left_out.labels(name) for name in (*LEAVABLE, *DESCRIBING)}
        items = metrics.counter("items_accepted", "Items sent to POST /items, by outcome.", "outcome")
        self.items_accepted = {name: items.labels(name) for name in ITEM_OUTCOMES}
        slates = metrics.counter("slate_records", "Slates for topic slates, by outcome.", "outcome")
        self.slates = {name: slates.labels(name) for name in SLATES}
        self.rate_limited = metrics.counter("rate_limited", "Requests answered 429.")
        self.kafka_away = metrics.gauge("kafka_away", "1 while Kafka leaves this process's questions unanswered.")
        self.refused_keys = metrics.counter("auth_failures", "Requests without a key that may do what they ask.")

    def _make_serving(self, metrics: MetricFactory) -> None:
        self.sequence = metrics.gauge("serving_version_sequence", "Sequence number of the version being served.")
        self.created = metrics.gauge(
            "serving_version_created_timestamp_seconds",
            "When the version being served was cut, epoch seconds; 0 when none is served.",
        )
        loading = metrics.histogram(
            "serving_load_duration_seconds", "Seconds of following a version, by phase.", LOADING, "phase"
        )
        self.loading = {phase: loading.labels(phase) for phase in PHASES}
        self.load_failures = metrics.counter("serving_load_failures", "Versions that could not be loaded.")
        self.event_to_served = metrics.histogram(
            "event_to_served_seconds",
            "Seconds from an event's record in Kafka to its being part of the served model.",
            FRESHNESS,
        )
        self.items = metrics.gauge("serving_items", "Items in the tables being served.")
        self.bytes = metrics.gauge("serving_state_bytes", "Bytes of both served table sets.")
        self.store_up = metrics.gauge("serving_store_up", "Whether the last look at Redis succeeded.")

    def _make_gate(self, metrics: MetricFactory) -> None:
        decisions = metrics.counter("gate_decisions", "Gate decisions taken here, by action.", "action")
        self.decisions = {action: decisions.labels(action) for action in ACTIONS}
        reasons = metrics.counter("gate_reasons", "Reasons of the decisions taken here.", "reason")
        self.reasons = {reason: reasons.labels(reason) for reason in REASONS}
        asked = metrics.counter("gate_operator_decisions", "Requests of operators carried out here, by verb.", "verb")
        self.operator_decisions: dict[Verb, Counter] = {verb: asked.labels(verb) for verb in VERBS}
        self.rollbacks = metrics.gauge("gate_rollbacks", "Rollbacks in a row, a day apart at most; 0 when long ago.")
        self.audit_faults = metrics.gauge(
            "gate_audit_faults", "Records of the audit that are not as they were written."
        )
        self.cool_until = metrics.gauge(
            "gate_cool_down_end_timestamp_seconds",
            "Until when nothing goes live after a rollback, epoch seconds; 0 before the first.",
        )
        self.recovering = metrics.gauge(
            "gate_recovering", "1 from a rollback on evidence until a version is as good as the champion."
        )
        self.baseline = metrics.gauge(
            "gate_baseline", "1 while the best single source is served in place of the learned ranking."
        )
        since = metrics.gauge(
            "gate_anchor_since_timestamp_seconds",
            "Since when the anchor of each age stands, epoch seconds; 0 for none. 1 is the youngest age.",
            "anchor",
        )
        self.anchors = [since.labels(str(place)) for place in range(1, MOST_ANCHORS + 1)]
        modes = metrics.gauge("gate_mode", "1 for the mode in force.", "mode")
        self.modes = {mode: modes.labels(mode) for mode in MODES}

    def answered(self, method: str, route: str, code: int, seconds: float) -> None:
        """Count one answer. `route` is a template; an unknown one counts as unmatched."""
        if route not in self._timers:
            route = UNMATCHED
        key = (method, route, code)
        counter = self._counters.get(key)
        if counter is None:
            counter = self._counters[key] = self._requests.labels(method, route, str(code))
        counter.inc()
        self._failed += code >= FAILED and route != PROBE
        self._timers[route].observe(seconds)

    def counts(self) -> AnswerCounts:
        """What this process answered since it started."""
        return AnswerCounts(
            sum(counted(counter) for counter in self.served_by.values()),
            self._failed,
            {name: counted(counter) for name, counter in self.degraded.items()},
        )

    @property
    def kafka_is_away(self) -> bool:
        """Whether Kafka leaves this process's questions unanswered."""
        return counted(self.kafka_away) == 1

    def name_scenarios(self, names: Iterable[str]) -> None:
        """Show a zero for each scenario; others are never labels."""
        for name in (NO_SCENARIO, *names):
            self._scenarios[name] = (
                self._scenario_slates.labels(name),
                self._scenario_short.labels(name),
                self._scenario_seconds.labels(name),
            )

    def answered_scenario(self, scenario: str | None, seconds: float, *, short: bool) -> None:
        """Count a slate of a scenario, None for a request that named none."""
        slates, shorts, durations = self._scenarios[scenario or NO_SCENARIO]
        slates.inc()
        durations.observe(seconds)
        if short:
            shorts.inc()

    def initialise(self, routes: Sequence[tuple[str, str]]) -> None:
        """Show a zero for each (method, route template) before its first request."""
        for method, route in routes:
            self._timers[route] = self._durations.labels(route)
            self._counters[method, route, 200] = self._requests.labels(method, route, "200")

    def gate(self, state: GateState) -> None:
        """Show the state of the gate."""
        for name, gauge in self.modes.items():
            gauge.set(name == state.mode)
        self.rollbacks.set(state.rollbacks)
        self.cool_until.set(state.cool_until)
        self.recovering.set(state.recovering)
        self.baseline.set(state.baseline)
        for place, gauge in enumerate(self.anchors):
            gauge.set(state.anchors[place].since if place < len(state.anchors) else 0.0)

    def exposition(self, accept: str) -> tuple[bytes, str]:
        """Body and content type of /metrics: OpenMetrics if the scraper asks for it, else the plain text format."""
        if "application/openmetrics-text" in accept:
            return generate_openmetrics(self.registry), CONTENT_TYPE_LATEST  # type: ignore[no-untyped-call]
        return generate_latest(self.registry), "text/plain; version=0.0.4; charset=utf-8"


def counted(metric: Counter | Gauge) -> int:
    """The value of a metric without labels of its own.

    >>> counted(Telemetry().events["accepted"])
    0
    """
    (family,) = metric.collect()
    return int(family.samples[0].value)


__all__ = ["DEGRADED", "OUTCOMES", "PHASES", "SERVED_BY", "AnswerCounts", "Telemetry", "counted"]
