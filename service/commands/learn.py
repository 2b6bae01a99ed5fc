"""`sluicegate learn`: runs the learner in this process, as `python -m streaming` does."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def register(app: typer.Typer) -> None:
    """Add `sluicegate learn`."""

    @app.command(epilog="Example: SLUICEGATE_KAFKA__BOOTSTRAP=kafka:9092 sluicegate learn --config shop.toml")
    def learn(
        config: Annotated[Path | None, typer.Option(help="Settings file (TOML).")] = None,
        reset_offsets: Annotated[
            bool,
            typer.Option(help="Keep the learned state, and read a topic that was created again from its beginning."),
        ] = False,
    ) -> None:
        """Consume events and learn from each one; a second learner stands by."""
        from streaming.__main__ import run

        raise typer.Exit(run(config, reset_offsets=reset_offsets))
