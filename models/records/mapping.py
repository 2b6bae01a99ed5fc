"""A record of a foreign topic in; our `Event`, None to skip it, or a `Rejection` out. Stage 1.

The values found are written as an event of ours and read by the same decoder, so that the same things are valid. A
rejection names the place in the foreign record.
"""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Mapping
from datetime import datetime, timezone
from typing import Any, Final
from zoneinfo import ZoneInfo

import msgspec

from models.records.events import Event, EventRules, decode
from models.records.rejections import Rejection, describe, unparsable, unwrapped

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

NEEDED: Final = ("event_type", "user_id", "timestamp")

KEY, TIME = "@key", "@time"
"""In place of a path: the record's key, and Kafka's time of the record."""

NO_EVENT: Final = "none"
"""In place of a type: records with this word are skipped."""

NOTHING: Final = "@nothing"
"""In place of a word: records without a value, or with nothing at the path of the type, as a delete in a change stream
has. It can be mapped to NO_EVENT only."""

UNITS: Final[dict[str, float]] = {"seconds": 1.0, "milliseconds": 1e3, "microseconds": 1e6, "nanoseconds": 1e9}

NUMBERS: Final = frozenset({"price", "quantity"})

_STEP: Final = re.compile(r"""\.?([^.\[\]"]+)|\["([^"]+)"\]|\[(\d+)\]""")

MISSING: Final = object()


class Path:
    """Where a value is in a foreign record.

    Args:
        text: names joined by dots, places of a list in brackets, unusual names as ["a.b"].

    Raises:
        ValueError: the path cannot be read.

    >>> Path("order.lines[0].sku").find({"order": {"lines": [{"sku": "tea"}]}})
    'tea'
    >>> str(Path('meta["occurred.at"]'))
    '$.meta["occurred.at"]'
    """

    __slots__ = ("_steps", "_text")

    def __init__(self, text: str) -> None:
        plain = text.removeprefix("$").removeprefix(".")
        steps: list[str | int] = []
        position = 0
        while position < len(plain):
            match = _STEP.match(plain, position)
            if match is None:
                raise ValueError(f"{text!r} is not a path: write names with dots, as in order.lines[0].sku")
            name, quoted, place = match.groups()
            steps.append(int(place) if place is not None else name or quoted)
            position = match.end()
        if not steps:
            raise ValueError("a path is empty: write names with dots, as in order.lines[0].sku")
        self._steps, self._text = tuple(steps), f"$.{plain}" if not plain.startswith("[") else f"${plain}"

    def __str__(self) -> str:
        return self._text

    def find(self, document: Any) -> Any:
        """Returns the value in a document, MISSING when there is none."""
        for step in self._steps:
            if isinstance(step, int):
                if not isinstance(document, list) or step >= len(document):
                    return MISSING
                document = document[step]
            else:
                if not isinstance(document, dict) or step not in document:
                    return MISSING
                document = document[step]
        return document


