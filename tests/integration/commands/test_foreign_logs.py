"""Logs of four systems without a preset: what the first command says, and that its advice leads to all events."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from service.cli.main import app
from tests.support.streams.foreign_logs import LOGS, ForeignLog

ROOT = Path(__file__).resolve().parents[3]


def evaluate(log: ForeignLog, folder: Path, *flags: str) -> Result:
    words = [str(folder / word) if word.endswith(".toml") else word for word in flags]
    return CliRunner().invoke(app, ["evaluate", str(log.written(folder)), *words, "--dry-run"])


def flat(output: str) -> str:
    return " ".join(output.replace("│", " ").split())


@pytest.mark.parametrize("made", LOGS)
def test_the_first_command_says_what_to_add(made: Callable[[], ForeignLog], tmp_path: Path) -> None:
    log = made()
    said = flat(evaluate(log, tmp_path).output)
    assert [flag for flag in log.first if flag not in said] == [], said


@pytest.mark.parametrize("made", LOGS)
def test_the_flags_that_the_page_tells_read_every_event(made: Callable[[], ForeignLog], tmp_path: Path) -> None:
    log = made()
    done = evaluate(log, tmp_path, *log.told, "--json")
    assert done.exit_code == 0, done.output
    found = json.loads(done.stdout)["file"]
    assert {kind: found["by_type"].get(kind, 0) for kind in log.events} == log.events
    assert (found["refused"], found["left_out"], found["advice"]) == (0, {}, [])


@pytest.mark.parametrize("made", LOGS)
def test_the_page_tells_the_command_as_it_is(made: Callable[[], ForeignLog]) -> None:
    log = made()
    page = (ROOT / "docs" / "integrations.md").read_text(encoding="utf-8").replace("\\\n", " ")
    command = next(line for line in page.splitlines() if line.startswith(f"sluicegate evaluate {log.file} "))
    assert shlex.split(command)[3:] == list(log.told)
    assert log.mapping in page
