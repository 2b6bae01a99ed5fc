"""A circuit breaker: after failures, calls to a part stop for a while."""

from __future__ import annotations

from typing import Final

REST: Final = 0.25
REST_LIMIT: Final = 5.0
"""Seconds of rest after the first failure, doubled by each further one up to the limit. A request that meets a broken
Redis waits for its timeout; during the rest no request does."""


class Breaker:
    """Closed: call. Open, after `patience` failures in a row: do not call until the rest is over; then one call tries.

    >>> breaker = Breaker(patience=1)
    >>> breaker.failed(10.0)
    >>> breaker.allows(10.1), breaker.allows(10.3), breaker.allows(10.3)
    (False, True, False)
    >>> breaker.succeeded()
    >>> breaker.allows(10.3)
    True
    """

    def __init__(self, patience: int = 1) -> None:
        self._patience = patience
        self._failures = 0
        self._until = 0.0

    @property
    def is_open(self) -> bool:
        """Whether the breaker holds calls back."""
        return self._failures >= self._patience

    def allows(self, now: float) -> bool:
        """Whether to call; `now` is monotonic seconds. An open breaker lets one caller through at a time."""
        if not self.is_open:
            return True
        if now < self._until:
            return False
        self._until = now + REST_LIMIT
        return True

    def failed(self, now: float, *, certainly: bool = True) -> None:
        """Note a failed call.

        Args:
            now: Monotonic seconds.
            certainly: Whether the next call would fail as well. False: the call was only late, which may pass.
        """
        self._failures = max(self._failures + 1, self._patience if certainly else 0)
        self._until = now + min(REST * 2.0 ** max(0, self._failures - self._patience), REST_LIMIT)

    def succeeded(self) -> None:
        """Note a call that worked."""
        self._failures = 0


__all__ = ["Breaker"]
