"""Reads a log of events, and the file about its items, as the options of a command say."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import structs

from service.cli.arguments import facts_of
from streaming.files import Layout, columns_in

if TYPE_CHECKING:
    from models.records import ItemFacts
    from streaming.jobs.evaluation_log import Reading
    from streaming.settings import Settings


def with_items(file: Path, items: Path | None, layout: Layout) -> tuple[Layout, dict[str, ItemFacts]]:
    """Facts by item, and the layout without the columns that only the file about items has. Raises FileError."""
    of_items = columns_in(items, layout.columns, layout.encoding) if items is not None else {}
    of_events = columns_in(file, layout.columns, layout.encoding)
    # A column that neither file has stays with the events, where it is refused by name.
    columns = {name: field for name, field in layout.columns.items() if name in of_events or name not in of_items}
    return structs.replace(layout, columns=columns), facts_of(items, of_items, layout)


def stream_of(
    file: Path,
    items: Path | None,
    layout: Layout,
    settings: Settings,
    limit: int | None,
    tick: Callable[[float], None],
    *,
    dry_run: bool = False,
) -> Reading:
    """Read a whole log into memory, or only say what is in it; arguments as of `read_stream`. Raises FileError."""
    from streaming.jobs.evaluation_log import read_stream

    own_layout, catalogue = with_items(file, items, layout)
    ahead = time.time() + settings.admission.max_future
    rules, wanted = settings.events.rules(), not dry_run
    return read_stream(file, own_layout, rules, catalogue, limit, tick, ahead, strict=wanted, keep=wanted)


__all__ = ["stream_of", "with_items"]
