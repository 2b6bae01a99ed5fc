"""A start is told by the moments at which its parts were done, counted from the beginning of the process."""

from __future__ import annotations

import subprocess
import sys

from streaming.milestones import Milestones

AFTER_A_WHILE = """
import time
began = time.monotonic()
time.sleep(0.3)
from streaming.milestones import Milestones
started = Milestones()
started.note("imports")
print(started.moments["imports"], time.monotonic() - began)
"""


def test_what_happened_before_the_first_line_of_ours_counts() -> None:
    done = subprocess.run([sys.executable, "-c", AFTER_A_WHILE], capture_output=True, text=True, check=True)
    told, lasted = map(float, done.stdout.split())
    assert told >= lasted - 0.05, "the system counts in hundredths of a second, and the interpreter began earlier"


def test_a_part_that_is_done_again_keeps_its_first_moment() -> None:
    now = iter([0.0, 1.0, 2.0, 3.0])
    started = Milestones(lambda: next(now), age=0.5)
    for part in ("version", "facts", "version"):
        started.note(part)
    assert started.moments == {"version": 1.5, "facts": 2.5}
