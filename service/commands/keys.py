"""`sluicegate keys new`: makes a key of the API. Only its hash is kept."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Annotated, Literal

import typer

from service.cli.errors import broken
from service.cli.new_key import new_key

Role = Literal["read", "events", "beacon", "admin"]

HELP = (
    "The service reads hashes from `service.keys` or from the file `service.keys_file`, which it reads again when it "
    "changes. docs/operations.md says what each role may do.\n\n"
    "Examples:\n\n"
    "sluicegate keys new --role read\n\n"
    "sluicegate keys new --role admin --file keys.txt"
)


def register(app: typer.Typer) -> None:
    """Add `keys` with its sub-command."""
    group = typer.Typer(help="Keys with which callers ask the service.", no_args_is_help=True)
    group.command("new", epilog=HELP)(new)
    app.add_typer(group, name="keys")


def new(
    role: Annotated[Role, typer.Option("--role", help="What it may do.")] = "admin",
    file: Annotated[
        Path | None, typer.Option("--file", help="Append the hash to this file, which `service.keys_file` names.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="JSON on standard output, for scripts.")] = False,
) -> None:
    """Make a key, and print it and its hash. The key is stored nowhere."""
    key, line = new_key(role)
    if file is not None:
        try:
            _append(file, line)
        except OSError as error:
            broken(OSError(f"cannot write {file}: {error.strerror}"))
    if as_json:
        typer.echo(json.dumps({"key": key, "hash": line}))
        return
    typer.echo(f"key   {key}   (shown this once and stored nowhere)")
    typer.echo(f"hash  {line}" + (f"   (added to {file})" if file is not None else ""))


def _append(file: Path, line: str) -> None:
    """Add a line at the end of a file, which only its owner may read if it is new."""
    with os.fdopen(os.open(file, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600), "r+", encoding="utf-8") as lines:
        before = lines.read()
        # A file that was written by hand may lack its last line break.
        lines.write(("\n" if before and not before.endswith("\n") else "") + line + "\n")


__all__ = ["register"]
