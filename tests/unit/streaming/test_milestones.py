"""A start is told by the moments at which its parts were done, counted from the beginning of the process."""

from __future__ import annotations

import logging
import subprocess
import sys
import time
from typing import Any, cast

import pytest

from streaming.learner import Learner, Stop
from streaming.milestones import Milestones
from streaming.settings import load_settings

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


def test_a_learner_says_what_its_start_took_once_however_many_terms_it_leads(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    parts: list[Any] = [None] * 4
    learner = Learner(load_settings(None, {}), *cast("Any", parts), Stop(1.0, time.monotonic))
    learner.started.note("version")
    learner._learning()
    learner._learning()
    assert learner.state == "learning"
    (said,) = caplog.records
    assert said.getMessage() == "ready"
    assert [*vars(said)["fields"]] == ["version", "ready"]
