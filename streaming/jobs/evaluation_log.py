"""Reads a log file into a stream to evaluate: its events in time order, with the facts of their items.

Conversions and rules are those of `sluicegate send`: the learner would accept every event that is read here.
"""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import islice, pairwise
from operator import attrgetter
from pathlib import Path
from typing import Final

from models.evaluation import Stream
from models.records import KINDS, Event, EventRules, ItemFacts
from streaming.files import (
    NO_TYPE,
    SYNONYMS,
    Bad,
    FileError,
    Layout,
    Passed,
    RowFile,
    RowRefused,
    Shown,
    flags,
    read_events,
    type_for,
)

TICK: Final = 2000
"""Rows between two reports of progress."""


NO_STREAM: Final = Stream([], {})


@dataclass(slots=True)
class Reading:
    """A log as it was read.

    Attributes:
        file: Its path.
        stream: Its events in time order.
        passed: Rows that were left out on purpose.
        refused: Rows that hold no usable event.
        duplicates: Rows whose event_id came before.
        moved: Events that are older than the one before them in the file.
        types: Number of rows by event type, as the file spells it.
        refusals: The first of the refused rows.
    """

    file: str
    stream: Stream = NO_STREAM
    passed: int = 0
    refused: int = 0
    duplicates: int = 0
    moved: int = 0
    types: Counter[str] = field(default_factory=Counter)
    refusals: list[RowRefused] = field(default_factory=list)


def read_stream(
    path: Path,
    layout: Layout,
    rules: EventRules,
    catalogue: dict[str, ItemFacts] | None = None,
    limit: int | None = None,
    tick: Callable[[float], None] | None = None,
) -> Reading:
    """Read the whole log, or its first `limit` events.

    An event whose event_id was read before is left out, as in the learner.

    Args:
        path: A CSV or NDJSON file.
        layout: How its columns and types are named.
        rules: What a usable event is.
        catalogue: Facts of items that are known before the first event.
        limit: Events to read at most.
        tick: Receives the share of the file that was read, now and then.

    Raises:
        FileError: Columns or types that nothing names, or no usable row.
    """
    found = Reading(str(path))
    events: list[Event] = []
    facts: dict[str, ItemFacts] = {}
    with RowFile(path) as rows:
        outcomes = read_events(rows, layout, rules, catalogue, types=found.types)
        for shown in islice(_accepted(outcomes, found, rows, tick), limit):
            events.append(shown.event)
            if shown.facts is not None and shown.event.item_id is not None:
                facts[shown.event.item_id] = shown.facts
        fields = rows.columns or _fields(path)
    _check_types(path, found.types, layout, rules)
    if not events:
        raise FileError(_why_empty(path, found, fields, layout))
    found.moved = sum(later.timestamp < event.timestamp for event, later in pairwise(events))
    found.stream = Stream(sorted(events, key=attrgetter("timestamp")), facts, catalogue or {})
    return found


def _accepted(
    outcomes: Iterator[Shown | RowRefused | Passed],
    found: Reading,
    rows: RowFile,
    tick: Callable[[float], None] | None,
) -> Iterator[Shown]:
    seen: set[str] = set()
    for number, outcome in enumerate(outcomes):
        if tick is not None and number % TICK == 0:
            tick(rows.done())
        if isinstance(outcome, Passed):
            found.passed += 1
        elif isinstance(outcome, RowRefused):
            found.refused += 1
            if len(found.refusals) < 5:
                found.refusals.append(outcome)
        elif outcome.event.event_id is not None and outcome.event.event_id in seen:
            found.duplicates += 1
        else:
            if outcome.event.event_id is not None:
                seen.add(outcome.event.event_id)
            yield outcome


def _check_types(path: Path, types: Counter[str], layout: Layout, rules: EventRules) -> None:
    named = [word for word in types if word not in layout.types and word not in rules.kinds]
    if not named or (layout.default_type is None and set(types) == {"(none)"}):
        return
    listed = ", ".join(f"{word!r} ({types[word]:,} rows)" for word in types)
    add = " ".join(f"--map {shlex.quote(f'{word}={type_for(word)}')}" for word in named)
    raise FileError(
        f"{path}: nothing maps the event type{'s' if len(named) > 1 else ''} {', '.join(map(repr, named))}. "
        f"The file has {listed}; ours are {', '.join(KINDS)}, and '{NO_TYPE}' leaves rows out. Add: {add}"
    )


def _fields(path: Path) -> tuple[str, ...]:
    """The names of fields in the first usable line of an NDJSON file."""
    with RowFile(path) as rows:
        for row in rows:
            if not isinstance(row, Bad):
                return tuple(row.fields)
    return ()


def _why_empty(path: Path, found: Reading, fields: tuple[str, ...], layout: Layout) -> str:
    refusals = "; ".join(f"line {line}: {reason}" for line, reason in found.refusals[:2])
    named = {layout.columns.get(name, SYNONYMS.get(name, name)) for name in fields}
    if layout.default_type is not None:
        named.add("event_type")
    missing = [field for field in ("user_id", "item_id", "timestamp", "event_type") if field not in named]
    text = f"{path}: no row can be used ({found.refused:,} refused, {found.passed:,} passed over)"
    text += f". {refusals}" if refusals else ""
    if "bad_timestamp" in refusals:
        text += ". Say how the times are written, for example --time '%d.%m.%Y %H:%M' or --time microseconds"
    return text + (f". The rows have {', '.join(fields)}: try {flags(missing, fields)}" if missing and fields else "")
