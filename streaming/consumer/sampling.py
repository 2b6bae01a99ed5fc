"""Reads the newest records of a topic, or those of a file, as they are. Commits and changes nothing. Stage 0."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

from streaming.consumer.consumer import KafkaSource
from streaming.files import Bad, Fill, Sample, raw_records
from streaming.kafka import Offsets, Record
from streaming.settings import Settings

PATIENCE: Final = 10.0
"""Seconds for all records to arrive. Marks of transactions count as records in the log, and never arrive."""


def of_topic(settings: Settings, topic: str, count: int) -> list[Sample]:
    """The newest `count` records of a topic, fewer when it has fewer.

    Raises:
        BrokerAway: No broker answers.
        NotAllowed: The broker refuses us.
        TopicMissing: The topic does not exist.
    """
    with KafkaSource(settings, [topic]) as source:
        return [
            Sample(f"{record.topic}[{record.partition}] at {record.offset}", record.key, record.value, record.timestamp)
            for record in newest(source, count)
        ]


def newest(source: KafkaSource, count: int) -> list[Record]:
    """The newest `count` records of the topics of a source, oldest first; those that arrive within `PATIENCE`."""
    source.assign({})
    end = source.end_offsets()
    source.assign(_shortly_before(source.beginning_offsets(), end, count))
    return sorted(_read(source, end), key=lambda record: record.timestamp)[-count:]


def _shortly_before(first: Offsets, end: Offsets, count: int) -> Offsets:
    return {
        topic: {partition: max(first[topic][partition], offset - count) for partition, offset in parts.items()}
        for topic, parts in end.items()
    }


def _read(source: KafkaSource, end: Offsets) -> Iterator[Record]:
    limit = time.monotonic() + PATIENCE
    while time.monotonic() < limit and any(
        position < end[topic][partition]
        for topic, parts in source.positions().items()
        for partition, position in parts.items()
    ):
        for batch in source.poll(0.2, 1_000):
            yield from batch


def of_file(
    path: Path, now: float, encoding: str | None = None, fill: Mapping[str, Sequence[str]] | None = None
) -> list[Sample]:
    """Read the records of a file, without keys, as if each was written at `now` (epoch seconds). Raises FileError.

    One a line where the file is NDJSON, otherwise its rows or objects.
    """
    at, found = now * 1000, list[Sample]()
    for line, raw in raw_records(path, encoding, Fill(fill or {}).batch):
        why, value = (raw.reason, None) if isinstance(raw, Bad) else ("", raw)
        found.append(Sample(f"line {line}", None, value, at, line, why))
    return found


__all__ = ["newest", "of_file", "of_topic"]
