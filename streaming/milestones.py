"""Notes when a process that starts had each part of its start behind it, so that one line of its log can say so.

Parts of a start run at the same time, in several threads, and wait for one another. So a part has a moment and no
length: counted from the beginning of the process, imports and all.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

STAT: Final = Path("/proc/self/stat")
STARTED: Final = 19
"""Place of the start time among the fields of `STAT` behind the name, in ticks of the clock since the system booted."""


class Milestones:
    """The moments of a start, in seconds since the process began. Any thread may note one.

    >>> now = iter([10.0, 12.5, 13.25, 14.0])
    >>> reached = Milestones(lambda: next(now), age=1.0)
    >>> reached.note("kernels"), reached.note("version"), reached.note("kernels")
    (None, None, None)
    >>> reached.moments
    {'kernels': 3.5, 'version': 4.25}

    Args:
        clock: Monotonic seconds.
        age: Seconds for which the process has run; None to ask the system.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic, age: float | None = None) -> None:
        self._clock = clock
        self._began = clock() - (process_age() if age is None else age)
        self.moments: dict[str, float] = {}
        """Seconds by part, in the order in which they were noted."""

    def note(self, part: str) -> None:
        """A part is done; what is done again later is not noted."""
        self.moments.setdefault(part, round(self._clock() - self._began, 2))


def process_age() -> float:
    """Seconds since this process began; 0.0 where the system does not say.

    >>> process_age() >= 0.0
    True
    """
    try:
        fields = STAT.read_text().rpartition(")")[2].split()
        since_boot = time.clock_gettime(time.CLOCK_BOOTTIME)
        return max(0.0, since_boot - int(fields[STARTED]) / os.sysconf("SC_CLK_TCK"))
    except (OSError, AttributeError, ValueError, IndexError):
        return 0.0


__all__ = ["Milestones", "process_age"]
