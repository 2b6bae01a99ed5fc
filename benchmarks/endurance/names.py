"""Numbers every event of a soak, so that an event in the log is recognised by its id.

An event id is `rRUNpPARTeNUMBER`, the number in eight hexadecimal digits; as one integer it is run, part and number in
8, 24 and 32 bits. Run 0 is the past, run `POSTED` what was posted to the service, the others are feeders.
"""

from __future__ import annotations

from typing import Final

PAST: Final = 0
POSTED: Final = 99
DIGITS: Final = 9  # of the number, with its letter


def prefix(run: int, part: int) -> str:
    """What the ids of one part of one run begin with."""
    return f"r{run}p{part}"


def event_id(run: int, part: int, number: int) -> str:
    """The id of one event, as `benchmarks.workload.lines` writes it after `prefix`."""
    return f"{prefix(run, part)}e{number:08x}"


def code(run: int, part: int, number: int) -> int:
    """The same as one integer."""
    return run << 56 | part << 32 | number


def parsed(name: str) -> int:
    """The code of an event id. ValueError for an id of another form.

    >>> parsed(event_id(1, 2, 255)) == code(1, 2, 255)
    True
    """
    run, _, part = name[1:-DIGITS].partition("p")
    return code(int(run), int(part), int(name[-DIGITS + 1 :], 16))
