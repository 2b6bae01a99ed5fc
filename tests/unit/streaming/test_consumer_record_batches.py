"""Record batches are decoded as kafka-python does it, and bytes that are no batch raise a named error."""

import contextlib
import hashlib
import struct
import sys
import tracemalloc
import zlib
from collections import deque
from types import SimpleNamespace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from kafka import TopicPartition
from kafka.consumer.fetcher import Fetcher
from kafka.consumer.subscription_state import SubscriptionState
from kafka.record.memory_records import MemoryRecords, MemoryRecordsBuilder
from kafka.record.util import calc_crc32c

from models.records import EventRules, Rejection, decode
from streaming.consumer.decompression import missing_codecs
from streaming.consumer.record_batches import (
    LONG_KEY,
    LONGEST,
    MalformedBatch,
    RecordBatch,
    read_batches_compiled,
    unpack,
    unpack_pieces,
)
from streaming.intake.dead_letter import dead_letter
from streaming.kafka import Cut, DataUnreadable

PART = st.none() | st.binary(max_size=300)
HEADER = st.tuples(st.text(max_size=70), PART)
RECORDS = st.lists(
    st.tuples(st.integers(-(2**40), 2**40), PART, PART, st.lists(HEADER, max_size=3)), min_size=1, max_size=20
)


def written(records, first=7, compression=0):
    builder = MemoryRecordsBuilder(2, compression, 1 << 20)
    for time, key, value, headers in records:
        builder.append(timestamp=2**41 + time, key=key, value=value, headers=headers)
    builder.close()
    return first.to_bytes(8, "big") + bytes(builder.buffer())[8:]  # as the broker does it: the checksum leaves it out


def raw(data):
    batch = MemoryRecords(data).next_batch()
    known = RecordBatch("t", 3, batch.base_offset, batch.first_timestamp, None, batch.records_count)
    return known, bytes(batch._buffer), batch._pos


@given(RECORDS, st.integers(0, 2**50))
@settings(deadline=None)
def test_records_are_those_that_kafka_python_reads(records, first):
    data = written(records, first)
    theirs = [(r.offset, r.timestamp, r.key, r.value, tuple(r.headers)) for r in MemoryRecords(data).next_batch()]
    known, body, start = raw(data)
    assert [record[2:] for record in unpack(known, body, start)] == theirs


@given(RECORDS, st.data())
@settings(deadline=None)
def test_records_are_the_same_in_whatever_pieces_they_come(records, data):
    known, body, start = raw(written(records))
    body = body[start:]
    cuts = sorted(data.draw(st.lists(st.integers(0, len(body)), max_size=8)))
    pieces = [body[a:b] for a, b in zip([0, *cuts], [*cuts, len(body)], strict=True)]
    found = list(unpack_pieces(known, pieces))
    assert [record for _, records in found for record in records] == unpack(known, body)
    assert sum(size for size, _ in found) <= len(body)


@given(RECORDS, st.data())
@settings(deadline=None)
def test_whatever_the_bytes_are_there_are_records_or_a_named_error(records, data):
    known, body, start = raw(written(records))
    at = data.draw(st.integers(start, len(body) - 1))
    broken = bytearray(body)
    broken[at] = data.draw(st.integers(0, 255))
    cut = bytes(broken[: data.draw(st.integers(at, len(body)))])
    with contextlib.suppress(MalformedBatch, UnicodeDecodeError, IndexError):
        assert len(unpack(known, cut, start)) == known.records


def test_a_batch_that_is_cut_says_where():
    known, body, start = raw(written([(0, b"k", b"v", []), (1, b"k", b"w", [])]))
    with pytest.raises(MalformedBatch, match="record 2 of 2 at offset 7 and after, partition 3 of t"):
        unpack(known, body[:-2], start)


