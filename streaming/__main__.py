"""Runs the learner as a process, `python -m streaming`; its exit code says why it ended."""

from __future__ import annotations

import argparse
import gc
import logging
import os
import signal
import sys
import time
from pathlib import Path

from streaming.allocator import give_memory_back
from streaming.logs import configure
from streaming.settings import BadSettings, load_settings, log_format

log = logging.getLogger("streaming")

SHARDS = "SLUICEGATE_LEARNER__SHARDS"
"""Variable of the setting that `--shards` takes the place of; other processes read it from our environment."""

EPILOG = """\
exit codes: 0 stopped as asked; 1 failed, the last line says why; 2 wrong arguments or settings; 4 Kafka holds another
log than our offsets belong to; 5 the log no longer holds our offsets; 6 no sound version in Redis; 7 Kafka refuses us.
Example: SLUICEGATE_KAFKA__BOOTSTRAP=kafka:9092 SLUICEGATE_REDIS__URL=redis://redis:6379/0 python -m streaming
"""


def run(config: Path | None, *, reset_offsets: bool = False, shards: int | None = None) -> int:
    """Learn until SIGTERM or SIGINT.

    Args:
        config: Settings file; None for the environment alone.
        reset_offsets: Keep the model, and read a topic that was created again from its beginning.
        shards: In place of the setting `learner.shards`.

    Returns:
        The exit code.
    """
    configure("learner", log_format(config, os.environ))
    if shards is not None:
        os.environ[SHARDS] = str(shards)
    try:
        settings = load_settings(config, os.environ)
    except BadSettings as error:
        log.error("%s", error)
        from streaming.learner import USAGE

        return USAGE
    give_memory_back()
    os.nice(settings.learner.nice)  # before threads begin: each takes it from the one that starts it
    gc.disable()  # modules and their objects stay: the collector need not look for cycles in them, now or later
    try:
        # Numba, all kernels and Kafka's client: nobody should wait for them to read that a setting is wrong.
        from streaming.learner import Stop
        from streaming.process import learn

        gc.freeze()
    finally:
        gc.enable()
    stop = Stop(settings.learner.shutdown_grace, time.monotonic)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop.ask)
    stop.end_in_time(_give_up)
    if settings.learner.shards > 1:
        from streaming.shards import lead

        return lead(settings, stop, reset_offsets, config)
    return learn(settings, stop, reset_offsets, config)


def _give_up() -> None:
    log.critical("not closed within learner.shutdown_grace: what is in no version is learned again next time")
    logging.shutdown()
    from streaming.learner import FAILED

    os._exit(FAILED)


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
    parser.add_argument("--shards", type=int, help="learners that share the stream (extra `ray`)")
    arguments = parser.parse_args()
    sys.exit(run(arguments.config, reset_offsets=arguments.reset_offsets, shards=arguments.shards))


if __name__ == "__main__":
    main()
