"""Differences of two models in; sums that begin again and again out, so that the past does not outweigh the present.

The bounds of models/statistics/confidence.py are about the average since a pair of models began. After an hour in which
a model was worse, that average stays below zero for days, however good the model is by then. So further sequences begin
while the pair lasts, at moments that were fixed beforehand: every STEP events, and of those each 2^a-th is kept for
LIFE times 2^a steps. The error is shared among all of them, as the stitched boundary shares it among its epochs (Howard
and others, 2021, section 3.1) and as detectors of a change share it among its possible moments (Shin, Ramdas and
Rinaldo, "E-detectors: a nonparametric framework for sequential change detection", 2022): with probability 1 - alpha all
bounds of all sequences hold at all times. So any of them may be looked at, also the one that says most.

A sequence is the difference of two prefix sums, and costs nothing while events come. Its variance is taken around zero
in place of a running mean: any centre is allowed that does not know the event that it judges (Theorem 4).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Final

import msgspec

from models.structs import Prepared

STEP: Final = 500
"""Events between two starts: 10 s of a busy shop's tested events."""

LEVELS: Final = 11
"""Doublings of STEP that are kept apart: up to 512,000 events, three hours of a busy shop."""

LIFE: Final = 4
"""How many times its distance to the next start of its kind a sequence lives. More of them find a change sooner, by a
tenth at most, and take more room."""

WHOLE: Final = 0.5
"""Share of the error that the sequence of the whole pair gets: a fresh pair is judged almost as soon as before."""

EXPONENT: Final = 1.4
"""A start's share falls with its number of its kind to this power; the exponent of the stitched boundary."""

_ZETA: Final = 3.1055473  # sum of k ** -1.4


class Start(msgspec.Struct, metaclass=Prepared, frozen=True, array_like=True):
    """Prefix sums at one moment.

    Attributes:
        n: Events until then.
        hit: Their differences of hits.
        hit_squares: The squares of these.
        reciprocal: Their differences of reciprocal ranks.
        reciprocal_squares: The squares of these.
    """

    n: int
    hit: int
    hit_squares: int
    reciprocal: float
    reciprocal_squares: float


BEGINNING: Final = Start(0, 0, 0, 0.0, 0.0)
"""Before the first event."""


def share(n: int) -> float:
    """Returns the share of the error that the sequence begun after `n` events gets.

    All shares together, WHOLE included, are 1 at most:

    >>> WHOLE + sum(share(STEP * step) for step in range(1, 200_000)) <= 1.0
    True
    >>> share(64 * STEP) > share(65 * STEP)
    True
    """
    level, step = _kind(n)
    return (1.0 - WHOLE) / LEVELS / _ZETA / math.pow(step >> level, EXPONENT)


def _kind(n: int) -> tuple[int, int]:
    """Returns how often the number of a start can be halved, up to the largest level, and that number."""
    step = n // STEP
    return min((step & -step).bit_length() - 1, LEVELS - 1), step


def life(n: int) -> int:
    """Returns for how many events the sequence begun after `n` events lives."""
    return LIFE * STEP << _kind(n)[0]


def kept(starts: list[Start], n: int) -> list[Start]:
    """Returns those of the starts that still live after `n` events.

    >>> [start.n // STEP for start in kept([Start(STEP * step, 0, 0, 0, 0) for step in range(1, 65)], 64 * STEP)]
    [16, 32, 40, 48, 52, 56, 58, 60, 61, 62, 63, 64]
    """
    return [start for start in starts if n - start.n <= life(start.n)]


def shared(starts: list[Start]) -> Iterator[tuple[Start, float]]:
    """Yields the starts and their shares of the error, the newest first."""
    for start in reversed(starts):
        yield start, share(start.n)


__all__ = ["BEGINNING", "STEP", "WHOLE", "Start", "kept", "life", "share", "shared"]
