"""Nothing in, the rows of dashboard Learning and gate out: what came in, what was learnt of it, what may go live."""

from __future__ import annotations

from deploy.grafana.panels import Panel, Rows, quantiles, rate, top
from deploy.grafana.shared import AGAINST, DEAD_LETTERS, EVICTIONS, HIT_RATE, IDS, OUTCOMES, RECIPROCAL_RANK

LEARNING: Rows = (
    (
        "What comes in",
        (
            OUTCOMES,
            DEAD_LETTERS,
            Panel(
                "Lag",
                "Records of each topic that are not yet read.",
                "short",
                (("sum by (topic) (sluicegate_consumer_lag_records)", "{{topic}}"),),
                limit=1000,
                alerts=("LagGrows", "LearningStalled"),
            ),
            Panel(
                "Kafka away",
                "1 while it leaves the questions of a process unanswered; the learner notices within a minute.",
                "none",
                (("sluicegate_kafka_away", "{{job}} {{instance}}"),),
                "state-timeline",
                limit=1,
                alerts=("KafkaAway",),
            ),
            Panel(
                "Room before retention reaches us",
                "Records between the log's beginning and our offset; near 0 with lag, records go unlearnt.",
                "short",
                (("min by (topic) (sluicegate_log_start_headroom_records)", "{{topic}}"),),
                alerts=("RetentionHeadroomLow",),
            ),
            Panel(
                "Records lost",
                "Records that Kafka no longer had when they were due.",
                "short",
                (("sum(increase(sluicegate_records_lost_total[1h]))", "in an hour"),),
                limit=1,
                alerts=("RecordsLost",),
            ),
        ),
    ),
    (
        "How good it is, each event tested before it is learnt",
        (
            HIT_RATE,
            RECIPROCAL_RANK,
            AGAINST,
            Panel(
                "Witnesses",
                "River's estimators, never served: share of events in their first 10 of 100 sampled items.",
                "percentunit",
                top("sluicegate_witness_hit_rate", "contender"),
            ),
            Panel(
                "Squared error of the witnesses",
                "Mean; a rise without a change of taste means that an estimator diverges.",
                "none",
                top("sluicegate_witness_squared_error", "contender"),
            ),
        ),
    ),
    (
        "What changed abruptly",
        (
            Panel(
                "Alarms",
                "1 from a detector's alarm until 2,000 tested events later.",
                "none",
                top("sluicegate_alarm", "alarm"),
                "state-timeline",
                alerts=("HitsFell",),
            ),
            Panel(
                "Updates refused",
                "Updates a second that held a NaN or an infinity; anything but 0 is a defect.",
                "ops",
                rate("sluicegate_updates_refused_total"),
                limit=0.001,
            ),
            Panel(
                "Without a row",
                "Events a second whose item was named too rarely yet; categories and brands beyond ceilings.",
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
                "Recovering from a roll-back; serving the best single source in place of the learnt ranking.",
                "none",
                (
                    ("max(sluicegate_gate_recovering)", "recovering"),
                    ("max(sluicegate_gate_baseline)", "single source"),
                ),
                "state-timeline",
                width=12,
                alerts=("GateRolledBack",),
            ),
            Panel(
                "Decisions",
                "A minute, by action.",
                "cpm",
                (("60 * sum by (action) (rate(sluicegate_gate_decisions_total[$__rate_interval]))", "{{action}}"),),
                alerts=("GateStuck",),
            ),
            Panel(
                "Reasons",
                "Of the decisions, a minute; guards that complain show here. docs/gate.md says what each means.",
                "cpm",
                (("60 * sum by (reason) (rate(sluicegate_gate_reasons_total[$__rate_interval])) > 0", "{{reason}}"),),
                alerts=("GateStuck",),
            ),
            Panel(
                "Until the cool-down ends",
                "Seconds in which nothing goes live after a roll-back.",
                "s",
                (("clamp_min(max(sluicegate_gate_cool_down_end_timestamp_seconds) - time(), 0)", "seconds"),),
            ),
            Panel(
                "Shown: share of the ten items shown most",
                "Of the last 1,000 slates, now and usually; .2 above usual, new versions wait (`concentrated`).",
                "percentunit",
                top("sluicegate_exposure_top_share", "time"),
            ),
            Panel(
                "Shown: items in effect",
                "As many items shown equally often would give slates as varied; it falls when lists grow alike.",
                "short",
                (("max(sluicegate_exposure_effective_items)", "items"),),
            ),
            Panel(
                "In quarantine",
                "Events that were consumed and are not learnt: held for a decision, or given up.",
                "short",
                top("sluicegate_quarantined_events", "state"),
                alerts=("QuarantineWaits",),
            ),
            Panel(
                "Orders carried out",
                "Control records in an hour, by kind: erasures, quarantine and what became of it.",
                "short",
                (("sum by (kind) (increase(sluicegate_orders_total[1h]))", "{{kind}}"),),
            ),
            Panel(
                "Evidence: difference of hits",
                "Mean difference of hits within 20 in each comparison; below 0 the newer version is worse.",
                "percentunit",
                top("sluicegate_compared_hit_difference", "comparison"),
                width=12,
                signed=True,
            ),
            Panel(
                "Evidence: tested events",
                "Tested events behind each comparison; the gate wants gate.least_tested.",
                "short",
                top("sluicegate_compared_events", "comparison"),
                width=12,
            ),
        ),
    ),
    (
        "Learner and its versions",
        (
            Panel(
                "Lease",
                "Who holds it; the sum must be 1.",
                "none",
                (("sluicegate_lease_held", "{{instance}}"),),
                "state-timeline",
                alerts=("LearnerAbsent", "TwoLearners", "LeaseLost"),
            ),
            Panel(
                "Mode batch: collected",
                "Events that wait for the next training; 0 in mode event.",
                "short",
                (("max(sluicegate_batch_waiting_events)", "events"),),
            ),
            Panel(
                "One step of learning",
                "Seconds of one compiled call on one batch.",
                "s",
                quantiles("sluicegate_learning_step_seconds"),
                alerts=("LagGrows",),
            ),
            Panel(
                "Writing a version",
                "99th percentile of seconds, by phase.",
                "s",
                quantiles("sluicegate_version_duration_seconds", "phase")[1:],
                alerts=("VersionStale",),
            ),
            Panel(
                "Since the last version",
                "Seconds; a shop where nothing happens commits nothing.",
                "s",
                (("time() - max(sluicegate_version_committed_timestamp_seconds > 0)", "seconds"),),
                limit=120,
                alerts=("VersionStale",),
            ),
            Panel(
                "Versions not committed",
                "A minute, by what kept them; `oom` is a full Redis.",
                "cpm",
                (("60 * sum by (kind) (rate(sluicegate_version_failures_total[$__rate_interval]))", "{{kind}}"),),
                alerts=("VersionStale", "RedisFull"),
            ),
            Panel(
                "Size of a version",
                "Bytes of the last base and the last delta.",
                "bytes",
                top("sluicegate_version_size_bytes", "kind"),
                alerts=("RedisFull",),
            ),
            IDS._replace(alerts=("CeilingReached",)),
            EVICTIONS,
            Panel(
                "Memory",
                "Bytes of all tables, and resident bytes of the learner.",
                "bytes",
                (
                    ("max(sluicegate_model_bytes)", "tables"),
                    ('process_resident_memory_bytes{job="learner"}', "resident"),
                ),
            ),
        ),
    ),
)
