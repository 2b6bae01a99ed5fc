"""A record of somebody else's shape in; our `Event`s, None to skip it, or a `Rejection` out. Stage 1.

One language for topics, files and requests. The values found are written as an event of ours and read by the same
decoder, so that the same things are valid. A rejection names the place in the foreign record.
"""

from __future__ import annotations

import difflib
import itertools
import json
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final

import msgspec

from models.records.completions import COMPLETED, DESCRIBING, Mentioned, completion, mask_of
from models.records.events import Event, EventRules, decode, written
from models.records.foreign.paths import MISSING, Line, Lists, Path, suffix
from models.records.foreign.skips import skips_of, why_skipped
from models.records.foreign.transforms import (
    IDS,
    NO_EVENT,
    NOTHING,
    NUMBERS,
    TypeWords,
    chained,
    check_types,
    nested,
    tags_of,
    transform,
)
from models.records.foreign.values import (
    EXCEL,
    Notes,
    Times,
    Unusable,
    id_of,
    number_of,
    text_of,
    truth_of,
)
from models.records.rejections import MARK, Rejection, describe, unparsable, unwrapped

FIELDS: Final = (
    "event_type",
    "user_id",
    "item_id",
    "timestamp",
    "event_id",
    "session_id",
    "price",
    "quantity",
    "request_id",
    "query",
)
"""Our fields that a mapping, or a column of a file, can fill."""

FACTS: Final = ("category", "brand", "title", "tags", "available", "rating", "embedding", "group_id", "context")
"""What a file can say next to the event: facts of its item, the user's rating, and the context."""

NEEDED: Final = ("event_type", "user_id", "timestamp")

KEY, TIME = "@key", "@time"
"""In place of a path: the record's key, and Kafka's time of the record."""

MAX_LINES: Final = 500
"""Events that one record of a topic or a request can become: what is written of one record to Redis stays one script.
Files have no such bound."""

_NEEDED_IDS: Final = frozenset({"user_id", "item_id"})


