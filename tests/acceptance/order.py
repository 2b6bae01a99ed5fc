"""The order of the files of this tier: the slowest first, so that neither of two workers is left alone at the end.

`make acceptance ARGS=--durations=0` prints what to write here. xdist gives a worker the next file of this order when it
has almost done with the one before, so the sums of both differ by the shortest files at most.
"""

from __future__ import annotations

from typing import Final

SECONDS: Final = {
    "test_gate_streams.py": 370,
    "test_kills.py": 270,
    "test_million_ids.py": 210,
    "test_service.py": 140,
    "test_alerts.py": 138,
    "test_gate_slow.py": 112,
    "test_secured.py": 100,
    "test_kafka_apache.py": 100,
    "test_shards_in_step.py": 95,
    "test_backlog.py": 95,
    "test_one_learner.py": 85,
    "test_shards.py": 75,
    "test_sentinel.py": 70,
    "test_bad_moments.py": 60,
    "test_outages.py": 50,
    "test_quality_slice.py": 41,
    "test_log_changes.py": 40,
    "test_up.py": 35,
    "test_experiments.py": 34,
    "test_identify.py": 32,
    "test_existing_topic.py": 30,
    "test_logs.py": 30,
    "test_rebuild.py": 29,
    "test_gate.py": 26,
    "test_erasure.py": 25,
    "test_clocks.py": 18,
    "test_redis_went_back.py": 17,
    "test_dashboards.py": 16,
    "test_quarantine.py": 15,
    "test_formats.py": 11,
    "test_tracing.py": 9,
    "test_doctor_real.py": 8,
    "test_malformed.py": 8,
    "test_quarantine_orders.py": 8,
    "test_experiments_error.py": 6,
    "test_webshop.py": 5,
    "test_backup.py": 4,
    "test_batching.py": 4,
    "test_valkey.py": 4,
    "test_alertmanager.py": 2,
}
"""Seconds that a file takes on two cores while the other worker is busy as well; the small ones are rough."""

UNKNOWN: Final = 1_000
"""A file that is not in the table comes first: whatever it takes, the short ones fill the end."""


def seconds(file: str) -> int:
    """What a file, by its name, is expected to take."""
    return SECONDS.get(file, UNKNOWN)
