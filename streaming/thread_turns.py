"""Sets how long a thread keeps Python's interpreter while another one wants it: long turns, or short ones.

Each change of turns costs the next thread a wait for a processor, which on a busy machine is longer than a short turn.
So a process that loads, and that nobody waits for yet, takes long turns; with the first version it takes short ones.
"""

from __future__ import annotations

import sys
from typing import Final

LONG: Final = 0.02
"""Seconds. A service that loads a version and the facts of 100,000 items changes threads a fourth as often as with
short turns. `/livez` is answered within a few such turns."""

SHORT: Final = 0.0005
"""Seconds. With Python's 5 ms, every request that meets the thread which loads a version would wait that long, and so
would a learner that returns from a compiled step of 20 ms to an intake that decodes. Far shorter, threads only take
turns."""


def take_long_turns() -> None:
    """For the time in which a process loads and nobody waits for its answers."""
    sys.setswitchinterval(LONG)


def take_brief_turns() -> None:
    """For the time in which requests or records wait for one another's threads."""
    sys.setswitchinterval(SHORT)


__all__ = ["take_brief_turns", "take_long_turns"]
