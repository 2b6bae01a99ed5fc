"""Counts over about the last so many records or tests, kept in parts."""

from __future__ import annotations

from collections import deque
from typing import Final, TypeVar

COUNTED: Final = 20
"""Parts of which such a window is made, about: each counts many small batches."""

Part = TypeVar("Part", bound=tuple[int, ...])


def count(parts: deque[Part], part: Part, enough: int) -> None:
    """Add the counts of a batch, and drop the oldest parts while the rest still adds up to `enough`.

    Small batches are counted together, so that there are few parts however the stream was cut.

    >>> parts = deque([(90, 5), (10, 1)])
    >>> count(parts, (4, 1), 100)
    >>> parts
    deque([(90, 5), (10, 1), (4, 1)])
    >>> count(parts, (90, 0), 100)
    >>> parts
    deque([(10, 1), (94, 1)])
    """
    if parts and parts[-1][0] * COUNTED < enough:
        part = tuple(map(sum, zip(parts.pop(), part, strict=True)))  # type: ignore[assignment]
    parts.append(part)
    total = sum(each[0] for each in parts)
    while len(parts) > 1 and total - parts[0][0] >= enough:
        total -= parts.popleft()[0]


__all__ = ["count"]
