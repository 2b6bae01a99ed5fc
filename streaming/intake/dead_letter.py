"""A refused record in; the record of the dead-letter topic out, and back. Stage 1."""

from __future__ import annotations

import hashlib
from typing import Final

import msgspec

from models.records import Rejection
from streaming.kafka import BACKFILL, Record, is_backfill

# Bytes of the original that are kept whole, and those kept of a longer one. A record may be 1 MiB in all.
WHOLE: Final = 256 << 10

HEAD: Final = 64 << 10

_PREFIX: Final = "sluicegate-"


class DeadLetter(msgspec.Struct, frozen=True):
    """A refused record: why (see `Rejection`), where it was, when (epoch seconds), and what it held.

    `length` and `sha256` are those of the whole original; `value` is shorter than `length` when it was cut. `value` is
    None when the record had none.
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

    @property
    def whole(self) -> bool:
        """Whether `value` is all there was."""
        return len(self.value or b"") == self.length


def dead_letter(record: Record, rejection: Rejection) -> DeadLetter:
    """The dead letter of a record just refused."""
    value = record.value
    return DeadLetter(
        reason=rejection.reason,
        path=rejection.path,
        expected=rejection.expected,
        found=rejection.found,
        topic=record.topic,
        partition=record.partition,
        offset=record.offset,
        timestamp=record.timestamp / 1000,
        key=record.key,
        value=value if value is None or len(value) <= WHOLE else value[:HEAD],
        length=len(value or b""),
        sha256=hashlib.sha256(value or b"").hexdigest(),
        backfill=is_backfill(record),
    )


def encode(letter: DeadLetter) -> tuple[bytes, list[tuple[str, bytes]]]:
    """(value, headers) of the record that holds a dead letter; its key is the letter's own.

    A missing value is written as no bytes, because a record without value would delete in a compacted topic.
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
    headers = [(_PREFIX + name, text.encode()) for name, text in fields.items()]
    if letter.backfill:
        headers.append((BACKFILL, b"1"))
    return letter.value or b"", headers


def decode(record: Record) -> DeadLetter | None:
    """The dead letter in a record of the topic; None when something else wrote it."""
    headers = {name.removeprefix(_PREFIX): raw.decode(errors="replace") for name, raw in record.headers}
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
        )
    except (KeyError, ValueError):
        return None