class EventMapping:
    """Turns records of one foreign shape into events.

    Args:
        rules: the shop's configuration of events.
        fields: our field -> path in the foreign record, or KEY, or TIME.
        types: foreign word, or NOTHING -> our type, or NO_EVENT. Words that are not listed, in any case, must be types
            of ours.
        constants: our field -> value, for fields that the foreign record does not have.
        time: "auto" (RFC 3339, or a number of seconds or milliseconds), one of UNITS, EXCEL, or a format of strptime.
        zone: time zone of times that name none.
        default_type: type of records that name none.
        unknown_type: type of records whose word is not listed and no type of ours.
        transforms: our field -> what to do to its values, in order: "lower", "hash", "decimal ,", "decimal .",
            "divide 100".
        also: further fields that may be filled.
        key: for the transform "hash".
        notes: what is done to values is counted there.
        assume_utc: times that name no zone are read as UTC, and noted.
        own_places: rejections name our fields instead of the places in the foreign record.
        skip: path in the foreign record -> its values, or ANY, with which a record is no event.
        one_by_one: for records of a topic or a request: of items it reads the facts that events complete, and `unread`
            has the names of the other ones. For a file, the caller reads all of them.

    Raises:
        ValueError: the mapping cannot work; the message speaks of the settings.

    >>> fields = {"event_type": "what", "user_id": "who.id", "item_id": "sku", "timestamp": TIME}
    >>> shop = EventMapping(EventRules(), fields, types={"VIEWED": "click", "PING": "none"})
    >>> shop.event(b'{"what": "VIEWED", "who": {"id": 7}, "sku": "tea"}', None, 1.7e12).user_id
    '7'
    >>> shop.event(b'{"what": "PING"}', None, 1.7e12) is None
    True
    >>> changes = EventMapping(EventRules(), fields, types={"@nothing": "none"})
    >>> changes.event(None, b"7", 1.7e12) is changes.event(b'{"what": null}', b"7", 1.7e12) is None
    True
    >>> str(shop.event(b'{"what": "VIEWED", "who": {"id": true}, "sku": "tea"}', None, 1.7e12))[:31]
    'wrong_type at $.who.id: expecte'
    """

    def __init__(
        self,
        rules: EventRules,
        fields: Mapping[str, str],
        types: Mapping[str, str] | None = None,
        constants: Mapping[str, str | float] | None = None,
        time: str = "auto",
        zone: str | None = None,
        default_type: str | None = None,
        unknown_type: str | None = None,
        transforms: Mapping[str, Sequence[str]] | None = None,
        also: Iterable[str] = (),
        key: bytes | None = None,
        notes: Notes | None = None,
        *,
        skip: Mapping[str, Iterable[str]] | None = None,
        assume_utc: bool = False,
        own_places: bool = False,
        one_by_one: bool = False,
    ) -> None:
        self._own_places = own_places
        self._rules, self.constants, self.default_type = rules, dict(constants or {}), default_type
        _check_names(fields, self.constants, (*FIELDS, *also), default_type)
        self._words = TypeWords(dict(types or {}), rules, unknown_type)
        check_types({"default_type": default_type}, rules)
        self.unread = _unread(fields) if one_by_one else ()
        """Fields of the mapping that are facts of items, which it does not read."""
        fields = {field: text for field, text in fields.items() if field not in self.unread}
        transforms = {field: steps for field, steps in (transforms or {}).items() if field not in self.unread}
        self.paths = {field: text if text in {KEY, TIME} else Path(text) for field, text in fields.items()}
        self._days = time == EXCEL
        self._time = Times(time, zone, notes, assume=assume_utc)
        self.lists = Lists(path for path in self.paths.values() if isinstance(path, Path))
        """The lists of a record whose members become events."""
        self.skips = skips_of(skip or {}, self.lists.names)
        """The fields whose values say that a record, or a line of it, is no event."""
        self.readers = self._readers(transforms, key)
        said = {*fields, *self.constants} if one_by_one else set()
        described = tuple(field for field in DESCRIBING if field in said)
        self.completes = (*described, "price") if described and "price" in said else described
        """Facts of items that it reads: none where a price is all that it says of them."""
        self._mask, self._described = mask_of(self.completes), described
        self._event_paths = {field: path for field, path in self.paths.items() if field not in described}

    def at_most(self, raw: bytes | None) -> int:
        """A bound on how many events a record becomes, without reading it.

        >>> fields = {"user_id": "u", "timestamp": TIME, "item_id": "l[*]"}
        >>> mapping = EventMapping(EventRules(), fields, default_type="cart")
        >>> mapping.at_most(b'{"u": 1, "l": ["a", "b", "c"]}'), mapping.at_most(None)
        (4, 1)
        """
        if not self.lists or raw is None:
            return 1
        if raw[:1] == b"\0" and isinstance(unwrapped(raw), Rejection):
            return MAX_LINES
        return min(MAX_LINES, 1 + raw.count(b","))  # between two members of a list there is a comma

    def _readers(
        self, transforms: Mapping[str, Sequence[str]], key: bytes | None
    ) -> dict[str, Callable[[Any], object]]:
        """Our field -> what reads a value found for it: None for no value, `Unusable`, or the value."""
        readers: dict[str, Callable[[Any], object]] = {}
        for field in self.paths:
            steps = [transform(field, text, key) for text in transforms.get(field, ())]
            decimal = next((step for step in steps if isinstance(step, str)), None)
            readers[field] = chained(
                self._reader(field, decimal), [step for step in steps if not isinstance(step, str)]
            )
        for field in transforms:
            if field not in self.paths:
                raise ValueError(f"transforms.{field}: no path fills this field")
        return readers

    def _reader(self, field: str, decimal: str | None) -> Callable[[Any], object]:
        if field == "timestamp":
            return self._timestamp if self.paths[field] != TIME else lambda value: value
        if field in NUMBERS:
            return lambda value: number_of(value, decimal)
        if field in IDS or field == "event_type":
            return id_of
        if field == "available":
            return truth_of
        if field == "tags":
            return tags_of
        if field in {"embedding", "context"}:
            return nested
        return text_of

    def _timestamp(self, value: object) -> object:
        if self._days and isinstance(value, str):
            value = value.replace(",", ".")  # a spreadsheet may write days with a decimal comma
        found = self._time.read(value)
        if found is None and value is not None:
            return None if isinstance(value, str) and id_of(value) is None else Unusable(self._time.expected, value)
        return found

    def place(self, field: str, line: Line = ()) -> str:
        """Names the place of our field in the foreign record, for rejections."""
        path = self.paths.get(field)
        if self._own_places:
            return f"$.{field}"
        if path is None:
            return f"constants.{field}"
        return path if isinstance(path, str) else path.at(line)

    def event(
        self, raw: bytes | None, key: bytes | None, timestamp_ms: float, left_out: Counter[str] | None = None
    ) -> Event | Rejection | None:
        """Makes an event of a record, or None to skip it; the first when it has several. Never raises on input.

        Callers that may meet lists use `events`.

        Args:
            raw: the record's value.
            key: its key.
            timestamp_ms: Kafka's time of the record, epoch milliseconds.
            left_out: counts the optional fields that could not be used, by name.
        """
        return self.events(raw, key, timestamp_ms, left_out)[0]

    def events(
        self,
        raw: bytes | None,
        key: bytes | None,
        timestamp_ms: float,
        left_out: Counter[str] | None = None,
        mentioned: Mentioned | None = None,
        skipped: Counter[str] | None = None,
        by_line: dict[int, tuple[str, ...]] | None = None,
    ) -> list[Event | Rejection | None]:
        """Makes the events of a record, at least one outcome. Never raises on input.

        Args:
            raw: as of `event`.
            key: as of `event`.
            timestamp_ms: as of `event`.
            left_out: as of `event`; also facts of items.
            mentioned: takes what the events say of their items.
            skipped: counts the lines that are no events for what a field of theirs says, by the reason.
            by_line: takes what is counted in `left_out`, by the place of its event in the answer.
        """
        most = self.at_most(raw)
        if not raw and self._words.skips_nothing:
            return [None]
        if raw is None:
            return [Rejection("empty", "$", "a JSON object", "no value")]
        if raw[:1] == b"\0" and len(raw) <= self._rules.max_bytes:
            unwrapped_raw = unwrapped(raw)
            if isinstance(unwrapped_raw, Rejection):
                return [unwrapped_raw]
            raw = unwrapped_raw
        raw = raw.removeprefix(MARK)
        if problem := unparsable(raw, self._rules.max_bytes):
            return [problem]
        try:
            document = parsed(raw)
        except RecursionError:
            return [Rejection("nesting", "$", "a JSON object", "values nested too deep to parse")]
        except msgspec.DecodeError as error:
            return [Rejection("not_json", "$", "a JSON object", str(error).removeprefix("JSON is malformed: "))]
        if document is None and self._words.skips_nothing:
            return [None]
        return self.of_document(document, key, timestamp_ms, left_out, most, mentioned, skipped, by_line)

    def of_document(
        self,
        document: Any,
        key: bytes | None,
        timestamp_ms: float,
        left_out: Counter[str] | None = None,
        most: int = MAX_LINES,
        mentioned: Mentioned | None = None,
        skipped: Counter[str] | None = None,
        by_line: dict[int, tuple[str, ...]] | None = None,
    ) -> list[Event | Rejection | None]:
        """Makes the events of a record whose value is decoded already, into what JSON could hold.

        Args:
            document: what the value says.
            key: as of `event`.
            timestamp_ms: as of `event`.
            left_out: as of `event`.
            most: events that it may become, as `at_most` said; one that would become more is refused whole.
            mentioned: as of `events`.
            skipped: as of `events`.
            by_line: as of `events`.
        """
        lines = (list(itertools.islice(self.lists.lines(document), most + 1)) if self.lists else []) or [()]
        if len(lines) > most:
            return [Rejection("bad_value", self.lists.names[-1], f"at most {most} of them in one record", "more")]
        found: list[Event | Rejection | None] = []
        dropped: Counter[str] = Counter()
        for place, line in enumerate(lines):
            if why := why_skipped(self.skips, document, line):
                found.append(None)
                if skipped is not None:
                    skipped[why] += 1
                continue
            event = self._made(document, line, key, timestamp_ms, dropped)
            found.append(event)
            if type(event) is Event:
                if mentioned is not None and self.completes and event.item_id is not None:
                    around = key, timestamp_ms
                    self._complete_item(document, line, around, event, event.item_id, dropped, mentioned)
                if dropped and left_out is not None:
                    left_out.update(dropped)
                if dropped and by_line is not None:
                    by_line[place] = tuple(dropped)
            dropped.clear()
        return found

    def _complete_item(
        self,
        document: Any,
        line: Line,
        around: tuple[bytes | None, float],
        event: Event,
        item_id: str,
        left_out: Counter[str],
        mentioned: Mentioned,
    ) -> None:
        """Note what an event says of its item; `around` are the key and the time of the record."""
        missing = mentioned.missing(item_id, self._mask)
        if not missing:
            return
        found: dict[str, Any] = {}
        for field in self._described:
            if not missing & mask_of((field,)):
                continue
            path = self.paths.get(field)
            value: object = self.constants.get(field)
            if path is not None:
                value = _from_record(path, *around) if isinstance(path, str) else path.find(document, line)
                value = None if value is MISSING else self.readers[field](value)
            if isinstance(value, Unusable):
                left_out[field] += 1
            elif value is not None:
                found[field] = value
        if event.price is not None and missing & mask_of(("price",)):
            found["price"] = event.price
        facts = completion(item_id, found, left_out)
        if facts is not None:
            mentioned.add(item_id, facts)

    def _made(
        self, document: Any, line: Line, key: bytes | None, timestamp_ms: float, left_out: Counter[str]
    ) -> Event | Rejection | None:
        ours: dict[str, Any] = {}
        for field, path in self._event_paths.items():
            value = _from_record(path, key, timestamp_ms) if isinstance(path, str) else path.find(document, line)
            if value is not MISSING and (value := self.readers[field](value)) is not None:
                ours[field] = value
        if line and isinstance(name := ours.get("event_id"), str):
            ours["event_id"] = name + suffix(line)
        word = ours.get("event_type")
        problem = self._complete(ours, line, left_out)
        if problem is not None:
            return problem
        if ours.get("event_type") == NO_EVENT:
            return None
        return self._in_their_words(decode(written(ours), self._rules, left_out), word, line)

    def _complete(self, ours: dict[str, Any], line: Line, left_out: Counter[str]) -> Rejection | None:
        """Fills in constants and our type, in place; an unusable optional field is removed.

        Returns:
            Why there can be no event. The type NO_EVENT says that the record is none.
        """
        for field, value in self.constants.items():
            ours.setdefault(field, value)
        word = ours.get("event_type")
        if type(word) is str:
            ours["event_type"] = self._words.type_of(word)
        elif word is None and self._words.skips_nothing:
            ours["event_type"] = NO_EVENT
        elif word is None and self.default_type is not None:
            ours["event_type"] = self.default_type
        if ours.get("event_type") == NO_EVENT:
            return None
        for field in [field for field, value in ours.items() if type(value) is Unusable]:
            if field in _NEEDED_IDS or field in NEEDED:
                return self.unusable(field, ours[field], line)
            del ours[field]
            left_out[field] += 1
        return None

    def type_of(self, word: str) -> str:
        """Our type for a word of theirs; the word itself when there is none."""
        return self._words.type_of(word)

    def unusable(self, field: str, value: Unusable, line: Line = ()) -> Rejection:
        """Rejects a record for a value that it cannot be without."""
        found = describe(value.found) if isinstance(value.found, str | int | float | list | dict) else str(value.found)
        reason = "bad_timestamp" if field == "timestamp" else "bad_value"
        return Rejection(reason, self.place(field, line), value.expected, f"{found} {value.remark}".rstrip())

    def _in_their_words(self, answer: Event | Rejection, word: object, line: Line) -> Event | Rejection:
        """A rejection with the place in the foreign record, and the foreign word of the type."""
        if isinstance(answer, Event):
            return answer
        field = answer.path.removeprefix("$.")
        if field not in FIELDS:
            return answer
        expected, found = answer.expected, answer.found
        if answer.reason == "unknown_type":
            expected, found = "a word of the mapping's types, or one of our types", describe(word)
        return Rejection(answer.reason, self.place(field, line), expected, found)


