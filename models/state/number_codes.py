"""Arrays of counts in two bytes, as memories hold them, in; their numbers out, and back.

models/kernels/core/short_numbers.py has the format.
"""

from __future__ import annotations

import numpy as np

from models.arrays import Array
from models.kernels.core.short_numbers import MANTISSA, MOST, UNIT


def numbers(codes: Array) -> Array:
    """The counts that codes stand for, f4.

    >>> numbers(codes(np.array([0.0, 0.5, 3.0, 4096.0, 1e9]))).tolist()
    [0.0, 0.5, 3.0, 4096.0, 33546240.0]
    """
    return np.ldexp(unpacked(codes, MANTISSA).astype(np.float32), -UNIT)


def codes(counts: Array) -> Array:
    """The codes next to counts of at least 0, u2."""
    return np.minimum(packed(np.ldexp(counts.astype(np.float64), UNIT), MANTISSA), MOST).astype(np.uint16)


def unpacked(codes: Array, bits: int) -> Array:
    """The whole numbers of units that codes stand for, i64."""
    exponents, mantissas = np.divmod(codes.astype(np.int64), 1 << bits)
    return np.where(exponents > 0, (mantissas + (1 << bits)) << np.maximum(exponents - 1, 0), mantissas)


def packed(units: Array, bits: int) -> Array:
    """The codes next to numbers of at least 0, i64."""
    exponents = np.maximum(np.frexp(units.astype(np.float64))[1] - bits - 1, 0)
    whole = np.floor(np.ldexp(units, -exponents) + 0.5).astype(np.int64)
    found: Array = whole + (exponents.astype(np.int64) << bits)
    return found


__all__ = ["codes", "numbers", "packed", "unpacked"]
