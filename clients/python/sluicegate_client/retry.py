"""Says how long to wait before a request is sent again."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Retry:
    """How often, and how patiently, a request is repeated.

    Attributes:
        attempts: times a request is sent at most; 1 for no repetition.
        first: seconds before the second attempt at most; it doubles with each further one.
        longest: seconds between two attempts at most, unless the service asks for more.
        patience: seconds of waiting, all together, after which a call gives up.
    """

    attempts: int = 4
    first: float = 0.1
    longest: float = 30.0
    patience: float = 5.0

    def delay(self, failures: int, random: Callable[[], float], asked: float | None = None) -> float:
        """Seconds to wait after so many failures.

        Any moment up to the bound is as likely ("full jitter", M. Brooker, 2015), so that clients which failed together
        do not return together. A service that names a time (Retry-After) is not asked earlier.

        Args:
            failures: Attempts that failed, 1 or more.
            random: Gives numbers between 0 and 1.
            asked: Seconds that the service asked for; None where it did not.

        >>> Retry(first=0.5).delay(3, lambda: 0.5), Retry().delay(1, lambda: 0.5, asked=2.0)
        (1.0, 2.5)
        """
        if asked is not None:
            return asked + random()
        return float(min(self.longest, self.first * 2 ** min(failures - 1, 30)) * random())


RETRY: Final = Retry()
