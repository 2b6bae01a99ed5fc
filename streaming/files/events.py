"""In: rows of a file, and how its columns are named. Out: valid events, with item facts at the first event of an item.

Each row becomes the JSON of an event and is decoded by `models.records.events`. Files have no rules of their own, only
conversions: text to numbers, times without a zone to UTC, numeric ids to text.
"""

from __future__ import annotations

import hashlib
import math
from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, NamedTuple

import msgspec

from models.records import DISLIKE, KINDS, Event, EventRules, ItemFacts, Rejection, Times, decode, decode_item
from models.records import FIELDS as EVENT_FIELDS
from streaming.files.hints import flags
from streaming.files.rows import Bad, FileError, Row, RowFile

ITEM_FIELDS: Final = ("category", "price", "brand", "title", "tags", "rating", "available", "embedding")

SYNONYMS: Final = {
    "category_id": "category",
    "category_code": "category",
    "genres": "category",
    "event": "event_type",
    "type": "event_type",
    "user": "user_id",
    "visitorid": "user_id",
    "customer_id": "user_id",
    "item": "item_id",
    "itemid": "item_id",
    "product_id": "item_id",
    "sku": "item_id",
    "event_time": "timestamp",
    "time": "timestamp",
    "ts": "timestamp",
    "user_session": "session_id",
    "name": "title",
}
"""What shops call these columns. Used where the file has no column of our name and no --column says otherwise."""

_IDS: Final = frozenset({"user_id", "item_id", "event_id", "session_id", "request_id", "event_type"})
_TEXTS: Final = frozenset({"category", "brand", "title"})
_NUMBERS: Final = frozenset({"price", "quantity", "rating"})
# Item facts in a row about an event. A `rating` there is the user's, not the item's.
_SHOWN_FACTS: Final = ("category", "price", "brand", "title", "tags", "available")

NO_TYPE: Final = "none"
"""The type to map a type of the file to when its rows are not wanted."""


class Layout(msgspec.Struct, frozen=True):
    """How a file's columns and types are named.

    Attributes:
        columns: Our field, by column of the file.
        types: Our type or `NO_TYPE`, by type in the file.
        default_type: Type of rows that name none.
        min_rating: Rows with a lower `rating` are skipped.
        dislike_rating: Rows with a `rating` up to this are dislikes, whatever their type.
        time: Unit or format of the times, as in a mapping (`models.records.Times`). Times without a zone are UTC.
    """

    columns: dict[str, str] = {}
    types: dict[str, str] = {}
    default_type: str | None = None
    min_rating: float | None = None
    dislike_rating: float | None = None
    time: str = "auto"


class Shown(NamedTuple):
    """An event of the file, and the facts to send before it when it is the first event of its item."""

    line: int
    event: Event
    facts: ItemFacts | None


class RowRefused(NamedTuple):
    """A line that cannot be sent, and the reason."""

    line: int
    reason: str


class Passed(NamedTuple):
    """A valid row that is not wanted: its rating is below `min_rating`, or its type is mapped to `NO_TYPE`."""

    line: int


def identity(path: Path) -> str:
    """Identify a file by its size, beginning and end, wherever it lies: 16 hex digits. Raises FileError."""
    try:
        with path.open("rb") as file:
            digest = hashlib.sha256(str(path.stat().st_size).encode() + file.read(1 << 20))
            file.seek(max(0, path.stat().st_size - (1 << 20)))
            digest.update(file.read())
    except OSError as error:
        raise FileError(f"cannot read {path}: {error.strerror}") from None
    return digest.hexdigest()[:16]


def columns_in(path: Path, columns: Mapping[str, str]) -> dict[str, str]:
    """The part of `columns` that the file has; all of it for NDJSON, which has no header. Raises FileError."""
    with RowFile(path) as rows:
        return {name: field for name, field in columns.items() if rows.columns is None or name in rows.columns}


