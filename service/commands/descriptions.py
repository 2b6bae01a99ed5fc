"""`sluicegate openapi` and `schema`: print what describes the API and our records, without starting anything."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Annotated

import typer

from models.records import SCHEMA_ROLES, schema_of
from streaming.settings import load_settings


def register(app: typer.Typer) -> None:
    """Add `sluicegate openapi` and `sluicegate schema`."""

    @app.command(epilog="Example: sluicegate openapi > openapi.json")
    def openapi(
        config: Annotated[Path | None, typer.Option(help="Settings file (TOML), for service.root_path.")] = None,
    ) -> None:
        """Print the API's description (OpenAPI 3.1), from which clients are generated."""
        settings = load_settings(config, os.environ)
        from service.app import description

        typer.echo(json.dumps(description(settings.service.root_path), indent=2, ensure_ascii=False))

    @app.command(epilog="Examples: sluicegate schema events > events.json   |   sluicegate schema items")
    def schema(
        topic: Annotated[str, typer.Argument(help=f"Which records: {', '.join(SCHEMA_ROLES)}.")] = "events",
        config: Annotated[Path | None, typer.Option(help="Settings file (TOML), for the types of events.")] = None,
    ) -> None:
        """Print the JSON Schema of our own records, to check them where they are written."""
        if topic not in SCHEMA_ROLES:
            raise typer.BadParameter(f"there are {', '.join(SCHEMA_ROLES)}", param_hint="TOPIC")
        rules = load_settings(config, os.environ).events.rules()
        typer.echo(json.dumps(schema_of(topic, rules), indent=2))
