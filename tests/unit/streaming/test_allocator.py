"""Freed arrays leave the process, whatever small blocks lie between them."""

from __future__ import annotations

import subprocess
import sys

import pytest

from streaming.allocator import give_memory_back

SCRIPT = """
import sys
from streaming.allocator import give_memory_back

def resident():
    with open("/proc/self/status") as status:
        return int(next(line for line in status if line.startswith("VmRSS")).split()[1]) // 1024

if sys.argv[1] == "yes":
    assert give_memory_back()
warmed = bytearray(24 << 20)
del warmed  # glibc's threshold is now above what follows
before = resident()
blocks, between = [], []
for number in range(40):
    blocks.append(bytearray(b"x") * (6 << 20))
    between.append(bytearray(100_000))
blocks.clear()
print(resident() - before)
"""


def grown(called: str) -> int:
    """MiB that a process has grown by when it has freed 240 MiB of arrays."""
    done = subprocess.run([sys.executable, "-c", SCRIPT, called], capture_output=True, text=True, check=True)
    return int(done.stdout)


@pytest.mark.skipif(not give_memory_back(), reason="another C library than glibc")
def test_freed_arrays_are_given_back_to_the_system() -> None:
    assert grown("no") > 150, "glibc by itself keeps them"
    assert grown("yes") < 20
