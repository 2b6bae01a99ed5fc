"""Counts and durations in few bits: a code in, the whole number of units that it stands for out, and back.

A code is a float without a sign, an exponent over `bits` of mantissa: all whole numbers below 2 << bits are exact,
larger ones to one part in 2 << bits. Codes are in the order of their numbers, so they are compared as they are.

A count of a memory is a code of two bytes, of units of 2**-17: whole numbers up to 4,096 are exact, and the largest
number is just below 2**25. Between two codes it is rounded up as often as its distance from the lower one says
(stochastic rounding, Croci et al., Royal Society Open Science 2022): so the mean of a count is exact however small what
is added to it. Rounded to the nearest, 0.2 added to 4,096 would be lost forever.
"""

import math

import numpy as np

from models.kernels.core.compile import kernel
from models.kernels.core.hashing import share

MANTISSA = 11
"""Bits below the exponent in the code of a count."""

UNIT = 17
"""Minus log2 of the unit of a count."""

MOST = (1 << 16) - 1
"""The largest code of a count."""

_ONE = 2.0**UNIT


@kernel
def unpacked(code, bits):
    """The whole number of units that a code stands for."""
    exponent, mantissa = code >> bits, code & ((1 << bits) - 1)
    if exponent > 0:
        mantissa = (mantissa + (1 << bits)) << (exponent - 1)
    return mantissa


@kernel
def packed(units, bits, drawn):
    """The code of a number of at least 0, rounded up where what is lost would be more than 1 - `drawn`, in [0, 1)."""
    exponent = max(math.frexp(units)[1] - bits - 1, 0)
    return np.int64(math.ldexp(units, -exponent) + drawn) + (exponent << bits)


@kernel
def number(code):
    """The count that a code stands for."""
    return np.float32(unpacked(np.int64(code), MANTISSA)) * np.float32(1.0 / _ONE)


@kernel
def rounded(value, drawn):
    """The code of a count, at most MOST, rounded as `packed` does."""
    return min(packed(max(np.float64(value), 0.0) * _ONE, MANTISSA, drawn), MOST)


@kernel
def nearest(value):
    """The code next to a count."""
    return rounded(value, 0.5)


@kernel
def changed(code, difference, event, slot):
    """The code of a count after an event changed it; which way it is rounded depends on the event's number and slot."""
    return rounded(np.float64(number(code)) + difference, share(slot, event, 0))


__all__ = ["MANTISSA", "MOST", "UNIT", "changed", "nearest", "number", "packed", "rounded", "unpacked"]
