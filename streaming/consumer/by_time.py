"""Reads all records of topics up to now, in the order of their times. Stage 0.

It uses no group and no lease, and commits nothing. A learner that follows the log takes partitions in turns; a reader
of months of history must not get the months of one partition before those of another.
"""

from __future__ import annotations

import heapq
import time
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from typing import Final, NamedTuple

from streaming.consumer.consumer import KafkaSource
from streaming.kafka import Offsets, Record
from streaming.settings import Settings

WAITING: Final = 400_000
"""Records that may wait for their turn, some hundreds of MB; one counts once more for each KiB. Beyond it the oldest is
handed out, although a partition that is still silent might hold an older one."""

POLLED: Final = 20_000
"""Records of one poll, at most."""

POLL_SECONDS: Final = 0.2
"""Seconds one poll waits for its first record."""

QUIET: Final = 5.0
"""Seconds without a record after which the brokers are asked whether they are there. If they are, then the end of a log
holds only marks of transactions, which are not handed out."""

Place = tuple[str, int]
"""Topic and partition."""


class Reach(NamedTuple):
    """What one partition holds: its offsets, and the time of its oldest record in epoch seconds (None: no record)."""

    topic: str
    partition: int
    first: int
    end: int
    oldest: float | None


class RecordsByTime:
    """Reads topics in the order of time. Use it as a context manager, and call `batches` once.

    Args:
        settings: Brokers and time-outs.
        topics: Names of the topics to read.
        start: Where to begin, by topic and partition; other partitions begin with their log.
        first: A topic whose records all come before those of the others, whatever their time.

    Raises:
        BrokerAway: No broker answers.
        NotAllowed: The broker refuses us.
        TopicMissing: A topic does not exist.
        OffsetsGone: A log does not hold an offset of `start`.
    """

    def __init__(
        self, settings: Settings, topics: Sequence[str], start: Mapping[str, Mapping[int, int]], first: str = ""
    ) -> None:
        self._source = KafkaSource(settings, topics)
        self._first_topic = first
        self.disordered = 0
        self._oldest: dict[Place, float] = {}
        self._waiting: dict[Place, deque[Record]] = {}
        self._heads: list[tuple[int, Place]] = []
        self._count = 0
        try:
            self.start = self._source.assign(start)
            self._first = self._source.beginning_offsets()
            self._waiting = {(topic, part): deque() for topic, parts in self.start.items() for part in parts}
            self.end = self._settled_end()
        except BaseException:
            self._source.close()
            raise
        self._open = self._unread()
        self._silent = {place for place in self._open if not self._waiting[place]}

    def _settled_end(self) -> Offsets:
        """Where the logs end after their first fetch; before it some brokers list the end too low."""
        limit = time.monotonic() + QUIET
        while {(topic, part) for topic, parts in self._source.lag().items() for part in parts} < self._waiting.keys():
            self._poll()
            if time.monotonic() > limit:
                break
        return self._source.end_offsets()

    def __enter__(self) -> RecordsByTime:
        return self

    def __exit__(self, *_: object) -> None:
        self._source.close()

    @property
    def total(self) -> int:
        """Offsets from start to end. A compacted log holds fewer records."""
        return sum(
            max(0, end - self.start[topic][at]) for topic, parts in self.end.items() for at, end in parts.items()
        )

    @property
    def done(self) -> int:
        """Offsets read so far, including records that wait for their turn."""
        positions = self._source.positions()
        return sum(at - self.start[topic][part] for topic, parts in positions.items() for part, at in parts.items())

    @property
    def identity(self) -> tuple[str, dict[str, str]]:
        """Ids of the cluster and of each topic."""
        return self._source.cluster_id(), self._source.topic_ids()

    def reach(self) -> list[Reach]:
        """How far back each partition goes; its time is known once its first record was read."""
        return [
            Reach(topic, part, self._first[topic][part], end, self._oldest.get((topic, part)))
            for topic, parts in self.end.items()
            for part, end in parts.items()
        ]

    def batches(self, most: int) -> Iterator[list[list[Record]]]:
        """Yield the records in the order of their times.

        Args:
            most: Records of one batch, at most.

        Yields:
            A batch: lists of consecutive records of one partition.
        """
        runs: list[list[Record]] = []
        count = 0
        for record in self._ordered():
            if runs and (runs[-1][0].topic, runs[-1][0].partition) == (record.topic, record.partition):
                runs[-1].append(record)
            else:
                runs.append([record])
            count += 1
            if count >= most:
                yield runs
                runs, count = [], 0
        if runs:
            yield runs

    def _ordered(self) -> Iterator[Record]:
        """Yield the oldest waiting record as soon as no partition can have an older one."""
        while self._heads or self._open:
            if self._silent and self._open and (self._count < WAITING or not self._heads):
                self._fetch()
                continue
            self.disordered += bool(self._silent)
            at, place = heapq.heappop(self._heads)
            waiting = self._waiting[place]
            record = waiting.popleft()
            self._count -= _weight(record)
            yield record
            if waiting:
                self._push(max(at, waiting[0].timestamp), place)
            elif place in self._open:
                self._silent.add(place)

    def _fetch(self) -> None:
        """Read until something new arrives, or nothing more can."""
        quiet_since = time.monotonic()
        while self._open and not self._poll():
            if time.monotonic() > quiet_since + QUIET:
                self._source.end_offsets()  # raises when the brokers are away
                self._open = set()
                break
            self._open = self._unread()
        self._open &= self._unread()
        self._silent = {place for place in self._open if not self._waiting[place]}

    def _poll(self) -> bool:
        polled = self._source.poll(POLL_SECONDS, POLLED)
        for records in polled:
            place = records[0].topic, records[0].partition
            self._oldest.setdefault(place, records[0].timestamp * 1e-3)
            if not self._waiting[place]:
                self._push(records[0].timestamp, place)
            self._waiting[place].extend(records)
            self._count += sum(map(_weight, records))
        return bool(polled)

    def _push(self, at: int, place: Place) -> None:
        heapq.heappush(self._heads, (-1 if place[0] == self._first_topic else at, place))

    def _unread(self) -> set[Place]:
        """Partitions not yet read up to their end at our start. Later records that were fetched are handed out too."""
        positions = self._source.positions()
        return {
            (topic, part)
            for topic, parts in self.end.items()
            for part, end in parts.items()
            if positions[topic][part] < end
        }


def _weight(record: Record) -> int:
    return 1 + (len(record.value or b"") >> 10)


__all__ = ["Reach", "RecordsByTime"]
