"""Waits for the lease, holds it, and tells whether this process is still the one learner.

The commit script checks the lease, so nothing is committed without it. Leadership keeps a learner that was paused from
working in vain. A learner whose Redis is away continues: no other learner can take the lease there either.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from streaming.store.errors import StoreUnavailable
from streaming.store.leases import Lease
from streaming.store.store import Store

log = logging.getLogger(__name__)


class Leadership:
    """Renews the lease from a thread of its own, until `close` or until another learner has it.

    Args:
        store: Connection for lease commands, which are short and not retried.
        lease: The lease as acquired.
        renewal: Seconds between two renewals.
        clock: Monotonic seconds.
    """

    def __init__(self, store: Store, lease: Lease, renewal: float, clock: Callable[[], float]) -> None:
        self._store, self._renewal, self._clock = store, renewal, clock
        self.lease = lease
        self._lost = False
        self._away = False
        self._asking = threading.Lock()
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name="lease", daemon=True)
        self._thread.start()

    def held(self) -> bool:
        """Whether we may apply events now. Asks Redis only when the lease may have expired, as after a long pause."""
        if self._lost:
            return False
        return self._away or self.lease.valid(self._clock()) or self._renewed()

    def lose(self) -> None:
        """Note that a commit was refused because another learner holds the lease."""
        self._lost = True

    def _run(self) -> None:
        while not self._closing.wait(self._renewal):
            self._renewed()

    def _renewed(self) -> bool:
        with self._asking:
            try:
                if not self._lost and not self._store.renew(self.lease):
                    self._lost = True
                    log.error("the lease is no longer ours (epoch %d): another learner took over", self.lease.epoch)
                if self._away:
                    log.info("Redis answers again")
                self._away = False
            except StoreUnavailable as error:
                if not self._away:
                    log.warning("the lease can't be renewed, learning continues in memory: %s", error)
                self._away = True
        return not self._lost

    def close(self) -> None:
        """Stop renewing and give the lease back, so that a standby need not wait until it expires."""
        self._closing.set()
        self._thread.join()
        if self._lost:
            return
        try:
            self._store.release(self.lease)
        except StoreUnavailable as error:
            log.warning("could not give the lease back, it expires in %.0f s: %s", self.lease.ttl, error)


def stand_by(store: Store, instance: str, ttl: float, stop: threading.Event, above: int) -> Lease | None:
    """Wait until the lease is ours.

    Args:
        store: Connection for lease commands.
        instance: Name of this learner; a lease under the same name is taken over at once.
        ttl: Seconds that the lease lives without renewal.
        stop: Ends the wait.
        above: The last epoch that this process had.

    Returns:
        The lease, or None when asked to stop first.
    """
    last_message = ""
    while not stop.is_set():
        try:
            lease = store.acquire_lease(instance, ttl, above)
            if lease is not None:
                return lease
            message = "standing by: another learner holds the lease"
        except StoreUnavailable as error:
            message = f"standing by: {error}"
        if message != last_message:
            log.info(message)
            last_message = message
        stop.wait(ttl / 8)
    return None
