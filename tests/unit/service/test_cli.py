"""Every command's help: an example that names the command, and what its exit codes mean."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import typer

from service.cli.exit_codes import OWN
from service.cli.main import app
from streaming.learner import learner


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
