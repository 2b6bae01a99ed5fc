"""Ends a command with one line on standard error and exit code 1, never with a stack trace."""

from __future__ import annotations

from typing import NoReturn

import typer

from service.cli.exit_codes import FAILED


def broken(error: Exception) -> NoReturn:
    """End the command with the reason why it did not work."""
    typer.echo(f"sluicegate: {error}", err=True)
    raise typer.Exit(FAILED)
