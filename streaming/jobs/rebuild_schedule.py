"""In: how often to rebuild. Out: a process beside the learner that does it, now and then; it ends with the learner."""

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
"""Seconds a rebuild has to end when the learner does; it writes nothing before its end, so nothing is lost."""


@contextlib.contextmanager
def rebuilding_now_and_then(settings: Settings, config: Path | None, leads: Callable[[], bool]) -> Iterator[None]:
    """Rebuild each `rebuild.every` seconds until the block ends, when this one leads; not at all when that is 0."""
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


__all__ = ["rebuilding_now_and_then"]
