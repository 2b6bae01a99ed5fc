"""Reads a log file into a stream to evaluate: its events in time order, with the facts of their items.

Conversions and rules are those of `sluicegate send`: the learner would accept every event that is read here.
"""

from __future__ import annotations

import math
import shlex
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from operator import attrgetter
from pathlib import Path
from typing import Final

from models.evaluation import Stream
from models.records import KINDS, Event, EventRules, ItemFacts
from streaming.files import (
    NO_TYPE,
    FileError,
    Layout,
    Outcome,
    RowFile,
    RowRefused,
    Shown,
    Survey,
    on_missing,
    or_day_first,
    read_events,
    time_for,
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
        survey: What was found in it.
        stream: Its events in time order.
        duplicates: Rows whose event_id came before.
    """

    file: str
    survey: Survey
    stream: Stream = NO_STREAM
    duplicates: int = 0

    @property
    def passed(self) -> int:
        """Rows that were left out on purpose."""
        return self.survey.passed

    @property
    def refused(self) -> int:
        """Rows that hold no usable event."""
        return self.survey.refused

    @property
    def moved(self) -> int:
        """Events that are older than the one before them in the file."""
        return self.survey.moved

    @property
    def types(self) -> Counter[str]:
        """Number of rows by event type, as the file spells it."""
        return self.survey.types

    @property
    def refusals(self) -> list[RowRefused]:
        """The first of the refused rows."""
        return self.survey.refusals


def read_stream(
    path: Path,
    layout: Layout,
    rules: EventRules,
    catalogue: dict[str, ItemFacts] | None = None,
    limit: int | None = None,
    tick: Callable[[float], None] | None = None,
    now: float = math.inf,
    *,
    strict: bool = True,
    keep: bool = True,
) -> Reading:
    """Read the whole log, or its first `limit` events.

    An event whose event_id was read before is left out, as in the learner.

    Args:
        path: A file that `streaming.files` reads.
        layout: How its columns and types are named.
        rules: What a usable event is.
        catalogue: Facts of items that are known before the first event.
        limit: Events to read at most.
        tick: Receives the share of the file that was read, now and then.
        now: Later events are counted as ahead, epoch seconds.
        strict: Whether types that nothing maps, or a log without a usable row, are errors.
        keep: Whether the events are wanted. Without them, memory does not grow with the file.

    Raises:
        FileError: Columns or types that nothing names, or no usable row.
    """
    found = Reading(str(path), Survey(str(path)))
    events: list[Event] = []
    facts: dict[str, ItemFacts] = {}
    with RowFile(path, layout.encoding) as rows:
        outcomes = read_events(rows, layout, rules, catalogue, found.survey, now)
        for shown in islice(_accepted(outcomes, found, rows, tick), limit):
            if not keep:
                continue
            events.append(shown.event)
            if shown.facts is not None and shown.event.item_id is not None:
                facts[shown.event.item_id] = shown.facts
    problems = [_unmapped(found.survey), "" if found.survey.events else _why_empty(found, layout)]
    if strict and any(problems):
        raise FileError(f"{path}: {'. '.join(filter(None, problems))}")
    found.stream = Stream(sorted(events, key=attrgetter("timestamp")), facts, catalogue or {})
    return found


def _accepted(
    outcomes: Iterator[Outcome], found: Reading, rows: RowFile, tick: Callable[[float], None] | None
) -> Iterator[Shown]:
    seen: set[str] = set()
    for number, outcome in enumerate(outcomes):
        if tick is not None and number % TICK == 0:
            tick(rows.done())
        if not isinstance(outcome, Shown):
            continue
        if outcome.event.event_id is not None and outcome.event.event_id in seen:
            found.duplicates += 1
        else:
            if outcome.event.event_id is not None:
                seen.add(outcome.event.event_id)
            yield outcome


def _unmapped(survey: Survey) -> str:
    """Which types nothing maps, and the flags for them; "" for none."""
    named, types = list(survey.unmapped), survey.types
    if not named:
        return ""
    listed = ", ".join(f"{word!r} ({types[word]:,} rows)" for word in types)
    add = " ".join(f"--map {shlex.quote(f'{word}={type_for(word)}')}" for word in named)
    return (
        f"nothing maps the event type{'s' if len(named) > 1 else ''} {', '.join(map(repr, named))}. "
        f"The file has {listed}; ours are {', '.join(KINDS)}, and '{NO_TYPE}' leaves rows out "
        f"(--map '*={NO_TYPE}': all others). Add: {add}"
    )


def _why_empty(found: Reading, layout: Layout) -> str:
    refusals = "; ".join(f"line {line}: {reason}" for line, reason in found.refusals[:2])
    text = f"no row can be used ({found.refused:,} refused, {found.passed:,} passed over)"
    text += f". {refusals}" if refusals else ""
    if "bad_timestamp" in refusals:
        form = time_for(found.survey.unread_times) or "%d.%m.%Y %H:%M"
        either = or_day_first(found.survey.unread_times, form)
        text += f". Say how the times are written, for example --time {shlex.quote(form)}{either}"
    missing = on_missing(found.survey, layout)
    return text + (f". {missing[:1].upper()}{missing[1:]}" if missing else "")