def test_a_header_that_ends_beyond_its_batch_is_malformed():
    known, body, start = raw(written([(0, None, None, [("name", b"value")]), (1, None, None, [])]))
    broken = bytearray(body)
    broken[body.index(b"value") - 1] = 0x7E  # 63 bytes
    with pytest.raises(MalformedBatch, match="ends beyond its batch"):
        unpack(known, bytes(broken), start)


PLACE = TopicPartition("t", 3)
CODECS = {0: "none", 1: "gzip", 2: "snappy", 3: "lz4", 4: "zstd"}


class Fetching:
    """A fetcher of the library with one assigned partition, and nothing fetched yet."""

    PartitionRecords = Fetcher.PartitionRecords
    _append, fetched_records = Fetcher._append, Fetcher.fetched_records
    _parse_fetched_data = _on_partition_records_drain = None
    _sensors = _next_in_line_exception_metadata = _next_partition_records = None

    def __init__(self):
        self._subscriptions = SubscriptionState(offset_reset_strategy="none")
        self._subscriptions.assign_from_user([PLACE])
        self._completed_fetches, self._paused_completed_fetches, self._paused_partition_records = deque(), {}, {}


class Consumer:
    """What `read_batches_compiled` needs of the library."""

    def __init__(self):
        self._fetcher = Fetching()
        assert read_batches_compiled(self)

    def fetched(self, data, offset=0, aborted=()):
        """Take the bytes of a fetch made at that offset, and the transactions that the broker calls aborted."""
        self._fetcher._subscriptions.seek(PLACE, offset)
        self._fetcher._next_partition_records = self._fetcher.PartitionRecords(
            offset, PLACE, MemoryRecords(data), aborted_transactions=aborted
        )

    def poll(self, most=10_000):
        """What one poll hands out."""
        return self._fetcher.fetched_records(most)[0].get(PLACE, [])

    @property
    def position(self):
        return self._fetcher._subscriptions.position(PLACE).offset


@pytest.mark.parametrize("codec", CODECS, ids=CODECS.get)
def test_a_fetch_is_taken_apart_whatever_its_codec(codec):
    consumer = Consumer()
    consumer.fetched(
        written([(0, b"k", b"v", [])], 5, codec) + written([(9, None, b"w" * 500, [("a", b"b")])], 6, codec)
    )
    records = consumer.poll()
    assert [(r.offset, r.value, r.headers) for r in records] == [(5, b"v", ()), (6, b"w" * 500, (("a", b"b"),))]
    assert consumer.position == 7


TRANSACTIONAL, CONTROL = 0x10, 0x20


def of_producer(data, producer, attributes=TRANSACTIONAL):
    """The batch as a transactional producer writes it."""
    number = producer.to_bytes(8, "big") + b"\0" * 6
    return summed(data[:22] + bytes([data[22] | attributes]) + data[23:43] + number + data[57:])


def marker(offset, producer, *, commit):
    """The batch with which a broker ends a transaction."""
    record = (0, struct.pack(">hh", 0, commit), struct.pack(">hi", 0, 0), [])
    return of_producer(written([record], offset), producer, TRANSACTIONAL | CONTROL)


def emptied(data):
    """What compaction leaves of the last batch of a producer."""
    return summed(data[:8] + (61 - 12).to_bytes(4, "big") + data[12:57] + b"\0" * 4)


@pytest.mark.parametrize("codec", CODECS, ids=CODECS.get)
def test_of_transactions_only_what_was_committed_is_read_and_markers_are_passed_over(codec):
    """Exactly-once programs write markers into topics that are compacted; one without its record ended the reader."""
    mine, their = (written([(0, b"k", b"v", [])], at, codec) for at in (5, 8))
    data = b"".join([
        of_producer(mine, 7),
        written([(0, b"k", b"plain", [])], 6, codec),
        marker(7, 7, commit=False),
        of_producer(their, 7),
        marker(9, 7, commit=True),
        emptied(marker(10, 7, commit=False)),
        emptied(of_producer(written([(0, b"k", b"v", [])], 11, codec), 7)),
        written([(0, b"k", b"last", [])], 12, codec),
    ])
    consumer = Consumer()
    consumer.fetched(data, 5, [SimpleNamespace(first_offset=5, producer_id=7)])
    assert [(each.offset, each.value) for each in consumer.poll()] == [(6, b"plain"), (8, b"v"), (12, b"last")]
    assert consumer.position == 13


