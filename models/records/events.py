"""A record of topic `events` in; an `Event`, or a `Rejection` with path and reason, out. Stage 1.

The one place that defines a valid event: the learner, `POST /events` and `sluicegate send` all decode here.
"""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta

from models.records.rejections import MARK, REASONS, Rejection, describe, refusal, unparsable, unwrapped
from models.records.timestamps import EXPECTED as TIMESTAMP
from models.records.timestamps import epoch_seconds
from models.structs import Prepared

__all__ = [
    "ALIASES",
    "KINDS",
    "LEAVABLE",
    "MAX_EVENT_BYTES",
    "REASONS",
    "WEIGHTS",
    "Event",
    "EventRules",
    "Rejection",
    "decode",
    "decode_many",
    "encode",
    "written",
]

KINDS: Final = ("click", "favourite", "cart", "purchase", "search", "impression", "unfavourite", "dislike", "return")
"""Event types by code. Versions store the codes: append only."""

(CLICK, FAVOURITE, CART, PURCHASE, SEARCH, IMPRESSION, UNFAVOURITE, DISLIKE, RETURN) = range(len(KINDS))

WEIGHTS: Final[dict[str, float]] = {
    "click": 1.0,
    "favourite": 1.3,
    "cart": 1.6,
    "purchase": 1.9,
    "search": 1.0,
    "impression": 0.0,
    "unfavourite": -1.0,
    "dislike": -1.0,
    "return": -1.0,
}
"""Default weight of each type. Of the positive ones it is 1 + 0.3 * code."""

MAX_WEIGHT: Final = 100.0
"""Largest weight of a type, positive or negative. A weight multiplies a gradient, so one that is not finite would end
up in every vector; beyond some 10 a type drowns the others."""

ALIASES: Final[dict[str, str]] = {
    "view": "click",
    "favorite": "favourite",
    "unfavorite": "unfavourite",
    "buy": "purchase",
    "addtocart": "cart",
    "add_to_cart": "cart",
}

MAX_EVENT_BYTES: Final = 65_536
"""Most bytes of an event. Real ones have 100 to 500. The limit bounds the cost of parsing a record and the size of a
dead letter, and is checked before anything is parsed."""

_Id = Annotated[str, Meta(min_length=1, max_length=256)]
# Money and counts beyond these are typing errors, and every scaler would be fitted to that one value.
_Price = Annotated[float, Meta(ge=0, le=1e12)]
_Quantity = Annotated[float, Meta(ge=-1e9, le=1e9)]
_Query = Annotated[str, Meta(max_length=1024)]
_ContextKey = Annotated[str, Meta(min_length=1, max_length=64)]
_ContextValue = Annotated[str, Meta(max_length=256)] | float
_CONTEXT_KEYS: Final = 32
_Context = Annotated[dict[_ContextKey, _ContextValue], Meta(max_length=_CONTEXT_KEYS)]

_OPTIONAL: Final[dict[str, Any]] = {
    "event_id": _Id,
    "session_id": _Id,
    "request_id": _Id,
    "price": _Price,
    "quantity": _Quantity,
    "query": _Query,
}
_OPTIONAL_IDS: Final = ("event_id", "session_id", "request_id")

LEAVABLE: Final = (*_OPTIONAL, "context")
"""Fields that an event can be without: one that cannot be used is left out, and the event counts."""

_EXPECTED: Final = {
    "event_type": "string, one of the configured event types",
    "user_id": "string of 1 to 256 characters without control characters",
    "item_id": "string of 1 to 256 characters without control characters",
    "timestamp": TIMESTAMP,
    "event_id": "string of 1 to 256 characters without control characters",
    "session_id": "string of 1 to 256 characters without control characters",
    "request_id": "string of 1 to 256 characters without control characters",
    "price": "number from 0 to 1e12",
    "quantity": "number from -1e9 to 1e9",
    "query": "string of at most 1024 characters",
    "context": "flat object: at most 32 keys of 1 to 64 characters, values strings of at most 256 or finite numbers",
}


