"""`sluicegate warmup`: compiles the kernels before the first start, as `python -m models.warmup` does."""

from __future__ import annotations

import typer


def register(app: typer.Typer) -> None:
    """Add `sluicegate warmup`."""

    @app.command(epilog="Example: NUMBA_CACHE_DIR=/var/cache/sluicegate sluicegate warmup")
    def warmup() -> None:
        """Compile the kernels now, so that no start has to. Quick when they are compiled already."""
        from models.warmup import main

        main()
