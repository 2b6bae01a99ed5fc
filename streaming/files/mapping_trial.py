"""Records of another shape and a mapping in; the report on them, and what each record would become, out."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path as FilePath
from typing import Any, Final, NamedTuple

import msgspec

from models.records import (
    MARK,
    MISSING,
    NOTHING,
    REGISTRY_PREFIX,
    Event,
    EventMapping,
    EventRules,
    ItemFacts,
    Mentioned,
    Rejection,
    encode,
    encode_item,
    parsed,
    said_by,
)
from streaming.files.events import read_events
from streaming.files.hints import type_for
from streaming.files.layout import NO_TYPE, Layout
from streaming.files.report import as_document
from streaming.files.report import report as report_of
from streaming.files.rows import Bad, Batch, Rows
from streaming.files.survey import Survey

_NO_ROW: Final = "no_row"


class Sample(NamedTuple):
    """A record as somebody has it: of a topic, of a file, or pasted.

    Attributes:
        place: Where it stands, in words.
        key: Its key.
        value: Its value.
        timestamp: Kafka's time of it, epoch milliseconds.
        line: Its line in a file; 0: it counts from 1.
        why: Why a line of a file is no record, "" for one that is.
    """

    place: str
    key: bytes | None
    value: bytes | None
    timestamp: float
    line: int = 0
    why: str = ""


class SampleRows:
    """Records as the rows that a report is made of.

    Args:
        name: What to call them.
        form: What they are, in words.
        samples: The records.
        mapping: Says why a record cannot be read.
        from_file: Whether they are the lines of a file.
    """

    columns: tuple[str, ...] | None = None

    def __init__(
        self, name: str, form: str, samples: Sequence[Sample], mapping: EventMapping, *, from_file: bool = False
    ) -> None:
        self.path, self.form, self.from_file, self.remarks = FilePath(name), form, from_file, dict[str, str]()
        self._samples = [(sample.line or number, sample) for number, sample in enumerate(samples, 1)]
        self._mapping = mapping

    def first(self, count: int) -> list[dict[str, Any]]:
        """The first records as objects."""
        return [document for _, sample in self._samples[:count] if (document := _document(sample))]

    def batches(self) -> Iterator[Batch]:
        """All records in one batch."""
        lines, documents, bad = list[int](), list[Any](), list[Bad]()
        around: list[tuple[bytes | None, float]] = []
        for line, sample in self._samples:
            document = _document(sample)
            why = "" if document else sample.why or self._why_none(sample)
            if why:
                bad.append(Bad(line, why))
            else:
                lines.append(line)
                documents.append(document or {})
                around.append((sample.key, sample.timestamp))
        if self._samples:
            yield Batch(lines, None, documents, bad, around)

    def _why_none(self, sample: Sample) -> str:
        """Why a record without an object is refused, "" where the mapping passes it over."""
        answer = self._mapping.event(sample.value, sample.key, sample.timestamp)
        return str(answer) if isinstance(answer, Rejection) else ""


def _document(sample: Sample) -> dict[str, Any] | None:
    """The object that a record holds, None for none. One without a value names nothing, and is an empty object."""
    raw = sample.value
    if sample.why:
        return None
    if not raw:
        return {}
    if raw[:1] == b"\0":
        raw = raw[REGISTRY_PREFIX:]
    try:
        raw.decode()
        document = parsed(raw.removeprefix(MARK))
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
    document = said_by(document) if isinstance(document, str) else document
    return {} if document is None else document if isinstance(document, dict) else None


def surveyed(rows: Rows, layout: Layout, rules: EventRules, ahead: float, *, one_by_one: bool = False) -> Survey:
    """What is found in rows that are read as events.

    Args:
        rows: An open file, or records.
        layout: How their fields are named.
        rules: What an event may be.
        ahead: Epoch seconds; later events are counted as ahead.
        one_by_one: Whether to read as from a topic (`mapping_of`).

    Raises:
        FileError: The file or its layout cannot be used.
    """
    survey = Survey(str(rows.path))
    for _ in read_events(rows, layout, rules, survey=survey, now=ahead, one_by_one=one_by_one):
        pass
    return survey


def tried(
    name: str, mapping: EventMapping, layout: Layout, survey: Survey, samples: Sequence[Sample]
) -> dict[str, Any]:
    """The report on records, what each becomes by a mapping as a record of a topic or a request, and counts.

    Args:
        name: What to call the mapping.
        mapping: How the fields of the records are named.
        layout: The same, for the words of the report.
        survey: What was found in the records, from `surveyed`.
        samples: The records.
    """
    records = [result for sample in samples for result in _results(mapping, layout, sample)]
    counted = {outcome: sum(outcome in each for each in records) for outcome in ("event", "refusal")}
    return {
        "report": report_of(survey, layout),
        "file_report": as_document(survey, layout),
        "topic": name,
        "events": counted["event"],
        "ignored": len(records) - sum(counted.values()),
        "refused": counted["refusal"],
        "unread": list(mapping.unread),
        "records": records,
    }


def _results(mapping: EventMapping, layout: Layout, sample: Sample) -> Iterator[dict[str, Any]]:
    """What becomes of a record: a result for each of its events."""
    if sample.why:
        yield {"at": sample.place, "refusal": _refusal(Rejection(_NO_ROW, "$", "a row", sample.why), sample.why)}
        return
    left_out: dict[int, tuple[str, ...]] = {}
    mentioned = Mentioned()
    answers = mapping.events(sample.value, sample.key, sample.timestamp, mentioned=mentioned, by_line=left_out)
    said, document = mentioned.take_by_item(), _document(sample) or {}
    lines = (list(mapping.lists.lines(document)) if mapping.lists else []) or [()]
    several = len(answers) > 1
    for part, (answer, line) in enumerate(zip(answers, lines, strict=False), 1):
        place = f"{sample.place}, event {part} of {len(answers)}" if several else sample.place
        if isinstance(answer, Event):
            yield {"at": place} | _event(answer, said, left_out.get(part - 1, ()))
        elif isinstance(answer, Rejection):
            yield {"at": place, "refusal": _refusal(answer, str(answer))}
        else:
            yield {"at": place, "skipped": _why_ignored(mapping, layout, document, line)}


def _event(event: Event, said: Mapping[str, ItemFacts], left_out: Iterable[str]) -> dict[str, Any]:
    found = {"event": json.loads(encode(event))}
    if (facts := said.get(event.item_id or "")) is not None:
        found["facts"] = json.loads(encode_item(facts))
    return found | ({"left_out": list(left_out)} if left_out else {})


def _refusal(rejection: Rejection, text: str) -> dict[str, str]:
    return {name: getattr(rejection, name) for name in ("reason", "path", "expected", "found")} | {"text": text}


def _why_ignored(mapping: EventMapping, layout: Layout, document: Any, line: tuple[int, ...]) -> str:
    """Why a line of a record is no event: what a field of it says, or its type."""
    for skip in mapping.skips:
        value = skip.path.find(document, line)
        if value is not MISSING and (why := skip.why(value)):
            return why
    path = mapping.paths.get("event_type")
    if isinstance(path, str):
        return f"its type is mapped to {NO_TYPE}"
    value = MISSING if path is None else path.find(document, line)
    word = None if value is MISSING else mapping.readers["event_type"](value)
    if not isinstance(word, str):
        listed = NOTHING in layout.types
        return f"it names no type, and {NOTHING if listed else 'default_type'} is mapped to {NO_TYPE}"
    if word.casefold() in {listed.casefold() for listed in layout.types} or word.casefold() == NO_TYPE:
        return f"its type {word!r} is mapped to {NO_TYPE}"
    return (
        f"its type {word!r} is not in [types], and unknown_type is {NO_TYPE}: to read it, add "
        f'{json.dumps(word, ensure_ascii=False)} = "{type_for(word)}" to [types]'
    )


__all__ = ["Sample", "SampleRows", "surveyed", "tried"]
