"""An unusable record and the decoder's error in; a `Rejection` that says where, expected and found out. Stage 1."""

from __future__ import annotations

from typing import Any, Final, Self

import msgspec

from models.structs import Prepared

REASONS: Final = (
    "empty",
    "oversize",
    "not_json",
    "nesting",
    "missing_field",
    "wrong_type",
    "bad_value",
    "bad_timestamp",
    "unknown_type",
    "unknown_schema",
    "unusable_schema",
    "undecodable",
)
"""Every reason for a rejection. Closed: metric labels are made from it before the first record arrives."""

FOUND_LIMIT: Final = 80
"""Most characters that a rejection quotes of a value. It travels in a Kafka header and in HTTP answers."""

MARK: Final = b"\xef\xbb\xbf"
"""What some programs write before text in UTF-8. No JSON begins with it."""

REGISTRY_PREFIX: Final = 5
"""Bytes that serializers of a schema registry write before a value: zero, and the number of its schema."""


class Rejection(msgspec.Struct, metaclass=Prepared, frozen=True):
    """Why a record is no event.

    Attributes:
        reason: one of `REASONS`.
        path: where, as a JSON path.
        expected: what belongs there.
        found: what was there.
        lines: which of the events of a record that holds several cannot be made, from 0; empty for all of it.

    >>> str(Rejection("wrong_type", "$.price", "number", 'string "x"'))
    'wrong_type at $.price: expected number, found string "x"'
    """

    reason: str
    path: str
    expected: str
    found: str
    lines: tuple[int, ...] = ()

    def __str__(self) -> str:
        return f"{self.reason} at {self.path}: expected {self.expected}, found {self.found}"


class Unconverted(bytes):
    """A value in a format of a schema registry that could not be decoded. `rejection` says why."""

    rejection: Rejection

    def __new__(cls, raw: bytes, rejection: Rejection) -> Self:
        """The value as it is, with the reason."""
        made = super().__new__(cls, raw)
        made.rejection = rejection
        return made


def describe(value: object) -> str:
    """Describes a JSON value by its type and the value itself, in bounded length.

    >>> describe("x"), describe(None), describe(True), describe([1, 2]), describe(10**400)
    ('string "x"', 'null', 'boolean true', 'array of 2', 'integer of 401 digits')
    """
    match value:
        case None:
            return "null"
        case bool():
            return f"boolean {str(value).lower()}"
        case int():
            # Python does not print integers of more than 4,300 digits.
            digits = value.bit_length() * 0.30103
            return f"integer {value}" if digits < FOUND_LIMIT else f"integer of {int(digits) + 1} digits"
        case float():
            return f"number {value}"
        case str():
            return f"string {_quoted(value)}"
        case list():
            return f"array of {len(value)}"
        case dict():
            return f"object of {len(value)}"
    return type(value).__name__


def _quoted(text: str) -> str:
    encoded = msgspec.json.encode(text[:FOUND_LIMIT]).decode()
    return encoded if len(text) <= FOUND_LIMIT else f'{encoded[:-1]}..." of {len(text)} characters'


def unparsable(raw: bytes, limit: int) -> Rejection | None:
    """Rejects bytes that are empty, longer than `limit` or not UTF-8; None when they may be parsed."""
    if not raw:
        return Rejection("empty", "$", "a JSON object", "no bytes")
    if len(raw) > limit:
        return Rejection("oversize", "$", f"at most {limit} bytes", f"{len(raw)} bytes")
    if not raw.isascii():
        try:
            raw.decode()
        except UnicodeDecodeError as error:
            return Rejection("not_json", "$", "UTF-8", f"byte 0x{raw[error.start]:02x} at position {error.start}")
    return None


def unwrapped(raw: bytes) -> bytes | Rejection:
    r"""Returns the JSON of a record that a serializer of a schema registry wrote, or says that it holds none.

    Such a record begins with a zero byte, which no JSON does, and the number of its schema in four bytes. What follows
    is JSON, or else Avro or Protobuf.

    Args:
        raw: a record that begins with a zero byte.

    >>> unwrapped(b'\0\0\0\0\7{"a": 1}')
    b'{"a": 1}'
    >>> unwrapped(b'\0\0\0\0\7\2a').found
    'a record of a schema registry (schema 7), Avro or Protobuf: topics are read so with schema_registry.url'
    """
    if isinstance(raw, Unconverted):
        return raw.rejection
    if raw[REGISTRY_PREFIX : REGISTRY_PREFIX + 1] == b"{":
        return raw[REGISTRY_PREFIX:]
    if len(raw) <= REGISTRY_PREFIX:
        return Rejection("not_json", "$", "a JSON object", "a zero byte")
    schema = int.from_bytes(raw[1:REGISTRY_PREFIX], "big")
    named = f"a record of a schema registry (schema {schema}), Avro or Protobuf"
    found = f"{named}: topics are read so with schema_registry.url"
    return Rejection("not_json", "$", "a JSON object", found)


def refusal(raw: bytes, error: Exception, expected: dict[str, str]) -> Rejection:
    """Turns an error of the decoder into a rejection.

    Args:
        raw: the record.
        error: what the decoder raised.
        expected: what belongs at each top-level field, in words that replace the decoder's own.

    Raises:
        Exception: `error` itself, when it is none of the decoder's: a defect of ours.
    """
    if isinstance(error, RecursionError):
        return Rejection("nesting", "$", "a flat JSON object", "values nested too deep to parse")
    if isinstance(error, msgspec.ValidationError):
        return _invalid(raw, str(error), expected)
    if isinstance(error, msgspec.DecodeError):
        return Rejection("not_json", "$", "a JSON object", str(error).removeprefix("JSON is malformed: "))
    raise error


def _invalid(raw: bytes, message: str, expected: dict[str, str]) -> Rejection:
    if message.startswith("Object missing required field `"):
        field = message.split("`")[1]
        return Rejection("missing_field", f"$.{field}", expected.get(field, field), "nothing")
    wanted, _, where = message.partition(" - at `")
    # For the key of a map the decoder writes "key` in `$.context".
    path = where.rstrip("`").rpartition("`")[2] or "$"
    found, path = _locate(raw, path)
    field = path.removeprefix("$.").split("[")[0].split(".")[0]
    return Rejection(
        _reason(wanted, field),
        path,
        expected.get(field, wanted.removeprefix("Expected ").split(", got")[0].replace("`", "")),
        found,
    )


def _reason(wanted: str, field: str) -> str:
    if field == "timestamp" and "got `" not in wanted:
        return "bad_timestamp"
    return "wrong_type" if "got `" in wanted else "bad_value"


def _locate(raw: bytes, path: str) -> tuple[str, str]:
    """Returns the value at `path` in words, and the path with the map's key, which the decoder leaves out."""
    try:
        document: Any = msgspec.json.decode(raw)
    except (msgspec.DecodeError, RecursionError):
        return "a value that cannot be read (a number out of range, or nested too deep)", path
    field, _, inner = path.removeprefix("$.").partition("[")
    value = document if path == "$" else document.get(field) if isinstance(document, dict) else document
    if inner.startswith("...") and isinstance(value, dict):
        for key, entry in value.items():
            if isinstance(entry, bool | dict | list | None):
                return describe(entry), f"$.{field}[{_quoted(key)}]"
    if inner.rstrip("]").isdigit() and isinstance(value, list):
        return describe(value[int(inner.rstrip("]"))]), path
    return describe(value), path
