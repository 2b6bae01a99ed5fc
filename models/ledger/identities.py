"""Joins ids of one person: an anonymous id in, and the user that it stands for out. Stage 1.

Orders to identify come through topic `control`, so which ids are joined follows from that topic alone, whatever the
order in which the partitions of events are read. The list is a log with positions, as that of the erased users is, so
that a version can carry it up to any position while later batches are already admitted.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Collection, Container, Iterable, Sequence
from typing import Final

import msgspec

from models.ledger.erasures import user_hash
from models.structs import Prepared

LIMIT: Final = 200_000
"""Joins remembered, the latest ones: some 20 MB of a base and 60 MB of memory when ids are UUIDs. The anonymous id of a
forgotten join is a stranger's again; what it did before stays with the user."""

PER_USER: Final = 256
"""Ids that may be joined with one user. An erasure removes all of them in one script of Redis, about 2 ms with so many;
a person who opens a fresh browser each day needs eight months for them."""

SLACK: Final = 1 << 14
"""Further entries that can still be read: how far joins may run ahead of a version."""

JOIN_OUTCOMES: Final = ("joined", "repeated", "cycle", "taken", "erased", "full")
"""What became of an order to identify. Closed: metric labels are made from it."""


class Join(msgspec.Struct, metaclass=Prepared, frozen=True, gc=False):
    """An id, and the user that it was joined with. Both are empty once one of them was erased."""

    anonymous: str
    user: str


FORGOTTEN: Final = Join("", "")


class Joined(msgspec.Struct, metaclass=Prepared, frozen=True):
    """What an order to identify does.

    Attributes:
        outcome: one of JOIN_OUTCOMES; ids are joined by `joined` and `repeated` alone.
        user: the user to whom the ids belong now.
        ids: the ids that move to this user: the anonymous one, and those that were joined with it.
        forgotten: ids whose joins were too old to be kept any longer.
    """

    outcome: str
    user: str = ""
    ids: tuple[str, ...] = ()
    forgotten: tuple[str, ...] = ()


