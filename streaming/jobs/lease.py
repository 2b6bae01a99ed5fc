"""Holds the lease for one command that writes versions, so that no other process writes them meanwhile."""

from __future__ import annotations

import contextlib
import secrets
import time
from collections.abc import Iterator

from streaming.settings import Settings
from streaming.store import Leadership, Store


@contextlib.contextmanager
def lease_of(settings: Settings, command: str, refused: type[Exception], part: str = "") -> Iterator[Leadership]:
    """Hold the lease, renewed until the block ends.

    Args:
        settings: How to reach Redis, and how long a lease lasts.
        command: Part of the holder's name, which Redis shows.
        refused: Raised when another process holds the lease.
        part: Keys below those of the installation, with a lease of their own; "" for the learner's lease.
    """
    with contextlib.closing(Store.for_lease(settings)) as store:
        leases = store.under(part) if part else store
        lease = leases.acquire_lease(f"{command}-{secrets.token_hex(4)}", settings.learner.lease_ttl)
        if lease is None:
            raise refused
        leadership = Leadership(leases, lease, settings.learner.lease_renewal, time.monotonic)
        with contextlib.closing(leadership):
            yield leadership


__all__ = ["lease_of"]
