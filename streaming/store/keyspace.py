"""Names every Redis key of one installation."""

from __future__ import annotations

from copy import copy
from typing import Final

POINTERS: Final = ("head", "serving", "prev", "reference", "pinned")
"""Hashes {id, seq}, each of which names a version. A version that is named is never unlinked."""

ANCHOR: Final = "anchor"
"""Name of the pointers to anchors, followed by the number of their place from 1 on. They are kept in field `anchors` of
the gate, so that a service needs no right to further keys."""


class Keyspace:
    """Names keys. All share one hash tag, so that a script may use several of them on a cluster.

    >>> Keyspace("shop2")("c", "7-1-ab", 0)
    '{sluicegate:shop2}:c:7-1-ab:0'
    >>> Keyspace("shop2").under("rebuild")("head")
    '{sluicegate:shop2}:rebuild:head'
    """

    def __init__(self, namespace: str) -> None:
        self._prefix = f"{{sluicegate:{namespace}}}:"

    def under(self, part: str) -> Keyspace:
        """The keys of a part that has versions of its own next to the live ones."""
        inner = copy(self)
        inner._prefix = f"{self._prefix}{part}:"
        return inner

    def __call__(self, *parts: object) -> str:
        """Join parts to a key: lease, epoch, owner, head, idx, bases, meta ID, c ID INDEX, h USER, facts, ..."""
        return self._prefix + ":".join(map(str, parts))
