"""The lease: the right to be the one learner. Stage 5."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import Final

from streaming.store.commands import Commands

LEASE_MARGIN: Final = 0.5
"""Seconds before its end at which a lease counts as expired: the clocks of two machines differ in rate."""


@dataclass
class Lease:
    """The right to be the one learner.

    Attributes:
        instance: Name of the learner.
        token: The name and a random part, which tells this holder from an earlier one of the same name.
        epoch: Grows with each holder; a commit of an older epoch is refused.
        ttl: Seconds that the lease lives without renewal.
        renewed_at: Monotonic seconds just before the last renewal was sent.
    """

    instance: str
    token: str
    epoch: int
    ttl: float
    renewed_at: float

    def valid(self, now: float) -> bool:
        """Whether the holder may apply events at monotonic `now`: until then no other learner can hold the lease."""
        return now - self.renewed_at < self.ttl - LEASE_MARGIN


class LeaseCommands(Commands):
    """The part of the store that decides which process learns."""

    def acquire_lease(self, instance: str, ttl: float, above: int = 0) -> Lease | None:
        """Acquire the lease, when it is free or was held under the same instance name.

        Args:
            instance: Name of this learner.
            ttl: Seconds that the lease lives without renewal.
            above: The last epoch that this process had, for a Redis that lost it in a failover.

        Returns:
            The lease, or None while another instance holds it.
        """
        token, asked = f"{instance}:{secrets.token_hex(8)}", self.clock()
        keys = [self.key(name) for name in ("lease", "epoch", "owner", "head")]
        epoch = int(self.run("acquire", keys, [token, instance, round(ttl * 1000), above]))
        return Lease(instance, token, epoch, ttl, asked) if epoch else None

    def renew(self, lease: Lease) -> bool:
        """Renew the lease for another `ttl`; whether it is still ours."""
        asked = self.clock()
        keys = [self.key(name) for name in ("lease", "epoch", "owner")]
        if not self.run("renew", keys, [lease.token, lease.epoch, round(lease.ttl * 1000)]):
            return False
        lease.renewed_at = asked
        return True

    def release(self, lease: Lease) -> None:
        """Give the lease back. Nothing happens when it is no longer ours."""
        self.run("release", [self.key("lease")], [lease.token])
