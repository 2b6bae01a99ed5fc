"""Runs a learner with its metrics server until it is told to stop; the exit code says why it ended."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from importlib import import_module
from pathlib import Path

from prometheus_client import CollectorRegistry

from models.recommender import CONTENDERS
from models.records import REASONS
from models.snapshot import Damaged
from streaming.checkpoint import FAILURES
from streaming.evidence import declared, ours
from streaming.formats import FormatMissing, check_installed
from streaming.jobs.rebuild_schedule import scheduled_rebuilds
from streaming.kafka import UNREADABLE, topics_read
from streaming.learner import FAILED, USAGE, Learner, MetricsServer, Stop
from streaming.learner.sharding import Sharding
from streaming.settings import Settings
from streaming.telemetry import Labels, LearnerTelemetry
from streaming.tracing import TracingMissing, tracer_of

log = logging.getLogger("streaming")


def fetch_river(settings: Settings) -> None:
    """Start to import River, which takes about a second, while kernels and the last version are loaded."""
    if settings.witness.estimators:
        threading.Thread(target=import_module, args=("river.facto",), name="river", daemon=True).start()


def labels(settings: Settings) -> Labels:
    """Every value that labels can have with these settings."""
    return Labels(
        contenders=CONTENDERS,
        reasons=REASONS,
        failures=FAILURES,
        topics=tuple(topics_read(settings)),
        witnesses=tuple(declared(settings.witness.estimators)),
        unreadable=UNREADABLE,
    )


def learn(
    settings: Settings,
    stop: Stop,
    reset_offsets: bool,
    config: Path | None = None,
    share: Callable[[LearnerTelemetry], Sharding | None] = lambda _: None,
) -> int:
    """Learn until `stop` is set, and return the exit code.

    Args:
        settings: In force.
        stop: Set when the process is to end.
        reset_offsets: Keep the model, and read a topic that was created again from its beginning.
        config: Settings file, for the rebuilds that the settings may ask for.
        share: Makes what lets several learners share the stream; None for one learner alone.
    """
    if not ours(settings.witness.estimators):  # they are made before the first record is learned
        fetch_river(settings)
    telemetry = LearnerTelemetry(CollectorRegistry(), labels(settings))
    try:
        check_installed(settings.schema_registry)
        tracing = settings.tracing
        tracer = tracer_of(tracing.endpoint, tracing.share, "learner", settings.namespace)
        learner = Learner.connected(settings, telemetry, stop, reset_offsets, share(telemetry), tracer)
    except (FormatMissing, TracingMissing, OSError) as error:  # an extra, or a password or certificate file
        log.error("stopped: %s", error)
        return USAGE
    learner.started.note("imports")
    try:
        server = MetricsServer(
            telemetry.registry, settings.learner.metrics_host, settings.learner.metrics_port, learner.ready
        )
    except OSError as error:
        log.error(
            "cannot listen on %s:%d (%s): set learner.metrics_port to a free port",
            settings.learner.metrics_host,
            settings.learner.metrics_port,
            error.strerror,
        )
        return USAGE
    try:
        with scheduled_rebuilds(settings, config, lambda: learner.state == "learning"):
            return learner.run()
    except Damaged as error:
        log.error("stopped: %s", error)
        return FAILED
    finally:
        server.close()
        learner.close()
        if tracer is not None:
            tracer.close()


__all__ = ["fetch_river", "labels", "learn"]
