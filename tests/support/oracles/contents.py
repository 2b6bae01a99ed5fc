"""The nearness of two content vectors, computed from their bytes."""

from __future__ import annotations

import math


def cosine(one: bytes | None, other: bytes | None) -> float:
    """Cosine of two content vectors (signed bytes); 0 where one is missing.

    >>> cosine(bytes([3, 4]), bytes([3, 4])), cosine(bytes([0, 1]), bytes([0, 255])), cosine(None, bytes([1]))
    (1.0, -1.0, 0.0)
    """
    if one is None or other is None:
        return 0.0
    a, b = ([byte - 256 if byte > 127 else byte for byte in part] for part in (one, other))
    product = sum(x * y for x, y in zip(a, b, strict=True))
    return product / math.sqrt(sum(x * x for x in a) * sum(y * y for y in b))
