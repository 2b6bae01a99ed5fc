"""`sluicegate openapi`: prints the API's description without starting anything."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Annotated

import typer

from streaming.settings import load_settings


def register(app: typer.Typer) -> None:
    """Add `sluicegate openapi`."""

    @app.command(epilog="Example: sluicegate openapi > openapi.json")
    def openapi(
        config: Annotated[Path | None, typer.Option(help="Settings file (TOML), for service.root_path.")] = None,
    ) -> None:
        """Print the API's description (OpenAPI 3.1), from which clients are generated."""
        settings = load_settings(config, os.environ)
        from service.app import description

        typer.echo(json.dumps(description(settings.service.root_path), indent=2, ensure_ascii=False))
