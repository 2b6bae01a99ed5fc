"""Starts a rebuild every so often, as a process next to the learner that ends with it."""

from __future__ import annotations

import contextlib
import logging
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Final

from streaming.settings import Settings

log = logging.getLogger(__name__)

ENDING: Final = 5.0
"""Seconds a rebuild gets to end when the learner ends; it writes nothing before its end, so nothing is lost."""


@contextlib.contextmanager
def scheduled_rebuilds(settings: Settings, config: Path | None, leads: Callable[[], bool]) -> Iterator[None]:
    """Rebuild every `rebuild.every` seconds until the block ends; never when that is 0.

    Args:
        settings: How often.
        config: The settings file for the process.
        leads: Whether this learner holds the lease; otherwise a rebuild that is due is skipped.
    """
    if not settings.rebuild.every:
        yield
        return
    words = [
        sys.executable,
        "-m",
        "streaming.jobs.rebuild_process",
        *(["--config", str(config)] if config is not None else []),
    ]
    closing = threading.Event()
    thread = threading.Thread(target=_repeat, args=(words, settings.rebuild.every, leads, closing), name="rebuild")
    thread.start()
    try:
        yield
    finally:
        closing.set()
        thread.join()


def _repeat(words: Sequence[str], every: float, leads: Callable[[], bool], closing: threading.Event) -> None:
    while not closing.wait(every):
        if not leads():
            continue
        with subprocess.Popen(words) as child:
            while child.poll() is None and not closing.wait(0.2):
                pass
            _end(child)
        if child.returncode:
            log.error("a rebuild ended with exit code %d: the lines above say why", child.returncode)


def _end(child: subprocess.Popen[bytes]) -> None:
    if child.poll() is None:
        child.terminate()
        try:
            child.wait(ENDING)
        except subprocess.TimeoutExpired:
            child.kill()


__all__ = ["scheduled_rebuilds"]
