"""Record batches are decoded as kafka-python does it, and bytes that are no batch raise a named error."""

import contextlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from kafka.errors import CorruptRecordError
from kafka.record.memory_records import MemoryRecords, MemoryRecordsBuilder

from streaming.consumer.record_batches import MalformedBatch, RecordBatch, read_batches_compiled, unpack

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


class Fetcher:
    """What `read_batches_compiled` needs of the library, with nothing fetched."""

    class PartitionRecords:
        check_crcs, leader_epoch, next_fetch_offset = True, -1, 0

        def __init__(self, data):
            self.aborted_producer_ids: set[int] = set()
            self.drained = False
            self.found = self._unpack_records(Part(), MemoryRecords(data), None, None)

        def _unpack_records(self, *_):
            raise AssertionError("the slow way")

        def drain(self):
            self.drained = True


class Part:
    topic, partition = "t", 3


class Consumer:
    def __init__(self):
        self._fetcher = Fetcher()


@pytest.mark.parametrize("compression", [0, 1])
def test_a_fetch_is_taken_apart_compressed_or_not(compression):
    consumer = Consumer()
    assert read_batches_compiled(consumer)
    data = written([(0, b"k", b"v", [])], 5, compression) + written([(9, None, b"w" * 500, [])], 6, compression)
    records = consumer._fetcher.PartitionRecords(data)
    assert [(r.offset, r.value) for r in records.found] == [(5, b"v"), (6, b"w" * 500)]
    assert (records.next_fetch_offset, records.drained) == (7, True)


def test_a_damaged_batch_is_not_read():
    consumer = Consumer()
    read_batches_compiled(consumer)
    data = bytearray(written([(0, b"k", b"value", [])]))
    data[-4] ^= 1
    with pytest.raises(CorruptRecordError, match="offset 7"):
        list(consumer._fetcher.PartitionRecords(bytes(data)).found)


def test_a_client_without_that_method_stays_as_it_is():
    assert not read_batches_compiled(object())
