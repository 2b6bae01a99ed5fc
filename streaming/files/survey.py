"""Findings about a file while it is read: counts, examples, and the first row as it is read."""

from __future__ import annotations

import bisect
from collections import Counter
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from models.records import NO_ZONE, Notes

EXAMPLES: Final = 20
"""Refused lines that are kept one by one; the rest is counted."""


class RowRefused(NamedTuple):
    """A line that cannot be sent, and the reason."""

    line: int
    reason: str


class Example(NamedTuple):
    """Where something was found first, and what it was."""

    line: int
    found: str


@dataclass(slots=True)
class Survey:
    """A file as it was read.

    Attributes:
        file: Its path.
        form: What it was recognized as.
        from_file: Whether it is a file, of lines with an encoding, and not records of a topic or a request.
        fields: Where each of our fields comes from.
        names: Names that the file, or its first objects, have.
        paths: Where else values are: names that nothing is read from, for JSON with those inside of objects and lists.
        places: All paths to values in the first rows.
        unused: Names that nothing is read from.
        one_by_one: Whether these are records of a topic or a request, which no flag reads and only a mapping does.
        lists: The list whose members become events, "" for none.
        rows: Rows and bad lines.
        events: Usable events.
        passed: Rows that were left out on purpose.
        skipped: Those of them that are no events for what a field of theirs says, by the reason.
        refused: Rows that hold no usable event.
        refusals: The first of them.
        reasons: Refused rows by reason, with the field.
        types: Rows by type, as the file spells it.
        by_type: Events by our type.
        unmapped: Types of the file that are none of ours and that nothing maps, with one entry each.
        unlisted: Types that no mapping lists and that are read as `unknown_type`, with one entry each.
        absent: Paths of a mapping of the shop's own that no row has, and the field that they are for.
        unmatched: Values of its [skip] that no row has, by path.
        skip_words: What rows have there, with their number, by path.
        filled: Cells that were filled from the row above, by column.
        left_out: Optional fields that could not be used, by name; those of items as `item facts: NAME`.
        examples: Where each of them was found first.
        notes: What was done to values.
        facts: Items by fact that is known of them.
        attributes: Items by attribute, for a file about items.
        items: Items with facts.
        listed: Items of the file about items.
        listed_found: Those of them that occur.
        listed_example: One of them, and one item of the events.
        repeated: Rows with an event_id that came before.
        moved: Events that are older than the one before them.
        earliest: Time of the first event, epoch seconds.
        latest: Time of the last one.
        ahead: Events later than now.
        sample: The first event, and facts of its item, as they are read.
        unread_times: Some of the times that could not be read, the first among them.
        unread: How many there are.
        unread_step: Every how many of them one is kept.
        not_utf8: Lines with bytes that are not UTF-8.
        remarks: What else there is to say of the file, by kind.
    """

    file: str
    form: str = ""
    from_file: bool = True
    fields: dict[str, str] = field(default_factory=dict)
    names: tuple[str, ...] = ()
    paths: tuple[str, ...] = ()
    places: tuple[str, ...] = ()
    unused: tuple[str, ...] = ()
    one_by_one: bool = False
    lists: str = ""
    rows: int = 0
    events: int = 0
    passed: int = 0
    skipped: Counter[str] = field(default_factory=Counter)
    refused: int = 0
    refusals: list[RowRefused] = field(default_factory=list)
    reasons: Counter[str] = field(default_factory=Counter)
    types: Counter[str] = field(default_factory=Counter)
    by_type: Counter[str] = field(default_factory=Counter)
    unmapped: dict[str, None] = field(default_factory=dict)
    unlisted: dict[str, None] = field(default_factory=dict)
    absent: dict[str, str] = field(default_factory=dict)
    unmatched: dict[str, set[str]] = field(default_factory=dict)
    skip_words: dict[str, dict[str, int]] = field(default_factory=dict)
    filled: Counter[str] = field(default_factory=Counter)
    left_out: Counter[str] = field(default_factory=Counter)
    examples: dict[str, Example] = field(default_factory=dict)
    notes: Notes = field(default_factory=Notes)
    facts: Counter[str] = field(default_factory=Counter)
    attributes: Counter[str] = field(default_factory=Counter)
    items: int = 0
    listed: int = 0
    listed_found: int = 0
    listed_example: tuple[str, str] = ("", "")
    repeated: int = 0
    moved: int = 0
    earliest: float = float("inf")
    latest: float = float("-inf")
    ahead: int = 0
    sample: dict[str, Any] = field(default_factory=dict)
    unread_times: list[str] = field(default_factory=list)
    unread: int = 0
    unread_step: int = 1
    not_utf8: int = 0
    remarks: dict[str, str] = field(default_factory=dict)

    def refuse(self, line: int, reason: str) -> RowRefused:
        """Count a refused row."""
        refused = RowRefused(line, reason)
        self.refused += 1
        self.reasons[reason.split(": ", maxsplit=1)[0]] += 1
        bisect.insort(self.refusals, refused)
        del self.refusals[EXAMPLES:]
        return refused

    def leave_out(self, name: str, line: int, found: object) -> None:
        """Count an optional field that cannot be used."""
        self.left_out[name] += 1
        self.examples.setdefault(name, Example(line, str(found)))

    @property
    def lines(self) -> int:
        """What became of each row, or of each line of the list that it holds."""
        return self.events + self.passed + self.refused

    @property
    def zoneless(self) -> str:
        """A time of the file that names no zone, "" where all do or a zone was given."""
        return self.notes.examples.get(("timestamp", NO_ZONE), "")
