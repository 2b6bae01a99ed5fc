"""The interface of a decoder for the records of one schema, and its error for bytes that are none."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Context, Decimal
from typing import Final

Decoder = Callable[[bytes], object]
"""The bytes of a record, without the number of its schema -> a JSON-like value. Raises NotDecodable."""

DIGITS: Final = 32
"""Bytes of the longest decimal that is read as a number, some 77 digits."""

EXACT: Final = 1 << 63
"""Whole numbers below it are written as numbers, others as text: a reader of JSON would round them."""


_EXACTLY: Final = Context(prec=8 * DIGITS)


class NotDecodable(ValueError):
    """The bytes are no record of the schema; the text says what was found instead."""


def number_of_digits(unscaled: bytes, scale: int) -> object:
    r"""The number of a decimal: its digits as a big-endian number in two's complement, of which `scale` are decimals.

    >>> number_of_digits(b"\x0f\x96", 2), number_of_digits(b"\x10\x68", 2), number_of_digits(b"\xff", 0)
    (39.9, 42, -1)
    >>> number_of_digits(b"\x7f" * 9, 0)
    '2351923699311548792703'
    """
    if len(unscaled) > DIGITS or not -DIGITS * 4 <= scale <= DIGITS * 4:
        return unscaled
    number = _EXACTLY.scaleb(Decimal(int.from_bytes(unscaled, "big", signed=True)), -scale)
    if number != number.to_integral_value():
        return float(number)
    whole = int(number)
    return whole if abs(whole) < EXACT else str(whole)


__all__ = ["Decoder", "NotDecodable", "number_of_digits"]
