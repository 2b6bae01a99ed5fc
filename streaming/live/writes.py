"""What one script writes: entries of users, one erasure, or one join of two users. Stage 1."""

from __future__ import annotations

from typing import NamedTuple, TypeAlias

from streaming.live.histories import Entry


class Erased(NamedTuple):
    """A user to forget, ordered by the record of topic `control` at that place. The counts go to `receipt`."""

    partition: int
    offset: int
    user_id: str
    receipt: str
    others: tuple[str, ...] = ()
    """Ids that are joined with the user."""


class Identified(NamedTuple):
    """Ids that are a user's from now on, by the record of topic `control` at that place."""

    partition: int
    offset: int
    user_id: str
    ids: tuple[str, ...]
    forgotten: tuple[str, ...] = ()
    """Ids whose joins were too old to be kept any longer."""


class Mapped(NamedTuple):
    """Entries by user from a topic of another shape; the offsets of each topic have their own watermarks."""

    topic: str
    entries: dict[str, list[Entry]]


Part: TypeAlias = "dict[str, list[Entry]] | Erased | Identified | Mapped"
"""What one script writes: entries by user, one erasure, or one join."""


def size(part: Part) -> int:
    """Entries, erasures and joins in a part."""
    if isinstance(part, Erased | Identified):
        return 1
    return sum(map(len, entries_of(part).values()))


def entries_of(part: dict[str, list[Entry]] | Mapped) -> dict[str, list[Entry]]:
    """The entries of a part that is neither erasure nor join."""
    return part.entries if isinstance(part, Mapped) else part


__all__ = ["Erased", "Identified", "Mapped", "Part", "entries_of", "size"]
