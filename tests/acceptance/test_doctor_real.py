"""`sluicegate doctor` on Apache Kafka and redis-server: well, with a short retention, and with records gone."""

from __future__ import annotations

import time

from kafka.admin import ConfigResource, ConfigResourceType

from service.doctor.examination import examine
from service.doctor.findings import Finding
from tests.acceptance.conftest import Open
from tests.acceptance.test_kills import stop
from tests.acceptance.test_log_changes import learn_and_stop, lose_beginning
from tests.support.processes.harness import Installation
from tests.support.streams.streams import Shop


def look(ours: Installation) -> dict[str, Finding]:
    """Findings by name, on the installation's settings."""
    return {finding.check: finding for finding in examine(ours.settings, time.time(), 10.0)}


def test_a_running_installation_is_well_and_what_is_committed_is_told(open_installation: Open) -> None:
    ours = open_installation()
    ours.send(Shop(seed=3).stream(300))
    learner = ours.learner()
    ours.wait_learnt(learner)
    found = look(ours)
    assert [finding for finding in found.values() if finding.state in {"failure", "skipped"}] == []
    assert "learner first holds the lease" in found["redis.versions"].text
    assert "0 records are in no version" in found["kafka.offsets"].text
    assert "compact" in found["kafka.topic.items"].text
    # Told just after the commit that the head shows already.
    used = "sluicegate_redis_used_bytes"
    ours.wait(lambda: learner.metrics(used)[used] > 0, "Redis's memory is told", learner)
    assert learner.metrics()["sluicegate_redis_ceiling_bytes"] == 0
    stop(ours, learner)
    assert "no learner holds the lease" in look(ours)["redis.versions"].text


def test_a_retention_below_a_day_and_a_limit_below_ours_are_warnings_that_name_the_command(
    open_installation: Open,
) -> None:
    ours = open_installation()
    admin = ours.admin()
    try:
        admin.alter_configs([
            ConfigResource(
                ConfigResourceType.TOPIC, ours.events, {"retention.ms": "3600000", "max.message.bytes": "20000"}
            )
        ])
    finally:
        admin.close()
    ours.wait(lambda: look(ours)["kafka.topic.events"].state == "warning", "the broker tells the new retention")
    found = look(ours)["kafka.topic.events"]
    assert "kept 60 min" in found.text
    assert f"--topic {ours.events} --add-config retention.ms=" in found.mend
    assert "at most 20000 bytes (max.message.bytes), and an event may have 65536: longer ones are refused" in found.text
    assert f"--topic {ours.events} --add-config max.message.bytes=" in found.mend


def test_records_that_retention_removed_before_they_were_learnt_are_counted(open_installation: Open) -> None:
    ours = open_installation()
    learn_and_stop(ours, 500, 17)
    assert look(ours)["kafka.offsets"].state == "ok"
    lose_beginning(ours)
    found = look(ours)["kafka.offsets"]
    assert (found.state, f"{ours.events}[" in found.text) == ("failure", True)
    assert "learner.on_lost_offsets" in found.mend
