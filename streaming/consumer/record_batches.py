"""One of Kafka's record batches, decompressed piece by piece, in; its records out. Stage 0.

kafka-python decodes record by record in Python, which takes three times as long, and loads a batch whole, however large
it becomes. Here a batch takes a few MiB at a time, and of a record that is too long for any use only the beginning is
kept.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Any, Final, NamedTuple

import numpy as np

from models.kernels.core.record_batch import COLUMNS, HEADERS, VALUE_END, locate
from streaming.consumer.decompression import CODECS, MissingCodec, Undecodable, pieces, with_right_checksum
from streaming.kafka import Cut, DataUnreadable
from streaming.kafka.internals import compressed, decode_fetches, legacy_records

LONGEST: Final = 1 << 20
"""Bytes of the longest record that is loaded whole, and of the longest value: no setting allows a longer event."""

LONG_KEY: Final = 1 << 10
"""Bytes that are kept of a key in a longer record; an id has at most 256 characters."""

LONG_HEADERS: Final = 64 << 10
"""Bytes of headers that are read in a longer record; longer ones are left out."""

LEGACY: Final = 32 << 20
"""Bytes of a decompressed batch of Kafka's formats before 0.11, which are read whole."""

SMALLEST: Final = 7
"""Bytes of the smallest record."""

LONGEST_NUMBER: Final = 10
"""Bytes of the longest varint."""


class MalformedBatch(ValueError):
    """The bytes are no records although their checksum is right."""


class WireRecord(NamedTuple):
    """A `streaming.kafka.Record`; `timestamp` in epoch milliseconds."""

    topic: str
    partition: int
    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes | None], ...]


_made: Final[Callable[[tuple[Any, ...]], WireRecord]] = partial(tuple.__new__, WireRecord)
"""Makes a record of its fields, in a third less time than the class does."""


class RecordBatch(NamedTuple):
    """The header of a batch.

    Attributes:
        topic: Name of the topic.
        partition: Its partition.
        first_offset: Offset that the records count from.
        first_timestamp: Epoch milliseconds that the records count from.
        append_time: The broker's time in epoch milliseconds where the topic uses it, otherwise None.
        records: How many there are.
    """

    topic: str
    partition: int
    first_offset: int
    first_timestamp: int
    append_time: int | None
    records: int


def unpack(batch: RecordBatch, data: bytes, start: int = 0) -> list[WireRecord]:
    """Decode the records that begin at `data[start]`. Raises MalformedBatch.

    >>> unpack(RecordBatch("t", 0, 70, 1000, None, 1), bytes([18, 0, 4, 6, 2, 97]))
    Traceback (most recent call last):
    streaming.consumer.record_batches.MalformedBatch: record 1 of 1 at offset 70 and after, partition 0 of t
    >>> unpack(RecordBatch("t", 0, 70, 1000, None, 1), bytes([18, 0, 4, 6, 2, 97, 4, 98, 99, 0]))[0][2:6]
    (73, 1002, b'a', b'bc')
    """
    return [record for _, records in unpack_pieces(batch, [data[start:]]) for record in records]


def unpack_pieces(batch: RecordBatch, data: Iterable[bytes]) -> Iterator[tuple[int, list[WireRecord]]]:
    """Decode the records of a batch while it is decompressed.

    Args:
        batch: Its header.
        data: The bytes of its records, in pieces of any size.

    Yields:
        Decompressed bytes, and the records that they hold.

    Raises:
        MalformedBatch: The bytes are no records, or fewer than the header says.
    """
    window = _Window(data)
    left = batch.records
    while left:
        records = _whole_records(batch, window, left)
        if not records and window.holds_long_record():
            records = [_long_record(batch, window)]
        if records:
            left -= len(records)
            yield window.taken(), records
        elif len(window.data) - window.at > LONGEST + LONGEST_NUMBER or not window.more():
            raise MalformedBatch(
                f"record {batch.records - left + 1} of {batch.records} at offset {batch.first_offset} and after, "
                f"partition {batch.partition} of {batch.topic}"
            )


class _Window:
    """The part of the decompressed bytes that is looked at; `at` is the place of the next record in `data`."""

    def __init__(self, pieces_: Iterable[bytes]) -> None:
        self._pieces = iter(pieces_)
        self.data, self.at = b"", 0
        self._read = self._reported = 0

    def more(self) -> bool:
        """Add the next piece, and drop what was read; False when there is none."""
        piece = next(self._pieces, None)
        if piece is None:
            return False
        self.data = piece if self.at >= len(self.data) else self.data[self.at :] + piece
        self.at = 0
        self._read += len(piece)
        return True

    def taken(self) -> int:
        """Bytes that were added since the last call."""
        taken, self._reported = self._read - self._reported, self._read
        return taken

    def holds_long_record(self) -> bool:
        """Whether the next record is too long to be loaded whole."""
        if len(self.data) - self.at < LONGEST_NUMBER:
            return False
        return _number(self.data, self.at)[0] > LONGEST

    def number(self) -> int:
        """Read a varint. Raises IndexError at the end of the data."""
        while len(self.data) - self.at < LONGEST_NUMBER and self.more():
            pass
        value, self.at = _number(self.data, self.at)
        return value

    def read(self, length: int, kept: int) -> tuple[bytes, str]:
        """Read `length` bytes: the first `kept` of them, and the SHA-256 of all. Raises EOFError when they are cut."""
        head, digest = bytearray(), hashlib.sha256()
        if length < 0:
            raise EOFError
        while length:
            if self.at >= len(self.data) and not self.more():
                raise EOFError
            part = self.data[self.at : self.at + length]
            digest.update(part)
            head += part[: kept - len(head)]
            length -= len(part)
            self.at += len(part)
        return bytes(head), digest.hexdigest()

    @property
    def place(self) -> int:
        """Place of the next byte among all decompressed bytes."""
        return self._read - len(self.data) + self.at


