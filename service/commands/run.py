"""`sluicegate learn`, `serve` and `warmup`: what `python -m streaming`, `service` and `models.warmup` do."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def register(app: typer.Typer) -> None:
    """Add the three commands."""

    @app.command(epilog="Example: SLUICEGATE_KAFKA__BOOTSTRAP=kafka:9092 sluicegate learn --config shop.toml")
    def learn(
        config: Annotated[Path | None, typer.Option(help="Settings file (TOML).")] = None,
        reset_offsets: Annotated[
            bool,
            typer.Option(help="Keep the learned state, and read a topic that was created again from its beginning."),
        ] = False,
        shards: Annotated[
            int | None,
            typer.Option(min=1, help="Learners that share the stream; above 1 needs the extra `ray`."),
        ] = None,
    ) -> None:
        """Consume events and learn from each one; a second learner stands by."""
        from streaming.__main__ import run

        raise typer.Exit(run(config, reset_offsets=reset_offsets, shards=shards))

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

    @app.command(epilog="Example: NUMBA_CACHE_DIR=/var/cache/sluicegate sluicegate warmup")
    def warmup() -> None:
        """Compile the kernels now, so that no start has to. Quick when they are compiled already."""
        from models.warmup import main

        main()
