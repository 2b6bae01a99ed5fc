"""In: a user id. Out: what the user did last, or that it cannot be had now, which costs one request its budget."""

from __future__ import annotations

import asyncio
import time
from typing import Final

from service.breaker import Breaker
from service.recommending import NOBODY, History
from service.telemetry import Telemetry
from streaming.histories import parse, request
from streaming.store import QuickStore, StoreUnavailable

BUDGET: Final = 0.05
"""Seconds a request waits for the history. An answer for anybody, now, is worth more than a personal one late."""


class Histories:
    """Reads histories; after a failure it does not ask again for a while, so that only one request pays for it."""

    def __init__(self, store: QuickStore, telemetry: Telemetry, budget: float = BUDGET) -> None:
        self._store = store
        self._telemetry = telemetry
        self._budget = budget
        self._breaker = Breaker()

    @property
    def available(self) -> bool:
        """Whether the last read worked."""
        return not self._breaker.is_open

    async def get(self, user_id: str) -> tuple[History, bool]:
        """(history, whether it could be read). An unknown user has an empty one."""
        started = time.monotonic()
        if not self._breaker.allows(started):
            return NOBODY, False
        try:
            answer = await asyncio.wait_for(self._store.call(*request(self._store.key, user_id)), self._budget)
        except (StoreUnavailable, TimeoutError):
            self._breaker.failed(time.monotonic())
            self._telemetry.history_failures.inc()
            return NOBODY, False
        self._breaker.succeeded()
        self._telemetry.history_read.observe(time.monotonic() - started)
        found = parse(answer)
        return History(found.items, found.times, found.kinds), True


__all__ = ["BUDGET", "Histories"]
