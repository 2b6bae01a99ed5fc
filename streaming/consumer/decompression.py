"""The compressed part of a record batch in; its bytes, piece by piece, out. Stage 0.

kafka-python decompresses a batch whole. A megabyte of a batch can hold a gigabyte of spaces, which no process survives.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator
from importlib import import_module
from typing import Any, Final

from xxhash import xxh32_intdigest

PIECE: Final = 1 << 20
"""Bytes of a piece, at most."""

SNAPPY_BLOCK: Final = 64 << 20
"""Bytes of one block of snappy, which can only be decompressed whole. Producers in Java write blocks of 32 KiB, others
one block a batch: at most 22 times the size of the batch."""

LZ4_HEADER: Final = 7
"""Bytes of the header of a frame of lz4: 4 of magic, 2 of flags, and a checksum of the flags."""
LZ4_HAS_SIZE: Final = 0x08
"""The flag that says that 8 bytes with the size of the content come before the checksum."""

_XERIAL: Final = b"\x82SNAPPY\x00"
"""Snappy in blocks, as Kafka's own clients write it: these 8 bytes, two versions of 4 bytes each, then the blocks."""


class MissingCodec(Exception):
    """Nothing here decompresses this. `package`: what to install; "" for a codec that this release does not know."""

    def __init__(self, codec: str, package: str = "") -> None:
        super().__init__(codec)
        self.codec, self.package = codec, package


class Undecodable(ValueError):
    """The bytes are not what the codec writes, although their checksum is right."""


def pieces(codec: int, data: bytes) -> Iterator[bytes]:
    """Yield the decompressed bytes in order.

    Args:
        codec: Number of the codec in the batch's attributes; 0 for none.
        data: The compressed bytes.

    Yields:
        At most PIECE bytes.

    Raises:
        MissingCodec: The codec, or the package for it, is missing.
        Undecodable: The bytes are not what the codec writes.

    >>> [len(piece) for piece in pieces(1, zlib.compress(bytes(3 << 20), wbits=31))]
    [1048576, 1048576, 1048576]
    """
    if codec not in _DECOMPRESS:
        raise MissingCodec(f"codec {codec}")
    try:
        yield from _DECOMPRESS[codec](data)
    except MissingCodec:
        raise
    except Exception as error:  # each library has errors of its own
        raise Undecodable(f"{CODECS[codec]}: {error or type(error).__name__}") from error


def missing_codecs() -> list[MissingCodec]:
    """The codecs of Kafka whose package is not installed."""
    found = []
    for codec, (module, package) in _MODULES.items():
        try:
            _module(codec)
        except MissingCodec:
            found.append(MissingCodec(codec, package or module))
    return found


_MODULES: Final = {
    "snappy": ("snappy", "python-snappy"),
    "lz4": ("lz4.frame", "lz4"),
    "zstd": ("zstandard", "zstandard"),
}
"""Module that reads a codec, and the package that has it."""


def _module(codec: str) -> Any:
    module, package = _MODULES[codec]
    try:
        return import_module(module)
    except ImportError as error:
        raise MissingCodec(codec, package) from error


def _plain(data: bytes) -> Iterator[bytes]:
    if len(data) <= PIECE:
        yield data
        return
    for start in range(0, len(data), PIECE):
        yield data[start : start + PIECE]


def _gzip(data: bytes) -> Iterator[bytes]:
    left = data
    while left:
        member = zlib.decompressobj(wbits=31)
        while not member.eof:
            piece = member.decompress(left, PIECE)
            left = member.unconsumed_tail
            if not piece and not left and not member.eof:
                raise EOFError("the data is cut")
            yield piece
        left = member.unused_data.lstrip(b"\0")


def _snappy(data: bytes) -> Iterator[bytes]:
    library = _module("snappy")
    if not data.startswith(_XERIAL):
        yield from _plain(_snappy_block(library, data))
        return
    at = 16
    while at < len(data):
        length = int.from_bytes(data[at : at + 4], "big", signed=True)
        at += 4
        if not 0 <= length <= len(data) - at:
            raise EOFError("the data is cut")
        yield from _plain(_snappy_block(library, data[at : at + length]))
        at += length


def _snappy_block(library: Any, block: bytes) -> bytes:
    """A block, which begins with its decompressed length as a varint of at most 32 bits."""
    length = shift = 0
    for byte in block[:5]:
        length |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            break
    if length > SNAPPY_BLOCK:
        raise ValueError(f"a block of {length} bytes; at most {SNAPPY_BLOCK} are read")
    return bytes(library.uncompress(block))


def _lz4(data: bytes) -> Iterator[bytes]:
    decompressor = _module("lz4").LZ4FrameDecompressor()
    piece = decompressor.decompress(data, max_length=PIECE)
    while piece or not decompressor.eof:
        if not piece and decompressor.needs_input:
            raise EOFError("the data is cut")
        yield piece
        piece = b"" if decompressor.eof else decompressor.decompress(b"", max_length=PIECE)


def with_right_checksum(data: bytes) -> bytes:
    """A frame of lz4 as Kafka's first format holds it: the checksum of its header was computed over too much."""
    if len(data) < LZ4_HEADER:
        return data
    end = LZ4_HEADER + (8 if data[4] & LZ4_HAS_SIZE else 0)
    checksum = xxh32_intdigest(data[4 : end - 1]) >> 8 & 0xFF
    return data[: end - 1] + bytes([checksum]) + data[end:]


def _zstd(data: bytes) -> Iterator[bytes]:
    with _module("zstd").ZstdDecompressor().stream_reader(data, read_across_frames=True) as reader:
        while piece := reader.read(PIECE):
            yield piece


CODECS: Final = ("none", "gzip", "snappy", "lz4", "zstd")
"""Names of the codecs by their number."""

_DECOMPRESS: Final[dict[int, Callable[[bytes], Iterator[bytes]]]] = dict(
    enumerate((_plain, _gzip, _snappy, _lz4, _zstd))
)

__all__ = ["CODECS", "PIECE", "MissingCodec", "Undecodable", "missing_codecs", "pieces", "with_right_checksum"]
