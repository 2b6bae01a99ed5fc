"""Clients that are generated from the description talk to the real service: one in Python, one in TypeScript."""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Sequence
from pathlib import Path
from shutil import copy

from tests.openapi.conftest import KEY, TOOLS
from tests.support.processes.serving import Served

HERE = Path(__file__).parent

EXPECTED = {"accepted": 2, "items": 3, "put": "accepted", "category": "tea", "missing": 404, "invalid": 422}
"""What each of the two programs reports: events sent, items of a slate, an item with `/` in its id, two problems."""


def run(command: Sequence[object], folder: Path, **more: str) -> tuple[str, str]:
    """What a command prints, and what it complains of."""
    words, environment = [str(word) for word in command], {**os.environ, **more}
    done = subprocess.run(words, cwd=folder, env=environment, capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout, done.stderr


def test_a_generated_python_client_calls_the_service(served: Served, described: Path, tmp_path: Path) -> None:
    settings = tmp_path / "settings.yml"
    settings.write_text("post_hooks: []\n")
    made = ("--path", described, "--output-path", tmp_path / "sluicegate_api", "--meta", "none", "--config", settings)
    _, said = run((TOOLS / "bin" / "openapi-python-client", "generate", *made), tmp_path)
    # It knows no NDJSON: the answer for many users, and the bodies of events and of items. Nothing else is left out.
    left_out = [re.sub("<.*>", "200", line) for line in re.findall(r"WARNING.*\n\n(.+)", said)]
    answer, *bodies = left_out
    assert answer.startswith(
        "Cannot parse response for status code 200 (Unsupported content_type application/x-ndjson)"
    )
    assert bodies == ["Unsupported content type application/x-ndjson"] * 2
    found, _ = run((TOOLS / "bin" / "python", HERE / "client.py", served.base, KEY), tmp_path, PYTHONPATH=str(tmp_path))
    assert json.loads(found) == EXPECTED


def test_a_generated_typescript_client_compiles_and_calls_the_service(served: Served, described: Path) -> None:
    folder = TOOLS / "client"
    folder.mkdir(exist_ok=True)
    copy(HERE / "typescript" / "client.ts", folder)
    tools = TOOLS / "node_modules" / ".bin"
    run((tools / "openapi-typescript", described, "--output", folder / "schema.d.ts"), folder)
    strict = ("--strict", "--exactOptionalPropertyTypes", "--noUncheckedIndexedAccess")
    kind = ("--module", "nodenext", "--target", "es2022", "--lib", "es2022,dom,dom.iterable")
    run((tools / "tsc", *strict, *kind, "client.ts"), folder)
    assert json.loads(run(("node", folder / "client.js", served.base, KEY), folder)[0]) == EXPECTED
