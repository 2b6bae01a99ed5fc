"""Turns rows of a file into columns of values by our field, by the mapping that its layout makes."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from types import NoneType
from typing import Any, Final

from models.records import EACH, FIELDS, MISSING, ODD_IDS, TIME, WHOLE_IDS, EventRules, Line, Path, is_odd
from streaming.files.absent import Absent
from streaming.files.layout import (
    KNOWN,
    NO_TYPE,
    SYNONYMS,
    Layout,
    is_path,
    literal,
    mapping_of,
    missing_in,
    named,
    tops,
    why_dropped,
    why_missing,
)
from streaming.files.rows import Batch, Rows
from streaming.files.source import FileError
from streaming.files.survey import Survey
from streaming.mappings import suiting

SHOWN_FACTS: Final = ("category", "price", "brand", "title", "tags", "available", "embedding", "group_id")
"""Item facts in a row about an event. A `rating` there is the user's, not the item's."""

IN_EVENT: Final = (*FIELDS, "context")
_NUMBERS: Final = ("price", "quantity", "rating")
_SAMPLED: Final = 200
_KEPT: Final = 20_000
_LOOKED_INTO: Final = 20
_DEEP: Final = 4
_MAIL: Final = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s.]+")

MAIL_IDS: Final = "e-mail addresses"


class Columns:
    """Turns the rows of one file into columns of values by our field."""

    def __init__(
        self,
        rows: Rows,
        layout: Layout,
        rules: EventRules,
        survey: Survey,
        required: tuple[str, ...] | None = None,
        *,
        one_by_one: bool = False,
    ) -> None:
        self.survey = survey
        self._layout = layout
        sample = rows.first(_SAMPLED)
        names = rows.columns if rows.columns is not None else tuple(dict.fromkeys(n for doc in sample for n in doc))
        self.names = names
        if layout.fill and rows.columns is None:
            raise FileError(
                f"{rows.path}: [fill] of {layout.preset} is for the rows of a table, and the objects of JSON are whole"
            )
        fields = named(str(rows.path), names if rows.columns is not None else names or None, layout)
        if rows.columns is not None and layout.fields:
            fields = {field: text for field, text in fields.items() if Path(text).among(names) != []}
        missing = missing_in(fields, layout) if required is None else [f for f in required if f not in fields]
        if dropped := why_dropped(missing, layout, names):
            raise FileError(f"{rows.path}: {dropped}")
        if missing and rows.columns is not None:
            name = suiting(names) if not layout.fields else ""
            preset = f". It looks like an export of {name}: try --preset {name}" if name else ""
            raise FileError(why_missing(str(rows.path), names, missing, fields.values(), layout) + preset)
        if rows.columns is None:
            fields = _with_alternatives(fields, layout)
        numbers = [doc.get(fields[f].strip('[]"')) for doc in sample for f in _NUMBERS if f in fields]
        if required is not None:
            fields = {"event_type": "event_type", "user_id": "user_id", "timestamp": "timestamp"} | fields
        elif not one_by_one:
            fields |= {field: field for field in missing}
        self.mapping = mapping_of(fields, layout, rules, survey.notes, numbers, one_by_one=one_by_one)
        self.fields = fields
        self.facts = self.mapping.completes if one_by_one else SHOWN_FACTS
        self._plain_times = layout.time == "auto"
        self._keys_of: list[Any] = []
        self._names: set[str] = set()
        survey.form, survey.from_file, survey.names = rows.form, rows.from_file, tuple(names)
        survey.remarks, survey.one_by_one = rows.remarks, one_by_one
        survey.fields = {
            field: " or ".join(said)
            for field in KNOWN
            if field in self.mapping.paths and (said := _said(self.mapping.paths[field], names))
        }
        self._note_names(rows, sample)
        self._absent = Absent(layout, names, survey)
        self._readers = {field: self._noting(field) for field in self.mapping.paths}
        self._known: dict[str, dict[Any, object]] = {field: {} for field in self.mapping.paths}
        self._lists = self.mapping.lists
        survey.lists = self._lists.names[-1].removeprefix("$.") if self._lists else ""

    def _note_names(self, rows: Rows, sample: Sequence[Mapping[str, Any]]) -> None:
        """Say which names nothing is read from, and which that flags drop are none."""
        survey, layout, names = self.survey, self._layout, self.names
        used = {top for text in (*self.fields.values(), *layout.skip) for top in tops(text)} | {*layout.fill}
        survey.unused = tuple(name for name in names if name and name not in used)
        survey.places = tuple(map(literal, names)) if rows.columns is not None else _paths_in(sample, ())
        survey.paths = survey.unused if rows.columns is not None else _paths_in(sample, survey.fields.values())
        nowhere = [
            name
            for name, field in layout.columns.items()
            if field == NO_TYPE and names and name not in {*names, *layout.fields} and not is_path(name, names)
        ]
        if nowhere:
            survey.remarks["dropped"] = (
                f"no column is called {' or '.join(map(repr, nowhere))}, which --column is to leave out: there are "
                f"{', '.join(filter(None, names))}"
            )

    def _noting(self, field: str) -> Callable[[Any], object]:
        """The mapping's reader of a field, which notes ids that it changes."""
        read, notes = self.mapping.readers[field], self.survey.notes
        if field not in {"user_id", "item_id", "event_id", "session_id", "request_id"}:
            return read
        is_user = field == "user_id"

        def noting(value: Any) -> object:
            found = read(value)
            if type(value) is str and value[-2:] == ".0" and value.strip() == f"{found}.0":
                notes.add(field, WHOLE_IDS, value)
            elif type(found) is str and not found.isascii() and is_odd(found):
                notes.add(field, ODD_IDS, ascii(found))
            if is_user and type(found) is str and "@" in found and _MAIL.fullmatch(found):
                notes.add(field, MAIL_IDS, found)
            return found

        return noting

    def spreadable(self, batch: Batch) -> Batch:
        """The batch as objects, where rows of columns hold lists that become several events."""
        if not self._lists or batch.columns is None:
            return batch
        documents = [_row_at(batch, place) for place in range(len(batch.lines))]
        return Batch(batch.lines, None, documents, batch.bad, batch.around)

    def spread(self, batch: Batch) -> tuple[Sequence[int], Sequence[Line] | None]:
        """The place of the row of each event that the rows may become, and which of its lines it is."""
        if not self._lists or batch.columns is not None:
            return range(len(batch.lines)), None
        places: list[int] = []
        lines: list[Line] = []
        for place, document in enumerate(batch.documents):
            found = list(self._lists.lines(document)) or [()]
            places += [place] * len(found)
            lines += found
        return places, lines

    def column(self, field: str, batch: Batch, places: Sequence[int], lines: Sequence[Line] | None) -> list[Any] | None:
        """Values of our field for each event, as read: None for no value, or `Unusable`. None where nothing has any."""
        found = self._found(self.mapping.paths[field], batch, places, lines)
        if found is None:
            return None
        if field == "timestamp" and self._plain_times and _are_seconds(found):
            return list(map(float, found))
        read, known = self._readers[field], self._known[field]
        kinds = set(map(type, found))
        if not kinds <= {str, NoneType} or field in {"timestamp", "context", "tags", "embedding"}:
            return [None if value is None else read(value) for value in found]
        if len(known) > _KEPT:
            known.clear()
        for value in set(found).difference(known):
            known[value] = None if value is None else read(value)
        return list(map(known.__getitem__, found))

    def skipped(self, batch: Batch, places: Sequence[int], lines: Sequence[Line] | None) -> dict[int, str]:
        """Which of the events are none for what a field of theirs says, by number, and why."""
        self._absent.look(batch, places, lines)
        found: dict[int, str] = {}
        for text, skip in zip(self._layout.skip, self.mapping.skips, strict=True):
            values = self._found(skip.path, batch, places, lines) or ()
            self._absent.look_at(text, values)
            for at, value in enumerate(values):
                if at not in found and (why := skip.why(value)):
                    found[at] = why
        return found

    def _found(
        self, path: Path | str, batch: Batch, places: Sequence[int], lines: Sequence[Line] | None
    ) -> list[Any] | None:
        if isinstance(path, str):
            return [_of_record(path, *batch.around[place]) for place in places] if batch.around else None
        if batch.columns is not None:
            names = path.among(batch.columns)
            if names is not None and len(names) < 2:
                return batch.columns[names[0]] if names else None
            rows = [_row_at(batch, place) for place in range(len(batch.lines))]
            return [None if (value := path.find(row)) is MISSING else value for row in rows]
        documents = batch.documents
        if lines is not None:
            found = [path.find(documents[place], line) for place, line in zip(places, lines, strict=True)]
            return [None if value is MISSING else value for value in found]
        names = path.among(self._keys(documents))
        if names is not None and len(names) < 2:
            return [document.get(names[0]) for document in documents] if names else None
        return [None if (value := path.find(document)) is MISSING else value for document in documents]

    def _keys(self, documents: list[Any]) -> set[str]:
        """Names in the objects of a batch."""
        if self._keys_of is not documents:
            self._keys_of, self._names = documents, set().union(*documents)
        return self._names

    def facts_at(self, batch: Batch, place: int, wanted: Sequence[str], line: Line = ()) -> dict[str, Any]:
        """Item facts of one row, of this line of the list that it holds."""
        found: dict[str, Any] = {}
        for field in wanted:
            path = self.mapping.paths.get(field)
            if path is None or isinstance(path, str):
                continue
            if batch.columns is not None and path.name in batch.columns:
                value = batch.columns[path.name][place]
            else:
                value = path.find(batch.documents[place] if batch.columns is None else _row_at(batch, place), line)
            if value is not None and value is not MISSING and (value := self._readers[field](value)) is not None:
                found[field] = value
        return found


