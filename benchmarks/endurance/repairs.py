"""Notes when the learner says in Redis that it writes again what Redis lost: services serve no histories meanwhile."""

from __future__ import annotations

import threading
import time
from typing import Final, NamedTuple

from streaming.live import beats
from streaming.settings import Settings
from streaming.store import Store, StoreUnavailable

EVERY: Final = 0.1
MARGIN: Final = 1.0
"""Seconds before and after a repair that belong to it: a service learns from its next read that one began or ended."""


class Repair(NamedTuple):
    """First and last moment (epoch seconds) at which a repair was noted."""

    since: float
    until: float

    def lasts(self, moment: float) -> bool:
        """Whether a request that began at a moment met it.

        >>> Repair(100.0, 106.0).lasts(106.5), Repair(100.0, 106.0).lasts(108.0)
        (True, False)
        """
        return self.since - MARGIN <= moment <= self.until + MARGIN


class Repairs(threading.Thread):
    """Looks until `finish`."""

    def __init__(self, settings: Settings) -> None:
        super().__init__(name="repairs", daemon=True)
        self._store = Store.for_service(settings)
        self._over = threading.Event()
        self._error: BaseException | None = None
        self.found: list[Repair] = []

    def run(self) -> None:
        """The thread."""
        going_on = False
        try:
            while not self._over.wait(EVERY):
                going_on = self._look(going_on)
        except BaseException as error:  # raised again by `finish`
            self._error = error

    def _look(self, going_on: bool) -> bool:
        try:
            repairing = beats.look(self._store).repair is not None
        except StoreUnavailable:
            return going_on  # nobody can tell; what fails meanwhile fails while Redis is away
        if repairing:
            now = time.time()
            if going_on:
                self.found[-1] = self.found[-1]._replace(until=now)
            else:
                self.found.append(Repair(now, now))
        return repairing

    def finish(self) -> None:
        """Look no more. Raises what ended the thread before its time."""
        self._over.set()
        self.join()
        self._store.close()
        if self._error is not None:
            raise self._error