def _whole_records(batch: RecordBatch, window: _Window, most: int) -> list[WireRecord]:
    data = window.data
    rows = min(most, (len(data) - window.at) // SMALLEST)
    places = np.empty((rows, COLUMNS), np.int64)
    found = locate(np.frombuffer(data, np.uint8), window.at, places) if rows else 0
    if not found:
        return []
    last = places[found - 1]
    window.at = int(last[VALUE_END]) + 1 if last[HEADERS] < 0 else _headers(data, int(last[HEADERS]))[1]
    topic, partition, first, since, appended, _ = batch
    return [
        _made((
            topic,
            partition,
            first + offset,
            since + time if appended is None else appended,
            data[key:key_end] if key >= 0 else None,
            data[value:value_end] if value >= 0 else None,
            () if headers < 0 else _headers(data, headers)[0],
        ))
        for offset, time, key, key_end, value, value_end, headers in places[:found].tolist()
    ]


def _long_record(batch: RecordBatch, window: _Window) -> WireRecord:
    """Read a record of which only the beginning is kept."""
    try:
        end = window.number() + window.place
        window.read(1, 0)  # attributes
        time, offset = window.number(), window.number()
        length = window.number()
        key = window.read(length, LONG_KEY)[0] if length >= 0 else None
        length = window.number()
        value: bytes | None = None
        if length >= 0:
            head, digest = window.read(length, LONGEST + 1)
            value = head if length <= LONGEST else Cut(head, length, digest)
        rest = end - window.place
        raw, _ = window.read(rest, LONG_HEADERS)
        headers = _headers(raw, 0)[0] if rest <= LONG_HEADERS else ()
    except (EOFError, IndexError, ValueError, OverflowError) as error:
        raise MalformedBatch(f"a long record at offset {batch.first_offset} or after is cut") from error
    at = batch.first_timestamp + time if batch.append_time is None else batch.append_time
    return WireRecord(batch.topic, batch.partition, batch.first_offset + offset, at, key, value, headers)


def warm() -> None:
    """Compile the kernel of `unpack`, or load it from the cache."""
    locate(np.frombuffer(b"\0", np.uint8), 0, np.empty((1, COLUMNS), np.int64))


def _headers(data: bytes, at: int) -> tuple[tuple[tuple[str, bytes | None], ...], int]:
    """The headers whose count is at data[at], and the place after them."""
    count, at = _number(data, at)
    found = []
    for _ in range(count):
        length, at = _number(data, at)
        if length < 0:
            raise MalformedBatch("a header without a name")
        name, at = data[at : at + length].decode(errors="replace"), at + length
        length, at = _number(data, at)
        found.append((name, data[at : at + length] if length >= 0 else None))
        at += max(length, 0)
        if at > len(data):
            raise MalformedBatch("a header that ends beyond its batch")
    return tuple(found), at


def _number(data: bytes, at: int) -> tuple[int, int]:
    """The varint at data[at], and the place after it. Raises IndexError when it does not end."""
    value = shift = 0
    for place in range(at, at + LONGEST_NUMBER):
        byte = data[place]
        value |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            return (value >> 1) ^ -(value & 1), place + 1
    raise IndexError("a number does not end")


def read_batches_compiled(consumer: Any) -> bool:
    """Let a consumer with `isolation_level="read_committed"` hand out `WireRecord`s.

    A batch that cannot be read raises DataUnreadable at its poll.

    Returns:
        False where the installed kafka-python has no place to hook in; it then decodes by itself.
    """
    return decode_fetches(consumer, _records)


def _records(part: Any, batch: Any) -> Iterator[tuple[int, list[WireRecord]]]:
    codec, data = compressed(batch)
    try:
        yield from _legacy(part, batch, codec, data) if batch.magic < 2 else _current(part, batch, codec, data)
    except MissingCodec as missing:
        raise DataUnreadable("codec", part, batch.base_offset, _how_to_install(missing)) from missing
    except (ValueError, IndexError) as error:
        reason, following = f"its bytes are no records ({error})", batch.next_offset if batch.magic == 2 else None
        raise DataUnreadable("records", part, batch.base_offset, reason, following) from error


def _how_to_install(missing: MissingCodec) -> str:
    if missing.package:
        return (
            f"it is compressed with {missing.codec}, which nothing here decompresses. pip install {missing.package} "
            "where this runs; it is tried again every few seconds"
        )
    return f"it is compressed with {missing.codec}, which this release does not know: install a newer one"


def _current(part: Any, batch: Any, codec: int, data: bytes) -> Iterator[tuple[int, list[WireRecord]]]:
    known = RecordBatch(
        part.topic,
        part.partition,
        batch.base_offset,
        batch.first_timestamp,
        batch.max_timestamp if batch.timestamp_type else None,
        batch.records_count,
    )
    return unpack_pieces(known, pieces(codec, data))


def _legacy(part: Any, batch: Any, codec: int, data: bytes) -> Iterator[tuple[int, list[WireRecord]]]:
    """Records in Kafka's formats before 0.11, which kafka-python decodes once their size is known to be sound."""
    size = 0
    if not batch.magic and CODECS[codec : codec + 1] == ("lz4",):
        data = with_right_checksum(data)
    for piece in pieces(codec, data):
        size += len(piece)
        if size > LEGACY:
            raise Undecodable(f"more than {LEGACY} bytes in an old format, compressed with {CODECS[codec]}")
    yield (
        size,
        [
            WireRecord(part.topic, part.partition, offset, time, key, value, ())
            for offset, time, key, value in legacy_records(batch)
        ],
    )
