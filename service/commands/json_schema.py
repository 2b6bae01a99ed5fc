"""`sluicegate schema`: prints the JSON Schema of the records of a topic."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Annotated

import typer

from models.records import SCHEMA_ROLES, schema_of
from streaming.settings import load_settings


def register(app: typer.Typer) -> None:
    """Add `sluicegate schema`."""

    @app.command("schema", epilog="Examples: sluicegate schema events > events.json   |   sluicegate schema items")
    def schema(
        topic: Annotated[str, typer.Argument(help=f"Which records: {', '.join(SCHEMA_ROLES)}.")] = "events",
        config: Annotated[Path | None, typer.Option(help="Settings file (TOML), for the types of events.")] = None,
    ) -> None:
        """Print the JSON Schema of our own records, to check them where they are written."""
        if topic not in SCHEMA_ROLES:
            raise typer.BadParameter(f"there are {', '.join(SCHEMA_ROLES)}", param_hint="TOPIC")
        rules = load_settings(config, os.environ).events.rules()
        typer.echo(json.dumps(schema_of(topic, rules), indent=2))
