"""A timestamp in RFC 3339, epoch seconds or epoch milliseconds in; epoch seconds out. Stage 1."""

from __future__ import annotations

from datetime import datetime
from typing import Final

# Bounds in epoch seconds. The lower one (1973-03-03T09:46:40Z) is 1e8 so that seconds [1e8, 4.1e9] and milliseconds
# [1e11, 4.1e12] cannot overlap; moved below 1e8, or the upper one above 1e11, and the two can no longer be told apart.
# Micro- and nanoseconds (1e15 and up) fall outside both and are rejected rather than guessed.
EARLIEST: Final = 1e8
LATEST: Final = 4102444800.0  # 2100-01-01T00:00:00Z

EXPECTED: Final = (
    "RFC 3339 with a zone (2026-01-31T12:00:00Z), or epoch seconds or milliseconds as a number, "
    "between 1973-03-03 and 2100-01-01"
)


def epoch_seconds(value: datetime | float) -> float | None:
    """Returns the epoch seconds of a timestamp, None outside the bounds.

    A number below 1e11 is read as seconds, a larger one as milliseconds. Safe on integers of any length.

    >>> epoch_seconds(1569888000), epoch_seconds(1569888000250), epoch_seconds(1569888000000000)
    (1569888000.0, 1569888000.25, None)
    """
    number = value.timestamp() if isinstance(value, datetime) else value
    if EARLIEST <= number <= LATEST:
        return float(number)
    # The bound is multiplied, not the value, so that no huge integer is ever converted to a float.
    if not isinstance(value, datetime) and EARLIEST * 1000 <= number <= LATEST * 1000:
        return number / 1000
    return None