class Identities:
    """Which ids stand for which user. One thread joins and erases; another may read entries up to its own position.

    Args:
        entries: the last joins of an earlier life, oldest first.
        stop: position after the last of them.
        limit: joins remembered.
        per_user: ids that may be joined with one user.

    >>> identities = Identities()
    >>> identities.join("visitor-7", "ann").outcome, identities.join("ann", "ann@shop").outcome
    ('joined', 'joined')
    >>> identities.resolve("visitor-7"), identities.ids("visitor-7")
    ('ann@shop', ('ann@shop', 'ann', 'visitor-7'))
    >>> identities.join("ann@shop", "visitor-7").outcome, identities.join("visitor-7", "bob").outcome
    ('cycle', 'taken')
    """

    def __init__(
        self, entries: Iterable[Join] = (), stop: int = 0, limit: int = LIMIT, per_user: int = PER_USER
    ) -> None:
        log = list(entries)[-limit:]
        self._limit, self._per_user = limit, per_user
        self._kept = (stop - len(log), log)
        self._keeping = threading.Lock()
        self._users: dict[str, str] = {}
        self._ids: dict[str, dict[str, int]] = {}  # by user: each joined id and the position of its entry
        self._due: deque[tuple[int, list[int]]] = deque()
        for position, join in enumerate(log, self._kept[0]):
            if join.anonymous:
                self._move(join.anonymous, self.resolve(join.user), position)

    def __len__(self) -> int:
        return len(self._users)

    @property
    def position(self) -> int:
        """Number of joins ever made."""
        first, log = self._kept
        return first + len(log)

    def resolve(self, user_id: str) -> str:
        """Returns the user that an id stands for; the id itself when it is not joined with another one."""
        return self._users.get(user_id, user_id)

    def joined_among(self, user_ids: Iterable[str]) -> bool:
        """Whether one of these ids is joined with another one."""
        return bool(self._users) and not self._users.keys().isdisjoint(user_ids)

    def ids(self, user_id: str) -> tuple[str, ...]:
        """Returns all ids of the person: the user first, then those that are joined with it."""
        user = self.resolve(user_id)
        return user, *self._ids.get(user, ())

    def join(self, anonymous: str, user_id: str, erased: Container[int] = ()) -> Joined:
        """Joins an id, and those joined with it already, with a user; or says why not.

        An id belongs to one user: it is never moved to another one, so that a browser that two people share does not
        make one person of them.

        Args:
            anonymous: the id that the user was known by, an anonymous one or an earlier one.
            user_id: the user.
            erased: hashes of erased ids. Those are never joined: that would bring back what was erased.
        """
        user, owner = self.resolve(user_id), self.resolve(anonymous)
        if any(user_hash(each) in erased for each in {anonymous, user_id, user}):
            return Joined("erased")
        if owner == user:
            # Told again, its data are moved again: a Redis that lost them gets them back this way.
            return Joined("repeated", user, (anonymous,)) if anonymous != user else Joined("cycle")
        if owner != anonymous:
            return Joined("taken")
        moved = self.ids(anonymous)
        if len(self._ids.get(user, ())) + len(moved) > self._per_user:
            return Joined("full")
        self._move(anonymous, user, self.position)
        return Joined("joined", user, moved, self._add(Join(anonymous, user)))

    def _move(self, anonymous: str, user: str, position: int) -> None:
        moved = {anonymous: position, **self._ids.pop(anonymous, {})}
        self._ids.setdefault(user, {}).update(moved)
        self._users.update(dict.fromkeys(moved, user))

    def _add(self, join: Join) -> tuple[str, ...]:
        """Adds an entry; the ids whose joins are no longer among the latest `limit`."""
        with self._keeping:
            first, log = self._kept
            log.append(join)
            oldest = len(log) - 1 - self._limit
            leaving, position = log[max(0, oldest)], first + oldest
            if oldest > SLACK:
                self._kept = (first + SLACK // 2, log[SLACK // 2 :])
        if oldest < 0 or not self._holds(leaving, position):
            return ()
        self._drop(leaving.anonymous, self._users[leaving.anonymous])
        return (leaving.anonymous,)

    def _holds(self, join: Join, position: int) -> bool:
        """Whether the entry at a position is in force: neither too old nor of an erased user."""
        return self._ids.get(self._users.get(join.anonymous, ""), {}).get(join.anonymous) == position

    def _drop(self, anonymous: str, user: str) -> None:
        del self._users[anonymous], self._ids[user][anonymous]
        if not self._ids[user]:
            del self._ids[user]

    def erase(self, user_id: str, erasures: int) -> tuple[str, ...]:
        """Forgets a person, by any id; returns all ids, the user first.

        Args:
            user_id: any of the person's ids.
            erasures: position of the list of erased users once this person is on it. Versions up to before it still
                carry the joins.
        """
        user, *others = self.ids(user_id)
        if others:
            self._due.append((erasures, [self._ids[user][anonymous] for anonymous in others]))
            for anonymous in others:
                self._drop(anonymous, user)
        return user, *others

    def since(self, start: int, stop: int, erasures: int) -> list[Join]:
        """Returns the joins from position `start` up to `stop`, as far as they are remembered, for a version.

        Args:
            start: position of the version before; 0 for a version that carries everything.
            stop: position of the version.
            erasures: its position in the list of erased users. Joins of those are forgotten here, for good.
        """
        with self._keeping:
            first, log = self._kept
            while self._due and self._due[0][0] <= erasures:
                for position in self._due.popleft()[1]:
                    if position >= first:
                        log[position - first] = FORGOTTEN
            return log[max(0, start - first, stop - self._limit - first) : max(0, stop - first)]

    def copy(self) -> Identities:
        """Returns a copy for another thread, with the joins up to now."""
        with self._keeping:
            first, log = self._kept[0], list(self._kept[1])
        kept = [join if self._holds(join, position) else FORGOTTEN for position, join in enumerate(log, first)]
        return Identities(kept, first + len(kept), self._limit, self._per_user)


def without_erased(joins: Sequence[Sequence[Join]], erased: Sequence[Collection[int]]) -> list[Join]:
    """Puts the joins of a chain of versions together, without those of users who were erased later in the chain.

    Args:
        joins: the joins that each version carries, a base first.
        erased: the hashes of the users erased in each of these versions.

    >>> without_erased([[Join("v1", "ann"), Join("v2", "bob")], []], [set(), {user_hash("v1"), user_hash("ann")}])
    [Join(anonymous='', user=''), Join(anonymous='v2', user='bob')]
    """
    last: dict[int, int] = {}
    for number, users in enumerate(erased):
        last.update(dict.fromkeys(users, number))
    return [
        FORGOTTEN if last and last.get(user_hash(join.anonymous), -1) >= number else join
        for number, carried in enumerate(joins)
        for join in carried
    ]


__all__ = ["JOIN_OUTCOMES", "LIMIT", "PER_USER", "Identities", "Join", "Joined", "without_erased"]
