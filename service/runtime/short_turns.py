"""Asks Linux for short turns for the calling thread, so that it runs before threads with longer turns when it wakes.

A request is some short turns with a wait for Redis in between. On a machine whose cores are all busy, each of these
turns begins with a wait for the thread that runs there. Linux lets a thread of ordinary priority ask for turns so short
that it is due at once (from 6.12, `sched_setattr`, with `sched_runtime` as the length of a turn). Its share of the
processor stays the same, and no privilege is needed.
"""

from __future__ import annotations

import ctypes
import os
import platform
import struct
import sys
from typing import Final

TURN_NS: Final = 100_000
"""Nanoseconds of a turn: the shortest that Linux allows. With a longer one, threads with turns of the default length
(1.4 ms on two cores) finish theirs first more often."""

ATTRIBUTES: Final = struct.Struct("=IIQiIQQQ")
"""Linux's `struct sched_attr` in its first form: size, policy, flags, nice, priority, runtime, deadline, period."""

RESET_ON_FORK: Final = 1
"""Flag: threads made later have turns of the default length. The one that loads versions must not have short ones."""

CALLS: Final = {"x86_64": (314, 315), "aarch64": (274, 275)}
"""Numbers of sched_setattr and sched_getattr."""


def take_short_turns() -> bool:
    """Ask for short turns for the calling thread. Returns False where the system does not support or allow it."""
    calls = CALLS.get(platform.machine())
    if sys.platform != "linux" or calls is None:
        return False
    nice = os.getpriority(os.PRIO_PROCESS, 0)
    wanted = ATTRIBUTES.pack(ATTRIBUTES.size, 0, RESET_ON_FORK, nice, 0, TURN_NS, 0, 0)
    return _call(calls[0], ctypes.create_string_buffer(wanted, len(wanted)), 0) and turn() == TURN_NS


def turn() -> int:
    """Nanoseconds of a turn of the calling thread; 0 where the system does not say."""
    calls = CALLS.get(platform.machine())
    if sys.platform != "linux" or calls is None:
        return 0
    buffer = ctypes.create_string_buffer(ATTRIBUTES.size)
    return int(ATTRIBUTES.unpack(buffer.raw)[5]) if _call(calls[1], buffer, ATTRIBUTES.size, 0) else 0


def _call(number: int, attributes: ctypes.Array[ctypes.c_char], *rest: int) -> bool:
    return bool(ctypes.CDLL(None).syscall(number, 0, attributes, *rest) == 0)


__all__ = ["take_short_turns", "turn"]
