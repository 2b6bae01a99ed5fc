"""In: an error a user can do something about. Out: one line on standard error and exit code 1, never a stack trace."""

from __future__ import annotations

from typing import NoReturn

import typer


def broken(error: Exception) -> NoReturn:
    """End the command: it did not work, and this is why."""
    typer.echo(f"sluicegate: {error}", err=True)
    raise typer.Exit(1)
