"""Reads the history of a user from Redis within a budget of time, or says that it cannot be read now."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine, Sequence
from functools import partial
from typing import Any, Final, NamedTuple, TypeAlias

import msgspec

from models.records import Attributes
from models.slate import Showing
from service.http import NOBODY, History
from service.runtime import Breaker, logs
from service.runtime.telemetry import Telemetry
from streaming.live import attributes, identities, ordered, parse, request, users, whole_parse, whole_request
from streaming.live import showings as shown
from streaming.store import Argument, Keyspace, QuickStore, StoreUnavailable

BUDGET: Final = 0.05
"""Seconds a request waits for the history. A general answer now is worth more than a personal one late."""

LATE_IN_A_ROW: Final = 3
"""Reads in a row that run out of time before reads pause. One late read happens on a busy machine."""
SLICES: Final = 5
"""Parts of the budget. A part whose timer fired late does not count: then this process was busy, not Redis."""
LATE: Final = 0.003
"""Most seconds by which a timer of an idle event loop is late."""
MOST_SLICES: Final = 25
"""Parts after which a read is given up, however busy this process is."""
CONNECTION_TIMEOUT: Final = 1.0
"""Seconds after which a silent connection is given up. It is longer than the budget: an abandoned read continues in the
background, because cutting it off would cost its connection, and a new one costs more than the wait."""


LOOKS: Final = 5
"""Most looks at the list of users in one search. Each passes over those whose history has ended since."""


_More: TypeAlias = tuple[bool, bool]
"""Whether showings are wanted, and whether attributes."""


class UserPast(NamedTuple):
    """What Redis has of a user."""

    user_id: str
    """The user that the id stands for: the id itself, unless it is joined with another one."""
    history: History = NOBODY
    """Empty for an unknown user."""
    shown: list[Showing] = []  # noqa: RUF012
    """Recent showings, when they were asked for."""
    attributes: Attributes | None = None
    """The user's attributes, when they were asked for; None for none."""
    read: bool = True
    """Whether everything could be read."""


class FoundUsers(NamedTuple):
    """Users whose id begins as asked, in the order of their ids."""

    users: list[tuple[str, float | None]]
    """Each with the time of the newest event, None for one who has attributes alone."""
    more: bool
    """Whether further ones may begin so."""
    whole: bool
    """Whether all users are listed yet."""


