"""Requests made up from the description, right and wrong ones, find no answer that it does not promise."""

from __future__ import annotations

import subprocess
from pathlib import Path

from tests.openapi.conftest import KEY, TOOLS
from tests.support.processes.serving import Served

CHECKS = (
    "not_a_server_error,status_code_conformance,content_type_conformance,response_headers_conformance,"
    "response_schema_conformance,negative_data_rejection,ignored_auth"
)
"""Not `positive_data_acceptance`: that a place is pinned twice, or that a version is not kept, is in no schema.
Not `unsupported_method`: HEAD works wherever GET does."""

EXAMPLES = 8
"""Requests made up for each operation, besides those at the bounds of each value. They are the same in each run."""

SLOW = ("list_dead_letters", "redrive_dead_letters")
"""Operations that start a process, a second each; tests/integration/service/test_http_data.py asks for them wrongly."""


def test_no_request_finds_an_answer_that_is_not_described(served: Served, described: Path) -> None:
    command = [
        *(TOOLS / "bin" / "schemathesis", "run", described, "--url", served.base, "--header", f"X-API-Key: {KEY}"),
        *("--checks", CHECKS, "--phases", "examples,coverage,fuzzing", "--max-examples", EXAMPLES),
        *("--generation-deterministic", "--no-shrink", "--warnings", "off"),
        *("--exclude-operation-id", "follow", "--request-timeout", 10, "--no-color"),  # a stream has no end
        *(word for name in SLOW for word in ("--exclude-operation-id", name)),
    ]
    done = subprocess.run(
        [str(word) for word in command], capture_output=True, text=True, timeout=200, cwd=described.parent, check=False
    )
    assert done.returncode == 0, done.stdout[-20_000:] + done.stderr[-2_000:]
