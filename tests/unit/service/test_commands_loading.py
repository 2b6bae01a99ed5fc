"""What each command and room loads: in a fresh interpreter each, compared with a table."""

from __future__ import annotations

import json
import subprocess
import sys
from functools import cache

import pytest

HEAVY = (
    "numba",
    "river",
    "fastapi",
    "uvicorn",
    "kafka",
    "redis",
    "pandas",
    "prometheus_client",
    "httpx",
    "opentelemetry.exporter",
)
"""Libraries that cost a tenth of a second or many megabytes."""

START = """
import json, os, sys
from service.cli.main import main

for argv in {commands}:
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, 1), os.dup2(nowhere, 2)
        sys.argv = ["sluicegate", *argv]
        try:
            main()
        finally:
            os.write(writing, json.dumps([name for name in {heavy} if name in sys.modules]).encode())
            os._exit(0)
    os.close(writing)
    os.waitpid(child, 0)
    print(os.read(reading, 4096).decode())
"""
"""Every command begins where `main` is imported, which each would import again."""

IMPORT = """
import json, sys
import {module}
print(json.dumps(list(sys.modules)), file=sys.stderr)
"""


@cache
def loaded(module: str) -> frozenset[str]:
    """The names of all modules that a fresh interpreter has loaded when it has imported this one."""
    script = IMPORT.format(module=module)
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    return frozenset(json.loads(done.stderr.splitlines()[-1]))


BROKER = {"kafka", "prometheus_client"}
"""What `main` loads for every command, because some of them catch Kafka's errors."""


COMMANDS = (
    ["gate", "status", "--url", "http://127.0.0.1:1"],
    ["config"],
    ["send", "/no/such/file.csv"],
    ["send", "--help"],
    ["items", "/no/such/file.csv"],
    ["deadletter", "--help"],
    ["check-mapping", "--help"],
    ["evaluate", "--help"],
    ["demo", "--help"],
    ["up", "--help"],
    ["export", "recommendations", "--help"],
    ["doctor", "--help"],
    ["rebuild", "--help"],
    ["replay", "--help"],
    ["import", "--help"],
)


@pytest.fixture(scope="module")
def loaded_by() -> dict[str, set[str]]:
    """The heavy libraries that each command has loaded when it ends."""
    script = START.format(heavy=HEAVY, commands=COMMANDS)
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return {
        " ".join(words): set(json.loads(line)) for words, line in zip(COMMANDS, done.stdout.split("\n"), strict=False)
    }


@pytest.mark.parametrize("command", [" ".join(words) for words in COMMANDS])
def test_a_command_loads_nothing_heavy_that_it_does_not_need(loaded_by: dict[str, set[str]], command: str) -> None:
    found = loaded_by[command]
    assert found <= BROKER, f"sluicegate {command} loads {sorted(found - BROKER)} as well"


@pytest.mark.parametrize(
    ("module", "never"),
    [
        ("service.app", {"river", "pandas", "opentelemetry.exporter"}),
        ("service.__main__", {"numba", "river", "pandas", "kafka", "redis", "prometheus_client"}),
        ("service.http", {"numba", "river", "pandas", "kafka", "redis", "prometheus_client"}),
        ("streaming.learner.learner", {"river", "fastapi", "uvicorn", "pandas", "opentelemetry.exporter"}),
        ("models.gate", {"numba", "river"}),
        ("models.records", {"numba", "river"}),
        ("models.statistics", {"numba", "river"}),
        ("models.ledger", {"numba", "river"}),
        ("streaming.files", {"numba", "river", "kafka", "redis"}),
        ("streaming.settings", {"numba", "river", "kafka", "redis"}),
    ],
)
def test_a_room_never_loads_what_does_not_belong_to_it(module: str, never: set[str]) -> None:
    assert loaded(module) & never == set()


LEARNS = (
    "streaming.consumer",
    "streaming.learner",
    "streaming.checkpoint",
    "streaming.jobs",
    "models.referee",
)


def test_the_service_loads_nothing_that_learns() -> None:
    assert [name for name in loaded("service.app") if name.startswith(LEARNS)] == []