class Event(msgspec.Struct, metaclass=Prepared, frozen=True, gc=False):
    """A valid event.

    Attributes:
        kind: code of `KINDS`.
        user_id: who.
        item_id: which item; None only for a search that names none.
        timestamp: when it happened, epoch seconds.
        event_id: by which it is recognized when it is sent twice.
        session_id: the shop's own id of the visit.
        price: per unit.
        quantity: how many; negative for a correction.
        request_id: the slate that it followed.
        query: what was searched for.
        context: the shop's own fields, by name.
    """

    kind: int
    user_id: str
    item_id: str | None
    timestamp: float
    event_id: str | None = None
    session_id: str | None = None
    price: float | None = None
    quantity: float | None = None
    request_id: str | None = None
    query: str | None = None
    context: dict[str, str | float] | None = None


class _Wire(msgspec.Struct, metaclass=Prepared, gc=False):
    event_type: str
    user_id: _Id
    timestamp: Annotated[datetime, Meta(tz=True)] | int | float
    item_id: _Id | None = None
    event_id: _Id | None = None
    session_id: _Id | None = None
    price: _Price | None = None
    quantity: _Quantity | None = None
    request_id: _Id | None = None
    query: _Query | None = None
    context: _Context | None = None


class EventRules:
    """The shop's configuration of events.

    Args:
        types: names of `KINDS` that are accepted.
        aliases: other spellings, each of a name of `KINDS`. The standard ones stay in force.
        weights: weight of a name of `KINDS`; names left out keep their default.
        max_bytes: most bytes of an event.

    Raises:
        ValueError: a name is not in `KINDS`, or a weight is not within plus or minus MAX_WEIGHT.

    >>> rules = EventRules(aliases={"like": "favourite"})
    >>> rules.kinds["like"], rules.kinds["view"], rules.weights[1]
    (1, 0, 1.3)
    """

    __slots__ = ("kinds", "max_bytes", "weights")

    def __init__(
        self,
        types: tuple[str, ...] = KINDS,
        aliases: Mapping[str, str] = ALIASES,
        weights: Mapping[str, float] = WEIGHTS,
        max_bytes: int = MAX_EVENT_BYTES,
    ) -> None:
        unknown = sorted({*types, *aliases.values(), *weights} - set(KINDS))
        if unknown:
            raise ValueError(f"unknown event type {unknown[0]!r}: the types are {', '.join(KINDS)}")
        for name, weight in weights.items():
            if not abs(weight) <= MAX_WEIGHT:
                raise ValueError(f"the weight of {name} is {weight}: choose a number from -100 to 100")
        # The standard aliases stay when the shop adds its own, unless it maps the same word elsewhere.
        spelling = {**ALIASES, **aliases, **{name: name for name in types}}
        self.kinds = {word: KINDS.index(name) for word, name in spelling.items() if name in types}
        self.weights = tuple(float(weights.get(name, WEIGHTS[name])) for name in KINDS)
        self.max_bytes = max_bytes


_decoder: Final = msgspec.json.Decoder(_Wire)

_TOGETHER: Final = 64
"""Records parsed in one call. If one of them is not plain, all are parsed one by one, which takes twice as long; more
together gain nothing."""


def decode_many(
    raws: Sequence[bytes | None], rules: EventRules, left_out: Counter[str] | None = None
) -> list[Event | Rejection]:
    """Decodes each record as `decode` does, in half the time.

    >>> good = b'{"event_type":"view","user_id":"u","item_id":"i","timestamp":1569888000}'
    >>> decode_many([good, b"7", good], EventRules()) == [decode(raw, EventRules()) for raw in (good, b"7", good)]
    True
    """
    found: list[Event | Rejection] = []
    for start in range(0, len(raws), _TOGETHER):
        part = raws[start : start + _TOGETHER]
        wires = _plain(part, rules.max_bytes)
        if wires is None:
            found += [decode(raw, rules, left_out) for raw in part]
        else:
            found += [_made(wire, rules) or decode(raw, rules, left_out) for wire, raw in zip(wires, part, strict=True)]
    return found


def _plain(raws: Sequence[bytes | None], most: int) -> list[_Wire] | None:
    """Parses records that are plain ASCII without escapes, each on one line; None when one of them is not."""
    if None in raws:
        return None
    lines = b"\n".join(raws)  # type: ignore[arg-type]
    # A JSON string cannot hold a line feed. With as many lines as records, each line is one record, and none is parsed
    # together with parts of another.
    if lines.count(b"\n") != len(raws) - 1 or not _names_no_control(lines):
        return None
    if len(lines) > most and max(map(len, filter(None, raws)), default=0) > most:
        return None
    try:
        wires = _decoder.decode_lines(lines)
    except (msgspec.MsgspecError, RecursionError):
        return None
    return wires if len(wires) == len(raws) else None  # an empty line is skipped


