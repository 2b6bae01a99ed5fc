"""`sluicegate up` as its users run it: when it is ready, what it keeps, and who else may read that."""

import http.client
import json
import os
import re
import shlex
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

from service.local import embedded
from service.local.fetch import fetch
from tests.conftest import eventually
from tests.integration.commands.test_demo import start


def test_up_is_ready_when_both_processes_are_and_says_what_they_wait_for(tmp_path, request):
    port, metrics, redis = embedded.free_port(), embedded.free_port(), embedded.free_port()
    addresses = {
        "SLUICEGATE_MAPPING": json.dumps([{"topic": "shop.segment", "preset": "segment"}]),
        "SLUICEGATE_REDIS__URL": f"redis://127.0.0.1:{redis}/0",
        "SLUICEGATE_LEARNER__METRICS_PORT": str(metrics),
    }
    up = start("up", "--port", str(port), "--folder", str(tmp_path / "up"), **addresses)
    request.addfinalizer(up.kill)
    lines = iter(up.stdout.readline, "")
    assert any("topic shop.segment created" in line for line in lines), "nobody else can create it in this broker"
    waiting = next(line for line in lines if line.startswith("service  not ready yet: ") and "redis" in line)
    assert str(redis) in waiting or "Redis" in waiting
    assert fetch(port, "/livez")[0] == http.HTTPStatus.OK
    assert fetch(port, "/readyz")[0] == http.HTTPStatus.SERVICE_UNAVAILABLE
    with embedded.redis(tmp_path / "redis", redis):
        assert any("ready: http" in line for line in lines)
        eventually(lambda: fetch(port, "/readyz")[0] == fetch(metrics, "/readyz")[0] == http.HTTPStatus.OK)
        up.send_signal(signal.SIGTERM)
        assert up.wait(60) == 0
    up.stdout.close()


def said_to_export(lines):
    """The variables that `up` tells other commands to have."""
    line = next(line for line in iter(lines.readline, "") if line.startswith("export "))
    return dict(word.split("=", 1) for word in shlex.split(line)[1:])


def run(variables, *words):
    """What a command prints that knows nothing else of the installation."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("SLUICEGATE_")}
    command = [sys.executable, "-m", "service.cli.main", *words]
    done = subprocess.run(command, env=clean | variables, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_up_takes_the_metrics_port_that_it_is_given_or_says_that_it_is_in_use(tmp_path, request):
    with socket.create_server(("127.0.0.1", 0)) as other:
        taken = other.getsockname()[1]
        up = start("up", "--port", "0", "--metrics-port", str(taken), "--folder", str(tmp_path))
        request.addfinalizer(up.kill)
        said = up.communicate(timeout=100)[0]
        assert up.returncode == 1
        assert f"port {taken} is in use" in said
        assert "--metrics-port" in said


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
            eventually(lambda port=port, body=body: post(port, "/events", body) == http.HTTPStatus.ACCEPTED)
            second = start("up", "--port", "0", "--folder", str(tmp_path))
            said = second.communicate(timeout=100)[0]
            assert second.returncode == 1
            assert f"in use by another `sluicegate up` (pid {up.pid}, port {port})" in said
            assert shared(tmp_path) == []
            others = said_to_export(up.stdout)
            assert run(others, "recommend", "ann", "--json")["user_id"] == "ann"
            assert run(others, "gate", "status", "--json")["mode"]
            assert run(others, "erase", "bob", "--yes", "--wait", "30", "--json")["status"] in {"erased", "complete"}
        eventually(lambda port=port: json.loads(fetch(port, "/users/ann")[1]).get("history"))
        up.send_signal(signal.SIGTERM)
        assert up.wait(60) == 0
        up.stdout.close()
    assert "admin key (shown once" in texts[0]
    assert "admin key" not in texts[1]
    assert len((tmp_path / "keys").read_text().split(":")[1].strip()) == 64


def shared(folder: Path) -> list[str]:
    """Files and folders, `folder` too, that give any right to another user."""
    return [str(path) for path in [folder, *folder.rglob("*")] if path.stat().st_mode & 0o077]


def post(port: int, path: str, body: object) -> int:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    connection.request("POST", path, json.dumps(body), {"content-type": "application/json"})
    answer = connection.getresponse()
    answer.read()
    connection.close()
    return answer.status