class Histories:
    """Reads histories. After failures it pauses, so that few requests pay for them."""

    def __init__(self, store: QuickStore, telemetry: Telemetry, budget: float = BUDGET) -> None:
        self._store = store
        self._telemetry = telemetry
        self._budget = budget
        self._breaker = Breaker(LATE_IN_A_ROW)
        self._abandoned: set[asyncio.Task[Any]] = set()
        self._beat = 0
        self._behind = False
        self._unnoted_until = float("-inf")

    @property
    def available(self) -> bool:
        """Whether reads are tried at the moment."""
        return not self._breaker.is_open

    async def past(
        self, user_id: str, *, with_shown: bool = False, with_attributes: bool = False, patience: int = 1
    ) -> UserPast:
        """Read what a user did and, if wanted, was shown, and the attributes.

        One round trip, or two for an id that is joined. `patience`: how many times the budget of a page it may take.
        """
        more = with_shown, with_attributes
        found = await self._past(user_id, more, patience)
        if found.user_id == user_id:
            return found
        return (await self._past(found.user_id, more, patience))._replace(user_id=found.user_id)

    async def _past(self, user_id: str, more: _More, patience: int = 1) -> UserPast:
        key, known = self._store.key, self._beat
        commands: list[Sequence[Argument]] = [request(key, user_id), whole_request(key)]
        commands += [identities.request(key, user_id), *_requests(key, user_id, more)]
        read = await self._read(lambda: self._store.calls(commands), patience)
        if read is None or not self._whole(read[1], known):
            return UserPast(user_id, read=False)
        user = identities.parse(read[2])
        return UserPast(user_id if user is None else user, _history(read[0]))._replace(**_told(read[3:], more))

    async def pasts(
        self, user_ids: Sequence[str], *, with_shown: bool = False, with_attributes: bool = False
    ) -> list[UserPast]:
        """The same for many users, in one round trip, or two when some of the ids are joined."""
        more = with_shown, with_attributes
        found = await self._pasts(user_ids, more)
        joined = [at for at, past in enumerate(found) if past.user_id != user_ids[at]]
        if joined:
            again = await self._pasts([found[at].user_id for at in joined], more)
            for at, past in zip(joined, again, strict=True):
                found[at] = past._replace(user_id=found[at].user_id)
        return found

    async def _pasts(self, user_ids: Sequence[str], more: _More) -> list[UserPast]:
        key, known = self._store.key, self._beat
        commands: list[Sequence[Argument]] = [whole_request(key)]
        each = 2 + sum(more)
        for user_id in user_ids:
            commands += [request(key, user_id), identities.request(key, user_id), *_requests(key, user_id, more)]
        read = await self._read(lambda: self._store.calls(commands))
        if read is None:
            # One key that is not as it should be fails them all. While Redis is away, reads pause: this costs nothing.
            return [await self._past(user_id, more) for user_id in user_ids]
        if not self._whole(read[0], known):
            return [UserPast(user_id, read=False) for user_id in user_ids]
        found = []
        for at, user_id in enumerate(user_ids):
            history, identity, *others = read[1 + at * each : 1 + (at + 1) * each]
            user = identities.parse(identity)
            past = UserPast(user_id if user is None else user, _history(history))
            found.append(past._replace(**_told(others, more)))
        return found

    async def search(self, beginning: str, limit: int, patience: int = 1) -> FoundUsers | None:
        """At most `limit` users whose id begins so; None when Redis cannot say now.

        One whose history has just ended may be listed still, and is passed over. In two round trips as a rule, in
        2 * LOOKS at most.
        """
        key, known = self._store.key, self._beat
        found: list[tuple[str, float | None]] = []
        after: str | None = None
        whole = True
        for _ in range(LOOKS):
            commands = [whole_request(key), users.listed_request(key), users.request(key, beginning, after, limit + 1)]
            read = await self._read(partial(self._store.calls, commands), patience)
            if read is None or not self._whole(read[0], known):
                return None
            whole, ids = read[1] is not None, users.parse(read[2])
            if not ids:
                return FoundUsers(found, False, whole)
            each = [ask for user in ids for ask in (request(key, user, 1), attributes.request(key, user))]
            told = await self._read(partial(self._store.calls, each), patience)
            if told is None:
                return None
            found += [
                (user, parse(newest).times[0] if newest else None)
                for user, newest, described in zip(ids, told[::2], told[1::2], strict=True)
                if newest or described is not None
            ]
            if len(found) > limit or len(ids) <= limit:
                return FoundUsers(found[:limit], len(found) > limit, whole)
            after = ids[-1]
        return FoundUsers(found, True, whole)

    async def joined(self, anonymous_id: str, user_id: str) -> bool:
        """Whether Redis has both ids as one user's; not when it cannot say."""
        key, known = self._store.key, self._beat
        commands = [identities.request(key, each) for each in (anonymous_id, user_id)]
        read = await self._read(lambda: self._store.calls([*commands, whole_request(key)]))
        if read is None or not self._whole(read[2], known):
            return False
        user, other = map(identities.parse, read[:2])
        return user is not None and user == (user_id if other is None else other)

    async def in_force(self, user_id: str, wanted: Attributes | None) -> bool:
        """Whether Redis has these attributes of a user, and no order is on its way that may change them."""
        if time.monotonic() < self._unnoted_until:
            return False
        past = await self.past(user_id, with_attributes=True)
        if not past.read or _comparable(past.attributes) != _comparable(wanted):
            return False
        commands = [ordered.request(self._store.key, each) for each in (user_id, past.user_id)]
        notes = await self._read(lambda: self._store.calls(commands))
        return notes is not None and not any(notes)

    async def note_order(self, *user_ids: str) -> None:
        """Note that an order about these users is sent next, for this service and all others.

        Where that fails, the order is sent without; then nothing counts as in force here for as long as a note stays.
        """
        key = self._store.key
        owners = await self._read(lambda: self._store.calls([identities.request(key, each) for each in user_ids]))
        noted = None
        if owners is not None:
            joined = (owner for answer in owners if (owner := identities.parse(answer)) is not None)
            commands = [ordered.note(key, each) for each in dict.fromkeys([*user_ids, *joined])]
            noted = await self._read(lambda: self._store.calls(commands))
        if noted is None:
            if time.monotonic() >= self._unnoted_until:
                logs.warn("an order was not noted in Redis: attributes that are in force are written again for now")
            self._unnoted_until = time.monotonic() + ordered.KEPT

    def _whole(self, answer: Sequence[bytes | None], known: int) -> bool:
        """Whether Redis holds at least what it held before: an older one has histories of users erased since.

        `known` is the beat that was known when the question was asked. Answers to questions that were under way
        together come in any order, so one of them may well be below the newest beat.
        """
        beat, repairing = whole_parse(answer)
        behind = repairing or beat < known
        if not behind:
            self._beat = max(self._beat, beat)
        elif not self._behind:
            logs.warn("Redis went back or was emptied: no histories until the learner has repaired it")
        self._behind = behind
        return not behind

    async def _read(self, ask: Callable[[], Coroutine[Any, Any, Any]], patience: int = 1) -> Any:
        """The answer of Redis; None when there is none in time: `patience` budgets."""
        started = time.monotonic()
        if not self._breaker.allows(started):
            return None
        task = asyncio.ensure_future(ask())
        try:
            answer = await self._within_budget(task, patience)
        except (StoreUnavailable, TimeoutError) as error:
            if not isinstance(error, StoreUnavailable) or error.kind != "other":  # "other" is about this user's key
                self._breaker.failed(time.monotonic(), certainly=isinstance(error, StoreUnavailable))
            self._telemetry.history_failures.inc()
            return None
        self._breaker.succeeded()
        self._telemetry.history_read.observe(time.monotonic() - started)
        return answer

    async def _within_budget(self, task: asyncio.Task[Any], patience: int) -> Any:
        waited, part = 0, self._budget / SLICES
        for _ in range(patience * MOST_SLICES):
            started = time.monotonic()
            done, _ = await asyncio.wait((task,), timeout=part)
            if done:
                return task.result()
            waited += time.monotonic() - started - part < LATE
            if waited >= patience * SLICES:
                break
        self._abandon(task)
        raise TimeoutError

    def _abandon(self, task: asyncio.Task[Any]) -> None:
        self._abandoned.add(task)
        task.add_done_callback(self._forget)

    def _forget(self, task: asyncio.Task[Any]) -> None:
        self._abandoned.discard(task)
        if not task.cancelled():
            # Read, so that asyncio does not report a failure that was counted already.
            task.exception()


def _requests(key: Keyspace, user_id: str, more: _More) -> list[Sequence[Argument]]:
    """The commands that read what is wanted besides the history; `_told` reads their answers."""
    with_shown, with_attributes = more
    commands: list[Sequence[Argument]] = [shown.request(key, user_id)] if with_shown else []
    return [*commands, attributes.request(key, user_id)] if with_attributes else commands


def _told(answers: Sequence[Any], more: _More) -> dict[str, Any]:
    """Fields of a `UserPast` from the answers to `_requests`."""
    with_shown, with_attributes = more
    found: dict[str, Any] = {"shown": shown.parse(answers[0])} if with_shown else {}
    return {**found, "attributes": attributes.parse(answers[-1])} if with_attributes else found


def _comparable(found: Attributes | None) -> bytes:
    """Attributes by name: JSON in which 1 and true differ."""
    return msgspec.json.encode(found.values() if found is not None else {}, order="sorted")


def _history(answer: Sequence[bytes]) -> History:
    found = parse(answer)
    return History(found.items, found.times, found.kinds)


__all__ = ["BUDGET", "CONNECTION_TIMEOUT", "Histories"]