def _names_no_control(raw: bytes) -> bool:
    """Whether JSON of these bytes holds no control character. Plain ASCII without escapes can hold none but DEL."""
    return raw.isascii() and b"\\" not in raw and b"\x7f" not in raw


def _made(wire: _Wire, rules: EventRules) -> Event | None:
    """Makes the event of a record of the right shape; None when something about it needs a closer look."""
    kind, timestamp = rules.kinds.get(wire.event_type), epoch_seconds(wire.timestamp)
    if kind is None or timestamp is None or (wire.item_id is None and _objectless(wire, kind) is not None):
        return None
    if wire.user_id.isspace():
        return None
    return Event(
        kind,
        wire.user_id,
        wire.item_id,
        timestamp,
        wire.event_id,
        wire.session_id,
        wire.price,
        wire.quantity,
        wire.request_id,
        wire.query,
        wire.context,
    )


def decode(raw: bytes | None, rules: EventRules, left_out: Counter[str] | None = None) -> Event | Rejection:
    """Decodes an event, or says why there is none. Never raises on input, whatever the bytes are.

    Unknown fields are ignored, so that producers may add their own. Of a repeated field the last one counts. Only a
    field that an event cannot be without refuses it: an optional one that cannot be used is left out.

    Args:
        raw: The record.
        rules: What is a valid event.
        left_out: Counts the optional fields that could not be used, by name.

    >>> decode(b'{"event_type":"view","user_id":"u","item_id":"i","timestamp":1569888000}', EventRules()).kind
    0
    >>> print(decode(b'{"event_type":"click","user_id":7,"item_id":"i","timestamp":1569888000}', EventRules()))
    wrong_type at $.user_id: expected string of 1 to 256 characters without control characters, found integer 7
    >>> counted = Counter()
    >>> raw = b'{"event_type":"click","user_id":"u","item_id":"i","timestamp":1569888000,"price":"free"}'
    >>> decode(raw, EventRules(), counted).price, counted
    (None, Counter({'price': 1}))
    """
    if raw is None:
        return Rejection("empty", "$", "a JSON object", "no value")
    if raw[:1] == b"\0" and len(raw) <= rules.max_bytes:
        unwrapped_raw = unwrapped(raw)
        if isinstance(unwrapped_raw, Rejection):
            return unwrapped_raw
        raw = unwrapped_raw
    # Plain ASCII within the limit, which is nearly every record, skips the calls.
    plain = _names_no_control(raw)
    if (len(raw) > rules.max_bytes or not raw or not plain) and (problem := unparsable(raw, rules.max_bytes)):
        return problem
    dropped: list[str] = []
    try:
        wire = _decoder.decode(raw)
    except (msgspec.MsgspecError, RecursionError) as error:
        if raw.startswith(MARK):
            return decode(raw.lstrip(MARK), rules, left_out)
        usable = _usable(raw, error)
        if isinstance(usable, Rejection):
            return usable
        wire, dropped = usable
    if not plain:
        if (problem := _misnamed(wire)) is not None:
            return problem
        dropped += _without_controls(wire)
    event = _made(wire, rules)
    if event is None:
        return _unmade(wire, rules)
    if dropped and left_out is not None:
        left_out.update(dropped)
    return event


def _usable(raw: bytes, error: Exception) -> tuple[_Wire, list[str]] | Rejection:
    """The record without the optional fields that cannot be used, and their names; why it is no event without them."""
    refused = refusal(raw, error, _EXPECTED)
    if not isinstance(error, msgspec.ValidationError):
        return refused
    try:
        document = msgspec.json.decode(raw)
    except (msgspec.MsgspecError, RecursionError):
        return refused
    if not isinstance(document, dict):
        return refused
    dropped = [field for field, kind in _OPTIONAL.items() if not _fits(document, field, kind)]
    if not _fits_context(document):
        dropped.append("context")
    try:
        return msgspec.convert(document, _Wire), dropped
    except (msgspec.ValidationError, RecursionError) as still:
        return refusal(raw, still, _EXPECTED)


