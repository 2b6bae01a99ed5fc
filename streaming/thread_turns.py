"""Sets how long a thread keeps Python's interpreter while another one wants it: long turns, short ones, and rests.

Each change of turns costs the next thread a wait for a processor, which on a busy machine is longer than a short turn.
So a process that loads, and that nobody waits for yet, takes long turns; with the first version it takes short ones.
Short turns are not enough for a thread that computes for seconds: each request waits for the interpreter several times,
and answers pile up. Such a thread rests as long as it works.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import Final

LONG: Final = 0.02
"""Seconds. A service that loads a version and the facts of 100,000 items changes threads a fourth as often as with
short turns. `/livez` is answered within a few such turns."""

SHORT: Final = 0.0005
"""Seconds. With Python's 5 ms, every request that meets the thread which loads a version would wait that long, and so
would a learner that returns from a compiled step of 20 ms to an intake that decodes. Far shorter, threads only take
turns."""


LONGEST_REST: Final = 0.05
"""Seconds of one rest, at most."""


def take_long_turns() -> None:
    """For the time in which a process loads and nobody waits for its answers."""
    sys.setswitchinterval(LONG)


def take_brief_turns() -> None:
    """For the time in which requests or records wait for one another's threads."""
    sys.setswitchinterval(SHORT)


def resting(rest: Callable[[float], object]) -> Callable[[], None]:
    """What rests, each time, for as long as was worked since the last time, at most `LONGEST_REST`.

    Args:
        rest: Is told for how many seconds to do nothing.

    >>> import math
    >>> rests = []
    >>> breath = resting(rests.append)
    >>> breath(), sum(range(10_000)), breath(), math.copysign(1, rests[1])
    (None, 49995000, None, 1.0)
    """
    began = time.perf_counter()

    def breath() -> None:
        nonlocal began
        rest(min(time.perf_counter() - began, LONGEST_REST))
        began = time.perf_counter()

    return breath


__all__ = ["resting", "take_brief_turns", "take_long_turns"]
