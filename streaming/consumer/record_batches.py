"""In: one of Kafka's record batches, decompressed. Out: its records. Stage 0.

kafka-python decodes record by record in Python, which takes three times as long.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np
from kafka.errors import CorruptRecordError

from models.kernels.core.record_batch import COLUMNS, locate
from streaming.kafka.internals import decode_fetches, payload


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
    places = np.empty((batch.records, COLUMNS), np.int64)
    found = locate(np.frombuffer(data, np.uint8), start, places)
    if found < batch.records:
        raise MalformedBatch(
            f"record {found + 1} of {batch.records} at offset {batch.first_offset} and after, "
            f"partition {batch.partition} of {batch.topic}"
        )
    topic, partition, first, since, appended, _ = batch
    return [
        WireRecord(
            topic,
            partition,
            first + offset,
            since + time if appended is None else appended,
            data[key:key_end] if key >= 0 else None,
            data[value:value_end] if value >= 0 else None,
            () if headers < 0 else _headers(data, headers),
        )
        for offset, time, key, key_end, value, value_end, headers in places.tolist()
    ]


def warm() -> None:
    """Compile the kernel of `unpack`, or load it from the cache."""
    locate(np.frombuffer(b"\0", np.uint8), 0, np.empty((1, COLUMNS), np.int64))


def _headers(data: bytes, at: int) -> tuple[tuple[str, bytes | None], ...]:
    count, at = _number(data, at)
    found = []
    for _ in range(count):
        length, at = _number(data, at)
        name, at = data[at : at + length].decode(), at + length
        length, at = _number(data, at)
        found.append((name, data[at : at + length] if length >= 0 else None))
        at += max(length, 0)
    return tuple(found)


def _number(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            return (value >> 1) ^ -(value & 1), at


def read_batches_compiled(consumer: Any) -> bool:
    """Let a consumer with `isolation_level="read_committed"` hand out `WireRecord`s.

    A damaged batch then raises CorruptRecordError at its poll.

    Returns:
        False where the installed kafka-python has no place to hook in; it then decodes by itself.
    """
    return decode_fetches(consumer, _records)


def _records(part: Any, batch: Any) -> Iterable[WireRecord]:
    if batch.magic != 2:
        return [
            WireRecord(part.topic, part.partition, each.offset, each.timestamp, each.key, each.value, ())
            for each in batch
        ]
    data, start = payload(batch)
    appended = batch.max_timestamp if batch.timestamp_type else None
    known = RecordBatch(
        part.topic, part.partition, batch.base_offset, batch.first_timestamp, appended, batch.records_count
    )
    try:
        return unpack(known, data, start)
    except (ValueError, IndexError) as error:
        raise CorruptRecordError(str(error)) from error
