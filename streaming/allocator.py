"""Makes the C library give the memory of large arrays back to the system. Processes do so before any thread starts.

By itself glibc keeps freed blocks of up to 32 MiB in arenas, several for the threads of a process, where a small block
above them pins them. A learner that held 1.3 GiB took 2.7 to 4.4 GiB that way (`python -m benchmarks soak`).
"""

from __future__ import annotations

import ctypes
from typing import Final

_TRIM_THRESHOLD: Final = -1
_MMAP_THRESHOLD: Final = -3
_ARENA_MAX: Final = -8
"""Numbers of <malloc.h>."""

LARGE: Final = 1 << 20
"""Bytes from which a block is mapped for itself, and unmapped when it is freed."""

KEPT: Final = 8 << 20
"""Free bytes that each arena keeps at its end. The chunks of a version, nearly a mebibyte each, come and go a few at a
time; with glibc's 128 KiB each of them is 240 pages taken from the system again, 0.6 ms."""

ARENAS: Final = 2


def give_memory_back() -> bool:
    """Fix glibc's thresholds and number of arenas for this process; False where the C library is another one."""
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError):
        return False
    wanted = {_MMAP_THRESHOLD: LARGE, _TRIM_THRESHOLD: KEPT, _ARENA_MAX: ARENAS}
    return all(mallopt(name, value) for name, value in wanted.items())


__all__ = ["give_memory_back"]