class EventMapping:
    """Turns the records of one foreign topic into events.

    Args:
        rules: the shop's configuration of events.
        fields: our field -> path in the foreign record, or KEY, or TIME.
        types: foreign word, or NOTHING -> our type, or NO_EVENT. Words that are not listed must be types of ours.
        constants: our field -> value, for fields that the foreign record does not have.
        time: "auto" (RFC 3339, or a number of seconds or milliseconds), one of UNITS, or a format of strptime.
        zone: time zone of times that name none.

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
    ) -> None:
        self._rules, self._types, self._constants = rules, dict(types or {}), dict(constants or {})
        _check_names(fields, self._constants)
        _check_types(self._types, rules)
        self._paths = {field: text if text in {KEY, TIME} else Path(text) for field, text in fields.items()}
        self._time = Times(time, zone)
        self._skips_nothing = NOTHING in self._types

    def place(self, field: str) -> str:
        """Names the place of our field in the foreign record, for rejections."""
        path = self._paths.get(field)
        return str(path) if path is not None else f"constants.{field}"

    def event(self, raw: bytes | None, key: bytes | None, timestamp_ms: float) -> Event | Rejection | None:
        """Makes an event of a record, or None to skip it. Never raises on input.

        Args:
            raw: the record's value.
            key: its key.
            timestamp_ms: Kafka's time of the record, epoch milliseconds.
        """
        if not raw and self._skips_nothing:
            return None
        if raw is None:
            return Rejection("empty", "$", "a JSON object", "no value")
        if raw[:1] == b"\0" and len(raw) <= self._rules.max_bytes:
            unwrapped_raw = unwrapped(raw)
            if isinstance(unwrapped_raw, Rejection):
                return unwrapped_raw
            raw = unwrapped_raw
        if problem := unparsable(raw, self._rules.max_bytes):
            return problem
        try:
            document = msgspec.json.decode(raw)
        except RecursionError:
            return Rejection("nesting", "$", "a JSON object", "values nested too deep to parse")
        except msgspec.DecodeError as error:
            return Rejection("not_json", "$", "a JSON object", str(error).removeprefix("JSON is malformed: "))
        if document is None and self._skips_nothing:
            return None
        ours: dict[str, Any] = dict(self._constants)
        for field, path in self._paths.items():
            found = _from_record(path, key, timestamp_ms) if isinstance(path, str) else path.find(document)
            if found is not MISSING and found is not None:
                ours[field] = found
        return self._read(ours)

    def _read(self, ours: dict[str, Any]) -> Event | Rejection | None:
        word = ours.get("event_type")
        if word is None and self._skips_nothing:
            return None
        if isinstance(word, str | int) and not isinstance(word, bool):
            ours["event_type"] = self._types.get(str(word), str(word))
            if ours["event_type"] == NO_EVENT:
                return None
        moment = ours.get("timestamp")
        if moment is not None and self._paths.get("timestamp") != TIME:
            found = self._time.read(moment)
            if found is None:
                return Rejection("bad_timestamp", self.place("timestamp"), self._time.expected, describe(moment))
            ours["timestamp"] = found
        for field, value in ours.items():
            ours[field] = _plain(field, value)
        try:
            answer = decode(msgspec.json.encode(ours), self._rules)
        except OverflowError:
            return self._too_large(ours)
        return self._in_their_words(answer, word) if isinstance(answer, Rejection) else answer

    def _too_large(self, ours: dict[str, Any]) -> Rejection:
        """Rejects whole numbers beyond 64 bits: JSON may hold them, the encoder for our decoder does not take them."""
        for field, value in ours.items():
            try:
                msgspec.json.encode(value)
            except OverflowError:
                return Rejection("bad_value", self.place(field), "a number of at most 64 bits", describe(value))
        raise AssertionError("no field is too large alone")

    def _in_their_words(self, refusal: Rejection, word: object) -> Rejection:
        field = refusal.path.removeprefix("$.")
        if field not in FIELDS:
            return refusal
        expected, found = refusal.expected, refusal.found
        if refusal.reason == "unknown_type":
            expected, found = "a word of the mapping's types, or one of our types", describe(word)
        return Rejection(refusal.reason, self.place(field), expected, found)


class Times:
    """Reads foreign times as a value for our decoder.

    Args:
        time: unit or format, as in `EventMapping`.
        zone: time zone of times that name none.

    Raises:
        ValueError: the unit or the zone is not known.

    >>> Times("%d.%m.%Y %H:%M", "UTC").read("01.10.2019 04:00")
    1569902400.0
    """

    def __init__(self, time: str, zone: str | None) -> None:
        if time not in {"auto", *UNITS} and "%" not in time:
            raise ValueError(
                f"time is {time!r}: write auto, {', '.join(UNITS)}, or a format as in '%d.%m.%Y %H:%M:%S' (strptime)"
            )
        self._divisor, self._format = UNITS.get(time), time if "%" in time else None
        self._zone: ZoneInfo | timezone | None = _zone(zone) if zone is not None else None
        if self._format is not None and self._zone is None and "%z" not in self._format:
            raise ValueError(f"times in the format {time!r} name no zone: set zone, for example zone = 'UTC'")
        self.expected = f"a number of {time}" if self._divisor else f"text in the format {time}"
        if time == "auto":
            self.expected = "RFC 3339, or a number of seconds or milliseconds"

    def read(self, value: object) -> str | float | None:
        """Returns epoch seconds, or a value that our decoder has to judge; None for anything unexpected."""
        number = _number(value)
        if self._divisor is not None:
            return None if number is None else number / self._divisor
        if self._format is None and number is not None:
            return number
        if not isinstance(value, str):
            return None
        try:
            # Text without a zone gets the zone of the settings below.
            moment = datetime.strptime(value, self._format) if self._format else datetime.fromisoformat(value)  # noqa: DTZ007
            if self._format is None and (self._zone is None or moment.tzinfo is not None):
                return value
            return (moment if moment.tzinfo is not None else moment.replace(tzinfo=self._zone)).timestamp()
        except (ValueError, OverflowError):
            return None


def _zone(name: str) -> ZoneInfo | timezone:
    try:
        return timezone.utc if name == "UTC" else ZoneInfo(name)  # noqa: UP017 - the union needs the class
    except (KeyError, ValueError, OSError) as error:
        raise ValueError(f"zone {name!r} is not known here: write a name as Europe/Berlin, or UTC") from error


def _from_record(what: str, key: bytes | None, timestamp_ms: float) -> object:
    if what == TIME:
        return timestamp_ms / 1000
    if key is None:
        return MISSING
    try:
        return key.decode()
    except UnicodeDecodeError:
        return MISSING


def _plain(field: str, value: object) -> object:
    """Turns ids that are whole numbers into text, and numbers that are text into numbers."""
    if field in NUMBERS:
        number = _number(value) if isinstance(value, str) else None
        return value if number is None else number
    if field != "timestamp" and isinstance(value, int) and not isinstance(value, bool):
        # Python does not print longer numbers, and the decoder rejects ids of that length anyway.
        return str(value) if abs(value) < 10**256 else value
    return value


def _number(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None


def _check_names(fields: Mapping[str, str], constants: Mapping[str, str | float]) -> None:
    for name in (*fields, *constants):
        if name not in FIELDS:
            near = difflib.get_close_matches(name, FIELDS, n=1, cutoff=0.5)
            raise ValueError(f"{name!r} is no field of ours" + (f": did you mean {near[0]}?" if near else ""))
    for name in NEEDED:
        if name not in fields and name not in constants:
            raise ValueError(f'fields has no {name}: say where their records have it, as in {name} = "a.b"')
    both = sorted(set(fields) & set(constants))
    if both:
        raise ValueError(f"{both[0]} is in fields and in constants: keep one of them")
    if "timestamp" in constants:
        raise ValueError('timestamp cannot be a constant: timestamp = "@time" takes the time Kafka has for the record')


def _check_types(types: Mapping[str, str], rules: EventRules) -> None:
    if types.get(NOTHING, NO_EVENT) != NO_EVENT:
        raise ValueError(f'types: "{NOTHING}" can only be mapped to {NO_EVENT}: such a record names no event')
    for word, name in types.items():
        if name != NO_EVENT and name not in rules.kinds:
            known = ", ".join([*rules.kinds, f"and {NO_EVENT} to pass records over"])
            raise ValueError(f"types: {word!r} is mapped to {name!r}, which is no event type: {known}")


__all__ = ["FIELDS", "KEY", "NOTHING", "NO_EVENT", "TIME", "UNITS", "EventMapping", "Path", "Times"]
