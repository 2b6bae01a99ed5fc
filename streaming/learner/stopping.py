"""Remembers that the process was asked to stop, and how many seconds of its grace period are left for closing."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from models.looking import Interrupted

PATIENCE = 60.0
"""Seconds left when nobody asked to stop: closing is bounded even then."""

MARGIN = 0.5
"""Seconds before the end of the grace period in which a process that still has not ended is made to."""


class Stop(threading.Event):
    """Set by a signal handler. The grace period begins with the first signal, not with the first part to close.

    Args:
        grace: Seconds of the grace period.
        clock: Monotonic seconds.
    """

    def __init__(self, grace: float, clock: Callable[[], float]) -> None:
        super().__init__()
        self._grace, self._clock = grace, clock
        self._asked: float | None = None

    def set(self) -> None:
        """Ask to stop. Asking again does not extend the grace period."""
        if self._asked is None:
            self._asked = self._clock()
        super().set()

    def ask(self, *_: object) -> None:
        """Ask to stop from a signal handler: it may have interrupted this object's `wait`, whose lock `set` needs."""
        threading.Thread(target=self.set, name="stop", daemon=True).start()

    def look(self) -> None:
        """Raise Interrupted when somebody asked to stop, for long steps (`models.looking`)."""
        if self.is_set():
            raise Interrupted("what was under way is given up, because the process is to end")

    def remaining(self) -> float:
        """Seconds until the process must have ended, at least 0; PATIENCE when nobody asked."""
        if self._asked is None:
            return PATIENCE
        return max(0.0, self._asked + self._grace - self._clock())

    def end_in_time(self, end: Callable[[], None]) -> None:
        """Call `end` right before the grace period is over, on a thread of its own: a process that hangs ends too."""

        def watch() -> None:
            self.wait()
            time.sleep(max(0.0, self.remaining() - MARGIN))
            end()

        threading.Thread(target=watch, name="grace", daemon=True).start()

    def share(self, most: float) -> float:
        """Seconds one part may take to close: `most` or a quarter of what remains, the lesser; at least 0.1."""
        return max(0.1, min(most, self.remaining() / 4))