def _fits(document: dict[str, Any], field: str, kind: Any) -> bool:
    """Whether an optional field can be used. One that cannot be is removed; text that is a number becomes one."""
    value = document.get(field)
    if value is None:
        return True
    if value == "" and field != "query":
        del document[field]  # as good as its absence
        return True
    if isinstance(value, str) and field in {"price", "quantity"}:
        try:
            value = document[field] = float(value)
        except ValueError:
            value = math.nan
    try:
        fits = msgspec.convert(value, kind) == value and value == value
    except (msgspec.ValidationError, OverflowError):
        fits = False
    if not fits:
        del document[field]
    return fits


def _fits_context(document: dict[str, Any]) -> bool:
    """Whether the whole context can be used. Entries that cannot be are removed; null is as good as absence."""
    context = document.get("context")
    if not isinstance(context, dict):
        document.pop("context", None)
        return context is None or context == ""
    named = {key: str(value).lower() if isinstance(value, bool) else value for key, value in context.items()}
    wanted = {key: value for key, value in named.items() if value is not None}
    usable = {}
    for key, value in wanted.items():
        try:
            usable[msgspec.convert(key, _ContextKey)] = msgspec.convert(value, _ContextValue)
        except (msgspec.ValidationError, OverflowError):
            continue
        if len(usable) == _CONTEXT_KEYS:
            break
    document["context"] = usable or None
    return len(usable) == len(wanted)


def _without_controls(wire: _Wire) -> list[str]:
    """Removes the optional ids that hold a control character; their names."""
    dropped = [field for field in _OPTIONAL_IDS if (name := getattr(wire, field)) is not None and has_control(name)]
    for field in dropped:
        setattr(wire, field, None)
    return dropped


def _unmade(wire: _Wire, rules: EventRules) -> Rejection:
    """Says why a record of the right shape is no event."""
    kind = rules.kinds.get(wire.event_type)
    if kind is None:
        return Rejection("unknown_type", "$.event_type", _EXPECTED["event_type"], describe(wire.event_type))
    if epoch_seconds(wire.timestamp) is None:
        return Rejection("bad_timestamp", "$.timestamp", TIMESTAMP, _found_time(wire.timestamp))
    if wire.user_id.isspace():
        return Rejection("bad_value", "$.user_id", "string of 1 to 256 characters that is not blank", "only blanks")
    problem = _objectless(wire, kind)
    assert problem is not None, "`_made` declines for no other reason"
    return problem


def _misnamed(wire: _Wire) -> Rejection | None:
    # `isprintable` is one pass in C; only ids that it doubts are looked at character by character.
    if (wire.user_id + (wire.item_id or "")).isprintable():
        return None
    for field in ("user_id", "item_id"):
        name = getattr(wire, field)
        if name is not None and has_control(name):
            return Rejection("bad_value", f"$.{field}", _EXPECTED[field], describe(name))
    return None


def has_control(text: str) -> bool:
    """Whether `text` holds a control character (Unicode category Cc: U+0000-001F, U+007F-009F).

    >>> has_control("Café 42"), has_control("a" + chr(10) + "b")
    (False, True)
    """
    return any(character < " " or "\x7f" <= character <= "\x9f" for character in text)


def _objectless(wire: _Wire, kind: int) -> Rejection | None:
    if wire.item_id is not None or (kind == SEARCH and wire.query):
        return None
    if kind == SEARCH:
        return Rejection("missing_field", "$.query", "string: a search has a query or an item_id", describe(wire.query))
    return Rejection("missing_field", "$.item_id", _EXPECTED["item_id"], "nothing")


def _found_time(value: datetime | float) -> str:
    return f"string {value.isoformat()}" if isinstance(value, datetime) else describe(value)


def encode(event: Event) -> bytes:
    """Encodes an event as canonical JSON, without absent fields; `decode` reads back an equal event.

    >>> encode(Event(0, "u", "i", 1569888000.0))
    b'{"event_type":"click","user_id":"u","item_id":"i","timestamp":1569888000.0}'
    """
    document: dict[str, object] = {"event_type": KINDS[event.kind], "user_id": event.user_id}
    for field in Event.__struct_fields__[2:]:
        value = getattr(event, field)
        if value is not None:
            document[field] = value
    return msgspec.json.encode(document)


def written(ours: Mapping[str, Any]) -> bytes:
    """JSON of values. Whole numbers beyond 64 bits, which the encoder does not take, are written as they are."""
    try:
        return msgspec.json.encode(ours)
    except OverflowError:
        return json.dumps(ours).encode()