def _of_record(what: str, key: bytes | None, timestamp_ms: float) -> float | str | None:
    """The time that Kafka has of a record, or its key."""
    if what == TIME:
        return timestamp_ms / 1000
    try:
        return None if key is None else key.decode()
    except UnicodeDecodeError:
        return None


def _said(path: Path | str, names: Sequence[str]) -> list[str]:
    """The places of a path that the file has, for its report."""
    if isinstance(path, str):
        return [path]
    known = path.among(names)
    return [part.removeprefix("$.") for part in str(path).split(" or ")] if known is None else known


def _paths_in(sample: Sequence[Mapping[str, Any]], used: Collection[str]) -> tuple[str, ...]:
    """Paths to the values in some objects that nothing is read from."""
    found: dict[str, None] = {}

    def look(value: Any, path: str, depth: int) -> None:
        if isinstance(value, dict) and depth:
            for name, inner in value.items():
                look(
                    inner,
                    f"{path}.{literal(name)}" if path and literal(name) == name else path + literal(name),
                    depth - 1,
                )
        elif isinstance(value, list) and value and not isinstance(value[0], list) and path.count(EACH) < 2:
            look(value[0], path + EACH, depth)
        elif path and not isinstance(value, dict | list) and path not in used:
            found[path] = None

    for document in sample[:_LOOKED_INTO]:
        look(document, "", _DEEP)
    return tuple(found)


