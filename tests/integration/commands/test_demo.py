"""`sluicegate demo` and `up` as their users run them: real processes, real purchases, nothing left behind."""

import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from service.commands.demo import Stopped, interruptible
from service.local.demo_data import purchases
from service.local.stack import NICE
from tests.conftest import eventually

COMMAND = [sys.executable, "-m", "service.cli.main"]


def start(*words: str, **environ: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [*COMMAND, *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, **environ},
    )


def children(pid: int) -> list[int]:
    found = subprocess.run(["ps", "-eo", "pid=,ppid="], capture_output=True, text=True, check=True).stdout
    pairs = [tuple(map(int, line.split())) for line in found.splitlines()]
    direct = [child for child, parent in pairs if parent == pid]
    return direct + [grandchild for child in direct for grandchild in children(child)]


def niceness(pid: int) -> int:
    return os.getpriority(os.PRIO_PROCESS, pid)


def alive(pid: int) -> bool:
    stat = Path(f"/proc/{pid}/stat")
    return stat.exists() and ") Z" not in stat.read_text()


def test_the_check_shows_that_each_event_changes_the_answer():
    done = subprocess.run(
        [*COMMAND, "demo", "--check", "--port", "0", "--lines", "3000"],
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout.splitlines()[-1])
    assert report["ok"]
    assert report["learnt"] == 3000
    assert [change["event"] for change in report["changes"]] == ["click", "favourite", "purchase"]
    assert [change["topic"] for change in report["changes"]] == ["events", "shop.activity", "events"]
    assert all(change["item"] == change["before"][0] for change in report["changes"])
    assert all(change["item"] not in change["after"] for change in report["changes"])


def test_a_port_in_use_is_one_line():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        done = subprocess.run(
            [*COMMAND, "demo", "--check", "--port", str(taken.getsockname()[1])],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    assert done.returncode == 1
    assert "is in use" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=lambda number: number.name)
def test_either_signal_ends_a_demo_in_the_same_way(number):
    before = {each: signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM)}
    try:
        with pytest.raises(Stopped), interruptible():
            signal.raise_signal(number)
        assert {signal.getsignal(each) for each in before} == {signal.SIG_IGN}, "nothing interrupts the end"
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)


def test_a_demo_that_is_interrupted_leaves_nothing_running(request):
    demo = start("demo", "--port", "0", "--lines", "3000")
    request.addfinalizer(demo.kill)
    lines = iter(demo.stdout.readline, "")
    assert any("learner  metrics" in line for line in lines)
    family = children(demo.pid)
    assert len(family) >= 3  # broker, Redis, learner
    assert max(map(niceness, family)) - niceness(0) == NICE, "the learner gives way to the service"
    demo.send_signal(signal.SIGTERM)
    assert demo.wait(60) == 0
    assert "nothing is left running" in demo.stdout.read()
    demo.stdout.close()
    eventually(lambda: not any(map(alive, family)))


def test_up_that_waits_can_be_stopped(tmp_path, request):
    up = start("up", "--port", "0", "--folder", str(tmp_path), SLUICEGATE_REDIS__URL="redis://127.0.0.1:9/0")
    request.addfinalizer(up.kill)
    lines = iter(up.stdout.readline, "")
    assert any("not ready yet: " in line for line in lines)
    up.send_signal(signal.SIGTERM)
    assert up.wait(60) == 0
    assert "ready: http" not in up.stdout.read()
    up.stdout.close()


def test_purchases_end_now_and_carry_facts():
    data = purchases(2000, 1_700_000_000.0)
    assert len(data) == 2000
    assert data.timestamp[-1] == 1_700_000_000.0
    assert data.timestamp == sorted(data.timestamp)
    first = next(data.events(0, 1))
    assert first["event_type"] == "purchase"
    assert first["price"] > 0
    assert "title" in data.facts[first["item_id"]]
