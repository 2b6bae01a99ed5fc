"""Keeps a bounded list of erased users and decides whether an event of theirs may still be learned. Stage 1.

The list is a log with positions, as the dedupe window is, so that a version can carry it up to any position while later
batches are already admitted. A version holds 64 bits of a hash of each id, not the id: only somebody who has the id
already can find out whether it is on the list.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import msgspec
from xxhash import xxh3_64_intdigest

from models.structs import Prepared

LIMIT: Final = 100_000
"""Erasures remembered, the latest ones: some 3 MB of a base. Events of users erased before the oldest of them are
learned again when somebody sends them again, or when a model starts at the beginning of the topic. Unless the topic is
kept forever, they left it long before."""

MISDATED: Final = 86_400.0
"""Seconds that an order's time may be ahead of our own clock. Beyond it the sender's clock is wrong, and a user who was
erased in the year 2099 would be refused until then. Less would trust a clock of ours that is a day behind: events from
before the order that are read after it would be learned."""

Entry = tuple[int, float]
"""Hash of the user id, and when it was erased, epoch seconds."""


class Receipt(msgspec.Struct, metaclass=Prepared, frozen=True):
    """What an erasure removed from the model.

    Attributes:
        id: the order's id.
        erased_at: when it was given, as `order_time` says, epoch seconds.
        user_row: rows of the user, 0 or 1.
        interactions: interactions in its history.
        dedupe_entries: its events in the dedupe window.
    """

    id: str
    erased_at: float
    user_row: int = 0
    interactions: int = 0
    dedupe_entries: int = 0


class Erasures:
    """Who was erased, and when. One thread adds; others may read entries before a position that they know.

    Args:
        entries: the last erasures of an earlier life.
        stop: position after the last of them.
        limit: erasures remembered.

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
        """Number of erasures ever added."""
        first, log = self._kept
        return first + len(log)

    def add(self, user: int, at: float) -> None:
        """Adds a user, by hash, who was erased at `at` (epoch seconds)."""
        first, log = self._kept
        log.append((user, at))
        self._note(user, at)
        if len(log) > self._limit:
            # A new list, because another thread may be reading the old one.
            gone = len(log) - self._limit + self._limit // 16
            self._kept = (first + gone, log[gone:])
            for forgotten, then in log[:gone]:
                if self.moments.get(forgotten) == then:
                    del self.moments[forgotten]

    def _note(self, user: int, at: float) -> None:
        self.moments[user] = max(at, self.moments.get(user, at))

    def covers(self, user: int, moment: float) -> bool:
        """Whether an event of this user at `moment` (epoch seconds) was erased."""
        return moment < self.moments.get(user, float("-inf"))

    def since(self, start: int, stop: int) -> list[Entry]:
        """Returns the entries from position `start` up to `stop`, as far as they are remembered.

        >>> Erasures([(1, 5.0), (2, 6.0)], stop=9).since(8, 9)
        [(2, 6.0)]
        """
        first, log = self._kept
        return log[max(0, start - first) : max(0, stop - first)]


def order_time(record_time: float, now: float) -> float:
    """Returns when an order was given: the time of its record, or `now` when that is far ahead of it (epoch seconds).

    >>> order_time(1_000.0, 5.0), order_time(4_000_000_000.0, 5.0)
    (1000.0, 5.0)
    """
    return record_time if record_time <= now + MISDATED else now


def user_hash(user_id: str) -> int:
    """Returns the hash by which admission and erasures know a user."""
    return xxh3_64_intdigest(user_id.encode())


__all__ = ["LIMIT", "Entry", "Erasures", "Receipt", "order_time", "user_hash"]
