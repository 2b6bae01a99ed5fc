"""Follows the log of completed erasures and removes those users from this replica's memory.

The memory is bounded, and holds what users were shown recently. Histories are not in it: they are read from Redis for
each request, so that no version can bring one back.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterable
from typing import Final

from models.ledger import user_hash
from models.slate import Showings
from models.statistics import Reservoir
from service.ingest import EventPublisher
from service.runtime import cancel_and_wait, logs
from streaming.store import QuickStore, StoreUnavailable

PERIOD: Final = 1.0
"""Seconds between reads."""
TOGETHER: Final = 1_000
"""Most erasures of one read."""


class ErasureFollower:
    """Follows the erasures in Redis. For one event loop, the one that uses the showings."""

    def __init__(self, store: QuickStore, showings: Showings, intake: EventPublisher, reservoir: Reservoir) -> None:
        self._store, self._showings, self._intake, self._reservoir = store, showings, intake, reservoir
        self._last = ""
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Start to follow; called on the event loop."""
        self._task = asyncio.create_task(self._run(), name="erasures")

    async def stop(self) -> None:
        """End the task."""
        await cancel_and_wait(self._task)

    def forget(self, users: Iterable[str]) -> None:
        """Forget these users."""
        users = set(users)
        self._reservoir.erase({user_hash(user) for user in users})
        for user in users:
            self._showings.forget(user)
        for impressions in self._intake.all_impressions:  # each once, however many users: this is the event loop
            for entry in [each for each in list(impressions) if each[0] in users]:
                with contextlib.suppress(ValueError):  # newer impressions have just pushed it out
                    impressions.remove(entry)

    async def _run(self) -> None:
        while True:
            try:
                # While Redis is silent nothing is lost: the stream keeps the last ten thousand erasures.
                with contextlib.suppress(StoreUnavailable):
                    await self.look()
            except Exception:
                # A defect here must not end the task: every later erasure depends on it.
                logs.fault("reading erasures failed")
            await asyncio.sleep(PERIOD)

    async def look(self) -> None:
        """Carry out the erasures since the last read. The first read only finds where the log ends.

        A service that has just started remembers nobody, so it need not read older erasures.

        Raises:
            StoreUnavailable: Redis does not answer.
        """
        stream = self._store.key("erased")
        if not self._last:
            newest = await self._store.call("XREVRANGE", stream, "+", "-", "COUNT", 1)
            self._last = newest[0][0].decode() if newest else "0-0"
            return
        found = await self._store.call("XRANGE", stream, f"({self._last}", "+", "COUNT", TOGETHER)
        if found:
            erased = {_hash(fields) for _, fields in found}
            self.forget([user for user in self._known() if user_hash(user) in erased])
            self._reservoir.erase(erased)
            self._last = found[-1][0].decode()

    def _known(self) -> set[str]:
        waiting = (user for impressions in self._intake.all_impressions for user, _ in list(impressions))
        return {*self._showings.users(), *waiting}


def _hash(fields: object) -> int:
    known = fields if isinstance(fields, dict) else dict(zip(fields[::2], fields[1::2], strict=True))  # type: ignore[index]
    return int(known[b"u"])


__all__ = ["ErasureFollower"]
