"""Named arrays in, bytes of a chunk out, and back: the byte format of everything a version holds. Stage 5.

Layout, in the manner of safetensors: 8 bytes of magic and format number, u64 length of the header, the header as JSON
padded to a multiple of 8, then the arrays: little-endian, C order, each at the next multiple of 8, nothing between.
Reading trusts no number it finds: every one is checked against the bytes at hand before anything is allocated.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Iterable, Iterator, Sequence
from typing import Annotated, Any, Final, Literal, NamedTuple, Protocol, cast

import msgspec
import numpy as np

from models.arrays import Array
from models.structs import Prepared

MAGIC: Final = b"SLUICE\x00\x01"
"""The last byte is the number of this format; any other one is refused."""

HEADER_BYTES: Final = 1 << 20
"""Longest header read, 1 MiB: far above any schema, far below a size that would be costly to parse."""

CHUNK_BYTES: Final = 1 << 20
"""Longest chunk written, 1 MiB. Redis reads one value at a time and answers no other client meanwhile: during such
writes the slowest of a thousand PINGs took 5 ms, with 8 MiB 23 ms (`python -m benchmarks chunks`). Smaller chunks would
hold more headers than rows."""

HEADER_ROOM: Final = 128 << 10
"""Bytes of a chunk reserved for the header, which takes about 130 for each array of each table."""

PADDING_ROOM: Final = 512
"""Bytes that a part may lose to alignment: 8 for each of at most 64 arrays."""

ALIGNMENT: Final = 8

DTYPES: Final = {
    np.dtype(name).str: np.dtype(name)
    for name in ("f2", "f4", "f8", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "?")
}
"""Types that an array may have, by name. Objects and text are not among them: reading never executes anything."""

ROWS: Final = "#rows"
"""Name of the array of row numbers of a part whose rows are not one run; no column can have it."""

Kind = Literal["table", "keys", "free", "arrivals", "identities"]
Count = Annotated[int, msgspec.Meta(ge=0, le=1 << 40)]


class Damaged(Exception):
    """The bytes are not those that were written: cut short, flipped, mixed up or made up. An older version is used."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class ArrayEntry(msgspec.Struct, metaclass=Prepared, frozen=True):
    """Where one array of a part lies; offsets count from the end of the header."""

    column: str
    dtype: str
    shape: list[Count]
    offset: Count
    nbytes: Count


class PartEntry(msgspec.Struct, metaclass=Prepared, frozen=True):
    """The arrays of some rows. `first` is the first row of an unbroken run, None if `#rows` lists the rows."""

    kind: Kind
    name: str
    keys: str
    width: Count
    first: Count | None
    arrays: list[ArrayEntry]


class Header(msgspec.Struct, metaclass=Prepared, frozen=True):
    """All parts of a chunk, in the order of their bytes."""

    parts: list[PartEntry]


class Part(NamedTuple):
    """Some rows of a table, of a key space, of its free list, of the arrivals or of the joined ids."""

    kind: Kind
    name: str
    keys: str
    width: int
    first: int | None
    arrays: dict[str, Array]


class PartSource(Protocol):
    """Rows that can be divided among chunks."""

    length: int

    def fit(self, start: int, room: int) -> int:
        """Return the largest stop for which rows start to stop - 1 take at most `room` bytes."""

    def part(self, start: int, stop: int) -> Part:
        """Return the rows start to stop - 1."""


