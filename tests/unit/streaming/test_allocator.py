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


CHUNKS = """
import resource, sys
from streaming.allocator import give_memory_back

if sys.argv[1] == "yes":
    assert give_memory_back()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(25):
    chunks = [b"x" * 1_000_000 for _ in range(4)]
    del chunks
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def run(script: str, called: str) -> int:
    """What a process prints that has called it or not."""
    done = subprocess.run([sys.executable, "-c", script, called], capture_output=True, text=True, check=True)
    return int(done.stdout)


def grown(called: str) -> int:
    """MiB that a process has grown by when it has freed 240 MiB of arrays."""
    return run(SCRIPT, called)


@pytest.mark.skipif(not give_memory_back(), reason="another C library than glibc")
def test_freed_arrays_are_given_back_to_the_system() -> None:
    assert grown("no") > 150, "glibc by itself keeps them"
    assert grown("yes") < 20


@pytest.mark.skipif(not give_memory_back(), reason="another C library than glibc")
def test_memory_of_chunks_that_come_and_go_is_taken_from_the_system_once() -> None:
    four = 4 * 1_000_000 // 4096
    assert run(CHUNKS, "yes") < 3 * four, "a hundred chunks took the pages of four"
