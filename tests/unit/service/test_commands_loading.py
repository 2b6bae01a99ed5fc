"""What each command and room loads: in a fresh interpreter each, compared with a table."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

HEAVY = ("numba", "river", "fastapi", "uvicorn", "kafka", "redis", "pandas", "prometheus_client", "httpx")
"""Libraries that cost a tenth of a second or many megabytes."""

START = """
import atexit, json, sys
atexit.register(lambda: print(json.dumps([name for name in {heavy} if name in sys.modules]), file=sys.stderr))
sys.argv = {argv}
from service.cli.main import main
main()
"""

IMPORT = """
import json, sys
import {module}
print(json.dumps([name for name in {heavy} if name in sys.modules]), file=sys.stderr)
"""


def loaded(script: str) -> set[str]:
    """The heavy libraries that a fresh interpreter has loaded when the script ends."""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    return set(json.loads(done.stderr.splitlines()[-1]))


BROKER = {"kafka", "prometheus_client"}
"""What `main` loads for every command, because some of them catch Kafka's errors."""


@pytest.mark.parametrize(
    ("words", "most"),
    [
        (["gate", "status", "--url", "http://127.0.0.1:1"], BROKER),
        (["config"], BROKER),
        (["send", "/no/such/file.csv"], BROKER),
        (["send", "--help"], BROKER),
        (["items", "/no/such/file.csv"], BROKER),
        (["deadletter", "--help"], BROKER),
        (["check-mapping", "--help"], BROKER),
        (["evaluate", "--help"], BROKER),
        (["demo", "--help"], BROKER),
        (["up", "--help"], BROKER),
        (["export", "recommendations", "--help"], BROKER),
        (["doctor", "--help"], BROKER),
        (["rebuild", "--help"], BROKER),
        (["replay", "--help"], BROKER),
        (["import", "--help"], BROKER),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_command_loads_nothing_heavy_that_it_does_not_need(words: list[str], most: set[str]) -> None:
    found = loaded(START.format(heavy=HEAVY, argv=["sluicegate", *words]))
    assert found <= most, f"sluicegate {' '.join(words)} loads {sorted(found - most)} as well"


@pytest.mark.parametrize(
    ("module", "never"),
    [
        ("service.app", {"river", "pandas"}),
        ("service.__main__", {"numba", "river", "pandas", "kafka", "redis", "prometheus_client"}),
        ("service.http", {"numba", "river", "pandas", "kafka", "redis", "prometheus_client"}),
        ("streaming.learner.learner", {"river", "fastapi", "uvicorn", "pandas"}),
        ("models.gate", {"numba", "river"}),
        ("models.records", {"numba", "river"}),
        ("models.statistics", {"numba", "river"}),
        ("models.ledger", {"numba", "river"}),
        ("streaming.files", {"numba", "river", "kafka", "redis"}),
        ("streaming.settings", {"numba", "river", "kafka", "redis"}),
    ],
)
def test_a_room_never_loads_what_does_not_belong_to_it(module: str, never: set[str]) -> None:
    assert loaded(IMPORT.format(heavy=HEAVY, module=module)) & never == set()


def test_the_service_loads_nothing_that_learns() -> None:
    script = (
        "import json, sys, service.app; print(json.dumps([name for name in sys.modules if name.startswith("
        "('streaming.consumer', 'streaming.learner', 'streaming.checkpoint', 'streaming.jobs', 'models.referee'))]),"
        " file=sys.stderr)"
    )
    assert loaded(script) == set()
