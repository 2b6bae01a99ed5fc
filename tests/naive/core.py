"""Slow twins of models/kernels/core: selection, softmax, and the map of hashes."""

from __future__ import annotations

import math
from bisect import bisect_right


def best(scores: list[float], size: int) -> list[int]:
    """Places of the `size` largest, largest first, earlier ones first among equals."""
    return sorted(range(len(scores)), key=lambda place: (-scores[place], place))[:size]


def softmax(scores: list[float]) -> list[float]:
    top = max(scores)
    weights = [math.exp(score - top) for score in scores]
    return [weight / sum(weights) for weight in weights]


def number(code: int) -> float:
    """What a code of two bytes stands for: five bits of exponent, eleven of mantissa."""
    bits = f"{code:016b}"
    exponent, mantissa = int(bits[:5], 2), int(bits[5:], 2)
    return mantissa / 2.0**17 if exponent == 0 else (1 + mantissa / 2.0**11) * 2.0 ** (exponent - 7)


def kept_pause(seconds: int) -> int:
    """The pause that a ring holds for one of so many seconds: eight significant bits of it."""
    unit = 2 ** max(seconds.bit_length() - 8, 0)
    return (seconds + unit // 2) // unit * unit


NUMBERS = [number(code) for code in range(1 << 16)]


def around(value: float) -> tuple[int, int, float]:
    """The codes below and above a number, and its distance from the lower one as a share of their distance."""
    lower = bisect_right(NUMBERS, value) - 1
    upper = min(lower + 1, len(NUMBERS) - 1)
    step = NUMBERS[upper] - NUMBERS[lower]
    return lower, upper, (value - NUMBERS[lower]) / step if step else 0.0


class Pairs:
    """Hashes and their rows, in a list that is gone through from its beginning."""

    def __init__(self) -> None:
        self.pairs: list[tuple[int, int]] = []

    def insert(self, hashed: int, row: int) -> None:
        """Store a row."""
        self.pairs.append((hashed, row))

    def remove(self, hashed: int, row: int) -> None:
        """Take it out, if it is there."""
        self.pairs = [pair for pair in self.pairs if pair != (hashed, row)]

    def find(self, hashed: int) -> int:
        """The row, -1 for none."""
        return next((row for known, row in self.pairs if known == hashed), -1)
