"""`sluicegate demo` and `up` as their users run them: real processes, real purchases, nothing left behind."""

import http.client
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from service.local import embedded
from service.local.demo_data import purchases
from service.local.fetch import fetch
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
    assert all(change["before"] != change["after"] for change in report["changes"])


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
def test_a_demo_that_is_interrupted_leaves_nothing_running(number, request):
    demo = start("demo", "--port", "0", "--lines", "3000")
    request.addfinalizer(demo.kill)
    lines = iter(demo.stdout.readline, "")
    assert any("learner  metrics" in line for line in lines)
    family = children(demo.pid)
    assert len(family) >= 3  # broker, Redis, learner
    demo.send_signal(number)
    assert demo.wait(30) == 0
    assert "nothing is left running" in demo.stdout.read()
    demo.stdout.close()
    eventually(lambda: not any(map(alive, family)))


def test_up_is_ready_when_both_processes_are_and_says_what_they_wait_for(tmp_path, request):
    port, metrics, redis = embedded.free_port(), embedded.free_port(), embedded.free_port()
    addresses = {
        "SLUICEGATE_REDIS__URL": f"redis://127.0.0.1:{redis}/0",
        "SLUICEGATE_LEARNER__METRICS_PORT": str(metrics),
    }
    up = start("up", "--port", str(port), "--folder", str(tmp_path / "up"), **addresses)
    request.addfinalizer(up.kill)
    lines = iter(up.stdout.readline, "")
    waiting = next(line for line in lines if line.startswith("service  not ready yet: ") and "redis" in line)
    assert str(redis) in waiting or "Redis" in waiting
    assert fetch(port, "/livez")[0] == http.HTTPStatus.OK
    assert fetch(port, "/readyz")[0] == http.HTTPStatus.SERVICE_UNAVAILABLE
    with embedded.redis(tmp_path / "redis", redis):
        assert any("ready: http" in line for line in lines)
        assert fetch(port, "/readyz")[0] == fetch(metrics, "/readyz")[0] == http.HTTPStatus.OK
        up.send_signal(signal.SIGTERM)
        assert up.wait(40) == 0
    up.stdout.close()


def test_up_that_waits_can_be_stopped(tmp_path, request):
    up = start("up", "--port", "0", "--folder", str(tmp_path), SLUICEGATE_REDIS__URL="redis://127.0.0.1:9/0")
    request.addfinalizer(up.kill)
    lines = iter(up.stdout.readline, "")
    assert any("not ready yet: " in line for line in lines)
    up.send_signal(signal.SIGTERM)
    assert up.wait(40) == 0
    assert "ready: http" not in up.stdout.read()
    up.stdout.close()


def test_up_keeps_the_learned_state_and_shows_its_key_once(tmp_path, request):
    texts = []
    for _ in range(2):
        up = start("up", "--port", "0", "--folder", str(tmp_path))
        request.addfinalizer(up.kill)
        read = []
        for line in iter(up.stdout.readline, ""):
            read.append(line)
            if "ready:" in line:
                break
        port = int(re.search(r"ready: http://127\.0\.0\.1:(\d+)", read[-1]).group(1))
        texts.append("".join(read))
        if len(texts) == 1:
            body = {"event_type": "click", "user_id": "ann", "item_id": "tea", "timestamp": time.time()}
            # Until the service has found the broker it says 503 and when to try again.
            eventually(lambda port=port, body=body: post(port, "/events", body) == http.HTTPStatus.ACCEPTED, timeout=20)
            second = start("up", "--port", "0", "--folder", str(tmp_path))
            said = second.communicate(timeout=30)[0]
            assert second.returncode == 1
            assert f"in use by another `sluicegate up` (pid {up.pid}, port {port})" in said
            assert shared(tmp_path) == []
        eventually(lambda port=port: json.loads(fetch(port, "/users/ann")[1]).get("history"), timeout=20)
        up.send_signal(signal.SIGTERM)
        assert up.wait(40) == 0
        up.stdout.close()
    assert "admin key (shown once" in texts[0]
    assert "admin key" not in texts[1]
    assert len((tmp_path / "keys").read_text().split(":")[1].strip()) == 64


def shared(folder: Path) -> list[str]:
    """Files and folders, `folder` too, that give any right to another user."""
    return [str(path) for path in [folder, *folder.rglob("*")] if path.stat().st_mode & 0o077]


def post(port: int, path: str, body: object) -> int:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    connection.request("POST", path, json.dumps(body), {"content-type": "application/json"})
    answer = connection.getresponse()
    answer.read()
    connection.close()
    return answer.status


def test_purchases_end_now_and_carry_facts():
    data = purchases(2000, 1_700_000_000.0)
    assert len(data) == 2000
    assert data.timestamp[-1] == 1_700_000_000.0
    assert data.timestamp == sorted(data.timestamp)
    first = next(data.events(0, 1))
    assert first["event_type"] == "purchase"
    assert first["price"] > 0
    assert "title" in data.facts[first["item_id"]]
