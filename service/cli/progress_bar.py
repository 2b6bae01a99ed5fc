"""In: what a long command is doing and how far it is. Out: a bar on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

import typer

LINE_INTERVAL: Final = 5.0
"""Seconds between two lines where there is no terminal."""

Told = Callable[[str, float], None]
"""Told what is being done and the share of it that is done."""


@contextmanager
def progress(name: str) -> Iterator[Told]:
    """Show it on standard error until the block ends, with the time left where there is a terminal."""
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


def _lines(name: str) -> Told:
    last = time.monotonic()

    def told(what: str, share: float) -> None:
        nonlocal last
        if time.monotonic() - last >= LINE_INTERVAL:
            last = time.monotonic()
            typer.echo(f"{name}: {what}, {share:.0%}", err=True)

    return told


__all__ = ["Told", "progress"]