def pack(sources: Iterable[PartSource], limit: int = CHUNK_BYTES) -> Iterator[bytes]:
    """Fill chunks with the sources, in order.

    Args:
        sources: The rows to write.
        limit: Most bytes of a chunk.

    Raises:
        ValueError: When one row is larger than a chunk.
    """
    capacity = limit - min(HEADER_ROOM, limit // 2)
    parts: list[Part] = []
    room = capacity
    for source in sources:
        start = 0
        while start < source.length:
            stop = min(source.fit(start, room), source.length)
            if stop <= start:
                if room == capacity:
                    raise ValueError(f"one row is larger than a chunk of {limit} bytes")
                yield write(parts)
                parts, room = [], capacity
                continue
            parts.append(source.part(start, stop))
            room -= sum(_padded(array.nbytes) for array in parts[-1].arrays.values())
            start = stop
    if parts:
        yield write(parts)


def write(parts: Sequence[Part]) -> bytes:
    """Write the bytes of one chunk.

    >>> part = Part("table", "seen", "item", 1, 4, {"times": np.array([7, 8], np.uint32)})
    >>> read(write([part]))[0].arrays["times"]
    array([7, 8], dtype=uint32)
    """
    entries: list[PartEntry] = []
    body: list[bytes | memoryview] = []
    offset = 0
    for part in parts:
        arrays = []
        for column, array in part.arrays.items():
            values = np.ascontiguousarray(array, array.dtype.newbyteorder("<"))
            arrays.append(ArrayEntry(column, values.dtype.str, list(values.shape), offset, values.nbytes))
            body += [_memory(values), bytes(-values.nbytes % ALIGNMENT)]
            offset += _padded(values.nbytes)
        entries.append(PartEntry(part.kind, part.name, part.keys, part.width, part.first, arrays))
    header = msgspec.json.encode(Header(entries))
    header += b" " * (-len(header) % ALIGNMENT)
    return b"".join([MAGIC, struct.pack("<Q", len(header)), header, *body])


def read(data: bytes) -> list[Part]:
    """Read the parts of a chunk as views into `data`; Damaged for bytes that `write` cannot have made."""
    header, start = _header(data)
    end = len(data) - start
    offset = 0
    parts: list[Part] = []
    for entry in header.parts:
        arrays: dict[str, Array] = {}
        for item in entry.arrays:
            if item.column in arrays:
                raise Damaged(f"array {item.column!r} of {entry.name!r} appears twice")
            arrays[item.column] = _array(data, start, item, offset, end)
            offset += _padded(item.nbytes)
        parts.append(Part(entry.kind, entry.name, entry.keys, entry.width, entry.first, arrays))
    if offset != end:
        raise Damaged(f"{end} bytes of arrays where the header declares {offset}")
    return parts


def _header(data: bytes) -> tuple[Header, int]:
    if len(data) < len(MAGIC) + 8:
        raise Damaged(f"{len(data)} bytes are too few for a chunk")
    if data[: len(MAGIC)] != MAGIC:
        raise Damaged(f"starts with {data[: len(MAGIC)]!r} instead of {MAGIC!r}")
    (length,) = struct.unpack_from("<Q", data, len(MAGIC))
    start = len(MAGIC) + 8 + length
    if length > HEADER_BYTES or start > len(data) or length % ALIGNMENT:
        raise Damaged(f"a header of {length} bytes in a chunk of {len(data)}")
    try:
        return msgspec.json.decode(data[len(MAGIC) + 8 : start], type=Header), start
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Damaged(f"header: {error}") from None


def _array(data: bytes, start: int, entry: ArrayEntry, offset: int, end: int) -> Array:
    dtype = DTYPES.get(entry.dtype)
    if dtype is None:
        raise Damaged(f"array {entry.column!r}: dtype {entry.dtype!r} is not one of ours")
    if len(entry.shape) > 8 or math.prod(entry.shape) * dtype.itemsize != entry.nbytes:
        raise Damaged(f"array {entry.column!r}: shape {entry.shape[:9]} is not {entry.nbytes} bytes")
    if entry.offset != offset or offset + _padded(entry.nbytes) > end:
        raise Damaged(f"array {entry.column!r}: {entry.nbytes} bytes at {entry.offset} where {offset} of {end} is next")
    if max(entry.shape, default=0) > end:
        raise Damaged(f"array {entry.column!r}: shape {entry.shape} has more rows than the chunk has bytes")
    count = entry.nbytes // dtype.itemsize
    return np.frombuffer(data, dtype, count, start + offset).reshape(entry.shape)


def _padded(nbytes: int) -> int:
    return nbytes + -nbytes % ALIGNMENT


def _memory(values: Array) -> memoryview:
    return memoryview(cast("Any", values.reshape(-1).view(np.uint8)))