def read_items(path: Path, columns: Mapping[str, str] | None = None) -> tuple[dict[str, ItemFacts], list[RowRefused]]:
    """Read a file about items.

    Args:
        path: The file.
        columns: Our field, by column of the file, where their names differ.

    Returns:
        Facts by item id, and the lines that cannot be used.

    Raises:
        FileError: The file as a whole cannot be used.
    """
    facts: dict[str, ItemFacts] = {}
    refused: list[RowRefused] = []
    with RowFile(path) as rows:
        names = _names(rows, columns or {}, ("item_id",))
        for row in rows:
            if isinstance(row, Bad):
                refused.append(RowRefused(*row))
                continue
            fields = _renamed(row, names)
            item_id = str(fields.get("item_id", ""))
            found = _facts(item_id, fields, ITEM_FIELDS)
            if isinstance(found, ItemFacts):
                facts[item_id] = found
            else:
                refused.append(RowRefused(row.line, found))
    return facts, refused


def read_events(
    rows: RowFile,
    layout: Layout,
    rules: EventRules,
    items: Mapping[str, ItemFacts] | None = None,
    event_ids: str = "",
    types: Counter[str] | None = None,
) -> Iterator[Shown | RowRefused | Passed]:
    """Read every row as an event, a refusal, or a row that is not wanted, in the order of the file.

    Args:
        rows: The open file.
        layout: How its columns and types are named.
        rules: What an event may be.
        items: Facts by item id that come before those in the row's own columns.
        event_ids: A row without event_id gets `event_ids:LINE`, so that sending it twice is harmless; "": it gets none.
        types: Counts the types as the file spells them.

    Raises:
        FileError: Columns are missing.
    """
    required = ("user_id", "timestamp") if layout.default_type else ("event_type", "user_id", "timestamp")
    # A log of only searches has no items.
    if "query" not in {*(rows.columns or ()), *layout.columns.values()}:
        required = (*required, "item_id")
    if layout.min_rating is not None or layout.dislike_rating is not None:
        required = (*required, "rating")
    names = _names(rows, layout.columns, required)
    times = _times(layout.time)
    seen: set[str] = set()
    for row in rows:
        if isinstance(row, Bad):
            yield RowRefused(*row)
            continue
        fields = _renamed(row, names)
        if times is not None and (moment := times.read(fields.get("timestamp"))) is not None:
            fields["timestamp"] = moment
        if types is not None:
            types[str(fields.get("event_type", layout.default_type or "(none)"))] += 1
        yield _shown(row, fields, layout, rules, items or {}, seen, event_ids)


def _names(rows: RowFile, columns: Mapping[str, str], required: tuple[str, ...]) -> dict[str, str]:
    """Our field, by column of the file. NDJSON has no header: synonyms apply to each row that has them."""
    fields = {*EVENT_FIELDS, *ITEM_FIELDS, "context"}
    wrong = sorted(set(columns.values()) - fields)
    if wrong:
        hint = " (the file's name comes first: --column NAME=FIELD)" if fields & set(columns) else ""
        raise FileError(f"--column: {wrong[0]!r} is not a field of ours{hint}: {', '.join(sorted(fields))}")
    taken = set(columns.values())
    if rows.columns is None:
        return {name: field for name, field in SYNONYMS.items() if field not in taken} | dict(columns)
    absent = sorted(set(columns) - set(rows.columns))
    if absent:
        raise FileError(f"--column: {rows.path} has no column {absent[0]!r}; it has {', '.join(rows.columns)}")
    names = {name: name for name in rows.columns if name in fields and name not in taken} | dict(columns)
    for name, field in SYNONYMS.items():
        if name in rows.columns and name not in names and field not in names.values():
            names[name] = field
    missing = [field for field in required if field not in names.values()]
    if missing:
        free = [name for name in rows.columns if name not in names]
        raise FileError(
            f"{rows.path} has no column {' and no '.join(map(repr, missing))} (it has {', '.join(rows.columns)}): "
            f"say which one it is with {flags(missing, free)}"
            + (", or give all rows one type, for example with --type click" if "event_type" in missing else "")
        )
    return names


def _renamed(row: Row, names: Mapping[str, str]) -> dict[str, Any]:
    fields: dict[str, Any] = {}
    for name, value in row.fields.items():
        field = names.get(name, name)
        # Our name in an NDJSON row wins over a synonym in the same row.
        if value is not None and (field == name or field not in row.fields):
            fields[field] = _converted(field, value)
    return fields


