"""The clock of a learner's machine is set while it runs: forward, back by an hour, back by a day, right again."""

from __future__ import annotations

from functools import partial
from itertools import islice
from pathlib import Path

import pytest

from tests.acceptance.conftest import Open
from tests.acceptance.test_kills import endless, stop
from tests.support.processes.roles import Process

# Python runs it at its start: `time.time` of this process is wrong by the seconds that a file holds.
WRONG_CLOCK = """
import time
from pathlib import Path

wrong_by, right, looked, offset = Path(__file__).with_name("wrong_by"), time.time, 0.0, 0.0


def wrong():
    global looked, offset
    if time.monotonic() - looked > 0.01:
        looked, offset = time.monotonic(), float(wrong_by.read_text())
    return right() + offset


time.time = wrong
"""


class Clock:
    """The clock of the processes that start while its folder is on their path."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "sitecustomize.py").write_text(WRONG_CLOCK)
        self.wrong_by(0)

    def wrong_by(self, seconds: float) -> None:
        """Set it so many seconds after the right one, from now on."""
        beside = self.folder / "wrong_by.new"
        beside.write_text(str(seconds))
        beside.replace(self.folder / "wrong_by")


def serves(service: Process, version: str) -> bool:
    """Whether the service answers from this version."""
    found: bool = service.get("/model")[1].get("version") == version
    return found


def test_a_learner_whose_clock_is_set_goes_on_and_learns_everything_once(
    open_installation: Open, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    clock = Clock(tmp_path)
    ours = open_installation(learner__lease_ttl=4.0, learner__lease_renewal=0.5)
    with monkeypatch.context() as patched:
        patched.setenv("PYTHONPATH", str(tmp_path))
        learner = ours.learner()
    service = ours.service()
    stream = endless(seed)
    seen = 0
    for seconds in (0, -3_600, 7_200, -86_400, 0):
        clock.wrong_by(seconds)
        ours.send(islice(stream, 400))
        head = ours.wait_learnt(learner)
        assert head.seq > seen, "no version since the clock was set"
        seen = head.seq
        ours.wait(partial(serves, service, head.id), "the version is served", learner, service)
    assert learner.metrics()["sluicegate_lease_epoch"] == 1, "the lease was lost"
    stop(ours, learner)
    ours.verify()
