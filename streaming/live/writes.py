"""What one script writes: entries of users, or one erasure. Stage 1."""

from __future__ import annotations

from typing import NamedTuple, TypeAlias

from streaming.live.histories import Entry


class Erased(NamedTuple):
    """A user to forget, ordered by the record of topic `control` at that place. The counts go to `receipt`."""

    partition: int
    offset: int
    user_id: str
    receipt: str


class Mapped(NamedTuple):
    """Entries by user from a topic of another shape; the offsets of each topic have their own watermarks."""

    topic: str
    entries: dict[str, list[Entry]]


Part: TypeAlias = "dict[str, list[Entry]] | Erased | Mapped"
"""What one script writes: entries by user, or one erasure."""


def size(part: Part) -> int:
    """Entries and erasures in a part."""
    if isinstance(part, Erased):
        return 1
    return sum(map(len, entries_of(part).values()))


def entries_of(part: dict[str, list[Entry]] | Mapped) -> dict[str, list[Entry]]:
    """The entries of a part that is no erasure."""
    return part.entries if isinstance(part, Mapped) else part


__all__ = ["Erased", "Mapped", "Part", "entries_of", "size"]
