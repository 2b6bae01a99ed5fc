"""Erased users in, whether an event of one may still be learnt out: hashes and moments, bounded. Stage 1.

Kept as a log with positions, as the dedupe window is, so that a version can carry it up to any position while later
batches are already admitted. A version holds 64 bits of a hash of the id, not the id: it can be told that somebody is
on the list only by whoever has the id already.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import msgspec
from xxhash import xxh3_64_intdigest

LIMIT: Final = 100_000
"""Erasures remembered, the latest ones: some 3 MB of a base. Beyond it, events from before the oldest are learnt again
where somebody sends them or a model starts at the topic's beginning; they are gone from a topic that is not kept for
ever long before."""

Entry = tuple[int, float]
"""Hash of the user id, and when it was erased, epoch seconds."""


class Receipt(msgspec.Struct, frozen=True):
    """What an erasure removed from the model. `erased_at`: time of its record, epoch seconds."""

    id: str
    erased_at: float
    user_row: int = 0
    interactions: int = 0
    dedupe_entries: int = 0


class Erasures:
    """Who was erased and when. One thread adds; others may read what lies before a position they know of.

    >>> erasures = Erasures()
    >>> erasures.add(user_hash("ann"), 100.0)
    >>> erasures.covers(user_hash("ann"), 99.0), erasures.covers(user_hash("ann"), 100.0)
    (True, False)
    """

    def __init__(self, entries: Iterable[Entry] = (), stop: int = 0, limit: int = LIMIT) -> None:
        log = list(entries)
        self._limit = limit
        self._kept = (stop - len(log), log)
        self.moments: dict[int, float] = {}
        for user, at in log:
            self._note(user, at)

    @property
    def position(self) -> int:
        """Erasures ever added."""
        first, log = self._kept
        return first + len(log)

    def add(self, user: int, at: float) -> None:
        """A user, by hash, was erased at `at`, epoch seconds."""
        first, log = self._kept
        log.append((user, at))
        self._note(user, at)
        if len(log) > self._limit:
            # A new list, since another thread may be reading the old one.
            gone = len(log) - self._limit + self._limit // 16
            self._kept = (first + gone, log[gone:])
            for forgotten, then in log[:gone]:
                if self.moments.get(forgotten) == then:
                    del self.moments[forgotten]

    def _note(self, user: int, at: float) -> None:
        self.moments[user] = max(at, self.moments.get(user, at))

    def covers(self, user: int, moment: float) -> bool:
        """Whether what this user did at `moment` was erased."""
        return moment < self.moments.get(user, float("-inf"))

    def since(self, start: int, stop: int) -> list[Entry]:
        """What was added from position `start` up to `stop`, as far as it is remembered.

        >>> Erasures([(1, 5.0), (2, 6.0)], stop=9).since(8, 9)
        [(2, 6.0)]
        """
        first, log = self._kept
        return log[max(0, start - first) : max(0, stop - first)]


def user_hash(user_id: str) -> int:
    """The hash by which admission and erasures know a user."""
    return xxh3_64_intdigest(user_id.encode())


__all__ = ["LIMIT", "Entry", "Erasures", "Receipt", "user_hash"]
