"""Pages that users were shown and what they saw of them in, one short list a user in Redis out. Stage 7, and 1.

Written by the learner from topic `slates`, read by services for requests that rotate. The key holds a hash of the user
id, so that what an erasure leaves behind for some hours, the moment up to which no page is taken, names nobody.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import Final

import msgspec

from models.ledger import user_hash
from models.records import SlateRecord
from models.slate import HALF_LIFE, ITEMS_PER_USER, Showing, impression, page
from streaming.store import Commands, Keyspace, StoreUnavailable

log = logging.getLogger(__name__)

TTL_SECONDS: Final = int(3 * HALF_LIFE)
"""How long a user's list stays after the last page: that page counts an eighth by then. Older ones are not written."""

MARGIN: Final = 60
"""Seconds after an erasure whose pages are not kept here either: by more the clocks of services must not differ."""

TOGETHER: Final = 100
"""Pages of one script, some 0.5 ms of Redis's one thread: what a reader may have to wait while pages are read back."""

PAUSE: Final = 2.0
"""Seconds without a try after a failure; what comes meanwhile is dropped."""

Told = tuple[str, Showing]
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
    """The one command that reads a user's list, for a client of any kind; `parse` reads its answer."""
    return "GET", name(key, user_id)


def parse(answer: bytes | None) -> list[Showing]:
    """What the user was shown lately, oldest first, in the answer to `request`.

    >>> parse(_pack((0, [("5f", 9.0, ["tea"], [0])])))
    [Showing(request_id='5f', time=9.0, items=['tea'], seen=[0.0])]
    """
    return [] if answer is None else _unpack(answer)[1]


def write(store: Commands, told: Sequence[Told], *, places: int = ITEMS_PER_USER, ttl: int = TTL_SECONDS) -> None:
    """Add to the users' lists; with the effect of once, however often it is sent. Raises StoreUnavailable."""
    for start in range(0, len(told), TOGETHER):
        part: dict[str, list[Showing]] = {}
        for user, showing in told[start : start + TOGETHER]:
            part.setdefault(name(store.key, user), []).append(showing)
        store.run("shown", list(part), [places, ttl, _pack(list(part.values()))])


class ShowingsWriter:
    """Collects what a round of reading told, and writes it. What Redis does not take is dropped and counted.

    dropped: called with how many pages and impressions. now: epoch seconds; monotonic: seconds.
    """

    def __init__(
        self,
        store: Commands,
        dropped: Callable[[float], object],
        now: Callable[[], float],
        monotonic: Callable[[], float],
    ) -> None:
        self._store, self._dropped, self._now, self._monotonic = store, dropped, now, monotonic
        self._told: list[Told] = []
        self._again = float("-inf")
        self._said = ""

    def page(self, slate: SlateRecord) -> None:
        """A page was shown; to nobody who is known, then nothing is remembered."""
        if slate.user_id is not None:
            self._add(slate.user_id, page(slate.request_id, slate.items, slate.timestamp), slate.timestamp)

    def seen(self, user_id: str, request_id: str, item: str, then: float) -> None:
        """An impression told that an item of a page was seen, at `then`, epoch seconds."""
        self._add(user_id, impression(request_id, item, then), then)

    def _add(self, user_id: str, showing: Showing, then: float) -> None:
        if then > self._now() - TTL_SECONDS:
            self._told.append((user_id, showing))

    def flush(self) -> None:
        """Write what was collected, or drop it."""
        told, self._told = self._told, []
        if not told:
            return
        if self._monotonic() < self._again:
            self._dropped(len(told))
            return
        try:
            write(self._store, told)
        except StoreUnavailable as error:
            self._again = self._monotonic() + PAUSE
            self._dropped(len(told))
            if str(error) != self._said:
                self._said = str(error)
                log.warning("what users are shown is not remembered in Redis: %s", error)
        else:
            self._said = ""


__all__ = ["MARGIN", "TTL_SECONDS", "ShowingsWriter", "Told", "name", "parse", "request", "write"]
