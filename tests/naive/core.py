"""Slow twins of models/kernels/core: selection, softmax, and the map of hashes."""

from __future__ import annotations

import math


def best(scores: list[float], size: int) -> list[int]:
    """Places of the `size` largest, largest first, earlier ones first among equals."""
    return sorted(range(len(scores)), key=lambda place: (-scores[place], place))[:size]


def softmax(scores: list[float]) -> list[float]:
    top = max(scores)
    weights = [math.exp(score - top) for score in scores]
    return [weight / sum(weights) for weight in weights]


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
