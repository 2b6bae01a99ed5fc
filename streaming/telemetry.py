"""Declares the learner's Prometheus metrics.

No label ever holds a user or an item. Every label set is initialised, so that a missing series means a missing learner.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from prometheus_client import CollectorRegistry, Counter, Gauge, ProcessCollector

from models.experiments import ExperimentResults
from models.ledger import JOIN_OUTCOMES
from models.records import (
    ATTRIBUTES,
    CART,
    CLICK,
    DESCRIBING,
    FAVOURITE,
    IMPRESSION,
    KINDS,
    LEAVABLE,
    ORDER_KINDS,
    PURCHASE,
)
from models.referee import NAMES
from models.snapshot import Manifest
from models.state import SCHEMA
from models.statistics import VERSIONS, Attribution, Exposed, Group
from streaming.metric_factory import MetricFactory

RATED = (CLICK, FAVOURITE, CART, PURCHASE, IMPRESSION)
"""Kinds of events whose share of slates is shown."""

ARRIVAL_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300)
"""Seconds; they bracket the objectives of 20 ms (median) and 100 ms (99th percentile) from event to history."""

PHASE_BUCKETS = (0.001, 0.005, 0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 30)
"""Seconds; they bracket the version interval of one second and the lease of four."""

OUTCOMES = ("learnt", "duplicate", "late", "future", "erased", "capped", "rejected", "ignored")
"""Outcomes of a record of the events topic."""

STOPPED = ("passes", "target", "budget", "no_gain", "asked", "nothing_held_out")
"""Reasons why a training in mode batch made no further pass."""

PHASES = ("cut", "encode", "upload", "commit")
"""Phases of writing a version."""


MERGE_PHASES = ("take", "partial", "merge", "hand_back", "apply")
"""Phases of a merge: a shard collects its rows, the coordinator merges and hands back, a shard takes over."""

MISSING = ("lost", "silent", "refused")
"""Why a shard was missing from a merge: its process ended, it did not answer, it was out of step."""


class Labels(NamedTuple):
    """Every value that labels can have, so that each series exists from the start."""

    contenders: tuple[str, ...] = ()
    reasons: tuple[str, ...] = ()
    failures: tuple[str, ...] = ()
    topics: tuple[str, ...] = ()
    witnesses: tuple[str, ...] = ()
    unreadable: tuple[str, ...] = ()
    scenarios: tuple[str, ...] = ()
    segments: tuple[str, ...] = ()


class LearnerTelemetry:
    """Every metric of `python -m streaming`.

    Args:
        registry: Where the metrics are registered.
        labels: Values that labels can have with the settings in use.
    """

    def __init__(self, registry: CollectorRegistry, labels: Labels = Labels()) -> None:  # noqa: B008 - immutable
        self.registry = registry
        ProcessCollector(registry=registry)
        metrics = MetricFactory(registry)
        self._declare_intake(metrics)
        self._declare_versions(metrics)
        self._declare_quality(metrics)
        self._declare_evidence(metrics)
        self._declare_attribution(metrics)
        self._declare_experiments(metrics)
        self._declare_batches(metrics)
        self._declare_shards(metrics)
        self._initialise(labels)

    def _declare_intake(self, metrics: MetricFactory) -> None:
        self.events = metrics.counter("events_total", "Records of the events topic, by outcome.", "outcome")
        self.consumed = metrics.counter("records_consumed_total", "Records read, by topic.", "topic")
        self.identified = metrics.counter(
            "identified_total", "Orders to identify that were carried out, by what became of them.", "outcome"
        )
        self.orders = metrics.counter("orders_total", "Control records that were carried out, by kind.", "kind")
        self.quarantined = metrics.gauge(
            "quarantined_events",
            "Events that were consumed and are not learned: held for a decision, or given up.",
            "state",
        )
        self.deadletters = metrics.counter("deadletter_total", "Records refused as unusable, by reason.", "reason")
        self.left_out = metrics.counter(
            "fields_left_out_total",
            "Optional fields that could not be used; their events, and items, count without them.",
            "field",
        )
        self.deadletter_failures = metrics.counter("deadletter_failures_total", "Dead letters Kafka did not take.")
        self.lost = metrics.counter("records_lost_total", "Records that the log no longer had when they were due.")
        self.evicted = metrics.counter("evictions_total", "Idle rows evicted at a ceiling, by key space.", "space")
        self.deferred = metrics.counter("deferred_total", "Events whose item was not yet named often enough for a row.")
        self.refused = metrics.counter("updates_refused_total", "Updates that held a NaN or an infinity.")
        self.unplaced = metrics.counter("unplaced_total", "Categories and brands named beyond their ceilings.")
        self._ceilings: dict[str, int] = {}
        self.lag = metrics.gauge(
            "consumer_lag_records", "Records in the log that are not yet read.", "topic", "partition"
        )
        self.headroom = metrics.gauge(
            "log_start_headroom_records", "Records between the log's beginning and our offset.", "topic", "partition"
        )
        self.watermark = metrics.gauge(
            "consumer_watermark_timestamp_seconds",
            "Time of the stream: latest record time learned, set back by records more than an hour behind it.",
        )
        self.polled = metrics.gauge("consumer_poll_timestamp_seconds", "When the last poll returned.")
        self.record_time = metrics.gauge(
            "consumer_record_timestamp_seconds", "Record time of the last record learned.", "topic", "partition"
        )
        self.kafka_away = metrics.gauge("kafka_away", "1 while Kafka leaves this process's questions unanswered.")
        self.unreadable = metrics.gauge(
            "unreadable_partitions", "Partitions whose next batch cannot be read, by what is wrong.", "reason"
        )
        self.arrival = metrics.histogram(
            "event_to_history_seconds", "From a record's time to its place in the user's history.", ARRIVAL_BUCKETS
        )

    def _declare_versions(self, metrics: MetricFactory) -> None:
        self.history_failures = metrics.counter(
            "history_write_failures_total", "History writes that Redis did not take."
        )
        self.store_went_back = metrics.counter(
            "store_went_back_total", "Times that Redis held less than was written to it; it is written again."
        )
        self.mirror_failures = metrics.counter(
            "mirror_commit_failures_total", "Offset commits that Kafka did not take."
        )
        self.version_failures = metrics.counter("version_failures_total", "Versions that were not committed.", "kind")
        self.fenced = metrics.counter("fenced_total", "Commits refused because another learner holds the lease.")
        self.new_logs = metrics.counter(
            "new_logs_total", "Times that Kafka held another log than our offsets belong to."
        )
        self.step = metrics.histogram("learning_step_seconds", "One compiled call on one batch.", PHASE_BUCKETS)
        self.version_phase = metrics.histogram(
            "version_duration_seconds", "Phases of writing a version.", PHASE_BUCKETS, "phase"
        )
        self.version_bytes = metrics.counter(
            "version_bytes_total", "Bytes of versions written to Redis, by kind.", "kind"
        )
        self.version_size = metrics.gauge("version_size_bytes", "Bytes of the last version, by kind.", "kind")
        self.version_time = metrics.gauge("version_committed_timestamp_seconds", "When the last version was committed.")
        self.version_sequence = metrics.gauge("version_sequence", "Sequence number of the last version.")
        self.redis_used = metrics.gauge("redis_used_bytes", "Bytes Redis used when the last version was committed.")
        self.redis_ceiling = metrics.gauge("redis_ceiling_bytes", "Redis's maxmemory; 0 for none.")
        self.lease_held = metrics.gauge("lease_held", "1 while this process is the learner.")
        self.lease_epoch = metrics.gauge("lease_epoch", "Epoch of the lease held last.")

    def _declare_batches(self, metrics: MetricFactory) -> None:
        self.batch_waiting = metrics.gauge("batch_waiting_events", "Mode batch: events collected and not yet learned.")
        self.batch_trainings = metrics.counter(
            "batch_trainings_total", "Mode batch: trainings, by why there was no further pass.", "stopped"
        )
        self.batch_passes = metrics.gauge("batch_kept_pass", "Mode batch: the pass of the last training that was kept.")
        self.batch_seconds = metrics.gauge("batch_passes_seconds", "Mode batch: seconds of the last further passes.")
        self.batch_hit_rate = metrics.gauge(
            "batch_held_out_hit_rate", "Mode batch: held-out hit rate of the pass that was kept."
        )
        for reason in STOPPED:
            self.batch_trainings.labels(reason)

    def _declare_shards(self, metrics: MetricFactory) -> None:
        self.shard_events = metrics.counter(
            "shard_events_total", "Events that a shard learned and that are merged.", "shard"
        )
        self.shard_step = metrics.gauge(
            "shard_step_seconds", "Seconds that a shard took to learn one event, in the last round.", "shard"
        )
        self.shard_lag = metrics.gauge("shard_lag_records", "Records of a shard's partitions not yet read.", "shard")
        self.shard_learning = metrics.gauge(
            "shard_learning", "1 while a shard takes part in the merges, 0 while it is started again.", "shard"
        )
        self.shard_restarts = metrics.counter(
            "shard_restarts_total", "Times that a shard was started again, by why it was missing.", "shard", "reason"
        )
        self.shard_recovery = metrics.gauge(
            "shard_recovery_seconds", "Seconds that the shard that came back last was missing."
        )
        self.shard_skew = metrics.gauge(
            "shard_skew_ratio", "Events of the busiest shard over the mean of all; 1 is even."
        )
        self.merge_phase = metrics.histogram("merge_duration_seconds", "Phases of a merge.", PHASE_BUCKETS, "phase")
        self.merge_bytes = metrics.counter(
            "merge_bytes_total", "Bytes of rows that shards handed in (up) or that went to each of them (down).", "way"
        )
        self.split = metrics.gauge("split", "1 while several shards share the stream.")
        for phase in MERGE_PHASES:
            self.merge_phase.labels(phase)
        for way in ("up", "down"):
            self.merge_bytes.labels(way)

    def shard(self, number: int) -> None:
        """Make the series of a shard."""
        label = str(number)
        for metric in (self.shard_events, self.shard_step, self.shard_lag, self.shard_learning):
            metric.labels(label)
        for reason in MISSING:
            self.shard_restarts.labels(label, reason)

    def _declare_quality(self, metrics: MetricFactory) -> None:
        self.hit_rate = metrics.gauge(
            "prequential_hit_rate", "Share of tested events in a contender's first 20, fading.", "contender"
        )
        self.reciprocal_rank = metrics.gauge(
            "prequential_reciprocal_rank", "Mean reciprocal rank of tested events within 20, fading.", "contender"
        )
        self.tested = metrics.gauge("prequential_events", "Tested events behind the running scores.")
        self.witness_error = metrics.gauge(
            "witness_squared_error", "Mean squared error of a River witness.", "contender"
        )
        self.witness_hit_rate = metrics.gauge(
            "witness_hit_rate",
            "Share of events in the first 10 of 100 sampled items of a River witness.",
            "contender",
        )
        self.witness_reciprocal_rank = metrics.gauge(
            "witness_reciprocal_rank", "Mean reciprocal rank within those 10 of a River witness.", "contender"
        )
        self.witness_judged = metrics.gauge("witness_events", "Events a River witness judged and learned.", "contender")
        self.keys = metrics.gauge("model_keys", "Ids with a row, by key space.", "space")
        self.memory = metrics.gauge("model_bytes", "Bytes of all tables as allocated.")

    def _declare_evidence(self, metrics: MetricFactory) -> None:
        self.evidence_seconds = metrics.counter(
            "evidence_seconds_total", "Seconds spent ranking tested events as other versions would have."
        )
        self.evidence_events = metrics.counter(
            "evidence_events_total", "Tested events compared with other versions, or passed over for time.", "outcome"
        )
        self.evidence_memory = metrics.gauge(
            "evidence_bytes", "Bytes of the tables of other versions that are at hand for comparison, as allocated."
        )
        self.compared_events = metrics.gauge("compared_events", "Tested events behind a comparison.", "comparison")
        self.compared_hits = metrics.gauge(
            "compared_hit_difference", "Mean difference of hits within 20 in a comparison.", "comparison"
        )
        self.alarms = metrics.gauge(
            "alarm", "1 for a figure that changed abruptly within the last tested events.", "alarm"
        )
        self.alarms_raised = metrics.counter("alarms_total", "Alarms of the drift detectors.", "alarm")
        self.evidence_terms = metrics.counter(
            "evidence_terms_total",
            "Terms that took up the evidence of the version before them, or had to discard it.",
            "evidence",
        )
        for found in ("taken_up", "discarded"):
            self.evidence_terms.labels(found)
        for name in NAMES:
            self.alarms.labels(name)
            self.alarms_raised.labels(name)
        for outcome in ("compared", "passed_over"):
            self.evidence_events.labels(outcome)

    def _declare_attribution(self, metrics: MetricFactory) -> None:
        self._slates_of: Attribution | None = None
        self._slates_before = 0
        self._elsewhere_before = 0
        self._slates = metrics.counter("slates_total", "Slates that were shown, as topic slates says.")
        self.slates_unreadable = metrics.counter(
            "slates_unreadable_total", "Records of topic slates that are no slate."
        )
        self.attributed = metrics.counter(
            "attributed_events_total",
            "Events by the versions whose slate they name and stood on: a thousand slates each, or all before.",
            "version",
            "kind",
        )
        self._elsewhere = metrics.counter(
            "unattributed_events_total", "Events that name a slate on which their item did not stand."
        )
        self.attribution_dropped = metrics.counter(
            "attribution_dropped_total", "Events that came faster than they could be attributed."
        )
        self.shown_dropped = metrics.counter(
            "shown_dropped_total",
            "Slates and impressions that Redis did not take, so that no other service knows of them.",
        )
        self._scenario_shown = metrics.counter(
            "scenario_shown_total", "Slates of topic slates, by the scenario that their request named.", "scenario"
        )
        self._scenario_followed = metrics.counter(
            "scenario_followed_total", "Of these, slates that an event of this kind followed.", "scenario", "kind"
        )
        self._segment_shown = metrics.counter(
            "segment_shown_total", "Slates of topic slates, by segment of users; one may be in several.", "segment"
        )
        self._segment_followed = metrics.counter(
            "segment_followed_total", "Of these, slates that an event of this kind followed.", "segment", "kind"
        )
        self._apart_before: dict[tuple[str, str], list[int]] = {}
        self._version_rate = metrics.gauge(
            "version_event_rate",
            "Share of the versions' slates that an event of this kind followed.",
            "version",
            "kind",
        )
        self._version_slates = metrics.gauge("version_slates", "Slates behind version_event_rate.", "version")
        self._version_first = metrics.gauge(
            "version_first_sequence", "Sequence number of the first version counted as this one.", "version"
        )
        self._exposed_top = metrics.gauge(
            "exposure_top_share", "Share of the ten most shown items in the last 1,000 slates, now and usually.", "time"
        )
        self._exposed_effective = metrics.gauge(
            "exposure_effective_items", "Exp of the entropy of the items in the last 1,000 slates."
        )
        self._version_last = metrics.gauge(
            "version_last_sequence", "Sequence number of the last version counted as this one.", "version"
        )

    def _declare_experiments(self, metrics: MetricFactory) -> None:
        self._experiment_slates = metrics.gauge(
            "experiment_slates", "Slates shown to the users of an arm.", "experiment", "arm"
        )
        self._experiment_measured = metrics.gauge(
            "experiment_measured",
            "What the users of an arm did: events that name a slate, and the worth of those and of all purchases.",
            "experiment",
            "arm",
            "measure",
        )
        self._experiment_lift = metrics.gauge(
            "experiment_lift",
            "Lift over the control by the metric that decides, per user, with bounds that hold at every look.",
            "experiment",
            "arm",
            "bound",
        )
        self._experiment_shares = metrics.gauge(
            "experiment_shares_wrong", "Whether an arm has more or fewer users than its share says.", "experiment"
        )
        self._experiment_series: dict[Gauge, set[tuple[str, ...]]] = {}

    def experiments(self, found: Sequence[ExperimentResults]) -> None:
        """Show how the arms of all experiments do. Series of those that are gone end."""
        series: dict[Gauge, dict[tuple[str, ...], float]] = {
            self._experiment_slates: {},
            self._experiment_measured: {},
            self._experiment_lift: {},
            self._experiment_shares: {},
        }
        for each in found:
            series[self._experiment_shares][(each.name,)] = float(each.shares_alarm)
            for arm in each.arms:
                series[self._experiment_slates][each.name, arm.name] = arm.slates
                for measure, measured in arm.measures.items():
                    series[self._experiment_measured][each.name, arm.name, measure] = measured.total
                lift = arm.measures[each.metric].lift
                for bound in ("value", "low", "high"):
                    value = getattr(lift, bound, None)
                    if value is not None:
                        series[self._experiment_lift][each.name, arm.name, bound] = value
        for gauge, values in series.items():
            for gone in self._experiment_series.get(gauge, set()) - values.keys():
                gauge.remove(*gone)
            for labels, value in values.items():
                gauge.labels(*labels).set(value)
            self._experiment_series[gauge] = set(values)

    def slates(self, found: Attribution) -> None:
        """Show events by slate, for the two newest groups of versions."""
        if found is not self._slates_of:  # that of another term, which counts from 0 again
            self._slates_of, self._slates_before, self._elsewhere_before = found, 0, 0
            self._apart_before.clear()
        self._slates.inc(found.slates - self._slates_before)
        self._elsewhere.inc(found.elsewhere - self._elsewhere_before)
        self._slates_before, self._elsewhere_before = found.slates, found.elsewhere
        self._count_apart("scenario", found.scenarios, self._scenario_shown, self._scenario_followed)
        self._count_apart("segment", found.segments, self._segment_shown, self._segment_followed)
        for name, group in (("current", found.current), ("previous", found.previous)):
            self._version_slates.labels(name).set(group.slates)
            self._version_first.labels(name).set(group.first)
            self._version_last.labels(name).set(group.last)
            for kind in RATED:
                self._version_rate.labels(name, KINDS[kind]).set(group.rate(kind))

    def _count_apart(self, what: str, groups: Mapping[str, Group], shown: Counter, followed: Counter) -> None:
        for name, group in groups.items():
            now = [group.slates, *(group.followed[kind] for kind in RATED)]
            before = self._apart_before.get((what, name), [0] * len(now))
            shown.labels(name).inc(now[0] - before[0])
            for place, kind in enumerate(RATED, 1):
                followed.labels(name, KINDS[kind]).inc(now[place] - before[place])
            self._apart_before[what, name] = now

    def exposed(self, found: Exposed) -> None:
        """Show how concentrated the recent slates are."""
        for name, value in (("now", found.top), ("usual", found.usual)):
            self._exposed_top.labels(name).set(value)
        self._exposed_effective.set(found.effective)

    def _initialise(self, labels: Labels) -> None:
        for version in VERSIONS:
            for kind_name in KINDS:
                self.attributed.labels(version, kind_name)
        self.slates(Attribution(scenarios=labels.scenarios, segments=labels.segments))
        self.exposed(Exposed())
        for outcome in ("quarantined", "dropped"):
            self.quarantined.labels(outcome)
        for kind in ORDER_KINDS:
            self.orders.labels(kind)
        for outcome in JOIN_OUTCOMES:
            self.identified.labels(outcome)
        for outcome in OUTCOMES:
            self.events.labels(outcome)
        for phase in PHASES:
            self.version_phase.labels(phase)
        for reason in labels.reasons:
            self.deadletters.labels(reason)
        for space in SCHEMA.spaces:
            self.keys.labels(space)
        for space in ("item", "user"):
            self.evicted.labels(space)
        for kind in ("base", "delta"):
            self.version_bytes.labels(kind)
            self.version_size.labels(kind)
        for field in (*LEAVABLE, *DESCRIBING, ATTRIBUTES):
            self.left_out.labels(field)
        for failure in labels.failures:
            self.version_failures.labels(failure)
        for reason in labels.unreadable:
            self.unreadable.labels(reason)
        for topic in labels.topics:
            self.consumed.labels(topic)
        for contender in labels.contenders:
            self.hit_rate.labels(contender)
            self.reciprocal_rank.labels(contender)
        self.witnesses({path: {"hr": 0.0, "rr": 0.0, "se": 0.0, "n": 0.0} for path in labels.witnesses})

    def newest(self, manifest: Manifest) -> None:
        """Show the version that learning goes on from, written or loaded by this process."""
        self.version_time.set(manifest.created_at)
        self.version_sequence.set(manifest.seq)

    def ceilings(self, totals: Mapping[str, int]) -> None:
        """Show what ceilings did. The totals count since the state began, the metrics since this process began."""
        before, self._ceilings = self._ceilings or totals, dict(totals)
        for space in ("item", "user"):
            self.evicted.labels(space).inc(max(0, totals[f"evicted_{space}s"] - before[f"evicted_{space}s"]))
        for name, counter in (("deferred", self.deferred), ("refused", self.refused), ("unplaced", self.unplaced)):
            counter.inc(max(0, totals[name] - before[name]))

    def scores(self, scores: Mapping[str, Mapping[str, float]]) -> None:
        """Show running scores by contender: hit rate "hr", reciprocal rank "rr", events "n"."""
        for contender, score in scores.items():
            self.hit_rate.labels(contender).set(score["hr"])
            self.reciprocal_rank.labels(contender).set(score["rr"])
        if "served" in scores:
            self.tested.set(scores["served"]["n"])

    def redis_memory(self, used: int, ceiling: int) -> None:
        """Show the bytes that Redis uses and may use."""
        self.redis_used.set(used)
        self.redis_ceiling.set(ceiling)

    def witnesses(self, scores: Mapping[str, Mapping[str, float]]) -> None:
        """Show running scores of River's regressors by import path: "hr", "rr", squared error "se", events "n"."""
        for path, score in scores.items():
            self.witness_hit_rate.labels(path).set(score["hr"])
            self.witness_reciprocal_rank.labels(path).set(score["rr"])
            self.witness_error.labels(path).set(score["se"])
            self.witness_judged.labels(path).set(score["n"])
