"""A finding: what was examined, its state, and how to fix it."""

from __future__ import annotations

from typing import Final, Literal, NamedTuple

State = Literal["ok", "warning", "failure", "skipped"]

STATES: Final[tuple[State, ...]] = ("ok", "warning", "failure", "skipped")
"""failure: it does not work, or state will be lost. warning: it works until something else fails. skipped: the server
to ask is away."""


class Finding(NamedTuple):
    """The result of one check.

    >>> Finding("redis.memory", "ok", "12 MiB used").mend
    ''
    """

    check: str
    """Name of the check. It is stable, so scripts may branch on it."""
    state: State
    text: str
    mend: str = ""
    """How to fix it; empty when there is nothing to fix."""


def bytes_text(size: float) -> str:
    """Bytes for people.

    >>> bytes_text(1536), bytes_text(300)
    ('1.5 KiB', '300 B')
    """
    for unit in ("B", "KiB", "MiB", "GiB"):
        if size < 1024 or unit == "GiB":
            break
        size /= 1024
    return f"{size:.0f} B" if unit == "B" else f"{size:.1f} {unit}"


def seconds_text(seconds: float) -> str:
    """A duration for people.

    >>> seconds_text(45), seconds_text(5400), seconds_text(604800)
    ('45 s', '90 min', '7 d')
    """
    for unit, size, least in (("d", 86_400, 2 * 86_400), ("h", 3600, 2 * 3600), ("min", 60, 120)):
        if seconds >= least:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"
