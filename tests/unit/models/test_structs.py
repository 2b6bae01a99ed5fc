"""Structs that several threads decode at once, for the first time in their process."""

from __future__ import annotations

import subprocess
import sys
from typing import Final

FIRST: Final = """
import sys, threading

from streaming.shards.crew_messages import Report, read, write

sys.setswitchinterval(1e-6)
raw, start = write(Report(1)), threading.Barrier(8)
found = []

def decode():
    start.wait()
    found.append(read(raw, Report).number)

threads = [threading.Thread(target=decode) for _ in range(8)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
assert found == [1] * 8
"""


def test_threads_that_decode_a_struct_for_the_first_time_do_not_crash_the_process() -> None:
    for _ in range(4):  # before structs were prepared, each of these crashed three times of five
        done = subprocess.run([sys.executable, "-c", FIRST], capture_output=True, timeout=60, check=False)
        assert done.returncode == 0, done.stderr.decode()
