"""The bytes of a Kafka record batch in, the places of each record's parts out.

Record: length, attributes (1 byte), timestamp delta, offset delta, key length, key, value length, value, number of
headers, headers; every number a zigzag varint, lengths of -1 for null (Kafka's message format, version 2).
"""

import numpy as np

from models.kernels.core.compile import entry, kernel

OFFSET, TIME, KEY, KEY_END, VALUE, VALUE_END, HEADERS = range(7)
"""Columns: deltas to the batch's first offset and time; places of the parts, -1 for null; place of the header count."""

COLUMNS = 7
_LONGEST = 70  # bits of a varint: ten groups of seven


@kernel
def _number(data, at):
    """The varint at data[at] and the place after it; -1 for the place when it does not end within the data."""
    value, shift = np.uint64(0), 0
    while at < data.shape[0] and shift < _LONGEST:
        byte = data[at]
        at += 1
        value |= np.uint64(byte & 0x7F) << np.uint64(shift)
        shift += 7
        if byte < 0x80:
            return np.int64(value >> np.uint64(1)) ^ -np.int64(value & np.uint64(1)), at
    return np.int64(0), -1


@kernel
def _part(data, at, end):
    """Beginning and end of the bytes whose length stands at data[at]; (-1, place after it) for null, (0, -1) if cut."""
    length, begin = _number(data, at)
    if begin < 0 or length > end - begin:
        return np.int64(0), np.int64(-1)
    if length < 0:
        return np.int64(-1), begin
    return begin, begin + length


@entry
def locate(data, at, out):
    """Fill out (records, COLUMNS) i64 for the records from data[at] on; returns how many could be read.

    data: (n,) u8. Fewer than `out` has rows if the data is cut or its lengths contradict each other.
    """
    for row in range(out.shape[0]):
        length, at = _number(data, at)
        end = at + length
        if at < 0 or length < 1 or end > data.shape[0]:
            return row
        out[row, TIME], at = _number(data, at + 1)
        if at < 0:
            return row
        out[row, OFFSET], at = _number(data, at)
        if at < 0:
            return row
        out[row, KEY], at = _part(data, at, end)
        if at < 0:
            return row
        out[row, KEY_END] = at
        out[row, VALUE], at = _part(data, at, end)
        if at < 0 or at >= end:
            return row
        out[row, VALUE_END] = at
        out[row, HEADERS] = -1 if at == end - 1 and data[at] == 0 else at
        at = end
    return out.shape[0]
