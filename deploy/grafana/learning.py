"""Dashboard Learning and gate: the stream, the quality of the model, and the versions that may go live."""

from __future__ import annotations

from deploy.grafana.panels import Panel, Rows, quantiles, rate, top
from deploy.grafana.shared import AGAINST, DEAD_LETTERS, EVICTIONS, HIT_RATE, IDS, OUTCOMES, RECIPROCAL_RANK

LEARNING: Rows = (
    (
        "Stream",
        (
            OUTCOMES,
            DEAD_LETTERS,
            Panel(
                "Lag",
                "Records of each topic that are not read yet.",
                "short",
                (("sum by (topic) (sluicegate_consumer_lag_records)", "{{topic}}"),),
                limit=1000,
                alerts=("LagGrows", "LearningStalled"),
            ),
            Panel(
                "Kafka away",
                "1 while Kafka does not answer a process. The learner notices within a minute.",
                "none",
                (("sluicegate_kafka_away", "{{job}} {{instance}}"),),
                "state-timeline",
                limit=1,
                alerts=("KafkaAway",),
            ),
            Panel(
                "Cannot be read",
                "Partitions whose next batch cannot be read, by what is wrong. The others go on.",
                "short",
                (("sum by (reason) (sluicegate_unreadable_partitions)", "{{reason}}"),),
                limit=1,
                alerts=("DataUnreadable",),
            ),
            Panel(
                "Headroom before retention",
                "Records between the beginning of the log and our offset. Near 0 with lag, records are lost unread.",
                "short",
                (("min by (topic) (sluicegate_log_start_headroom_records)", "{{topic}}"),),
                alerts=("RetentionHeadroomLow",),
            ),
            Panel(
                "Records lost",
                "Records that Kafka deleted before they were read.",
                "short",
                (("sum(increase(sluicegate_records_lost_total[1h]))", "per hour"),),
                limit=1,
                alerts=("RecordsLost",),
            ),
        ),
    ),
    (
        "Quality: each event is tested before it is learned",
        (
            HIT_RATE,
            RECIPROCAL_RANK,
            AGAINST,
            Panel(
                "Witnesses",
                "Estimators of River, never served: share of events in their first 10 of 100 sampled items.",
                "percentunit",
                top("sluicegate_witness_hit_rate", "contender"),
            ),
            Panel(
                "Squared error of the witnesses",
                "Mean squared error. A rise without a change of taste means that an estimator diverges.",
                "none",
                top("sluicegate_witness_squared_error", "contender"),
            ),
        ),
    ),
    (
        "Abrupt changes",
        (
            Panel(
                "Alarms",
                "1 from a detector's alarm until 2,000 further events are tested.",
                "none",
                top("sluicegate_alarm", "alarm"),
                "state-timeline",
                alerts=("HitsFell",),
            ),
            Panel(
                "Updates refused",
                "Updates per second that held a NaN or an infinity. Anything but 0 is a defect.",
                "ops",
                rate("sluicegate_updates_refused_total"),
                limit=0.001,
            ),
            Panel(
                "Events without a row",
                "Per second: events whose item was named too rarely yet; categories and brands beyond a ceiling.",
                "ops",
                (
                    ("sum(rate(sluicegate_deferred_total[$__rate_interval]))", "deferred"),
                    ("sum(rate(sluicegate_unplaced_total[$__rate_interval]))", "unplaced"),
                ),
            ),
        ),
    ),
    (
        "Gate",
        (
            Panel(
                "Mode",
                "1 for the mode in force.",
                "none",
                top("sluicegate_gate_mode", "mode"),
                "state-timeline",
                width=12,
                alerts=("GateFrozen",),
            ),
            Panel(
                "State",
                "1 while recovering from a rollback; 1 while the baseline is served, not the learned ranking; above 0 "
                "while the audit is not as it was written.",
                "none",
                (
                    ("max(sluicegate_gate_recovering)", "recovering"),
                    ("max(sluicegate_gate_baseline)", "baseline"),
                    ("max(sluicegate_gate_audit_faults)", "audit faults"),
                ),
                "state-timeline",
                width=12,
                alerts=("GateRolledBack", "GateAuditBroken"),
            ),
            Panel(
                "Decisions",
                "Decisions per minute, by action.",
                "cpm",
                (("60 * sum by (action) (rate(sluicegate_gate_decisions_total[$__rate_interval]))", "{{action}}"),),
                alerts=("GateStuck",),
            ),
            Panel(
                "Reasons",
                "Per minute, guards that hold a candidate among them. docs/gate.md explains each reason.",
                "cpm",
                (("60 * sum by (reason) (rate(sluicegate_gate_reasons_total[$__rate_interval])) > 0", "{{reason}}"),),
                alerts=("GateStuck",),
            ),
            Panel(
                "Requests of operators",
                "Per hour, those that were carried out, by verb. `sluicegate gate log` has their reasons.",
                "short",
                (("sum by (verb) (increase(sluicegate_gate_operator_decisions_total[1h]))", "{{verb}}"),),
            ),
            Panel(
                "Until the cool-down ends",
                "Seconds for which nothing goes live after a rollback.",
                "s",
                (("clamp_min(max(sluicegate_gate_cool_down_end_timestamp_seconds) - time(), 0)", "seconds"),),
            ),
            Panel(
                "Exposure: share of the ten items shown most",
                "Of the last 1,000 slates, and the usual share. At 0.2 above it, new versions wait (`concentrated`).",
                "percentunit",
                top("sluicegate_exposure_top_share", "time"),
            ),
            Panel(
                "Exposure: effective items",
                "So many items shown equally often would be as varied. It falls when lists become alike.",
                "short",
                (("max(sluicegate_exposure_effective_items)", "items"),),
            ),
            Panel(
                "Quarantined events",
                "Events that were consumed and are not learned: held for a decision, or given up.",
                "short",
                top("sluicegate_quarantined_events", "state"),
                alerts=("QuarantineWaits",),
            ),
            Panel(
                "Orders carried out",
                "Control records per hour, by kind: erasures, quarantines, and what became of them.",
                "short",
                (("sum by (kind) (increase(sluicegate_orders_total[1h]))", "{{kind}}"),),
            ),
            Panel(
                "Evidence: difference of hits",
                "Mean difference of hits within 20, by comparison. Below 0, the challenger (or champion) is worse.",
                "percentunit",
                top("sluicegate_compared_hit_difference", "comparison"),
                width=12,
                signed=True,
            ),
            Panel(
                "Evidence: tested events",
                "Tested events of each comparison. The gate needs gate.least_tested.",
                "short",
                top("sluicegate_compared_events", "comparison"),
                width=12,
            ),
        ),
    ),
    (
        "Learner and versions",
        (
            Panel(
                "Lease",
                "The process that holds the lease. The sum must be 1.",
                "none",
                (("sluicegate_lease_held", "{{instance}}"),),
                "state-timeline",
                alerts=("LearnerAbsent", "TwoLearners", "LeaseLost"),
            ),
            Panel(
                "Mode batch: collected events",
                "Events that wait for the next training. 0 in mode event.",
                "short",
                (("max(sluicegate_batch_waiting_events)", "events"),),
            ),
            Panel(
                "Learning step",
                "Seconds of one compiled call on one batch.",
                "s",
                quantiles("sluicegate_learning_step_seconds"),
                alerts=("LagGrows",),
            ),
            Panel(
                "Writing a version",
                "99th percentile in seconds, by phase.",
                "s",
                quantiles("sluicegate_version_duration_seconds", "phase")[1:],
                alerts=("VersionStale",),
            ),
            Panel(
                "Age of the newest version",
                "Seconds since it was committed. A shop where nothing happens commits nothing.",
                "s",
                (("time() - max(sluicegate_version_committed_timestamp_seconds > 0)", "seconds"),),
                limit=120,
                alerts=("VersionStale",),
            ),
            Panel(
                "Versions not committed",
                "Per minute, by cause. `oom` is a full Redis.",
                "cpm",
                (("60 * sum by (kind) (rate(sluicegate_version_failures_total[$__rate_interval]))", "{{kind}}"),),
                alerts=("VersionStale", "RedisFull"),
            ),
            Panel(
                "Size of a version",
                "Bytes of the last base and of the last delta.",
                "bytes",
                top("sluicegate_version_size_bytes", "kind"),
                alerts=("RedisFull",),
            ),
            IDS._replace(alerts=("CeilingReached",)),
            EVICTIONS,
            Panel(
                "Memory",
                "Bytes of all tables, of the versions it compares with, and resident bytes of the learner.",
                "bytes",
                (
                    ("max(sluicegate_model_bytes)", "tables"),
                    ("max(sluicegate_evidence_bytes)", "compared versions"),
                    ('process_resident_memory_bytes{job="learner"}', "resident"),
                ),
            ),
        ),
    ),
    (
        "Shards",
        (
            Panel(
                "Shards that learn",
                "1 while a shard takes part in the merges. Empty without shards.",
                "none",
                (("sluicegate_shard_learning", "{{shard}}"),),
                "state-timeline",
                alerts=("ShardMissing",),
            ),
            Panel(
                "Events of each shard",
                "Per second, as merged.",
                "cps",
                (("sum by (shard) (rate(sluicegate_shard_events_total[$__rate_interval]))", "{{shard}}"),),
            ),
            Panel(
                "Lag of each shard",
                "Records of its partitions that are not read yet.",
                "short",
                (("max by (shard) (sluicegate_shard_lag_records)", "{{shard}}"),),
                alerts=("ShardMissing",),
            ),
            Panel(
                "Skew",
                "Events of the busiest shard over the mean of all; 1 is even.",
                "none",
                (("max(sluicegate_shard_skew_ratio)", "ratio"),),
            ),
            Panel(
                "Merging",
                "99th percentile in seconds, by phase.",
                "s",
                quantiles("sluicegate_merge_duration_seconds", "phase")[1:],
            ),
            Panel(
                "Learning one event",
                "Seconds, by shard.",
                "s",
                (("max by (shard) (sluicegate_shard_step_seconds)", "{{shard}}"),),
            ),
            Panel(
                "Shards started again",
                "Per minute, by shard and why it was missing.",
                "cpm",
                (
                    (
                        "60 * sum by (shard, reason) (rate(sluicegate_shard_restarts_total[$__rate_interval]))",
                        "{{shard}} {{reason}}",
                    ),
                ),
                alerts=("ShardMissing",),
            ),
        ),
    ),
)
