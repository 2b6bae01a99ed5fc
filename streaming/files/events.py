"""Rows of a file and its layout in; valid events, with item facts at the first event of an item, out.

Each row becomes an event by the mapping that reads foreign topics, and is decoded by `models.records.events`. Files
have no rules of their own.
"""

from __future__ import annotations

import heapq
import operator
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

import msgspec
import xxhash

from models.records import (
    DISLIKE,
    KINDS,
    LEAVABLE,
    NOT_UTF8,
    NOTHING,
    Event,
    EventRules,
    ItemFacts,
    Line,
    Rejection,
    Unusable,
    decode_many,
    suffix,
    written,
)
from models.structs import Prepared
from streaming.files.columns import IN_EVENT, Columns
from streaming.files.fill import Fill
from streaming.files.item_facts import NOT_UTF8_LINE, facts_of, not_utf8
from streaming.files.layout import ITEM_FIELDS, NO_TYPE, Layout
from streaming.files.rows import Batch, Row, RowFile, Rows
from streaming.files.survey import RowRefused, Survey

_MOST_IDS: Final = 1_000_000
_TWINS: Final = 20_000
_NOTHING: Final = ItemFacts()
_UNREAD: Final = 20
_NEEDED: Final = frozenset({"user_id", "item_id", "timestamp"})
_NO_TEXT: Final = b"\xff"
_encode: Final = msgspec.json.Encoder().encode


class Shown(msgspec.Struct, metaclass=Prepared, frozen=True, gc=False):
    """An event of the file, and the facts to send before it when it is the first event of its item."""

    line: int
    event: Event
    facts: ItemFacts | None


class Passed(NamedTuple):
    """A row that is not wanted: its rating is below `min_rating`, its type is mapped to `NO_TYPE`, or it is skipped."""

    line: int


Outcome = Shown | RowRefused | Passed


def identity(path: Path, encoding: str | None = None) -> str:
    """Identify a file by its names and its first row, so that it stays the same while it grows: 16 hex digits.

    Raises:
        FileError: The file cannot be used.
    """
    with RowFile(path, encoding) as rows:
        first = next((row for row in rows if isinstance(row, Row)), None)
    return xxhash.xxh3_64_hexdigest(repr((rows.columns, first and first.fields)).encode())


def columns_in(path: Path, columns: Mapping[str, str], encoding: str | None = None) -> dict[str, str]:
    """The part of `columns` that the file has; all of it for JSON, which has no header. Raises FileError."""
    with RowFile(path, encoding) as rows:
        return {name: field for name, field in columns.items() if rows.columns is None or name in rows.columns}


def read_events(
    rows: Rows,
    layout: Layout,
    rules: EventRules,
    items: Mapping[str, ItemFacts] | None = None,
    survey: Survey | None = None,
    now: float = float("inf"),
    *,
    event_ids: bool = False,
    one_by_one: bool = False,
) -> Iterator[Outcome]:
    """Read every row as an event, a refusal, or a row that is not wanted, in the order of the file.

    Args:
        rows: The open file, or records of a topic.
        layout: How its columns and types are named.
        rules: What an event may be.
        items: Facts by item id that come before those in the row's own columns.
        survey: Everything that is found is counted there.
        now: Later events are counted as ahead, epoch seconds.
        event_ids: An event without event_id gets one made of what it says, so that sending it twice is harmless.
        one_by_one: Whether to read as from a topic (`mapping_of`).

    Raises:
        FileError: Columns are missing.
    """
    survey = survey if survey is not None else Survey(str(rows.path))
    reader = Columns(rows, layout, rules, survey, one_by_one=one_by_one)
    reading = _Reading(reader, layout, rules, items or {}, survey, now, _Ids() if event_ids else None)
    fill = Fill(layout.fill, survey.filled)
    for batch in map(fill.batch, rows.batches()):
        survey.rows += len(batch.lines) + len(batch.bad)
        outcomes: Iterable[Outcome] = reading.outcomes(batch)
        if batch.bad:
            refused = [survey.refuse(*bad) for bad in batch.bad]
            outcomes = heapq.merge(outcomes, refused, key=lambda each: each.line)
        yield from outcomes


