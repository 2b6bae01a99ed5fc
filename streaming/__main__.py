"""Runs the learner as a process, `python -m streaming`; its exit code says why it ended."""

from __future__ import annotations

import argparse
import logging
import os
import signal
import sys
import threading
import time
from importlib import import_module
from pathlib import Path

from prometheus_client import CollectorRegistry

from models.recommender import CONTENDERS
from models.records import REASONS
from models.snapshot import Damaged
from streaming.allocator import give_memory_back
from streaming.checkpoint import FAILURES
from streaming.evidence import declared
from streaming.formats import FormatMissing, check_installed
from streaming.jobs.rebuild_schedule import scheduled_rebuilds
from streaming.kafka import UNREADABLE, topics_read
from streaming.learner import FAILED, USAGE, Learner, MetricsServer, Stop
from streaming.settings import BadSettings, Settings, load_settings
from streaming.telemetry import Labels, LearnerTelemetry

log = logging.getLogger("streaming")

EPILOG = """\
exit codes: 0 stopped as asked; 1 failed, the last line says why; 2 wrong arguments or settings; 4 Kafka holds another
log than our offsets belong to; 5 the log no longer holds our offsets; 6 no sound version in Redis; 7 Kafka refuses us.
Example: SLUICEGATE_KAFKA__BOOTSTRAP=kafka:9092 SLUICEGATE_REDIS__URL=redis://redis:6379/0 python -m streaming
"""


def run(config: Path | None, *, reset_offsets: bool = False) -> int:
    """Learn until SIGTERM or SIGINT.

    Args:
        config: Settings file; None for the environment alone.
        reset_offsets: Keep the model, and read a topic that was created again from its beginning.

    Returns:
        The exit code.
    """
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(asctime)s %(levelname)s learner: %(message)s")
    # kafka-python's errors reach us as exceptions; its own log adds twenty lines a second while a broker is away.
    logging.getLogger("kafka").setLevel(logging.CRITICAL)
    try:
        settings = load_settings(config, os.environ)
    except BadSettings as error:
        print(f"python -m streaming: {error}", file=sys.stderr)
        return USAGE
    give_memory_back()
    stop = Stop(settings.learner.shutdown_grace, time.monotonic)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop.ask)
    stop.end_in_time(_give_up)
    return _learn(settings, stop, reset_offsets, config)


def _give_up() -> None:
    log.critical("not closed within learner.shutdown_grace: what is in no version is learned again next time")
    logging.shutdown()
    os._exit(FAILED)


def _fetch_river(settings: Settings) -> None:
    """Start to import River, which takes most of a second, while kernels and the last version are loaded."""
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
        scenarios=tuple(settings.scenario),
        segments=settings.learner.segments,
    )


def _learn(settings: Settings, stop: Stop, reset_offsets: bool, config: Path | None = None) -> int:
    _fetch_river(settings)
    telemetry = LearnerTelemetry(CollectorRegistry(), labels(settings))
    try:
        check_installed(settings.schema_registry)
        learner = Learner.connected(settings, telemetry, stop, reset_offsets)
    except (FormatMissing, OSError) as error:  # an extra, or a password or certificate file
        log.error("stopped: %s", error)
        return USAGE
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


def main() -> None:
    """`python -m streaming`."""
    parser = argparse.ArgumentParser(
        prog="python -m streaming",
        description="Learns from every event.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--config", type=Path, help="settings file (TOML); also SLUICEGATE_CONFIG")
    parser.add_argument(
        "--reset-offsets",
        action="store_true",
        help="keep the model, and read a topic that was created again from its beginning",
    )
    arguments = parser.parse_args()
    sys.exit(run(arguments.config, reset_offsets=arguments.reset_offsets))


if __name__ == "__main__":
    main()
