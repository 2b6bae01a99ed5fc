"""A namespace in, every Redis key of one installation out."""

from __future__ import annotations

from copy import copy
from typing import Final

POINTERS: Final = ("head", "serving", "prev", "reference", "pinned")
"""Hashes {id, seq}, each naming a version that is never unlinked while it is named."""


class Keyspace:
    """All keys share one hash tag, so that scripts may touch several of them on a cluster.

    >>> Keyspace("shop2")("c", "7-1-ab", 0)
    '{sluicegate:shop2}:c:7-1-ab:0'
    >>> Keyspace("shop2").under("rebuild")("head")
    '{sluicegate:shop2}:rebuild:head'
    """

    def __init__(self, namespace: str) -> None:
        self._prefix = f"{{sluicegate:{namespace}}}:"

    def under(self, part: str) -> Keyspace:
        """The keys of something that has versions of its own beside the live ones."""
        beside = copy(self)
        beside._prefix = f"{self._prefix}{part}:"
        return beside

    def __call__(self, *parts: object) -> str:
        """The key of those parts: lease, epoch, owner, head, idx, bases, meta ID, c ID INDEX, h USER, facts, ..."""
        return self._prefix + ":".join(map(str, parts))
