"""Every command's help: an example that names the command, and what its exit codes mean."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from service.cli.exit_codes import OWN
from service.cli.main import app
from streaming.learner import learner
from streaming.settings.loading import load_settings


def commands(group: typer.Typer, above: str) -> Iterator[tuple[str, str]]:
    """(words that run it, the end of its help) of every command."""
    for command in group.registered_commands:
        assert command.callback is not None
        yield f"{above} {command.name or command.callback.__name__}", str(command.epilog)
    for inner in group.registered_groups:
        assert inner.typer_instance is not None
        yield from commands(inner.typer_instance, f"{above} {inner.name or inner.typer_instance.info.name}")


EVERY = dict(commands(app, "sluicegate"))


@pytest.mark.parametrize("words", EVERY)
def test_the_help_of_a_command_has_its_exit_codes_once_and_an_example(words: str) -> None:
    epilog = EVERY[words]
    assert epilog.count("Exit codes: ") == 1
    assert words in epilog, "no example"


def test_exit_codes_belong_to_commands_that_exist() -> None:
    assert set(OWN) <= {words.split()[-1] for words in EVERY}


def test_the_codes_of_the_learner_are_those_it_ends_with() -> None:
    codes = {learner.STOPPED, learner.FAILED, *(code for _, code in learner.CODES)}
    assert all(f"{code} " in OWN["learn"] for code in codes)


TESTED = {
    "SLUICEGATE_CONFIG": "shop.toml",
    "SLUICEGATE_KEY": "s3cret",
    "SLUICEGATE_KAFKA__BOOTSTRAP": "kafka:9092",
    "SLUICEGATE_REDIS__URL": "redis://redis:6379/0",
}
"""Variables that a help text names, and a value of each. What the first two do is tested with real commands:
`test_the_file_may_be_named_in_the_environment`, `test_the_key_of_an_operator_may_stand_in_the_environment`."""


def helps() -> Iterator[tuple[str, str]]:
    """(words, help) of every command, and of the modules that are run by name."""
    runner = CliRunner()
    for words in EVERY:
        yield words, runner.invoke(app, [*words.split()[1:], "--help"], env={"COLUMNS": "400"}).output
    for module in ("streaming", "service", "streaming.jobs.rebuild_process"):
        command = [sys.executable, "-m", module, "--help"]
        yield module, subprocess.run(command, capture_output=True, check=True, text=True).stdout


def test_every_environment_variable_that_a_help_text_names_can_be_set(tmp_path: Path) -> None:
    named = {name for _, text in helps() for name in re.findall(r"SLUICEGATE_[A-Z_]+", text)}
    assert named == set(TESTED)
    file = tmp_path / "shop.toml"
    file.write_text('namespace = "shop"\n')
    settings = load_settings(None, TESTED | {"SLUICEGATE_CONFIG": str(file)})
    assert settings.namespace == "shop"
    assert settings.kafka.bootstrap == TESTED["SLUICEGATE_KAFKA__BOOTSTRAP"]
    assert settings.redis.url == TESTED["SLUICEGATE_REDIS__URL"]