@pytest.mark.parametrize(("magic", "codec"), [(0, 0), (0, 1), (0, 2), (0, 3), (1, 0), (1, 1), (1, 2), (1, 3)])
def test_records_in_the_formats_of_old_clients_are_read(magic, codec):
    builder = MemoryRecordsBuilder(magic, codec, 1 << 20)
    for number in range(3):
        builder.append(timestamp=1_000 + number, key=b"k", value=b"%d" % number)
    builder.close()
    consumer = Consumer()
    consumer.fetched(bytes(builder.buffer()))
    records = consumer.poll()
    assert [(r.offset, r.key, r.value) for r in records] == [(n, b"k", b"%d" % n) for n in range(3)]
    assert [r.timestamp for r in records] == [1_000 + n if magic else -1 for n in range(3)]


def damaged(data):
    return data[:-4] + bytes([data[-4] ^ 1]) + data[-3:]


def of_magic(data, magic):
    return data[:16] + bytes([magic]) + data[17:]


def summed(data):
    """The bytes of a batch with the checksum that is right for them."""
    return data[:17] + calc_crc32c(data[21:]).to_bytes(4, "big") + data[21:]


def of_codec(data, codec):
    return summed(data[:22] + bytes([data[22] & 0xF8 | codec]) + data[23:])


GOOD = written([(0, b"k", b"value", [])], 7)
UNREADABLE = {
    "checksum": (damaged(GOOD), "checksum", "fails its checksum.*before offset 8 with kafka-delete-records.sh"),
    "unknown format": (of_magic(GOOD, 3), "format", "its format 3 is unknown"),
    "unknown codec": (of_codec(GOOD, 6), "codec", "compressed with codec 6, which this release does not know"),
    "not what the codec writes": (of_codec(GOOD, 4), "records", "its bytes are no records .zstd"),
    "another codec": (of_codec(GOOD, 2), "records", "its bytes are no records .snappy"),
    "no records": (summed(GOOD[:61] + b"\0" * (len(GOOD) - 61)), "records", "record 1 of 1 at offset 7"),
    "a header alone": (
        b"\0" * 11 + b"\x14" + b"\0" * 4 + b"\2" + b"\0" * 15,
        "format",
        "its header is no header of a batch",
    ),
    "no whole batch": (GOOD[:30], "format", "its length is not that of a batch"),
}


@pytest.mark.parametrize(("data", "kind", "text"), UNREADABLE.values(), ids=UNREADABLE)
def test_a_batch_that_cannot_be_read_is_named_after_the_records_before_it(data, kind, text):
    consumer = Consumer()
    consumer.fetched(written([(0, b"k", b"before", [])], 6) + data, 6)
    assert [record.value for record in consumer.poll()] == [b"before"]
    assert consumer.position == 7
    for _ in range(3):  # the same at each fetch: nothing is left of the one before
        assert fetched_in_vain(consumer, data, text) == (kind, "t", 3)


def fetched_in_vain(consumer, data, text):
    with pytest.raises(DataUnreadable, match=text) as caught:
        fetch_and_poll(consumer, data)
    assert consumer.position == 7
    assert consumer.poll() == []
    return caught.value.kind, caught.value.topic, caught.value.partition


def fetch_and_poll(consumer, data):
    consumer.fetched(data, 7)
    consumer.poll()


