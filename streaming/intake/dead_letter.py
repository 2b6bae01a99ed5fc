"""Refused record in, record of the dead-letter topic out, and back. Stage 1."""

from __future__ import annotations

import hashlib
from itertools import islice
from typing import Final

import msgspec

from models.records import Rejection, Unconverted
from models.structs import Prepared
from streaming.kafka import BACKFILL, PUBLIC, Converted, Cut, Record, is_backfill, is_public

WHOLE: Final = 256 << 10
"""Longest value that is kept whole, 256 KiB. Kafka takes records of 1 MiB, headers included."""

HEAD: Final = 64 << 10
"""Bytes that are kept of a longer value, 64 KiB."""

ENVELOPE: Final = 32
ENVELOPE_BYTES: Final = 1 << 10
"""Headers of an envelope that are kept, and bytes of each: CloudEvents has nine attributes, of some tens of bytes."""

_PREFIX: Final = "sluicegate-"


class DeadLetter(msgspec.Struct, metaclass=Prepared, frozen=True):
    """A refused record: why it was refused, where it was and what it held.

    Attributes:
        reason, path, expected, found: As in `Rejection`.
        topic, partition, offset: Place of the record.
        timestamp: Time of the record, epoch seconds.
        key: Key of the record.
        value: Value of the record, or its first HEAD bytes; None when it had none.
        length, sha256: Of the whole value.
        backfill: Whether the record was marked as history sent on purpose.
        public: Whether the record was sent with a public key.
        envelope: Headers of a CloudEvent in binary mode: without them its value is not whole.
        lines: Which of its events were refused, from 0, where it holds several and the others were taken; empty for
            the whole record.
    """

    reason: str
    path: str
    expected: str
    found: str
    topic: str
    partition: int
    offset: int
    timestamp: float
    key: bytes | None
    value: bytes | None
    length: int
    sha256: str
    backfill: bool = False
    public: bool = False
    envelope: tuple[tuple[str, bytes], ...] = ()
    lines: tuple[int, ...] = ()

    @property
    def whole(self) -> bool:
        """Whether `value` is the whole value of the record."""
        return len(self.value or b"") == self.length


def dead_letter(record: Record, rejection: Rejection) -> DeadLetter:
    """The dead letter of a record that was just refused."""
    key, value = as_written(record.key), as_written(record.value)
    length, sha256 = (
        (value.length, value.sha256)
        if isinstance(value, Cut)
        else (len(value or b""), hashlib.sha256(value or b"").hexdigest())
    )
    return DeadLetter(
        reason=rejection.reason,
        path=rejection.path,
        expected=rejection.expected,
        found=rejection.found,
        topic=record.topic,
        partition=record.partition,
        offset=record.offset,
        timestamp=record.timestamp / 1000,
        key=key,
        value=value if value is None or len(value) <= WHOLE else value[:HEAD],
        length=length,
        sha256=sha256,
        backfill=is_backfill(record),
        public=is_public(record),
        envelope=_envelope(record),
        lines=rejection.lines,
    )


def _envelope(record: Record) -> tuple[tuple[str, bytes], ...]:
    found = ((name, raw or b"") for name, raw in record.headers if name.startswith("ce_"))
    return tuple(islice(((name, raw) for name, raw in found if len(name) + len(raw) <= ENVELOPE_BYTES), ENVELOPE))


def as_written(value: bytes | None) -> bytes | None:
    """A value or key as it is in the log, as plain bytes: the producer takes no others."""
    if isinstance(value, Converted):
        return value.original
    return bytes(value) if isinstance(value, Unconverted) else value


def encode(letter: DeadLetter) -> tuple[bytes, list[tuple[str, bytes]]]:
    """The value and headers of the record that holds a dead letter; its key is the letter's own.

    A missing value is written as no bytes, because a record without value is a deletion in a compacted topic.
    """
    fields = {
        "reason": letter.reason,
        "path": letter.path,
        "expected": letter.expected,
        "found": letter.found,
        "topic": letter.topic,
        "partition": str(letter.partition),
        "offset": str(letter.offset),
        "timestamp": repr(letter.timestamp),
        "length": str(letter.length),
        "sha256": letter.sha256,
        "value": "none" if letter.value is None else "whole" if letter.whole else "head",
    }
    if letter.lines:
        fields["lines"] = ",".join(map(str, letter.lines))
    headers = [(_PREFIX + name, text.encode()) for name, text in fields.items()]
    if letter.backfill:
        headers.append((BACKFILL, b"1"))
    if letter.public:
        headers.append((PUBLIC, b"1"))
    return letter.value or b"", [*headers, *letter.envelope]


def decode(record: Record) -> DeadLetter | None:
    """The dead letter in a record of the topic; None when another program wrote the record."""
    headers = {name.removeprefix(_PREFIX): (raw or b"").decode(errors="replace") for name, raw in record.headers}
    try:
        return DeadLetter(
            reason=headers["reason"],
            path=headers["path"],
            expected=headers["expected"],
            found=headers["found"],
            topic=headers["topic"],
            partition=int(headers["partition"]),
            offset=int(headers["offset"]),
            timestamp=float(headers["timestamp"]),
            key=record.key,
            value=None if headers["value"] == "none" else record.value or b"",
            length=int(headers["length"]),
            sha256=headers["sha256"],
            backfill=is_backfill(record),
            public=is_public(record),
            envelope=_envelope(record),
            lines=tuple(map(int, filter(None, headers.get("lines", "").split(",")))),
        )
    except (KeyError, ValueError):
        return None
