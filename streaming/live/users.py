"""Keeps in Redis the ids of all users who have a history or attributes, to be found by how they begin. Stage 1 to 7.

A sorted set of one score: Redis finds a beginning in it as in a tree. The scripts that write or remove histories and
attributes list users, and take them off, in the same step. What they cannot see is left to `Upkeep`: histories from
before there was a list, and those that ended by their time to live.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from streaming.live import beats, histories, identities
from streaming.store import Argument, Commands, Keyspace

LISTED: Final = "listed"
"""Field of the hash of watermarks that says that all users are listed. It is lost with the list, never without it."""

KEYS_LOOKED_AT: Final = 250
"""Keys of Redis in one look for users who are not listed."""

TOGETHER: Final = 50
"""Users of one script, and of one step over the list: 1 to 2 ms of Redis's single thread, in which nobody else is
answered."""

HURRY: Final = 4
"""Looks of one step while some users are not listed: with a step a second, a million take a quarter of an hour, and 3 %
of Redis. Where all were listed before, a step is one look: it finds what a learner of an older release wrote since."""

ENDED: Final = 0
"""The cursor with which a SCAN begins, and that of one that is through."""


def request(key: Keyspace, beginning: str, after: str | None, limit: int) -> tuple[Argument, ...]:
    r"""The command that reads the first listed ids that begin so, behind `after`, in the order of their bytes.

    For any kind of client; `parse` reads its answer. UTF-8 has no byte 255, so that ends what begins so.

    >>> request(Keyspace("main"), "an", None, 20)
    ('ZRANGEBYLEX', '{sluicegate:main}:users', b'[an', b'(an\xff', 'LIMIT', 0, 20)
    """
    first = b"[" + beginning.encode() if after is None else b"(" + after.encode()
    return "ZRANGEBYLEX", histories.users_key(key), first, b"(" + beginning.encode() + b"\xff", "LIMIT", 0, limit


def parse(answer: Sequence[bytes]) -> list[str]:
    """The ids in the answer to `request`."""
    return [user.decode() for user in answer]


def listed_request(key: Keyspace) -> tuple[str, str, str]:
    """The command that asks whether all users are listed; its answer is nothing where some may be missing."""
    return "HGET", beats.hashes(key)[0], LISTED


def settle(store: Commands, users: Sequence[str]) -> None:
    """List those of some ids that have a history or attributes, and take the others off. Raises StoreUnavailable."""
    for start in range(0, len(users), TOGETHER):
        some = users[start : start + TOGETHER]
        names = [histories.users_key(store.key), identities.attributes(store.key)]
        store.run("users", names + [store.key("h", user) for user in some], some)


class Upkeep:
    """Goes through all histories and attributes once, then through the list over and over, a step at a time.

    Args:
        store: Where users are listed.
    """

    def __init__(self, store: Commands) -> None:
        self._store = store
        self.begin()

    def begin(self) -> None:
        """Begin again: this Redis may be another one, or hold what it held earlier."""
        self._cursor, self._stage, self._after = ENDED, 0, ""
        self._looks = 0

    def step(self) -> None:
        """Look at some more users. Raises StoreUnavailable; the next step then looks at the same ones."""
        if self._stage == len(_SOURCES):
            self._sweep_some()
            return
        if not self._looks:
            self._looks = HURRY if self._store.call(*listed_request(self._store.key)) is None else 1
        for _ in range(self._looks):
            if self._stage < len(_SOURCES):
                self._list_some()

    def _list_some(self) -> None:
        cursor, users = _SOURCES[self._stage](self._store, self._cursor)
        settle(self._store, users)
        self._cursor = cursor
        if cursor != ENDED:
            return
        if self._stage + 1 == len(_SOURCES):
            self._store.call("HSET", beats.hashes(self._store.key)[0], LISTED, 1)
        self._stage += 1

    def _sweep_some(self) -> None:
        users = parse(self._store.call(*request(self._store.key, "", self._after, TOGETHER)))
        settle(self._store, users)
        self._after = users[-1] if len(users) == TOGETHER else ""


def _with_history(store: Commands, cursor: int) -> tuple[int, list[str]]:
    return histories.some_users(store, cursor, KEYS_LOOKED_AT)


def _with_attributes(store: Commands, cursor: int) -> tuple[int, list[str]]:
    after, fields = store.call("HSCAN", identities.attributes(store.key), cursor, "COUNT", TOGETHER)
    return int(after), [field.decode() for field in (fields if isinstance(fields, dict) else fields[::2])]


_SOURCES: Final = (_with_history, _with_attributes)

__all__ = ["Upkeep", "listed_request", "parse", "request", "settle"]
