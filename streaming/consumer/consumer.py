"""Reads the topics in batches of ordered records, from the offsets that the caller names. Stage 0.

Positions belong to the version that a learner loaded, so nothing here follows Kafka's own commits. We assign all
partitions, and commit offsets to Kafka only as a mirror for tools that show lag.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, Final, NamedTuple, NoReturn, TypeVar

from kafka import KafkaAdminClient, KafkaConsumer, TopicPartition
from kafka import errors as kafka_errors
from kafka.structs import OffsetAndMetadata

from streaming.consumer.record_batches import read_batches_compiled
from streaming.formats import Formats
from streaming.kafka import (
    BrokerAway,
    DataUnreadable,
    KafkaTrouble,
    NotAllowed,
    Offsets,
    OffsetsGone,
    Record,
    TopicMissing,
    TopicRecreated,
    client_arguments,
    naming_unreached,
    open_client,
    trouble,
)
from streaming.settings import Settings

PARTITION_FETCH: Final = 1 << 20
FETCH: Final = 32 << 20
"""Bytes of one fetch, per partition and in all. A backlog is read fetch by fetch, one partition after the other: larger
fetches move records further from their order in time, and with half as many bytes the learner waits for the broker."""

FETCH_WAIT_MS: Final = 100
"""Milliseconds the broker may hold a fetch while it has nothing. It bounds how long `close` waits, not freshness."""

PROBE: Final = 3.0
"""Seconds to find out whether an offset beyond the listed end exists (see `_past_the_end`)."""

EDGES_ASKED: Final = 5
"""Times that a broker is asked where partitions begin and end, when its answer leaves some of them out."""

MIRROR: Final = 2.0
"""Seconds a mirror commit may take, connecting included. It is for tools; nothing of ours waits longer for it."""

AGAIN: Final = 5.0
"""Seconds after which a batch that could not be read is fetched again."""

T = TypeVar("T")


class _SetAside(NamedTuple):
    """A partition that is not fetched from, because its next batch cannot be read.

    Attributes:
        error: Why not.
        position: Its next offset; beyond it, the batch was read after all.
        until: When to try again, in monotonic seconds.
    """

    error: DataUnreadable
    position: int
    until: float


class KafkaSource:
    """A `RecordSource` over kafka-python. Every call is bounded in time.

    Args:
        settings: Brokers and time-outs.
        topics: Names of the topics to read.
        group: Consumer group of the mirror commits; default: `sluicegate.NAMESPACE`.
        first: A topic to read to its end after each `assign`, before any record of another topic is handed out.
        owned: Which partitions of these topics to read, by topic and partition; default: all.

    Raises:
        BrokerAway: No answer within `kafka.request_timeout` (the constructor: `kafka.bootstrap_timeout`). Any method
            may raise it.
        NotAllowed: The broker refuses us. Any method may raise it.
    """

    def __init__(
        self,
        settings: Settings,
        topics: Sequence[str],
        group: str | None = None,
        *,
        first: str = "",
        owned: Callable[[str, int], bool] = lambda _topic, _partition: True,
    ) -> None:
        self._settings = settings.kafka
        self._topics = tuple(topics)
        self._group = group or f"sluicegate.{settings.namespace}"
        self._ids: dict[str, str] = {}
        self._first, self._owned = first, owned
        self._awaited: dict[TopicPartition, int] = {}
        self._set_aside: dict[TopicPartition, _SetAside] = {}
        self._timeout_ms = int(settings.kafka.request_timeout * 1000)
        self._members: dict[str, Any] = {}
        self._formats = Formats(settings, self._topics)
        self._waits: DataUnreadable | None = None
        self._mirror_lock = threading.Lock()
        self.mirror_failures = 0
        self._consumer: Any = None
        # Without a group, so that a lost group coordinator cannot delay a poll.
        self._consumer = self._call(lambda: self._client("sluicegate-source", None))
        read_batches_compiled(self._consumer)
        try:
            arguments = client_arguments(self._settings, "sluicegate-source")
            self._admin = self._call(lambda: open_client(KafkaAdminClient, **arguments))
        except BaseException:
            self._consumer.close(autocommit=False, timeout_ms=1000)
            raise

    def _client(self, client_id: str, group: str | None, patience: float | None = None) -> Any:
        arguments = client_arguments(self._settings, client_id)
        if patience is not None:
            arguments["bootstrap_timeout_ms"] = int(patience * 1000)
        return open_client(
            KafkaConsumer,
            **arguments,
            metrics_enabled=False,
            group_id=group,
            enable_auto_commit=False,
            auto_offset_reset="none",
            allow_auto_create_topics=False,
            isolation_level="read_committed",
            check_crcs=True,
            fetch_max_wait_ms=FETCH_WAIT_MS,
            fetch_max_bytes=FETCH,
            max_partition_fetch_bytes=PARTITION_FETCH,
        )

    def _call(self, call: Callable[[], T]) -> T:
        try:
            return call()
        except kafka_errors.KafkaError as error:
            found = trouble(error, self._settings.bootstrap)
            if isinstance(found, BrokerAway) and self._consumer is not None:
                found = naming_unreached(found, self._consumer, self._settings.bootstrap.split(","))
            raise found from error

    def cluster_id(self) -> str:
        """Id of the cluster, as its brokers report it."""
        return str(self._call(self._admin.describe_cluster)["cluster_id"])

    def topic_ids(self) -> dict[str, str]:
        """Id of each topic; a topic that was deleted and created again has another. Raises TopicMissing."""
        return {name: str(found["topic_id"]) for name, found in self._describe().items()}

    def _describe(self) -> dict[str, Any]:
        described = {
            found["name"]: found for found in self._call(lambda: self._admin.describe_topics(list(self._topics)))
        }
        for name in self._topics:
            code = described[name]["error_code"] if name in described else 3
            if code:
                kind = kafka_errors.for_code(code)
                if issubclass(kind, kafka_errors.AuthorizationError):
                    raise NotAllowed(
                        f"Kafka at {self._settings.bootstrap} does not let us read topic {name!r} ({kind.__name__}): "
                        "grant kafka.username the rights that docs/operations.md lists"
                    )
                raise TopicMissing(name, self._settings.bootstrap)
        return described

    def _partitions(self) -> set[TopicPartition]:
        described = self._describe()
        ids = {name: str(found["topic_id"]) for name, found in described.items()}
        for name, before in self._ids.items():
            if ids[name] != before:
                raise TopicRecreated(name, before, ids[name])
        self._ids = ids
        return {
            TopicPartition(name, part["partition_index"])
            for name, found in described.items()
            for part in found["partitions"]
            if self._owned(name, part["partition_index"])
        }

    def assign(self, offsets: Mapping[str, Mapping[int, int]]) -> Offsets:
        """Assign all partitions of all topics to us.

        Args:
            offsets: Where to begin, by topic and partition. A partition without an offset begins with its log.

        Returns:
            Where each partition begins.

        Raises:
            OffsetsGone: A log does not hold the offset asked for.
            TopicMissing: A topic does not exist.
        """
        self._ids = {}
        parts = self._partitions()
        first, end = self._bounds(parts)
        start = {part: offsets.get(part.topic, {}).get(part.partition, first[part]) for part in parts}
        doubtful = {part: offset for part, offset in start.items() if offset > end[part]}
        for part, offset in start.items():
            if offset < first[part]:
                raise OffsetsGone(part.topic, part.partition, offset, first[part], end[part])
        self._awaited, self._set_aside, self._waits = {}, {}, None
        if doubtful:
            self._past_the_end(doubtful, first)
        self._awaited = {part: end[part] for part in parts if part.topic == self._first}
        self._seek(start)
        return _nested(start)

    def _bounds(self, parts: set[TopicPartition]) -> tuple[dict[TopicPartition, int], dict[TopicPartition, int]]:
        ordered = sorted(parts)
        return self._edges(self._consumer.beginning_offsets, ordered), self._edges(self._consumer.end_offsets, ordered)

    def _edges(self, ask: Callable[..., dict[TopicPartition, int]], parts: list[TopicPartition]) -> Any:
        # A broker under load may leave a partition out of its answer; kafka-python then raises KeyError.
        for _ in range(EDGES_ASKED):
            with contextlib.suppress(KeyError):
                return self._call(lambda: ask(parts, timeout_ms=self._timeout_ms))
        raise BrokerAway(f"{self._settings.bootstrap} does not say where all partitions begin and end", "timeout")

    def _seek(self, start: Mapping[TopicPartition, int]) -> None:
        self._consumer.assign(sorted(start))
        # A partition that stays assigned stays paused.
        self._consumer.resume(*self._consumer.paused())
        for part, offset in start.items():
            self._consumer.seek(part, offset)
        if self._awaited:
            self._consumer.pause(*(part for part in start if part.topic != self._first))

    def _past_the_end(self, doubtful: dict[TopicPartition, int], first: Mapping[TopicPartition, int]) -> None:
        # Tansu lists as "end" the offset after the first record of the last batch. The high watermark of a fetch is
        # right on every broker, so it decides.
        self._seek(doubtful)
        limit = time.monotonic() + PROBE
        unsettled = dict(doubtful)
        while unsettled:
            with contextlib.suppress(DataUnreadable):  # the answer to a fetch has the watermark all the same
                self._poll(0.1, 1)
            for part, offset in list(unsettled.items()):
                highwater = self._consumer.highwater(part)
                if highwater is not None and highwater < offset:
                    raise OffsetsGone(part.topic, part.partition, offset, first[part], highwater)
                if highwater is not None:
                    del unsettled[part]
            if unsettled and time.monotonic() > limit:
                raise BrokerAway(f"no fetch from {self._settings.bootstrap} was answered in {PROBE:g} s", "timeout")

    def poll(self, timeout_s: float, max_records: int) -> list[list[Record]]:
        """Return the records that have arrived, after waiting at most `timeout_s` seconds for the first.

        The result is also empty while the broker is away; `end_offsets` raises then.

        Returns:
            One list per partition, each in offset order, `max_records` at most in all.

        Raises:
            OffsetsGone: The log no longer holds our offset.
            TopicRecreated: A topic was deleted and created again.
            NotAllowed: The broker refuses us.
            DataUnreadable: The next batch of a partition cannot be read, or the schema of its next record is not to be
                had. Call again: the other partitions go on, and this one is tried again after AGAIN seconds.
        """
        self._raise_waiting()
        self._retry_set_aside()
        polled = [self._converted(records) for records in self._poll(timeout_s, max_records).values()]
        polled = [records for records in polled if records]
        if not polled:
            self._raise_waiting()
        if self._awaited:
            self._look_at_first()
        return polled

    def _converted(self, records: list[Record]) -> list[Record]:
        """The records with values as JSON, up to the first whose schema cannot be had: its partition waits there."""
        if not self._formats.wanted(records[0].topic):
            return records
        converted, why = self._formats.converted(records)
        if why is not None:
            record = records[len(converted)]
            part = TopicPartition(record.topic, record.partition)
            self._consumer.seek(part, record.offset)
            self._waits = DataUnreadable("schema", part, record.offset, f"{why}. It is tried again every few seconds")
            self._set_aside_from(part, record.offset, self._waits)
        return converted

    def _raise_waiting(self) -> None:
        """Raise for a schema that could not be had; only when nothing that was polled with it is lost by it."""
        waits, self._waits = self._waits, None
        if waits is not None:
            raise waits

    @property
    def unreadable(self) -> list[DataUnreadable]:
        """Why partitions are not read, for each whose next batch cannot be read; as of the last poll."""
        return [each.error for _, each in sorted(self._set_aside.items())]

    def _retry_set_aside(self) -> None:
        for part, each in list(self._set_aside.items()):
            if self._position(part) != each.position:
                del self._set_aside[part]
            elif time.monotonic() >= each.until:
                self._set_aside[part] = _SetAside(each.error, each.position, time.monotonic() + AGAIN)
                self._consumer.resume(part)

    def _look_at_first(self) -> None:
        """Resume the other topics once the first is read. Only the watermark of a fetch says where it ends."""
        for part, end in list(self._awaited.items()):
            highwater = self._consumer.highwater(part)
            if highwater is not None and self._call(partial(self._position, part)) >= max(end, highwater):
                del self._awaited[part]
        if not self._awaited:
            self._consumer.resume(*self._consumer.paused())

    def _position(self, part: TopicPartition) -> int:
        return int(self._consumer.position(part, timeout_ms=self._timeout_ms))

    def _poll(self, timeout_s: float, max_records: int) -> dict[TopicPartition, list[Record]]:
        try:
            polled: dict[TopicPartition, list[Record]] = self._consumer.poll(int(timeout_s * 1000), max_records)
        except kafka_errors.OffsetOutOfRangeError as error:
            self._gone(error)
        except kafka_errors.LogTruncationError as error:
            self._gone(error)
        except DataUnreadable as error:
            part = TopicPartition(error.topic, error.partition)
            self._set_aside_from(part, self._position(part), error)
            raise
        except kafka_errors.KafkaError as error:
            raise trouble(error, self._settings.bootstrap) from error
        return polled

    def _set_aside_from(self, part: TopicPartition, position: int, error: DataUnreadable) -> None:
        self._set_aside[part] = _SetAside(error, position, time.monotonic() + AGAIN)
        self._consumer.pause(part)

    def _gone(self, error: Exception) -> NoReturn:
        # A topic that was created again is shorter too, but nothing was lost: that error has precedence.
        self._partitions()
        parts = set(self._consumer.assignment())
        first, end = self._bounds(parts)
        for part, offset in self._tracked().items():
            if not first[part] <= offset <= end[part]:
                raise OffsetsGone(part.topic, part.partition, offset, first[part], end[part]) from error
        raise BrokerAway(f"the broker refused an offset that it lists as present: {error}") from error

    def _tracked(self) -> dict[TopicPartition, int]:
        """Next offset of every partition. Each was sought, so it is known here and no call leaves the process."""
        return {
            part: self._call(partial(self._consumer.position, part, timeout_ms=self._timeout_ms))
            for part in self._consumer.assignment()
        }

    def positions(self) -> Offsets:
        """Next offset of every partition: the one after the last record that `poll` handed out."""
        return _nested(self._tracked())

    def refresh_partitions(self) -> list[tuple[str, int]]:
        """Look for partitions that were added, and read them from their beginning.

        Returns:
            (topic, partition) of each new one.

        Raises:
            TopicRecreated: The id of a topic is not the one it had at `assign`.
        """
        known = self._tracked()
        new = self._partitions() - set(known)
        if new:
            first, _ = self._bounds(new)
            self._seek(known | {part: first[part] for part in new})
        return sorted((part.topic, part.partition) for part in new)

    def beginning_offsets(self) -> Offsets:
        """Oldest offset that each log still holds."""
        return _nested(self._bounds(set(self._consumer.assignment()))[0])

    def end_offsets(self) -> Offsets:
        """Ask the broker for the offset after the newest record of each log. Raises BrokerAway."""
        listed = self._bounds(set(self._consumer.assignment()))[1]
        return _nested({part: max(offset, self._consumer.highwater(part) or 0) for part, offset in listed.items()})

    def lag(self) -> Offsets:
        """Records of each partition that were not handed out yet, as of its last fetch; no call leaves the process.

        A partition without a fetch so far is left out.
        """
        known = {part: self._consumer.highwater(part) for part in self._consumer.assignment()}
        tracked = self._tracked()
        return _nested({part: max(0, end - tracked[part]) for part, end in known.items() if end is not None})

    def backlog(self, timeout_s: float) -> Offsets | None:
        """Ask the broker how many records of each partition were not handed out yet; None without an answer in time.

        `lag` cannot tell this: nothing more is fetched from a partition while fetched records wait here, so its last
        fetch tells least when the backlog is largest.
        """
        listed = self._listed_ends(timeout_s)
        if listed is None:
            return None
        tracked = self._tracked()
        ends = {part: max(end, self._consumer.highwater(part) or 0) for part, end in listed.items()}
        return _nested({part: max(0, end - tracked[part]) for part, end in ends.items()})

    def unread(self, timeout_s: float) -> bool:
        """Ask the broker whether it holds records that may be read and were not handed out; False without an answer.

        Partitions whose next batch cannot be read do not count, nor does what an open transaction holds back, and
        nothing does while the topic that is read first cannot be read.
        """
        if self._awaited.keys() & self._set_aside.keys():
            return False
        listed, tracked = self._listed_ends(timeout_s), self._tracked()
        return any(end > tracked[part] for part, end in (listed or {}).items() if part not in self._set_aside)

    def _listed_ends(self, timeout_s: float) -> dict[TopicPartition, int] | None:
        """Where the broker says that each log ends; None without an answer in time."""
        parts = sorted(self._consumer.assignment())
        try:
            ends: dict[TopicPartition, int] = self._consumer.end_offsets(parts, timeout_ms=int(timeout_s * 1000))
        except (kafka_errors.KafkaError, KeyError):  # KeyError: see `_edges`
            return None
        return ends

    def commit_mirror(self, offsets: Mapping[str, Mapping[int, int]], group: str | None = None) -> bool:
        """Commit to Kafka how far a version reaches, for tools that show lag; whether that succeeded.

        Never raises: failures are counted in `mirror_failures`. Safe to call from another thread than the polling one.
        """
        positions = {
            TopicPartition(topic, partition): OffsetAndMetadata(offset, "", -1)
            for topic, parts in offsets.items()
            for partition, offset in parts.items()
        }
        with self._mirror_lock:
            try:
                self._member(group).commit(positions, timeout_ms=int(MIRROR * 1000))
            except (kafka_errors.KafkaError, KafkaTrouble, OSError):
                self.mirror_failures += 1
                return False
        return True

    def _member(self, group: str | None) -> Any:
        name = group or self._group
        if name not in self._members:
            self._members[name] = self._client("sluicegate-mirror", name, MIRROR)
        return self._members[name]

    def committed(self, group: str | None = None) -> Offsets:
        """The offset last committed for each assigned partition that has one. Raises BrokerAway."""
        found: dict[TopicPartition, int] = {}
        with self._mirror_lock:
            member = self._call(partial(self._member, group))
            for part in self._consumer.assignment():
                offset = self._call(partial(member.committed, part, timeout_ms=self._timeout_ms))
                if offset is not None:
                    found[part] = offset
        return _nested(found)

    def close(self) -> None:
        """Disconnect, within about two seconds."""
        with self._mirror_lock:
            for client in (self._consumer, *self._members.values()):
                client.close(autocommit=False, timeout_ms=1_000)
        self._admin.close()
        self._formats.close()

    def __enter__(self) -> KafkaSource:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _nested(flat: Mapping[TopicPartition, int]) -> Offsets:
    nested: Offsets = {}
    for part, offset in sorted(flat.items()):
        nested.setdefault(part.topic, {})[part.partition] = offset
    return nested
