"""An instance's name in, the right to be the one learner out, and whether it still holds. Stage 5."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import Final

from streaming.store.commands import Commands

LEASE_MARGIN: Final = 0.5
"""Seconds before its end at which a lease counts as over: the clocks of two machines differ in rate."""


@dataclass
class Lease:
    """The right to be the one learner. `renewed_at` is the monotonic moment before the renewal was asked for."""

    instance: str
    token: str
    epoch: int
    ttl: float
    renewed_at: float

    def valid(self, now: float) -> bool:
        """Whether the holder may still apply events at monotonic `now`; nobody else can hold the lease before then."""
        return now - self.renewed_at < self.ttl - LEASE_MARGIN


class LeaseCommands(Commands):
    """The part of the store that says who learns."""

    def acquire_lease(self, instance: str, ttl: float, above: int = 0) -> Lease | None:
        """The lease, when it is free or was held under the same instance name; None otherwise.

        above: the last epoch this process had; a Redis that forgot it in a failover is told again.
        """
        token, asked = f"{instance}:{secrets.token_hex(8)}", self.clock()
        keys = [self.key(name) for name in ("lease", "epoch", "owner", "head")]
        epoch = int(self.run("acquire", keys, [token, instance, round(ttl * 1000), above]))
        return Lease(instance, token, epoch, ttl, asked) if epoch else None

    def renew(self, lease: Lease) -> bool:
        """Whether the lease is still ours, for another ttl from now."""
        asked = self.clock()
        keys = [self.key(name) for name in ("lease", "epoch", "owner")]
        if not self.run("renew", keys, [lease.token, lease.epoch, round(lease.ttl * 1000)]):
            return False
        lease.renewed_at = asked
        return True

    def release(self, lease: Lease) -> None:
        """Give the lease back; nothing happens when it is not ours any more."""
        self.run("release", [self.key("lease")], [lease.token])
