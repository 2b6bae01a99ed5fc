"""Runs one rebuild as a process of its own next to the learner: `python -m streaming.jobs.rebuild_process`.

Exit codes: 0 done, and the learner was asked to adopt the model; 1 no model was rebuilt; 2 the settings are wrong.
"""

from __future__ import annotations

import argparse
import contextlib
import logging
import os
import secrets
import signal
import sys
import threading
import time
from pathlib import Path
from typing import Final

from models.warmup import warm
from streaming.intake import TextModelMissing
from streaming.jobs.rebuild import NotRebuiltError, RebuildRunsError, Rebuilt, Step, rebuild
from streaming.kafka import KafkaTrouble, OffsetsGone
from streaming.logs import configure
from streaming.settings import BadSettings, Settings, load_settings, log_format
from streaming.store import Store, StoreError, StoreUnavailable
from streaming.versions import Adoption, ask

log = logging.getLogger(__name__)

REPORT: Final = 10.0
"""Seconds between two lines of progress."""

NICE: Final = 10
"""Lower priority: the learner's and the service's work comes first where cores are few."""

TROUBLE: Final = (
    KafkaTrouble,
    OffsetsGone,
    NotRebuiltError,
    RebuildRunsError,
    StoreError,
    StoreUnavailable,
    TextModelMissing,
    OSError,
)
"""Errors of a rebuild that are no defects."""


def wish(settings: Settings, found: Rebuilt) -> Adoption:
    """Ask the learner to adopt a rebuilt model. Raises StoreUnavailable."""
    adoption = Adoption(f"rebuild-{secrets.token_hex(4)}", found.version, True, found.progress.offsets)
    with contextlib.closing(Store.for_learner(settings)) as store:
        ask(store, adoption)
    return adoption


def run(settings: Settings, stop: threading.Event) -> int:
    """Rebuild once, until `stop` is set; the exit code."""
    warm()
    reported = time.monotonic()

    def tell(step: Step) -> None:
        nonlocal reported
        if time.monotonic() - reported >= REPORT:
            reported = time.monotonic()
            log.info("%d of %d records, %.0f a second, %.0f s left", step.done, step.total, step.rate, step.left)

    since = time.time() - settings.rebuild.reach if settings.rebuild.reach else 0.0
    try:
        found = rebuild(settings, since, tell, stop, time.monotonic)
        adoption = wish(settings, found)
    except TROUBLE as error:
        log.error("no model was rebuilt: %s", error)
        return 1
    log.info("%d records in %.0f s; asked for as %s", found.progress.consumed, found.seconds, adoption.id)
    return 0


def main() -> None:
    """`python -m streaming.jobs.rebuild_process`."""
    parser = argparse.ArgumentParser(
        prog="python -m streaming.jobs.rebuild_process",
        description="Learns a new model from the topics, once.",
    )
    parser.add_argument("--config", type=Path, help="settings file (TOML); also SLUICEGATE_CONFIG")
    config = parser.parse_args().config
    configure("rebuild", log_format(config, os.environ))
    os.nice(NICE)
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    try:
        sys.exit(run(load_settings(config, os.environ), stop))
    except BadSettings as error:
        log.error("%s", error)
        sys.exit(2)


if __name__ == "__main__":
    main()
