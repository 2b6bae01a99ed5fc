"""A token bucket for each caller: says whether a request may go on, or how long to wait."""

from __future__ import annotations

from collections import OrderedDict
from typing import Final

CALLERS: Final = 10_000
"""Callers remembered at once, the idlest forgotten first, so that a flood of addresses does not fill memory."""


class RateLimit:
    """A bucket per caller with `rate` tokens per second, of which at most `burst` are saved. A rate of 0 is no limit.

    >>> buckets = RateLimit(rate=10.0, burst=2.0)
    >>> [buckets.take("ann", 1.0, now) for now in (0.0, 0.0, 0.0, 0.1)]
    [0.0, 0.0, 0.1, 0.0]
    """

    def __init__(self, rate: float, burst: float | None = None) -> None:
        self.rate = rate
        self.burst = max(1.0, burst if burst is not None else rate)
        self._levels: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, caller: str, tokens: float, now: float) -> float:
        """Take tokens from a caller's bucket.

        Args:
            caller: Whose bucket.
            tokens: How many to take.
            now: Monotonic seconds.

        Returns:
            0 when there were enough, otherwise the seconds until there will be; then none are taken.
        """
        if self.rate <= 0:
            return 0.0
        level, since = self._levels.get(caller, (self.burst, now))
        level = min(self.burst, level + (now - since) * self.rate)
        # A request larger than the bucket passes on a full one and leaves a debt; otherwise it could never pass.
        enough = level >= min(tokens, self.burst)
        self._levels[caller] = (level - tokens if enough else level, now)
        self._levels.move_to_end(caller)
        if len(self._levels) > CALLERS:
            self._levels.popitem(last=False)
        return 0.0 if enough else round((min(tokens, self.burst) - level) / self.rate, 6)


__all__ = ["RateLimit"]