def parsed(raw: bytes) -> Any:
    """The document. NaN and Infinity, which some programs write into JSON, are null. Raises DecodeError."""
    try:
        return msgspec.json.decode(raw)
    except msgspec.DecodeError:
        if b"NaN" not in raw and b"Infinity" not in raw:
            raise
        try:
            document = json.loads(raw, parse_constant=lambda _: None)
            # Python reads half of a surrogate pair, which is no text and cannot be written again.
            json.dumps(document, ensure_ascii=False).encode()
        except ValueError:
            pass
        else:
            return document
        raise


def _unread(fields: Mapping[str, str]) -> tuple[str, ...]:
    """The facts of items that records one by one do not say: those that change, and those in a list of their own.

    A list that no field of the event goes through would make several events of one.
    """
    facts = [field for field in fields if field in FACTS and field != "context"]
    lists = {field: Path(text).lists for field, text in fields.items() if text not in {KEY, TIME}}
    longest = max((way for field, way in lists.items() if field not in facts), key=len, default=())
    return tuple(
        field
        for field in facts
        if field not in COMPLETED or longest[: len(lists.get(field, ()))] != lists.get(field, ())
    )


def _from_record(what: str, key: bytes | None, timestamp_ms: float) -> object:
    if what == TIME:
        return timestamp_ms / 1000
    if key is None:
        return MISSING
    try:
        return key.decode()
    except UnicodeDecodeError:
        return MISSING


def _check_names(
    fields: Mapping[str, str], constants: Mapping[str, str | float], known: Sequence[str], default_type: str | None
) -> None:
    for name in (*fields, *constants):
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
            raise ValueError(f"{name!r} is no field of ours" + (f": did you mean {near[0]}?" if near else ""))
    for name in NEEDED:
        if name not in fields and name not in constants and not (name == "event_type" and default_type):
            raise ValueError(f'fields has no {name}: say where their records have it, as in {name} = "a.b"')
    both = sorted(set(fields) & set(constants))
    if both:
        raise ValueError(f"{both[0]} is in fields and in constants: keep one of them")
    if "timestamp" in constants:
        raise ValueError('timestamp cannot be a constant: timestamp = "@time" takes the time Kafka has for the record')


__all__ = ["FACTS", "FIELDS", "KEY", "NOTHING", "NO_EVENT", "TIME", "EventMapping", "Path", "parsed"]