def _are_seconds(found: list[Any]) -> bool:
    """Whether all of these are epoch seconds or milliseconds, written plainly: our decoder reads them as they are."""
    try:
        digits = "".join(found)
    except TypeError:
        return False
    if not digits.replace(".", "").isdigit() or not digits.isascii() or "" in found:
        return False
    try:
        numbers = list(map(float, found))
    except ValueError:
        return False
    return min(numbers) >= 1e8 and max(numbers) <= 4.1e12


def _row_at(batch: Batch, place: int) -> dict[str, Any]:
    assert batch.columns is not None
    return {name: column[place] for name, column in batch.columns.items()}


def _with_alternatives(fields: Mapping[str, str], layout: Layout) -> dict[str, str]:
    """For JSON, whose objects differ: a field is looked for under our name, and then under what shops call it."""
    if layout.fields:
        return dict(fields)
    explicit = {field for field in layout.columns.values() if field != NO_TYPE}
    dropped = {name for name, field in layout.columns.items() if field == NO_TYPE}
    found: dict[str, str] = {}
    for field in dict.fromkeys((*fields, *IN_EVENT, *SHOWN_FACTS)):
        if field in explicit:
            found[field] = fields[field]
            continue
        others = [name for name, ours in SYNONYMS.items() if ours == field and name not in layout.columns]
        names = [name for name in (field, *others) if name not in dropped and name not in layout.columns]
        own = [fields[field]] if field in fields and fields[field] not in names else []
        if names or own:
            found[field] = "|".join([*own, *names]) if field in fields or field in {*IN_EVENT, *SHOWN_FACTS} else ""
    return {field: text for field, text in found.items() if text}
