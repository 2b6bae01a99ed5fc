"""A record in; a short string that fits into JSON out, and back. Stage 6.

For what travels with every version and only this program reads.
"""

from __future__ import annotations

import base64
import zlib
from typing import Any, Final, TypeVar

import msgspec

MOST: Final = 8 << 20
"""Bytes that a string may unpack to: a damaged one must not ask for more."""

T = TypeVar("T")


class CannotUnpack(Exception):
    """The string is damaged, or holds another kind of record."""


def pack(record: Any) -> str:
    """Return the record as MessagePack, deflated, in base 64.

    >>> unpack(pack([1, "tea"]), list[int | str])
    [1, 'tea']
    """
    return base64.b64encode(zlib.compress(msgspec.msgpack.encode(record))).decode()


def unpack(text: object, kind: type[T]) -> T:
    """Return the record that `pack` made a string of.

    Args:
        text: The string.
        kind: Type of the record.

    Raises:
        CannotUnpack: The string is damaged, or holds something else.

    >>> unpack("tea=", int)
    Traceback (most recent call last):
    models.statistics.packed.CannotUnpack: Error -3 while decompressing data: incorrect header check
    >>> unpack("th\u00e9=", int)
    Traceback (most recent call last):
    models.statistics.packed.CannotUnpack: string argument should contain only ASCII characters
    """
    if not isinstance(text, str):
        raise CannotUnpack(f"a string was expected, not {type(text).__name__}")
    try:
        inflater = zlib.decompressobj()
        body = inflater.decompress(base64.b64decode(text), MOST)
        if not inflater.eof:
            raise CannotUnpack("it is cut short, or too long")
        return msgspec.msgpack.decode(body, type=kind)
    except (zlib.error, ValueError, msgspec.DecodeError, RecursionError) as error:  # ValueError: no base 64
        raise CannotUnpack(str(error)) from None


__all__ = ["CannotUnpack", "pack", "unpack"]
