"""An operator's wish about dead letters in; the letters, or what was sent again, out.

The work is done by a process of its own (`streaming.jobs.redrive_process`), one at a time: this one answers within
milliseconds, and does not load what reads topics.
"""

from __future__ import annotations

import subprocess
import sys
import threading
from typing import Any, Final, TypeVar

import msgspec

from models.structs import Prepared
from service.http import DeadLettersAnswer, RedriveAnswer
from streaming.settings import Settings, handed_over

T = TypeVar("T")

SECTIONS: Final = ("namespace", "kafka", "redis", "events", "mapping", "schema_registry", "admission", "learner")
"""What of the settings the process needs: the topics, how to reach them and Redis, and how records are read."""

COMMAND: Final = (sys.executable, "-m", "streaming.jobs.redrive_process")

TROUBLE: Final = b'{"kind"'
"""How an answer begins that says why there is none."""

LISTING: Final = 60.0
SENDING: Final = 60.0
"""Seconds that the process may take on a machine that is busy; else it starts in two, and lists or sends in one."""


class DeadLettersAway(Exception):
    """The letters cannot be had now. `kind` is what keeps them: kafka, redis, busy or slow."""

    def __init__(self, kind: str, detail: str) -> None:
        super().__init__(detail)
        self.kind = kind


class _Trouble(msgspec.Struct, metaclass=Prepared):
    kind: str
    trouble: str


class DeadLetterReader:
    """Reads letters and has them sent again. Thread-safe; it blocks and belongs on a worker thread."""

    def __init__(self, settings: Settings) -> None:
        self._settings = handed_over(settings, *SECTIONS)
        self._busy = threading.Lock()

    def newest(self, reason: str | None, limit: int) -> DeadLettersAnswer:
        """The newest letters. Raises DeadLettersAway."""
        return self._ask({"redrive": False, "reason": reason, "limit": limit}, LISTING, DeadLettersAnswer)

    def redrive(self, reason: str | None, limit: int, *, dry_run: bool) -> RedriveAnswer:
        """Send letters again that were not yet, or count them. Raises DeadLettersAway."""
        order = {"redrive": True, "reason": reason, "limit": limit, "dry_run": dry_run}
        return self._ask(order, SENDING, RedriveAnswer)

    def _ask(self, order: dict[str, Any], patience: float, kind: type[T]) -> T:
        if not self._busy.acquire(blocking=False):
            raise DeadLettersAway("busy", "another request reads or sends dead letters at this moment")
        try:
            body = msgspec.json.encode(order | {"settings": msgspec.Raw(self._settings)})
            done = subprocess.run(COMMAND, input=body, capture_output=True, timeout=patience, check=False)
        except subprocess.TimeoutExpired:
            raise DeadLettersAway("slow", f"reading or sending them took more than {patience:g} s") from None
        finally:
            self._busy.release()
        if done.returncode:
            raise RuntimeError(f"exit code {done.returncode}: {done.stderr.decode(errors='replace')[-2_000:]}")
        if done.stdout.startswith(TROUBLE):
            trouble = msgspec.json.decode(done.stdout, type=_Trouble)
            raise DeadLettersAway(trouble.kind, trouble.trouble)
        return msgspec.json.decode(done.stdout, type=kind)


__all__ = ["DeadLetterReader", "DeadLettersAway"]
