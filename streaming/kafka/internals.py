"""Everything of ours that uses what kafka-python does not document: private names and its network layer.

The library may rename any of it in a minor release. `USED` lists each name with what stops working without it; a test
looks every one of them up on the installed classes, and finds uses that are not listed.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from typing import Any, Final, NamedTuple, TypeVar

from kafka import errors as kafka_errors

from streaming.kafka.errors import DataUnreadable

POLL_BYTES: Final = 32 << 20
"""Decompressed bytes after which a poll hands out what it has. Ordinary records do not come near it: 5,000 events are a
few MB. It bounds memory where a megabyte of a topic holds a gigabyte of spaces."""

UNUSED: Final = 1.0
"""Seconds to close a client that is of no use."""

T = TypeVar("T")


class Internal(NamedTuple):
    """One undocumented name.

    Attributes:
        owner: Dotted path of the class of kafka-python that has it.
        name: Attribute, method or class attribute.
        purpose: What of ours stops working without it.
    """

    owner: str
    name: str
    purpose: str


_OPENING: Final = (
    "open_client: an error cannot say why no broker was found, a refused login is retried until the time-out, and each "
    "failed attempt leaves a thread and its sockets behind"
)
_LAST_WORDS: Final = (
    "open_client: the reason that a broker gives before it hangs up is lost, so a wrong password is not named"
)
_ADVERTISED: Final = "open_client: a name that a broker advertises and nobody here can resolve is not named"
_ASKING: Final = "EventProducer.answers: nobody notices that a producer is stuck while its broker answers"
_ABANDONING: Final = "EventProducer: a stuck client that was replaced keeps its thread, its sockets and its records"
_REFUSING: Final = (
    "EventProducer: one record that the broker refuses fails the records around it, and ends the producer until it is "
    "replaced"
)
_BROKEN: Final = "EventProducer: a client in which nothing can be sent any more is never replaced"
_DECODING: Final = "KafkaSource: records are decoded one by one in Python, which takes three times as long"
_BOUNDING: Final = "KafkaSource: one poll may take all memory, where a small batch holds very large records"
_NAMING: Final = "KafkaSource: a batch that cannot be read is told as trouble with the broker"
_LEGACY: Final = "KafkaSource: records that were written by clients from before Kafka 0.11 cannot be read"

_FETCHED: Final = "kafka.consumer.fetcher.Fetcher.PartitionRecords"
_BATCH: Final = "kafka.record.default_records.DefaultRecordBatch"
_MANAGER: Final = "kafka.net.manager.KafkaConnectionManager"
_TRANSACTIONS: Final = "kafka.producer.transaction_manager.TransactionManager"
_CONNECTION: Final = "kafka.net.connection.KafkaConnection"

USED: Final[tuple[Internal, ...]] = (
    Internal("kafka.KafkaConsumer", "DEFAULT_CONFIG", _OPENING),
    Internal("kafka.KafkaProducer", "DEFAULT_CONFIG", _OPENING),
    Internal("kafka.KafkaAdminClient", "DEFAULT_CONFIG", _OPENING),
    Internal("kafka.net.compat.KafkaNetClient", "_manager", _OPENING),
    Internal("kafka.net.compat.KafkaNetClient", "close", _OPENING),
    Internal(_MANAGER, "get_connection", _OPENING),
    Internal(_MANAGER, "bootstrapped", _OPENING),
    Internal(_MANAGER, "cluster", _ADVERTISED),
    Internal("kafka.KafkaConsumer", "_client", _ADVERTISED),
    Internal("kafka.cluster.ClusterMetadata", "brokers", _ADVERTISED),
    Internal(_MANAGER, "close", _OPENING),
    Internal(_CONNECTION, "init_future", _OPENING),
    Internal(_CONNECTION, "connection_made", _LAST_WORDS),
    Internal("kafka.net.transport.KafkaTCPTransport", "_sock_recv", _LAST_WORDS),
    Internal("kafka.net.transport.KafkaSSLTransport", "_sock_recv", _LAST_WORDS),
    Internal("kafka.KafkaProducer", "_metadata", _ASKING),
    Internal("kafka.cluster.ClusterMetadata", "request_update", _ASKING),
    Internal("kafka.KafkaProducer", "_sender", _ABANDONING),
    Internal("kafka.producer.sender.Sender", "wakeup", _ASKING),
    Internal("kafka.producer.sender.Sender", "force_close", _ABANDONING),
    Internal("kafka.producer.sender.Sender", "join", _ABANDONING),
    Internal("kafka.producer.sender.Sender", "is_alive", _BROKEN),
    Internal("kafka.KafkaProducer", "_transaction_manager", _REFUSING),
    Internal(_TRANSACTIONS, "has_fatal_error", _BROKEN),
    *(
        Internal(_TRANSACTIONS, name, _REFUSING)
        for name in (
            "ERROR_CLASS_FATAL",
            "ERROR_CLASS_NEEDS_EPOCH_BUMP",
            "ERROR_CLASS_NEEDS_PRODUCER_ID_RESET",
            "ERROR_CLASS_RETRIABLE",
            "_supports_epoch_bump",
            "classify_batch_error",
            "producer_id_and_epoch",
            "set_sequence_number",
        )
    ),
    *(Internal("kafka.producer.sender.Sender", name, _REFUSING) for name in ("_can_split", "_dispatch_error")),
    *(
        Internal("kafka.producer.producer_batch.ProducerBatch", name, _REFUSING)
        for name in ("base_sequence", "in_retry", "record_count", "topic_partition")
    ),
    Internal("kafka.producer.transaction_manager.ProducerIdAndEpoch", "match", _REFUSING),
    Internal("kafka.KafkaConsumer", "_fetcher", _DECODING),
    Internal("kafka.consumer.fetcher.Fetcher", "PartitionRecords", _DECODING),
    Internal(_FETCHED, "_unpack_records", _DECODING),
    Internal(_FETCHED, "_consume_aborted_transactions_up_to", _DECODING),
    Internal(_FETCHED, "_contains_abort_marker", _DECODING),
    Internal(_FETCHED, "_is_batch_aborted", _DECODING),
    Internal(_FETCHED, "aborted_producer_ids", _DECODING),
    Internal(_FETCHED, "check_crcs", _DECODING),
    Internal(_FETCHED, "leader_epoch", _DECODING),
    Internal(_FETCHED, "next_fetch_offset", _DECODING),
    Internal(_FETCHED, "record_iterator", _BOUNDING),
    Internal(_FETCHED, "take", _BOUNDING),
    Internal(_FETCHED, "_maybe_raise_next_inline_exception", _BOUNDING),
    Internal(_FETCHED, "_next_inline_exception", _BOUNDING),
    Internal("kafka.consumer.fetcher.Fetcher", "_append", _BOUNDING),
    Internal("kafka.consumer.fetcher.Fetcher", "_parse_fetched_data", _NAMING),
    Internal("kafka.record.memory_records.MemoryRecords", "has_next", _NAMING),
    Internal("kafka.record.memory_records.MemoryRecords", "size_in_bytes", _NAMING),
    *(
        Internal("kafka.record.legacy_records.LegacyRecordBatch", name, _LEGACY)
        for name in ("KEY_OFFSET_V0", "KEY_OFFSET_V1", "_read_key_value", "compression_type", "magic", "validate_crc")
    ),
    Internal(_FETCHED, "drain", _DECODING),
    Internal("kafka.record.memory_records.MemoryRecords", "next_batch", _DECODING),
    *(
        Internal(_BATCH, name, _DECODING)
        for name in (
            "_buffer",
            "_pos",
            "base_offset",
            "compression_type",
            "first_timestamp",
            "has_producer_id",
            "is_control_batch",
            "last_offset",
            "leader_epoch",
            "magic",
            "max_timestamp",
            "next_offset",
            "producer_id",
            "records_count",
            "timestamp_type",
            "validate_crc",
        )
    ),
)


# -- opening a client -------------------------------------------------------------------------------------------------


def open_watched(
    kind: Callable[..., T],
    arguments: dict[str, Any],
    failed: Callable[[Exception], bool],
    check: Callable[[list[tuple[str, int]]], None] = lambda _: None,
) -> T:
    """Make a client and hear of each connection that fails while it looks for a broker.

    kafka-python starts its network thread before it looks for a broker, and leaves it running when there is none.

    Args:
        kind: Class of kafka-python: consumer, producer or admin client.
        arguments: Its keyword arguments.
        failed: Called with the error of each such connection, on the network thread. True ends the search.
        check: Called with the host and port of each broker as the brokers name themselves; raises when they are of no
            use. That error is the cause of any other.

    Returns:
        The client. When `kind` or `check` raises, its network client is closed first.
    """
    network = getattr(kind, "DEFAULT_CONFIG")["kafka_client"]  # noqa: B009 - the type of `kind` does not know it
    started: list[Any] = []

    def watched(**configuration: Any) -> Any:
        started.append(network(**configuration))
        _watch_connections(started[-1]._manager, failed)
        return started[-1]

    def check_all() -> None:
        for client in started:
            check([(each.host, each.port) for each in client._manager.cluster.brokers()])

    try:
        opened = kind(**arguments, kafka_client=watched)
    except BaseException as error:
        try:
            if isinstance(error, kafka_errors.KafkaError):
                check_all()
        finally:
            for client in started:
                client.close()
        raise
    try:
        check_all()
    except BaseException:
        _close_unused(opened)
        raise
    return opened


def known_brokers(client: Any) -> list[tuple[str, int]]:
    """Host and port of each broker as the brokers name themselves; none before the first answer."""
    return [(each.host, each.port) for each in client._client._manager.cluster.brokers()]


def _close_unused(client: Any) -> None:
    """Close a client that nothing was done with, without waiting for a broker."""
    if hasattr(client, "_sender"):
        abandon(client, UNUSED)
    elif hasattr(client, "_fetcher"):
        client.close(autocommit=False, timeout_ms=int(UNUSED * 1000))
    else:
        client.close()


def _watch_connections(manager: Any, failed: Callable[[Exception], bool]) -> None:
    connect = manager.get_connection

    def report(error: Exception) -> None:
        if not manager.bootstrapped and failed(error):
            manager.close()

    def watched(*args: Any, **options: Any) -> Any:
        searching = not manager.bootstrapped
        connection = connect(*args, **options)
        if searching:
            _hear_last_words(connection)
            connection.init_future.add_errback(report)
        return connection

    manager.get_connection = watched


def _hear_last_words(connection: Any) -> None:
    """Hand on what a broker says right before it hangs up.

    kafka-python reads until nothing is left, and drops what it has read when it meets the end of the stream meanwhile.
    A broker that refuses a login says why and hangs up at once. The next read meets the end again.
    """
    made = connection.connection_made

    def with_last_words(transport: Any) -> None:
        receive = transport._sock_recv

        def received() -> tuple[bytes, Exception | None]:
            data, error = receive()
            return (data, None) if data else (data, error)

        transport._sock_recv = received
        made(transport)

    connection.connection_made = with_last_words


# -- producer ---------------------------------------------------------------------------------------------------------


def request_metadata(producer: Any) -> Any:
    """Ask the brokers for their topics now; the future of their answer."""
    asked = producer._metadata.request_update()
    producer._sender.wakeup()
    return asked


def fail_refused_records_alone(
    producer: Any, refusals: tuple[type[Exception], ...], of_single_records: tuple[type[Exception], ...]
) -> None:
    """Let a record that the broker refuses fail alone, and the producer continue.

    kafka-python treats every refusal as the end of an idempotent producer: all records in it fail with the error of
    the one, and so does every later one. That is not needed: the broker appended nothing, and has no other batch of
    that partition under way, so the next batch may take the sequence numbers of the refused one.

    Args:
        producer: An idempotent KafkaProducer without transactions, before its first record.
        refusals: Errors of the broker that say that nothing of a batch was appended.
        of_single_records: Those that concern some records of a batch: it is split until they stand alone.
    """
    manager, sender = producer._transaction_manager, producer._sender
    classify, dispatch, can_split = manager.classify_batch_error, sender._dispatch_error, sender._can_split
    others_are_valid = False

    def classify_refusal(error: Exception, batch: Any, log_start_offset: int = -1) -> Any:
        found = classify(error, batch, log_start_offset=log_start_offset)
        if found != manager.ERROR_CLASS_FATAL or not isinstance(error, refusals):
            return found
        if batch.in_retry():  # an earlier attempt may have been appended: only other numbers are safe
            bump, reset = manager.ERROR_CLASS_NEEDS_EPOCH_BUMP, manager.ERROR_CLASS_NEEDS_PRODUCER_ID_RESET
            return bump if manager._supports_epoch_bump() else reset
        if manager.producer_id_and_epoch.match(batch):
            manager.set_sequence_number(batch.topic_partition, batch.base_sequence)
        return manager.ERROR_CLASS_RETRIABLE  # the batch fails, and nothing else happens

    def dispatch_refusal(batch: Any, exception: Exception, partition_response: Any) -> None:
        nonlocal others_are_valid
        named = len(getattr(partition_response, "record_errors", None) or ())
        others_are_valid = 0 < named < batch.record_count
        # Where the broker names all records, the library replaces its error with a vaguer one for each.
        all_alike = named == batch.record_count and isinstance(exception, of_single_records)
        dispatch(batch, exception, None if all_alike else partition_response)

    def can_split_refused(batch: Any, error: type[Exception]) -> bool:
        if can_split(batch, error):
            return True
        # Asked about a batch that is too large, the library looks at all else: records in it, time left.
        separable = others_are_valid and not batch.in_retry() and issubclass(error, of_single_records)
        return separable and bool(can_split(batch, kafka_errors.MessageSizeTooLargeError))

    manager.classify_batch_error = classify_refusal
    sender._dispatch_error = dispatch_refusal
    sender._can_split = can_split_refused


def is_broken(producer: Any) -> bool:
    """Whether a producer can never send again: it has met an error that ends it, or its thread has ended."""
    return bool(producer._transaction_manager.has_fatal_error()) or not producer._sender.is_alive()


def abandon(producer: Any, timeout: float) -> None:
    """Close a stuck producer: what waits in it fails.

    Args:
        producer: A KafkaProducer that never lets go of the batches under way, which its own `close` waits for.
        timeout: Seconds for its thread to fail them. What is left then ends with that thread, a daemon.
    """
    producer._sender.force_close()
    producer._sender.join(timeout)
    with suppress(kafka_errors.KafkaTimeoutError):
        producer.close(timeout=0)


# -- consumer ---------------------------------------------------------------------------------------------------------


def decode_fetches(consumer: Any, decode: Callable[[Any, Any], Iterable[tuple[int, Sequence[Any]]]]) -> bool:
    """Let a consumer with `isolation_level="read_committed"` hand out the records that `decode` makes.

    One poll hands out little more than POLL_BYTES. A batch that cannot be read raises DataUnreadable at its poll, after
    the records before it were handed out, and is fetched again at the next poll.

    Args:
        consumer: A KafkaConsumer, before its first poll.
        decode: Called with a TopicPartition and a record batch of kafka-python; yields decompressed bytes, and the
            records in them, each with an `offset`.

    Returns:
        False where the consumer has no such place to hook in; it then decodes by itself, more slowly.
    """
    fetcher = getattr(consumer, "_fetcher", None)
    inherited: Any = getattr(fetcher, "PartitionRecords", None)
    if fetcher is None or not hasattr(inherited, "_unpack_records"):
        return False
    polled = 0

    class Records(inherited):  # type: ignore[misc]
        """The records of one fetch of one partition."""

        def __init__(self, fetch_offset: int, part: Any, batches: Any, **options: Any) -> None:
            super().__init__(fetch_offset, part, batches, **options)
            self.record_iterator = self._unpack_records(part, batches)
            self.unpacked: Sequence[Any] = ()
            self.handed_out = 0
            if batches.size_in_bytes() and not batches.has_next():
                raise DataUnreadable("format", part, fetch_offset, "its length is not that of a batch")

        def take(self, n: int) -> list[Any]:
            """The next records, `n` at most, and fewer when the poll has enough bytes."""
            self._maybe_raise_next_inline_exception()
            taken: list[Any] = []
            try:
                while len(taken) < n and self.record_iterator is not None and polled < POLL_BYTES:
                    if self.handed_out == len(self.unpacked):
                        following = next(self.record_iterator, None)
                        if following is None:
                            break
                        self.unpacked, self.handed_out = following, 0
                    some = self.unpacked[self.handed_out : self.handed_out + n - len(taken)]
                    taken += some
                    self.handed_out += len(some)
                    self.next_fetch_offset = some[-1].offset + 1
            except DataUnreadable as error:
                if not taken:
                    raise
                self._next_inline_exception = error
            return taken

        def _unpack_records(self, part: Any, batches: Any, *_: Any) -> Iterator[Sequence[Any]]:
            # Without `drain`, the library would ask this iterator again and again, which has ended with its error.
            try:
                yield from self._unpacked(part, batches)
            except DataUnreadable:
                self.drain()
                raise
            except (kafka_errors.CorruptRecordError, struct.error) as error:
                self.drain()
                why = f"its header is no header of a batch ({error})"
                raise DataUnreadable("format", part, self.next_fetch_offset, why) from error
            self.drain()

        def _unpacked(self, part: Any, batches: Any) -> Iterator[Sequence[Any]]:
            nonlocal polled
            following: int | None = None
            for batch in iter(batches.next_batch, None):
                self._check(part, batch)
                following = batch.next_offset if batch.magic == 2 else None
                if batch.magic == 2:
                    self.leader_epoch = batch.leader_epoch
                    if self._has_no_data(batch):
                        self.next_fetch_offset = batch.next_offset
                        continue
                for size, records in decode(part, batch):
                    polled += size
                    if wanted := self._from_fetch_offset(records):
                        yield wanted
            if following is not None:  # compaction may have removed the last record of a batch
                self.next_fetch_offset = following

        def _from_fetch_offset(self, records: Sequence[Any]) -> Sequence[Any]:
            """A fetch may begin within a batch, of which the broker sends all."""
            if records and records[0].offset < self.fetch_offset:
                return [record for record in records if record.offset >= self.fetch_offset]
            return records

        def _check(self, part: Any, batch: Any) -> None:
            if batch.magic not in {0, 1, 2}:
                why = f"its format {batch.magic} is unknown to this release"
                raise DataUnreadable("format", part, self.next_fetch_offset, why)
            if self.check_crcs and not batch.validate_crc():
                why = "it fails its checksum, so it was damaged on its way or on the broker's disk"
                raise DataUnreadable("checksum", part, batch.base_offset, why, _following(batch))

        def _has_no_data(self, batch: Any) -> bool:
            """Whether a batch ends a transaction, or belongs to one that was aborted."""
            if batch.has_producer_id():
                self._consume_aborted_transactions_up_to(batch.last_offset)
                # Compaction leaves the last batch of a producer, also that of a marker, without its record.
                if batch.records_count and self._contains_abort_marker(batch):
                    self.aborted_producer_ids.discard(batch.producer_id)
                elif self._is_batch_aborted(batch):
                    return True
            return bool(batch.is_control_batch)

    append, parse = fetcher._append, fetcher._parse_fetched_data

    def append_bounded(drained: Any, part: Any, most: int, update_offsets: bool) -> int:
        nonlocal polled
        if not drained:
            polled = 0
        appended = int(append(drained, part, most, update_offsets))
        return appended if polled < POLL_BYTES else most  # the library then ends the poll

    def parse_readable(fetch: Any) -> Any:
        if fetch.partition_data.error_code == kafka_errors.CorruptRecordError.errno:
            why = "the broker finds it damaged on its disk"
            raise DataUnreadable("checksum", fetch.topic_partition, fetch.fetched_offset, why)
        return parse(fetch)

    fetcher.PartitionRecords = Records
    fetcher._append, fetcher._parse_fetched_data = append_bounded, parse_readable
    return True


def _following(batch: Any) -> int | None:
    return int(batch.next_offset) if batch.magic == 2 else None


def compressed(batch: Any) -> tuple[int, bytes]:
    """Number of the codec of a batch, and its records as they are compressed."""
    if batch.magic == 2:
        return int(batch.compression_type), bytes(memoryview(batch._buffer)[batch._pos :])
    if not batch.compression_type:
        return 0, b""
    _, value = batch._read_key_value(batch.KEY_OFFSET_V1 if batch.magic else batch.KEY_OFFSET_V0)
    return int(batch.compression_type), value or b""


def legacy_records(batch: Any) -> Iterator[tuple[int, int, bytes | None, bytes | None]]:
    """Offset, time in epoch milliseconds, key and value of each record of a batch in a format before 2.

    The first format has no times; Kafka then says -1.
    """
    try:
        for record in batch:
            yield record.offset, -1 if record.timestamp is None else record.timestamp, record.key, record.value
    except (kafka_errors.KafkaError, AssertionError, struct.error) as error:
        raise ValueError(str(error)) from error
