"""The writes of one script: entries of users, one erasure, one join of two users, or one user's attributes. Stage 1."""

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


class Described(NamedTuple):
    """The attributes of a user from now on, by the record of topic `control` at that place."""

    partition: int
    offset: int
    user_id: str
    attributes: bytes
    """A JSON object; empty for none."""


class Mapped(NamedTuple):
    """Entries by user from a topic of another shape; the offsets of each topic have their own watermarks."""

    topic: str
    entries: dict[str, list[Entry]]


Part: TypeAlias = "dict[str, list[Entry]] | Erased | Identified | Described | Mapped"
"""What one script writes: entries by user, or what one order says."""


def size(part: Part) -> int:
    """Entries and orders in a part."""
    if isinstance(part, Erased | Identified | Described):
        return 1
    return sum(map(len, entries_of(part).values()))


def entries_of(part: dict[str, list[Entry]] | Mapped) -> dict[str, list[Entry]]:
    """The entries of a part that is no order."""
    return part.entries if isinstance(part, Mapped) else part


__all__ = ["Described", "Erased", "Identified", "Mapped", "Part", "entries_of", "size"]
