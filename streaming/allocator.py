"""Makes the C library give the memory of large arrays back to the system. Processes do so before any thread starts.

By itself glibc keeps freed blocks of up to 32 MiB in arenas, several for the threads of a process, where a small block
above them pins them. A learner that held 1.3 GiB took 2.7 to 4.4 GiB that way (`python -m benchmarks soak`).
"""

from __future__ import annotations

import ctypes
from typing import Final

_MMAP_THRESHOLD: Final = -3
_ARENA_MAX: Final = -8
"""Numbers of <malloc.h>."""

LARGE: Final = 1 << 20
"""Bytes from which a block is mapped for itself, and unmapped when it is freed."""

ARENAS: Final = 2


def give_memory_back() -> bool:
    """Fix glibc's threshold and number of arenas for this process; False where the C library is another one."""
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError):
        return False
    return bool(mallopt(_MMAP_THRESHOLD, LARGE) and mallopt(_ARENA_MAX, ARENAS))


__all__ = ["give_memory_back"]
