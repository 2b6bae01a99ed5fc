"""Each process in each format, through a start, work, a Redis that dies, and an end: every line can be read."""

from __future__ import annotations

import subprocess
import sys
import time

import pytest

from tests.acceptance.conftest import Open
from tests.support.processes.log_lines import parsed
from tests.support.processes.redis_server import RedisServer
from tests.support.streams.streams import Shop


@pytest.mark.parametrize("form", ["json", "text"])
def test_every_line_of_every_process_has_the_format(open_installation: Open, redis: RedisServer, form: str) -> None:
    ours = open_installation(log__format=form)
    learner, service = ours.learner(), ours.service()
    ours.send(Shop(seed=5).stream(400, time.time(), interval=0.01))
    ours.wait(ours.learnt, "all is learned", learner, service)
    rebuilt = subprocess.run(
        [sys.executable, "-m", "streaming.jobs.rebuild_process"],
        env=ours.environment(),
        capture_output=True,
        text=True,
        timeout=100,
        check=True,
    )
    redis.kill()
    ours.wait(lambda: service.said("store unavailable"), "the service has noticed", learner, service)
    redis.start()
    ours.wait(lambda: service.said("store available again"), "the service has noticed", learner, service)
    for process in (learner, service):
        process.terminate()
    assert [process.wait_exit() for process in (learner, service)] == [0, 0]
    assert rebuilt.stdout == ""
    logs = {"rebuild": rebuilt.stderr} | {each.name: each.log.read_text() for each in (learner, service)}
    for name, log in logs.items():  # of stdout and stderr
        events = parsed(log, form)
        assert events, name
        assert {each["process"] for each in events} == {name}
