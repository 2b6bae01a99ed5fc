"""Adds an example and the exit codes to the end of each command's help."""

from __future__ import annotations

from typing import Final

import typer

USUAL: Final = (
    "0 done; 1 it did not work, and the last line says why; 2 the options or the settings are wrong; 130 Ctrl-C."
)

OWN: Final = {
    "learn": "0 stopped as asked; 1 failed, and the last line says why; 2 the options, the settings or a file that "
    "they name are wrong; 4 Kafka holds another log than the one our offsets belong to; 5 the log no longer holds our "
    "offsets; 6 no sound version in Redis; 7 Kafka refuses access. docs/operations.md says what to do about each.",
    "serve": "0 ended as asked; 1 a defect; 2 settings, keys or options cannot be used; 4 the address is in use or may "
    "not be used.",
    "send": "0 all sent; 1 Kafka did not take them; 2 the options, the settings or the file are wrong; 3 sent, but "
    "some lines were refused; 130 Ctrl-C.",
    "items": "0 all sent; 1 Kafka did not take them; 2 the options, the settings or the file are wrong; 3 sent, but "
    "some rows were refused; 130 Ctrl-C.",
    "doctor": "0 no failure, though there may be warnings; 1 something failed; 2 the settings are wrong.",
    "check-mapping": "0 all records fit; 1 some are refused, or Kafka is away; 2 the options, the file or the settings "
    "are wrong.",
    "recommendations": "0 done; 1 the service or Redis was away: the same command goes on where it was; 2 the options, "
    "the settings or a file are wrong; 3 done, but some users could not be answered; 130 Ctrl-C.",
    "verify": "0 the audit is whole; 1 it is not, or the service is away; 2 the options are wrong.",
}
"""Exit codes of commands that have more than the usual ones."""


EXAMPLES: Final = {
    "gate status": "sluicegate gate status --json",
    "gate log": "sluicegate gate log --limit 5",
    "gate freeze": 'sluicegate gate freeze --reason "the sale begins" --seconds 7200',
    "gate thaw": 'sluicegate gate thaw --reason "the sale is over"',
    "gate promote": 'sluicegate gate promote --reason "checked by hand"',
    "gate rollback": 'sluicegate gate rollback --reason "odd slates since noon"',
    "gate mode": 'sluicegate gate mode strict --reason "a week before the sale"',
    "gate verify": "sluicegate gate verify",
    "gate quarantine list": "sluicegate gate quarantine list",
    "gate quarantine add": 'sluicegate gate quarantine add --reason "a broken exporter"',
    "gate quarantine replay": 'sluicegate gate quarantine replay NAME --reason "the events were right"',
    "gate quarantine drop": 'sluicegate gate quarantine drop NAME --reason "the events were wrong"',
    "deadletter list": "sluicegate deadletter list --json | jq .reason",
    "deadletter redrive": "sluicegate deadletter redrive --dry-run",
}
"""Examples of commands that belong to a group."""


def add_exit_codes(app: typer.Typer, above: str = "") -> None:
    """Add to the end of each command's help what its exit codes mean, and an example if it has none.

    Args:
        app: The commands.
        above: The words before them, ending with a space.
    """
    for command in app.registered_commands:
        name = command.name or (command.callback.__name__ if command.callback is not None else "")
        example = EXAMPLES.get(f"{above}{name}")
        parts = [command.epilog, f"Example: {example}" if example is not None else None]
        command.epilog = "\n\n".join([*filter(None, parts), f"Exit codes: {OWN.get(name, USUAL)}"])
    for group in app.registered_groups:
        if group.typer_instance is not None:
            add_exit_codes(group.typer_instance, f"{above}{group.name or group.typer_instance.info.name} ")


__all__ = ["EXAMPLES", "OWN", "USUAL", "add_exit_codes"]
