"""Says what each exit code means, the same for every command, at the end of its help."""

from __future__ import annotations

from typing import Final

import typer

from service.cli.plain_help import PlainCommand, PlainGroup

DONE: Final = 0
FAILED: Final = 1
USAGE: Final = 2
SOME_REFUSED: Final = 3
NO_ADDRESS: Final = 8
UNSOUND: Final = 9
INTERRUPTED: Final = 130

MEANINGS: Final = {
    DONE: "done, or ended as asked",
    FAILED: "it did not work, and the last line says why",
    USAGE: "the options, the settings or a file that they name are wrong",
    SOME_REFUSED: "done, but some of the input was refused",
    4: "Kafka holds another log than the one our offsets belong to",
    5: "the log no longer holds our offsets",
    6: "no sound version in Redis, though there were some",
    7: "Kafka refuses access",
    NO_ADDRESS: "the address is in use or may not be used",
    UNSOUND: "the examination found something wrong",
    INTERRUPTED: "Ctrl-C",
}
"""Every exit code; docs/operations.md says what to do about each."""

USUAL: Final = (DONE, FAILED, USAGE, INTERRUPTED)

OWN: Final = {
    "learn": (DONE, FAILED, USAGE, 4, 5, 6, 7),
    "serve": (DONE, FAILED, USAGE, NO_ADDRESS),
    "send": (DONE, FAILED, USAGE, SOME_REFUSED, INTERRUPTED),
    "items": (DONE, FAILED, USAGE, SOME_REFUSED, INTERRUPTED),
    "check-mapping": (DONE, FAILED, USAGE, SOME_REFUSED, INTERRUPTED),
    "recommendations": (DONE, FAILED, USAGE, SOME_REFUSED, INTERRUPTED),
    "doctor": (DONE, USAGE, UNSOUND, INTERRUPTED),
    "verify": (DONE, FAILED, USAGE, UNSOUND, INTERRUPTED),
}
"""Exit codes of commands that have others than the usual ones."""


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


def spell_out(codes: tuple[int, ...]) -> str:
    """Exit codes and what they mean, in a sentence.

    >>> spell_out((0, 130))
    'Exit codes: 0 done, or ended as asked; 130 Ctrl-C.'
    """
    return f"Exit codes: {'; '.join(f'{code} {MEANINGS[code]}' for code in codes)}."


def finish_help(app: typer.Typer, above: str = "") -> None:
    """Give each command the plain form of help, and at its end the exit codes, and an example if it has none.

    Args:
        app: The commands.
        above: The words before them, ending with a space.
    """
    for command in app.registered_commands:
        name = command.name or (command.callback.__name__ if command.callback is not None else "")
        example = EXAMPLES.get(f"{above}{name}")
        parts = [command.epilog, f"Example: {example}" if example is not None else None]
        command.epilog = "\n\n".join([*filter(None, parts), spell_out(OWN.get(name, USUAL))])
        command.cls = PlainCommand
    for group in app.registered_groups:
        if group.typer_instance is not None:
            group.typer_instance.info.cls = PlainGroup
            finish_help(group.typer_instance, f"{above}{group.name or group.typer_instance.info.name} ")


__all__ = [
    "DONE",
    "EXAMPLES",
    "FAILED",
    "INTERRUPTED",
    "MEANINGS",
    "NO_ADDRESS",
    "OWN",
    "SOME_REFUSED",
    "UNSOUND",
    "USAGE",
    "USUAL",
    "finish_help",
    "spell_out",
]
