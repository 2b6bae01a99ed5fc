"""Collects all findings, in the order in which they are best fixed."""

from __future__ import annotations

from service.doctor.findings import Finding
from service.doctor.kafka import examine_log
from service.doctor.machine import examine_machine
from service.doctor.redis import examine_store
from service.doctor.schema_registry import examine_registry
from service.doctor.settings import examine_settings
from streaming.settings import Settings


def examine(settings: Settings, now: float, timeout: float) -> list[Finding]:
    """Examine everything.

    Args:
        settings: The settings in force.
        now: Epoch seconds.
        timeout: Seconds to wait for one answer.
    """
    hasty = _hasty(settings, timeout)
    stored, newest = examine_store(hasty, now)
    return [
        *examine_settings(settings),
        *examine_machine(settings),
        *stored,
        *examine_log(hasty, newest),
        *examine_registry(hasty),
    ]


def _hasty(settings: Settings, timeout: float) -> Settings:
    kafka = settings.kafka.model_copy(
        update={
            "bootstrap_timeout": min(timeout, settings.kafka.bootstrap_timeout),
            "request_timeout": min(timeout, settings.kafka.request_timeout),
        }
    )
    redis = settings.redis.model_copy(update={"learner_timeout": min(timeout, settings.redis.learner_timeout)})
    registry = settings.schema_registry.model_copy(update={"timeout": min(timeout, settings.schema_registry.timeout)})
    return settings.model_copy(update={"kafka": kafka, "redis": redis, "schema_registry": registry})
