"""Runs the learner and the service as real processes, and reads their /metrics."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from service.local import free_port
from tests.support.processes.processes import Server

READY_SECONDS = 120.0  # a cold compile included


def environment(bootstrap: str, redis: str, namespace: str, **more: str) -> dict[str, str]:
    """Make the environment of both processes. `more`: settings as SECTION__NAME.

    They may keep Python's bytecode, as an installation has it: without, each start translates some 500 files first.
    """
    ours = ("SLUICEGATE_", "PYTHONDONTWRITEBYTECODE")
    clean = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    own = {"KAFKA__BOOTSTRAP": bootstrap, "REDIS__URL": redis, "NAMESPACE": namespace, **more}
    return clean | {f"SLUICEGATE_{name}": value for name, value in own.items()}


def learner(folder: Path, env: Mapping[str, str]) -> Server:
    """Prepare `python -m streaming`, not started yet; it is ready when /readyz says so."""
    port = free_port()
    env = {**env, "SLUICEGATE_LEARNER__METRICS_PORT": str(port), "SLUICEGATE_LEARNER__INSTANCE": "benchmark"}
    return Server("learner", [sys.executable, "-m", "streaming"], port, folder / "learner.log", ready, env)


def service(folder: Path, env: Mapping[str, str]) -> Server:
    """Prepare `python -m service`, not started yet."""
    port = free_port()
    command = [sys.executable, "-m", "service", "--host", "127.0.0.1", "--port", str(port)]
    return Server("service", command, port, folder / "service.log", ready, dict(env))


def ready(port: int) -> bool:
    """Tell whether /readyz of the process on this port answers 200."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=2) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False


def fetch(address: str, path: str, timeout: float = 10.0) -> Any:
    """Fetch a JSON document."""
    with urllib.request.urlopen(f"http://{address}{path}", timeout=timeout) as answer:
        return json.load(answer)


def metrics(address: str, timeout: float = 10.0) -> dict[str, float]:
    """Read every sample of /metrics, by name with labels as written there."""
    with urllib.request.urlopen(f"http://{address}/metrics", timeout=timeout) as answer:
        lines = answer.read().decode().splitlines()
    pairs = (line.rsplit(" ", 1) for line in lines if line and not line.startswith("#"))
    return {name: float(value) for name, value in pairs}


def total(samples: Mapping[str, float], name: str, **labels: str) -> float:
    """Sum the samples of one metric that have these labels.

    >>> total({'a_total{k="x",l="1"}': 2.0, 'a_total{k="y",l="1"}': 3.0}, "a_total", k="x")
    2.0
    """
    wanted = [f'{key}="{value}"' for key, value in labels.items()]
    return sum(
        value
        for key, value in samples.items()
        if re.match(rf"{name}(\{{|$)", key) and all(label in key for label in wanted)
    )


def consumed(address: str, topic: str) -> float:
    """Count the records of a topic that the learner has learned or refused."""
    return total(metrics(address), "sluicegate_records_consumed_total", topic=topic)


def until(condition: Callable[[], bool], what: str, seconds: float, pause: float = 0.05) -> float:
    """Wait for a condition, and return the seconds it took. Raises TimeoutError that names `what`."""
    begin = time.perf_counter()
    while not condition():
        if time.perf_counter() - begin > seconds:
            raise TimeoutError(f"{what}: not within {seconds:g} s")
        time.sleep(pause)
    return time.perf_counter() - begin


def contender(module: str, task: Mapping[str, Any], env: Mapping[str, str] | None = None) -> dict[str, Any]:
    """Run `python -m benchmarks.contenders.MODULE` with `task` on its standard input; return what it prints last."""
    done = subprocess.run(
        [sys.executable, "-m", f"benchmarks.contenders.{module}"],
        input=json.dumps(task),
        capture_output=True,
        text=True,
        check=False,
        env=None if env is None else dict(env),
        timeout=900,
    )
    if done.returncode:
        raise RuntimeError(f"{module} failed with {done.returncode}:\n{done.stderr.strip()[-3000:]}")
    found: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    return found
