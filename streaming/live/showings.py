"""Keeps in Redis which slates each user was shown and what the user saw of them, for some hours. Stage 1 and 7.

The learner writes it from topic `slates`; services read it for requests that rotate. The key holds a hash of the user
id: an erasure leaves the time up to which no slate is taken, and that must not name the user.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import Final, TypeAlias

import msgspec

from models.ledger import user_hash
from models.records import SlateRecord
from models.slate import HALF_LIFE, ITEMS_PER_USER, Showing, impression, page
from streaming.store import Commands, Keyspace, StoreUnavailable

log = logging.getLogger(__name__)

TTL_SECONDS: Final = int(3 * HALF_LIFE)
"""Seconds that a user's list stays after the last slate, which counts an eighth by then. Older ones are not written."""

MARGIN: Final = 60
"""Seconds after an erasure in which slates are not kept either; the clocks of services may differ by less than that."""

TOGETHER: Final = 100
"""Slates of one script, about 0.5 ms of Redis's single thread: readers may wait that long while they are read back."""

PAUSE: Final = 2.0
"""Seconds without an attempt after a failure; showings that come meanwhile are dropped."""

UserShowing: TypeAlias = tuple[str, Showing]
"""A user id, and what the user was shown or saw."""

_pack: Final = msgspec.msgpack.Encoder().encode
_unpack: Final = msgspec.msgpack.Decoder(tuple[float, list[Showing]]).decode


def name(key: Keyspace, user_id: str) -> str:
    """The key of a user's list.

    >>> name(Keyspace("main"), "ann")
    '{sluicegate:main}:shown:482c89484cbd62c8'
    """
    return key("shown", f"{user_hash(user_id):016x}")


def request(key: Keyspace, user_id: str) -> tuple[str, str]:
    """The command that reads a user's list, for any kind of client; `parse` reads its answer."""
    return "GET", name(key, user_id)


def parse(answer: bytes | None) -> list[Showing]:
    """What the user was shown recently, oldest first, from the answer to `request`.

    >>> parse(_pack((0, [("5f", 9.0, ["tea"], [0])])))
    [Showing(request_id='5f', time=9.0, items=['tea'], seen=[0.0])]
    """
    return [] if answer is None else _unpack(answer)[1]


def write(
    store: Commands, reported: Sequence[UserShowing], *, places: int = ITEMS_PER_USER, ttl: int = TTL_SECONDS
) -> None:
    """Add to the lists of users. Sending a showing again has no further effect.

    Args:
        store: Where lists are kept.
        reported: Users and their showings, in any order.
        places: Items kept of a user.
        ttl: Seconds that a list stays.

    Raises:
        StoreUnavailable: Redis did not take it, or only a part.
    """
    for start in range(0, len(reported), TOGETHER):
        part: dict[str, list[Showing]] = {}
        for user, showing in reported[start : start + TOGETHER]:
            part.setdefault(name(store.key, user), []).append(showing)
        store.run("shown", list(part), [places, ttl, _pack(list(part.values()))])


class ShowingsWriter:
    """Collects the showings of one round of reading, and writes them. What Redis does not take is dropped.

    Args:
        store: Where lists are kept.
        dropped: Called with the number of showings that were dropped.
        now: Epoch seconds.
        monotonic: Monotonic seconds.
    """

    def __init__(
        self,
        store: Commands,
        dropped: Callable[[float], object],
        now: Callable[[], float],
        monotonic: Callable[[], float],
    ) -> None:
        self._store, self._dropped, self._now, self._monotonic = store, dropped, now, monotonic
        self._waiting: list[UserShowing] = []
        self._next_attempt = float("-inf")
        self._last_message = ""

    def page(self, slate: SlateRecord) -> None:
        """Note a slate that was shown; nothing when it was shown to an unknown user."""
        if slate.user_id is not None:
            self._add(slate.user_id, page(slate.request_id, slate.items, slate.timestamp), slate.timestamp)

    def seen(self, user_id: str, request_id: str, item: str, then: float) -> None:
        """Note an impression: an item of a slate was seen at `then`, epoch seconds."""
        self._add(user_id, impression(request_id, item, then), then)

    def _add(self, user_id: str, showing: Showing, then: float) -> None:
        if then > self._now() - TTL_SECONDS:
            self._waiting.append((user_id, showing))

    def flush(self) -> None:
        """Write what was collected, or drop it."""
        waiting, self._waiting = self._waiting, []
        if not waiting:
            return
        if self._monotonic() < self._next_attempt:
            self._dropped(len(waiting))
            return
        try:
            write(self._store, waiting)
        except StoreUnavailable as error:
            self._next_attempt = self._monotonic() + PAUSE
            self._dropped(len(waiting))
            if str(error) != self._last_message:
                self._last_message = str(error)
                log.warning("slates shown to users are not kept in Redis: %s", error)
        else:
            self._last_message = ""
