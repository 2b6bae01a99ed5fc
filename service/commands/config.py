"""`sluicegate config`: prints every setting in force and where it came from; never a secret."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Annotated

import typer

from service.cli.settings_example import example
from streaming.settings import in_force, load_settings


def register(app: typer.Typer) -> None:
    """Add `sluicegate config`."""

    @app.command(
        epilog="Examples: sluicegate config --config shop.toml --json   |   sluicegate config --example > shop.toml"
    )
    def config(
        config: Annotated[Path | None, typer.Option(help="Settings file (TOML).")] = None,
        as_json: Annotated[bool, typer.Option("--json", help="Machine-readable.")] = False,
        show_example: Annotated[
            bool, typer.Option("--example", help="Print a settings file with every setting and its default instead.")
        ] = False,
    ) -> None:
        """Print every setting in force and where its value came from."""
        if show_example:
            typer.echo(example(), nl=False)
            return
        rows = in_force(load_settings(config, os.environ))
        if as_json:
            typer.echo(json.dumps({path: {"value": value, "from": origin} for path, value, origin in rows}))
            return
        width = max(len(path) for path, _, _ in rows)
        for path, value, origin in rows:
            typer.echo(f"{path:{width}}  {value}{'' if origin == 'default' else f'   <- {origin}'}")
