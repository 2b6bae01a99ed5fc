"""`sluicegate serve`: runs an API replica in this process, as `python -m service` does."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def register(app: typer.Typer) -> None:
    """Add `sluicegate serve`."""

    @app.command(epilog="Example: sluicegate serve --port 8080 --config shop.toml")
    def serve(
        config: Annotated[Path | None, typer.Option(help="Settings file (TOML).")] = None,
        host: Annotated[str | None, typer.Option(help="Address to listen on; beyond loopback needs keys.")] = None,
        port: Annotated[int | None, typer.Option(help="Port to listen on.")] = None,
        insecure: Annotated[bool, typer.Option(help="Listen beyond loopback without keys.")] = False,
    ) -> None:
        """Run the API: answer /recommend from the champion, and follow the gate."""
        from service.__main__ import run

        raise typer.Exit(run(config, host=host, port=port, insecure=insecure))