def _converted(field: str, value: Any) -> Any:
    if field in _IDS or field in _TEXTS:
        return str(value) if isinstance(value, int) and not isinstance(value, bool) else value
    if not isinstance(value, str):
        return value
    if field in _NUMBERS:
        return _number(value)
    if field == "timestamp":
        return _time(value)
    if field == "tags":
        return [tag.strip() for tag in value.split("|") if tag.strip()]
    if field == "available":
        return {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}.get(value.lower(), value)
    if field in {"embedding", "context"}:
        return _nested(value)
    return value


def _number(text: str) -> float | str:
    try:
        number = float(text)
    except ValueError:
        return text
    return number if math.isfinite(number) else text


def _times(time: str) -> Times | None:
    if time == "auto":
        return None
    try:
        return Times(time, "UTC")
    except ValueError as error:
        raise FileError(f"--time: {error}") from None


def _time(text: str) -> float | str:
    """Convert to epoch seconds; a time without a zone is UTC. Other text stays as it is, for the decoder to refuse."""
    number = _number(text)
    if not isinstance(number, str):
        return number
    try:
        moment = datetime.fromisoformat(text.removesuffix(" UTC"))
    except ValueError:
        return text
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def _nested(text: str) -> Any:
    try:
        return msgspec.json.decode(text)
    except (msgspec.MsgspecError, RecursionError):
        return text


def _shown(
    row: Row,
    fields: dict[str, Any],
    layout: Layout,
    rules: EventRules,
    items: Mapping[str, ItemFacts],
    seen: set[str],
    event_ids: str,
) -> Shown | RowRefused | Passed:
    document: dict[str, Any] = {field: fields[field] for field in EVENT_FIELDS if field in fields}
    document["event_type"] = _type(fields, layout)
    if document["event_type"] == NO_TYPE:
        return Passed(row.line)
    if "context" in fields:
        document["context"] = fields["context"]
    if event_ids and "event_id" not in document:
        document["event_id"] = f"{event_ids}:{row.line}"
    try:
        event = decode(msgspec.json.encode(document), rules)
    except UnicodeEncodeError:
        return RowRefused(row.line, "the line is not UTF-8")
    if isinstance(event, Rejection):
        return RowRefused(row.line, str(event))
    if event.item_id is None or event.item_id in seen:
        return Shown(row.line, event, None)
    seen.add(event.item_id)
    return Shown(row.line, event, _known(event.item_id, fields, items.get(event.item_id)))


def _type(fields: dict[str, Any], layout: Layout) -> Any:
    """The row's event type as we call it, `NO_TYPE` when the row is not wanted. The decoder refuses other values."""
    rating, named = fields.get("rating"), fields.get("event_type", layout.default_type)
    if isinstance(rating, int | float):
        if layout.dislike_rating is not None and rating <= layout.dislike_rating:
            return KINDS[DISLIKE]
        if layout.min_rating is not None and rating < layout.min_rating:
            return NO_TYPE
    return layout.types.get(named, named) if isinstance(named, str) else named


def _known(item_id: str, fields: dict[str, Any], listed: ItemFacts | None) -> ItemFacts | None:
    """The listed facts of the item, completed by those of the row; None when there are none.

    Facts of the row that cannot be used are left out: the event still counts.
    """
    own = _facts(item_id, fields, _SHOWN_FACTS)
    if not isinstance(own, ItemFacts):
        own = ItemFacts()
    if listed is not None:
        named = {name: value for name in ITEM_FIELDS if (value := getattr(listed, name)) not in {None, ()}}
        own = msgspec.structs.replace(own, **named)
    return own if own != ItemFacts() else None


def _facts(item_id: str, fields: dict[str, Any], wanted: tuple[str, ...]) -> ItemFacts | str:
    """The facts, or the reason why they cannot be used."""
    document = {field: fields[field] for field in wanted if field in fields}
    try:
        found = decode_item(item_id.encode(), msgspec.json.encode(document))
    except UnicodeEncodeError:
        return "the line is not UTF-8"
    return found if isinstance(found, ItemFacts) else str(found)