class _Ids:
    """Makes event ids of what events say, the same in any file and at any place in it."""

    def __init__(self) -> None:
        self._twins: dict[str, int] = {}
        self._before: dict[str, int] = {}

    def added(self, raw: bytes) -> bytes:
        """The event with an id of its own; the second of two that say the same gets another."""
        name = xxhash.xxh3_128_hexdigest(raw)
        twins = self._twins
        count = twins.get(name) or (self._before.get(name, 0) if self._before else 0)
        twins[name] = count + 1
        if len(twins) > _TWINS:
            self._before, self._twins = twins, {}
        if count:
            name = f"{name}:{count + 1}"
        if len(raw) < 3:  # an empty object, which is no event
            return raw
        return raw[:-1] + b',"event_id":"' + name.encode() + b'"}'


class _Reading:
    """Reads batches of one file into outcomes, and counts."""

    def __init__(
        self,
        reader: Columns,
        layout: Layout,
        rules: EventRules,
        items: Mapping[str, ItemFacts],
        survey: Survey,
        now: float,
        ids: _Ids | None,
    ) -> None:
        self._reader, self._mapping, self._layout, self._rules = reader, reader.mapping, layout, rules
        self._items, self._survey, self._now, self._ids = items, survey, now, ids
        survey.listed = len(items)
        self._rated = layout.min_rating is not None or layout.dislike_rating is not None
        self._fields = [field for field in reader.mapping.paths if field in IN_EVENT or field == "rating"]
        self._words: dict[str, str] = {}
        self._listed = {word.casefold() for word in layout.types}
        self._drafts: dict[tuple[str, ...], Any] = {}
        self._seen: set[str] = set()
        self._own_ids: set[str] = set()
        self._last = float("-inf")

    def outcomes(self, batch: Batch) -> list[Outcome]:
        """What became of each row."""
        reader = self._reader
        batch = reader.spreadable(batch)
        places, lines = reader.spread(batch)
        count = len(places)
        columns: dict[str, list[Any]] = {}
        for field in self._fields:
            column = reader.column(field, batch, places, lines)
            if column is not None:
                columns[field] = column
        if lines is not None and "event_id" in columns:
            columns["event_id"] = [
                name + suffix(line) if isinstance(name, str) else name
                for name, line in zip(columns["event_id"], lines, strict=True)
            ]
        skipped = reader.skipped(batch, places, lines)
        for column in columns.values():
            for at in skipped:
                column[at] = None  # nothing of a row that is no event is refused or counted
        refused = self._set_aside(batch, places, columns)
        words = columns.get("event_type", [None] * count)
        self._count_words([word for at, word in enumerate(words) if at not in skipped] if skipped else words)
        columns["event_type"] = list(map(self._type_of, words))
        ratings = columns.pop("rating", None)
        if self._rated and ratings is not None:
            columns["event_type"] = list(map(self._by_rating, ratings, columns["event_type"]))
        self._survey.skipped.update(skipped.values())
        for at in skipped:
            columns["event_type"][at] = NO_TYPE
        for field, value in self._layout.constants.items():
            if field not in columns and field != "event_type":
                columns[field] = [value] * count
        return self._decoded(batch, places, lines, columns, refused)

    def _set_aside(self, batch: Batch, places: Sequence[int], columns: dict[str, list[Any]]) -> dict[int, str]:
        """Takes values out that cannot be used; why there can be no event, by its number."""
        refused: dict[int, str] = {}
        for field, column in columns.items():
            if Unusable not in set(map(type, column)):
                continue
            for at, value in enumerate(column):
                if type(value) is not Unusable:
                    continue
                line = batch.lines[places[at]]
                if field in _NEEDED:
                    refused[at] = str(self._mapping.unusable(field, value))
                else:
                    self._survey.leave_out(field, line, f"{value.found} {value.remark}".rstrip())
                if field == "timestamp":
                    self._note_time(value.found)
                if value.remark:
                    self._survey.notes.add(field, value.remark, value.found)
                column[at] = None
        return refused

    def _note_time(self, value: object) -> None:
        """Keep some of the times that cannot be read, from all over the file: of a sorted one the first share a day."""
        survey = self._survey
        if survey.unread % survey.unread_step == 0:
            survey.unread_times.append(str(value))
        if len(survey.unread_times) > _UNREAD:
            del survey.unread_times[1::2]
            survey.unread_step *= 2
        survey.unread += 1

    def _count_words(self, words: list[Any]) -> None:
        try:
            self._survey.types.update(words)
        except TypeError:
            self._survey.types.update(map(str, words))
        unnamed = words.count(None)
        if unnamed:
            del self._survey.types[None]
            self._survey.types[self._layout.default_type or "(none)"] += unnamed

    def _type_of(self, word: Any) -> Any:
        if word is None:
            layout = self._layout
            nothing = NO_TYPE if NOTHING in layout.types else None
            return layout.constants.get("event_type") or nothing or layout.default_type
        if type(word) is not str:
            return word
        found = self._words.get(word)
        if found is None:
            found = self._words[word] = self._mapping.type_of(word)
            self._note_word(word, found)
        return found

    def _note_word(self, word: str, found: str) -> None:
        """Note a type of the file that no mapping lists and that is none of ours."""
        known, plain = self._rules.kinds, word.casefold()
        if found not in known and found != NO_TYPE:
            self._survey.unmapped[word] = None
        elif self._layout.unknown_type is not None and not (plain in self._listed or plain in known or word in known):
            self._survey.unlisted[word] = None

    def _decoded(
        self,
        batch: Batch,
        places: Sequence[int],
        lines: Sequence[Line] | None,
        columns: dict[str, list[Any]],
        refused: dict[int, str],
    ) -> list[Outcome]:
        wanted: Sequence[int] = range(len(places))
        types = columns["event_type"]
        if refused or NO_TYPE in types:
            wanted = [at for at in wanted if at not in refused and types[at] != NO_TYPE]
            columns = {field: [column[at] for at in wanted] for field, column in columns.items()}
        fields = tuple(columns)
        raws = self._written(batch, places, wanted, fields, list(zip(*columns.values(), strict=True)))
        if self._ids is not None:
            own = columns.get("event_id")
            if own is None and _NO_TEXT not in raws:
                raws = list(map(self._ids.added, raws))
            else:
                given = own or [None] * len(raws)
                raws = [
                    raw if name is not None or raw == _NO_TEXT else self._ids.added(raw)
                    for raw, name in zip(raws, given, strict=True)
                ]
        left_out: Counter[str] = Counter()
        decoded = decode_many(raws, self._rules, left_out)
        if left_out:
            self._find_left_out(batch, places, wanted, columns, decoded)
        found = self._outcomes(batch, places, lines, wanted, decoded, raws, columns.get("event_id"))
        if len(wanted) == len(places):
            return found
        others: list[Outcome] = []
        for at, place in enumerate(places):
            if at in refused:
                others.append(self._survey.refuse(batch.lines[place], refused[at]))
            elif types[at] == NO_TYPE:
                self._survey.passed += 1
                others.append(Passed(batch.lines[place]))
        return list(heapq.merge(found, others, key=lambda each: each.line))

    def _written(
        self,
        batch: Batch,
        places: Sequence[int],
        wanted: Sequence[int],
        fields: tuple[str, ...],
        rows: list[tuple[Any, ...]],
    ) -> list[bytes]:
        """Each event as JSON. Text that is not UTF-8 is left out where the event can be without it."""
        draft = self._drafts.get(fields)
        if draft is None:
            draft = self._drafts[fields] = msgspec.defstruct(
                "Draft", [(field, Any, None) for field in fields], omit_defaults=True, gc=False
            )
        try:
            return [_encode(draft(*row)) for row in rows]
        except (UnicodeEncodeError, OverflowError):
            lines = [batch.lines[places[at]] for at in wanted]
            return [
                self._cleaned(line, dict(zip(fields, row, strict=True))) for line, row in zip(lines, rows, strict=True)
            ]

    def _cleaned(self, line: int, ours: dict[str, Any]) -> bytes:
        known = {field: value for field, value in ours.items() if value is not None}
        try:
            return written(known)
        except UnicodeEncodeError:
            self._survey.not_utf8 += 1
        for field in [field for field, value in known.items() if not_utf8(value)]:
            if field in _NEEDED or field == "event_type":
                return _NO_TEXT
            self._survey.leave_out(field, line, NOT_UTF8)
            del known[field]
        return written(known)

    def _find_left_out(
        self,
        batch: Batch,
        places: Sequence[int],
        wanted: Sequence[int],
        columns: dict[str, list[Any]],
        decoded: list[Event | Rejection],
    ) -> None:
        """Counts the fields that the decoder left out, with where and what they were."""
        for field in columns.keys() & set(LEAVABLE):
            for at, value, event in zip(wanted, columns[field], decoded, strict=True):
                if value is None or type(event) is not Event:
                    continue
                kept = getattr(event, field)
                if kept is None or (field == "context" and kept != value):
                    self._survey.leave_out(field, batch.lines[places[at]], value)

    def _outcomes(
        self,
        batch: Batch,
        places: Sequence[int],
        lines: Sequence[Line] | None,
        wanted: Sequence[int],
        decoded: list[Event | Rejection],
        raws: list[bytes],
        given: Sequence[str | None] | None,
    ) -> list[Outcome]:
        survey, seen = self._survey, self._seen
        found: list[Outcome] = []
        moments: list[float] = []
        for number, (at, event, raw) in enumerate(zip(wanted, decoded, raws, strict=True)):
            place = places[at]
            line = batch.lines[place]
            if type(event) is not Event:
                found.append(self._refused(line, event, raw))
                continue
            if given is not None:
                self._note_repeat(event.event_id)
            moments.append(event.timestamp)
            item, facts = event.item_id, None
            if item is not None and item not in seen:
                seen.add(item)
                facts = self._known(batch, place, () if lines is None else lines[at], item)
            if not survey.sample:
                # An id that is made here says nothing of how the row is read.
                own = given is not None and given[number] is not None
                shown = event if own else msgspec.structs.replace(event, event_id=None)
                survey.sample = {"line": line, "event": shown, "facts": facts}
            found.append(Shown(line, event, facts))
        survey.by_type.update([KINDS[event.kind] for event in decoded if type(event) is Event])
        self._count_moments(moments)
        return found

    def _refused(self, line: int, event: Event | Rejection, raw: bytes) -> RowRefused:
        assert isinstance(event, Rejection)
        if raw == _NO_TEXT:
            return self._survey.refuse(line, NOT_UTF8_LINE)
        if event.reason == "bad_timestamp":
            self._note_time(event.found.partition(" ")[2].strip('"').removesuffix(".0"))
        field = event.path.removeprefix("$.")
        if field in IN_EVENT:
            event = msgspec.structs.replace(event, path=self._mapping.place(field))
        return self._survey.refuse(line, str(event))

    def _note_repeat(self, name: str | None) -> None:
        if name in self._own_ids:
            self._survey.repeated += 1
        elif name is not None and len(self._own_ids) < _MOST_IDS:
            self._own_ids.add(name)

    def _count_moments(self, moments: list[float]) -> None:
        if not moments:
            return
        survey = self._survey
        survey.events += len(moments)
        survey.moved += sum(map(operator.lt, moments, [self._last, *moments[:-1]]))
        self._last = moments[-1]
        survey.earliest = min(survey.earliest, *moments)
        survey.latest = max(survey.latest, *moments)
        if survey.latest > self._now:
            survey.ahead += sum(moment > self._now for moment in moments)

    def _by_rating(self, rating: Any, word: Any) -> Any:
        """The row's event type as we call it, `NO_TYPE` when the row is not wanted."""
        if isinstance(rating, int | float):
            if self._layout.dislike_rating is not None and rating <= self._layout.dislike_rating:
                return KINDS[DISLIKE]
            if self._layout.min_rating is not None and rating < self._layout.min_rating:
                return NO_TYPE
        return word

    def _known(self, batch: Batch, place: int, line: Line, item_id: str) -> ItemFacts | None:
        """The listed facts of the item, completed by those of the row; None when there are none.

        Facts of the row that cannot be used are left out: the event still counts.
        """
        listed = self._items.get(item_id)
        if self._items and not self._survey.listed_example[0]:
            self._survey.listed_example = (next(iter(self._items)), item_id)
        wanted = self._reader.facts
        found = self._reader.facts_at(batch, place, wanted, line)
        own = facts_of(batch.lines[place], item_id, found, wanted, self._survey) if found else _NOTHING
        facts = own if isinstance(own, ItemFacts) else _NOTHING
        if listed is not None:
            self._survey.listed_found += 1
            known = {name: value for name in ITEM_FIELDS if (value := getattr(listed, name)) not in {None, ()}}
            facts = msgspec.structs.replace(facts, attributes=listed.attributes, **known)
        if facts == _NOTHING:
            return None
        self._survey.items += 1
        self._survey.facts.update(name for name in ITEM_FIELDS if getattr(facts, name) != getattr(_NOTHING, name))
        return facts


__all__ = ["Outcome", "Passed", "Shown", "columns_in", "identity", "read_events"]
