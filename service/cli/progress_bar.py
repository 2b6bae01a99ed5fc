"""Shows how far a long command is: a bar on a terminal, elsewhere a line now and then."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

import typer

LINE_INTERVAL: Final = 5.0
"""Seconds between two lines where there is no terminal."""

Show = Callable[[str, float], None]
"""Show what is being done and the share of it that is done."""


@contextmanager
def progress(name: str) -> Iterator[Show]:
    """Show progress on standard error until the block ends, on a terminal with the time left."""
    from rich.console import Console

    console = Console(stderr=True)
    if not console.is_terminal:
        yield _lines(name)
        return
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    with Progress(
        TextColumn("{task.description}"), BarColumn(), TimeRemainingColumn(), console=console, transient=True
    ) as bar:
        task = bar.add_task(name, total=1.0)
        yield lambda what, share: bar.update(task, description=f"{name}: {what}", completed=share)


def _lines(name: str) -> Show:
    last = time.monotonic()

    def show(what: str, share: float) -> None:
        nonlocal last
        if time.monotonic() - last >= LINE_INTERVAL:
            last = time.monotonic()
            typer.echo(f"{name}: {what}, {share:.0%}", err=True)

    return show


__all__ = ["Show", "progress"]