def test_a_missing_codec_is_named_with_what_to_install(monkeypatch):
    data = written([(0, b"k", b"value" * 100, [])], 7, 2)
    monkeypatch.setitem(sys.modules, "snappy", None)
    consumer = Consumer()
    consumer.fetched(data, 7)
    with pytest.raises(DataUnreadable, match=r"offset 7 of t\[3\] .*pip install python-snappy") as caught:
        consumer.poll()
    assert caught.value.kind == "codec"
    assert [(each.codec, each.package) for each in missing_codecs()] == [("snappy", "python-snappy")]


def varint(value):
    value = value << 1 if value >= 0 else (-value << 1) - 1
    found = bytearray()
    while value >= 0x80:
        found.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*found, value])


def of_spaces(sizes, first=7):
    """A batch, compressed with gzip, of records that are an object and so many spaces; never whole in memory."""
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    body = bytearray()
    for number, size in enumerate(sizes):
        inner = b"\0" + varint(0) + varint(number) + varint(1) + b"k" + varint(size + 2) + b"{}"
        body += packer.compress(varint(len(inner) + size + 1) + inner)
        for start in range(0, size, 1 << 20):
            body += packer.compress(b" " * min(1 << 20, size - start))
        body += packer.compress(varint(0))
    body += packer.flush()
    header = struct.pack(">hiqqqhii", 1, len(sizes) - 1, 1000, 1000, -1, -1, -1, len(sizes))
    return summed(struct.pack(">qiibI", first, 9 + len(header) + len(body), 0, 2, 0) + header + bytes(body))


def test_of_a_record_beyond_any_limit_only_the_beginning_is_kept():
    consumer = Consumer()
    consumer.fetched(of_spaces([10, (3 << 20) - 2, 20]), 7)
    short, long, last = consumer.poll()
    assert (short.value, last.value, last.offset) == (b"{}" + b" " * 10, b"{}" + b" " * 20, 9)
    assert isinstance(long.value, Cut)
    assert (long.offset, long.key, long.value.length, len(long.value)) == (8, b"k", 3 << 20, LONGEST + 1)
    assert long.value.sha256 == hashlib.sha256(b"{}" + b" " * ((3 << 20) - 2)).hexdigest()
    letter = dead_letter(long, Rejection("oversize", "$", "at most 65536 bytes", f"{3 << 20} bytes"))
    assert (letter.length, letter.sha256, letter.whole) == (3 << 20, long.value.sha256, False)
    refused = decode(long.value, EventRules(max_bytes=1 << 20))
    assert isinstance(refused, Rejection)
    assert refused.reason == "oversize"


def test_a_long_key_or_header_is_cut_and_the_value_is_whole():
    consumer = Consumer()
    long = b"x" * (2 << 20)
    consumer.fetched(
        written([(0, long, b"v", [("a", b"b")])], 7, 1) + written([(1, b"k", b"w", [("a", long)])], 8, 1), 7
    )
    first, second = consumer.poll()
    assert (first.key, first.value, first.headers) == (long[:LONG_KEY], b"v", (("a", b"b"),))
    assert (second.key, second.value, second.headers, second.offset) == (b"k", b"w", (), 8)


def test_hundreds_of_megabytes_in_one_cost_no_more_memory_than_a_poll_may_have():
    data = of_spaces([150 << 20, *[4 << 20] * 40])
    assert len(data) < 1 << 20
    consumer = Consumer()
    consumer.fetched(data, 7)
    tracemalloc.start()
    try:
        offsets = []
        while polled := consumer.poll():
            offsets += [record.offset for record in polled]
            assert len(polled) < 60, "a poll ends when it has enough bytes"
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert offsets == list(range(7, 48))
    assert peak < 120 << 20


def test_a_header_whose_name_is_no_text_stops_nothing():
    consumer = Consumer()
    data = written([(0, b"k", b"v", [("name", b"b")])], 7)
    consumer.fetched(summed(data.replace(b"name", b"na\xffe")), 7)
    (record,) = consumer.poll()
    assert (record.value, record.headers) == (b"v", (("na\ufffde", b"b"),))


def test_a_client_without_that_method_stays_as_it_is():
    assert not read_batches_compiled(object())
